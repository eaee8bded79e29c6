//! Writes the end of the log that was found, and may not be durable, once more behind it.

use compute::Lsn;
use node::DiskResult;

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::CoupledError;
use crate::ids::{BlockSeq, LogKind};
use crate::io::{Io, Kind};
use crate::wal::{Appender, AppenderConfig, Redo};

/// The copy being written.
#[derive(Clone, Debug)]
pub struct Repeat {
    appender: Appender,
}

impl Repeat {
    /// Starts writing `records`, complete groups, at `head`, in the incarnation that it names. The log is in use from
    /// `from` on.
    ///
    /// # Errors
    ///
    /// [`CoupledError::Refused`] when the ring has no room for them, which a log that this engine wrote always has.
    pub fn start(
        io: &mut Io<'_>,
        config: &Config,
        head: Checkpoint,
        from: Checkpoint,
        records: &[Redo],
    ) -> Result<Repeat, CoupledError> {
        let appender_config = AppenderConfig::of(&config.log);
        let payload_bytes = records.iter().map(|record| record.bytes.len()).sum();
        let used = head.position.0 - from.position.0;
        if used + appender_config.repeat_bytes(payload_bytes) > appender_config.layout.capacity_bytes() {
            return Err(CoupledError::Refused(format!(
                "the log has no room to write its newest {payload_bytes} bytes once more before they are relied on; \
                 restore from a copy"
            )));
        }
        let mut appender = Appender::new(appender_config, config.log_id(LogKind::Redo), head);
        for group in records.chunk_by(|record, _| !record.cpl) {
            let (first, last) = (group[0].lsn, group[group.len() - 1].lsn);
            let parts: Vec<&[u8]> = group.iter().map(|record| &record.bytes[..]).collect();
            appender.append(first, last, &parts);
        }
        let mut repeat = Repeat { appender };
        repeat.write(io);
        Ok(repeat)
    }

    fn write(&mut self, io: &mut Io<'_>) {
        while let Some(write) = self.appender.next_write() {
            io.write_log(Kind::Log, LogKind::Redo, write, true);
        }
    }

    /// A write is done. Gives the end of the log when all of it is durable.
    pub fn completed(
        &mut self,
        io: &mut Io<'_>,
        detail: u64,
        result: DiskResult,
    ) -> Result<Option<Checkpoint>, CoupledError> {
        result.map_err(CoupledError::device("writing the log's end once more"))?;
        self.appender.completed(BlockSeq(detail));
        self.write(io);
        let done = self.appender.writes_in_flight() == 0;
        Ok(done.then(|| self.appender.checkpoint_at(Lsn(u64::MAX))))
    }
}
