//! The commit path: through the binlog, where there is one, into the redo log.

use compute::{Group, RowChanges, Upcall, Upcalls};
use node::DiskResult;

use super::Engine;
use crate::checkpoint::Checkpoint;
use crate::error::CoupledError;
use crate::ids::{BlockSeq, LogKind};
use crate::io::{Io, Kind};
use crate::planted::Bug;

/// What a new checkpoint would free of the binlog.
pub(super) struct FreedBinlog {
    /// The checkpoint.
    pub(super) checkpoint: Checkpoint,
    /// The bytes.
    pub(super) bytes: u64,
    /// Whether they are worth a superblock of their own.
    pub(super) is_worth: bool,
}

impl Engine {
    /// Takes a group into the log and its pages into the dirty table.
    pub fn append(&mut self, io: &mut Io<'_>, group: Group, changes: &RowChanges) {
        for page in group.pages() {
            self.dirty.changed(page, group.first(), group.last());
        }
        self.probe.groups += 1;
        match &mut self.binlog {
            None => {
                self.appender.append(group.first(), group.last(), &[group.bytes()]);
                self.write_log(io);
            }
            Some(binlog) => {
                binlog.append(group, changes);
                self.write_binlog(io);
            }
        }
        self.arm_timer(io);
    }

    fn write_log(&mut self, io: &mut Io<'_>) {
        while let Some(write) = self.appender.next_write() {
            self.probe.log_writes += 1;
            io.write_log(Kind::Log, LogKind::Redo, write, !self.config.planted.is(Bug::AckBeforePersist));
        }
    }

    fn write_binlog(&mut self, io: &mut Io<'_>) {
        while let Some(write) = self.binlog.as_mut().and_then(|binlog| binlog.next_write()) {
            self.probe.binlog_writes += 1;
            io.write_log(Kind::Binlog, LogKind::Binlog, write, true);
        }
    }

    /// A block of redo is durable.
    pub(super) fn log_written(
        &mut self,
        io: &mut Io<'_>,
        up: &mut Upcalls,
        sequence: BlockSeq,
        result: DiskResult,
    ) -> Result<(), CoupledError> {
        result.map_err(CoupledError::device("a log write"))?;
        if self.appender.completed(sequence) {
            let received = self.config.planted.is(Bug::CommitOnReceipt);
            up.push(Upcall::Durable(if received { self.appender.appended() } else { self.appender.durable() }));
            if std::mem::take(&mut self.crowded) {
                up.push(Upcall::Admits);
            }
        }
        self.write_log(io);
        Ok(())
    }

    /// A block of the binlog is durable: the redo of its commits may follow.
    pub(super) fn binlog_written(
        &mut self,
        io: &mut Io<'_>,
        sequence: BlockSeq,
        result: DiskResult,
    ) -> Result<(), CoupledError> {
        result.map_err(CoupledError::device("a binlog write"))?;
        let binlog = self.binlog.as_mut().expect("only a binlog's blocks complete as such");
        binlog.completed(sequence);
        while let Some(group) = binlog.next_durable() {
            self.appender.append(group.first(), group.last(), &[group.bytes()]);
        }
        self.write_log(io);
        self.write_binlog(io);
        Ok(())
    }

    pub(super) fn freed_binlog(&self) -> FreedBinlog {
        let (Some(binlog), Some(layout)) = (&self.binlog, self.superblock.geometry.binlog) else {
            return FreedBinlog { checkpoint: self.superblock.binlog, bytes: 0, is_worth: false };
        };
        let checkpoint = binlog.checkpoint();
        let bytes = checkpoint.position.0 - self.superblock.binlog.position.0;
        FreedBinlog { checkpoint, bytes, is_worth: bytes >= layout.capacity_bytes() / 16 }
    }

    /// Log of either kind behind which no checkpoint stands yet.
    pub(super) fn since_checkpoint_bytes(&self) -> u64 {
        let binlog = self.binlog.as_ref().map_or(0, |binlog| binlog.since_checkpoint_bytes());
        self.appender.since_checkpoint_bytes() + binlog
    }
}
