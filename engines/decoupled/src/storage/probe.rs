//! What the harness may look at: white-box checks and deferred work.

use compute::Lsn;

use super::server::Server;
use crate::message::Standing;
use crate::{Epoch, Incarnation, PgId, TruncationTable};

/// One segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentProbe {
    /// Which group.
    pub pg: PgId,
    /// Complete to here.
    pub scl: Lsn,
    /// Complete to here with records that the start found and are not durable again yet, if that is more than the SCL.
    pub doubt: Lsn,
    /// Records at or below this are in the pages only.
    pub base: Lsn,
    /// The highest SCL acknowledged.
    pub claim: Lsn,
    /// No read comes below this.
    pub pgmrpl: Lsn,
    /// What its silence means.
    pub standing: Standing,
    /// Records held.
    pub records: usize,
    /// Records that came after a later one.
    pub holes_filled: u64,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageProbe {
    /// How often it was started.
    pub incarnation: Incarnation,
    /// The highest epoch promised.
    pub promised: Epoch,
    /// The epoch served, if any is.
    pub serving: Option<Epoch>,
    /// The highest VDL known.
    pub vdl: Lsn,
    /// What it takes for void.
    pub table: TruncationTable,
    /// The segments, by group.
    pub segments: Vec<SegmentProbe>,
    /// Bytes of live log blocks.
    pub log_bytes: u64,
    /// Whether its disk has no space for the log: appends are not taken, reads are served.
    pub is_full: bool,
    /// Records taken since the start.
    pub records: u64,
    /// Records that were there already.
    pub duplicates: u64,
    /// Records that were void.
    pub annulled: u64,
    /// Appends dropped because too much waited for the disk.
    pub throttled: u64,
    /// Messages that could not be read.
    pub refused: u64,
    /// Records that are in no page slot.
    pub uncoalesced: u64,
    /// Pages in slots.
    pub pages: u64,
    /// Pages written to slots since the start.
    pub coalesced: u64,
    /// Slots and log blocks found damaged.
    pub damaged: u64,
    /// Records that came from peers.
    pub gossiped: u64,
    /// Bytes sent to peers.
    pub gossip_bytes: u64,
    /// Pages that came from peers.
    pub pages_repaired: u64,
    /// Segments rebuilt.
    pub rebuilt: u64,
    /// Segments that fell behind every peer's log.
    pub left_behind: u64,
    /// How often a segment was told to keep versions older than the VDL for a read under way, and had such versions: without the
    /// read it would have let go of them.
    pub views_kept: u64,
}

impl Server {
    pub(super) fn probe(&self) -> StorageProbe {
        let segment = |segment: &super::segment::Segment| SegmentProbe {
            pg: segment.pg,
            scl: segment.scl(),
            doubt: segment.doubt(),
            base: segment.base(),
            claim: segment.claim,
            pgmrpl: segment.pgmrpl,
            standing: segment.standing(),
            records: segment.count(),
            holes_filled: segment.holes_filled(),
        };
        StorageProbe {
            incarnation: self.incarnation,
            promised: self.fence.promised(),
            serving: self.fence.serving(),
            vdl: self.vdl,
            table: self.table.clone(),
            segments: self.segments.values().map(segment).collect(),
            log_bytes: self.log.live_bytes(),
            is_full: self.log.is_full(),
            records: self.counters.records,
            duplicates: self.counters.duplicates,
            annulled: self.counters.annulled,
            throttled: self.counters.throttled,
            refused: self.counters.refused,
            uncoalesced: self.segments.values().map(|segment| segment.uncoalesced() as u64).sum(),
            pages: self.pages.count() as u64,
            coalesced: self.counters.coalesced,
            damaged: self.counters.damaged,
            gossiped: self.counters.gossiped,
            gossip_bytes: self.counters.gossip_bytes,
            pages_repaired: self.counters.pages_repaired,
            rebuilt: self.counters.rebuilt,
            left_behind: self.counters.left_behind,
            views_kept: self.counters.views_kept,
        }
    }
}
