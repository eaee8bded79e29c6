//! Reading the whole binlog, as an archiver, a replica or a restore does.

use compute::Lsn;

use crate::binlog::BinlogEntry;
use crate::checkpoint::Checkpoint;
use crate::error::CoupledError;
use crate::ids::{LogId, LogKind, VolumeId};
use crate::wal::{BlockHeader, Entry, HEADER_BYTES, Layout, Scan, Tail};

/// The entries that the segment files hold and that count, in order. `segments` are the files' bytes in order of number;
/// `durable` is the database's durable LSN: later entries may still turn out void.
///
/// The result starts with the first group that starts in the oldest segment, which is the database's first as long as the
/// ring has not come around.
///
/// # Errors
///
/// [`CoupledError::LogCorrupt`] when an entry at or below `durable` is missing or damaged.
pub fn read(
    layout: Layout,
    volume: VolumeId,
    segments: &[Vec<u8>],
    durable: Lsn,
) -> Result<Vec<BinlogEntry>, CoupledError> {
    let log = LogId { volume, kind: LogKind::Binlog };
    let starts = segments.iter().zip(0..).filter_map(|(segment, number)| start_of(layout, log, segment, number));
    let Some(start) = starts.min_by_key(|start| start.position) else {
        return if durable == Lsn::ZERO { Ok(Vec::new()) } else { Err(nothing(durable)) };
    };
    let mut scan = Scan::<BinlogEntry>::new(layout, log, start);
    while let Some(position) = scan.wants() {
        let (segment, offset) = layout.locate(position);
        match segments.get(segment as usize).and_then(|bytes| bytes.get(offset as usize..)) {
            Some(bytes) if !bytes.is_empty() => scan.feed(bytes),
            _ => return Err(nothing(durable)),
        }
    }
    match scan.finish(durable, "the database") {
        (Tail::Cut { .. }, mut entries) => {
            entries.truncate(entries.partition_point(|entry| entry.last() <= durable));
            Ok(entries)
        }
        (Tail::Corrupt { lsn, position, witness }, _) => {
            Err(CoupledError::LogCorrupt { log: LogKind::Binlog, lsn, position: position.0, witness })
        }
    }
}

/// A segment starts with a block, so reading can start at any of them.
fn start_of(layout: Layout, log: LogId, segment: &[u8], number: u32) -> Option<Checkpoint> {
    let bytes = segment.get(HEADER_BYTES..).and(Some(segment))?;
    let (header, ..) = BlockHeader::decode(bytes, log).ok()?;
    (layout.locate(header.position) == (number, 0)).then_some(Checkpoint {
        position: header.position,
        sequence: header.sequence,
        previous: header.previous,
        incarnation: header.incarnation,
        before: Lsn::ZERO,
    })
}

fn nothing(durable: Lsn) -> CoupledError {
    let witness = format!("the database knows LSN {durable} as durable");
    CoupledError::LogCorrupt { log: LogKind::Binlog, lsn: Lsn::ZERO.next(), position: 0, witness }
}
