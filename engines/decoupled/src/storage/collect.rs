//! Garbage: log that no read, no recovery and no peer needs any more.
//!
//! # Invariants
//!
//! - A record is given up only when it is in a durable slot, at or below the PGMRPL and the persisted VDL, and below every
//!   counting member's SCL; beyond `log_bytes_max` the last condition falls, and a member left behind must be rebuilt.
//! - An extent is used again only after a superblock with the new bases is durable.

use std::collections::BTreeMap;

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
        let limits = self.limits(forced);
        let (mut freed, mut left) = (Vec::new(), live);
        for (no, extent) in self.log.closed() {
            let given_up = |(pg, top): (&PgId, &Lsn)| self.is_given_up(*pg, *top, &limits);
            if left <= target || !extent.tops.iter().all(given_up) {
                break;
            }
            left -= self.log.extent_bytes();
            freed.push((no, extent.tops.clone()));
        }
        if freed.is_empty() {
            return Ok(());
        }
        for (pg, _) in freed.iter().flat_map(|(_, tops)| tops) {
            let Some(segment) = self.segments.get_mut(pg) else { continue };
            let limit = limits.get(pg).copied().unwrap_or_default();
            if limit > segment.base() {
                segment.collect(limit);
            }
        }
        let freed: Vec<u32> = freed.into_iter().map(|(no, _)| no).collect();
        self.log_floor = self.log.floor_without(&freed);
        self.freeing = true;
        if self.config.planted.is(Bug::ExtentReusedEarly) {
            self.log.free(&freed);
        }
        self.save(After::Free { extents: freed }, out)
    }

    /// How far each group's records may be given up.
    fn limits(&mut self, forced: bool) -> BTreeMap<PgId, Lsn> {
        let vdl = self.durable_vdl();
        let mut limits = BTreeMap::new();
        for segment in self.segments.values_mut() {
            // Brings the segment's own mark up to date.
            segment.oldest_uncoalesced(segment.pgmrpl.min(vdl), 0, 0);
            let needed = if forced { Lsn(u64::MAX) } else { self.peers.least_scl(segment.pg) };
            let floor = if self.config.planted.is(Bug::CollectsAbovePgmrpl) { Lsn(u64::MAX) } else { segment.pgmrpl };
            let limit = segment.coalesced().min(floor).min(vdl).min(needed);
            limits.insert(segment.pg, segment.last_at_or_below(limit));
        }
        limits
    }

    fn is_given_up(&self, pg: PgId, top: Lsn, limits: &BTreeMap<PgId, Lsn>) -> bool {
        let (Some(segment), Some(&limit)) = (self.segments.get(&pg), limits.get(&pg)) else { return true };
        segment.first_above(limit).is_none_or(|first| first > top)
    }

    /// The highest VDL that this node has made durable.
    pub(super) fn durable_vdl(&self) -> Lsn {
        self.log.durable_vdl().max(self.keeper.durable_vdl())
    }
}
