//! Garbage: log that no read, no recovery and no peer needs any more.
//!
//! # Invariants
//!
//! - A record is given up only when it is in a durable slot, at or below the PGMRPL and the persisted VDL, and below every
//!   counting member's SCL; beyond `log_bytes_max` the last condition falls, and a member left behind must be rebuilt.
//! - An extent is used again only after a superblock with the new bases is durable.

use std::collections::{BTreeMap, BTreeSet};

use compute::Lsn;
use node::Effects;

use super::Trouble;
use super::segment::Segment;
use super::server::{After, Server};
use crate::PgId;
use crate::planted::Bug;

impl Server {
    /// Gives up the oldest extents while the log is longer than it should be.
    pub(super) fn collect(&mut self, out: &mut Effects) -> Result<(), Trouble> {
        let live = self.log.live_bytes();
        let target = if self.settling { 0 } else { self.config.log_bytes_target };
        if live <= target || self.freeing {
            return Ok(());
        }
        let forced = live > self.config.log_bytes_max;
        if forced {
            // What an unhydrated segment holds can be had again.
            self.segments.values_mut().filter(|segment| !segment.hydrated).for_each(Segment::clear);
        }
        let (freed, limits) = self.given_up(live, target, forced);
        if freed.is_empty() {
            return Ok(());
        }
        for (pg, limit) in limits {
            if let Some(segment) = self.segments.get_mut(&pg).filter(|segment| limit > segment.base()) {
                segment.collect(limit);
            }
        }
        self.log_floor = self.log.floor_without(&freed);
        self.freeing = true;
        if self.config.planted.is(Bug::ExtentReusedEarly) {
            self.log.free(&freed);
        }
        self.save(After::Free { extents: freed }, out)
    }

    /// The oldest extents that nobody needs, until no more than `target` of `live` bytes are left, and how far the records of the groups
    /// in them may be given up.
    fn given_up(&mut self, live: u64, target: u64, forced: bool) -> (Vec<u32>, BTreeMap<PgId, Lsn>) {
        let vdl = self.durable_vdl();
        let Server { log, segments, peers, config, .. } = self;
        let limit_of = |segment: &mut Segment| {
            let floor = if config.planted.is(Bug::CollectsAbovePgmrpl) { Lsn(u64::MAX) } else { segment.pgmrpl };
            let needed = if forced { Lsn(u64::MAX) } else { peers.least_scl(segment.pg) };
            // Brings the segment's own mark up to date.
            segment.oldest_uncoalesced(segment.pgmrpl.min(vdl), 0, 0);
            segment.last_at_or_below(segment.coalesced().min(floor).min(vdl).min(needed))
        };
        // Most of the time the oldest extent is needed for the first group in it: the others are not looked at.
        let mut known = BTreeMap::new();
        let mut is_given_up = |(pg, top): (&PgId, &Lsn)| {
            let Some(segment) = segments.get_mut(pg) else { return true };
            let limit = *known.entry(*pg).or_insert_with(|| limit_of(segment));
            segment.first_above(limit).is_none_or(|first| first > *top)
        };
        let (mut freed, mut groups, mut left) = (Vec::new(), BTreeSet::new(), live);
        for (no, extent) in log.closed() {
            if left <= target || !extent.tops.iter().all(&mut is_given_up) {
                break;
            }
            left -= log.extent_bytes();
            freed.push(no);
            groups.extend(extent.tops.keys().copied());
        }
        known.retain(|pg, _| groups.contains(pg));
        (freed, known)
    }

    /// The highest VDL that this node has made durable.
    pub(super) fn durable_vdl(&self) -> Lsn {
        self.log.durable_vdl().max(self.keeper.durable_vdl())
    }
}
