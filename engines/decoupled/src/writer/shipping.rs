//! Records out, acknowledgements in.

use compute::{Context, Group as RedoGroup, Lsn, PageId, Upcall};
use node::{IoClass, Nanos};

use super::VolumeDriver;
use super::group::Group;
use super::members::Part;
use crate::ids::pg_of;
use crate::message::{GroupRecords, PgFloor, TO_STORAGE, ToStorage, Wire};
use crate::planted::Bug;
use crate::quorum::{READ_QUORUM, WRITE_QUORUM};
use crate::{Incarnation, MemberIndex, PgId};

/// Floors in one heartbeat message.
const FLOORS_MAX: usize = 4096;
/// Page LSNs kept before the first look for pages that have left memory.
pub(super) const PAGE_LSNS_LEAST: usize = 1024;
/// Batches of one group resent in one go.
const RESENDS_MAX: usize = 16;

/// The usual time from sending to acknowledgement, for the adaptive resend timeout (RFC 6298's estimator).
#[derive(Clone, Debug, Default)]
pub(super) struct RoundTrip {
    mean_ns: u64,
    deviation_ns: u64,
}

impl RoundTrip {
    fn learn(&mut self, seen: Nanos) {
        if self.mean_ns == 0 {
            (self.mean_ns, self.deviation_ns) = (seen.0.max(1), seen.0 / 2);
            return;
        }
        self.deviation_ns = (3 * self.deviation_ns + self.mean_ns.abs_diff(seen.0)) / 4;
        self.mean_ns = (7 * self.mean_ns + seen.0) / 8;
    }

    fn timeout(&self) -> Nanos {
        Nanos(self.mean_ns + 4 * self.deviation_ns)
    }
}

impl VolumeDriver {
    pub(super) fn ship(&mut self, cx: &mut Context<'_>, redo: &RedoGroup) {
        assert!(self.is_open() && redo.first() > self.last, "groups are appended in order to an open volume");
        let pages_per_pg = self.pages_per_pg();
        let mut touched: Vec<PgId> = Vec::with_capacity(4);
        for (lsn, page, record) in redo.records() {
            let pg = pg_of(page, pages_per_pg);
            let prev_page = self.page_lsns.insert(page, lsn).unwrap_or(Lsn::ZERO);
            self.groups[pg.0 as usize].push(lsn, self.last, prev_page, &record);
            self.progress.allocate(lsn, pg);
            self.last = lsn;
            if !touched.contains(&pg) {
                touched.push(pg);
            }
        }
        self.progress.mark_cpl(redo.last());
        self.stats.records += redo.count() as u64;
        let vdl = self.progress.vdl();
        for &pg in &touched {
            let group = &mut self.groups[pg.0 as usize];
            group.mark_cpl(redo.last());
            group.durable_end(vdl);
        }
        self.pump(cx, &touched);
        if self.config.planted.is(Bug::CommitOnReceipt) {
            cx.up.push(Upcall::Durable(redo.last()));
        }
        self.forget_evicted(cx);
    }

    /// The back-pointer to a page's previous record is needed only while the page is in memory: a page that is fetched
    /// again says its LSN itself.
    fn forget_evicted(&mut self, cx: &mut Context<'_>) {
        if self.page_lsns.len() > self.page_lsns_max {
            let pool = &*cx.pool;
            self.page_lsns.retain(|&page, _| pool.peek(page).is_some());
            self.page_lsns_max = 2 * self.page_lsns.len() + PAGE_LSNS_LEAST;
        }
    }

    pub(super) fn learn_page_lsn(&mut self, page: PageId, lsn: Lsn) {
        self.page_lsns.insert(page, lsn);
    }

    /// Sends the open records of groups whose windows allow it, together: what arrives together shares a log block.
    fn pump(&mut self, cx: &mut Context<'_>, pgs: &[PgId]) {
        let wait = self.round_trip.timeout().max(self.config.resend_min).min(self.config.resend_max);
        let (mut sealed, mut bytes) = (Vec::with_capacity(pgs.len()), 0);
        for &pg in pgs {
            let group = &mut self.groups[pg.0 as usize];
            let batch = group.seal(self.config.batches_in_flight, self.config.batch_bytes_max, cx.now, wait);
            let Some(records) = batch.map(|batch| batch.records.clone()) else { continue };
            self.stats.batches += 1;
            if bytes + records.len() > self.config.batch_bytes_max {
                self.ship_batches(cx, std::mem::take(&mut sealed));
                bytes = 0;
            }
            bytes += records.len();
            sealed.push(GroupRecords { floor: self.floor(pg), records });
        }
        self.ship_batches(cx, sealed);
    }

    fn ship_batches(&mut self, cx: &mut Context<'_>, groups: Vec<GroupRecords>) {
        if groups.is_empty() {
            return;
        }
        let frame = self.append_message(cx.now, groups).frame(TO_STORAGE);
        for (_, node) in self.members.holders() {
            cx.out.send(node, frame.clone(), IoClass::LogShipping);
        }
        self.set_tick(cx);
    }

    fn append_message(&self, now: Nanos, groups: Vec<GroupRecords>) -> ToStorage {
        let (volume, epoch, vdl) = (self.config.volume, self.epoch, self.progress.vdl());
        ToStorage::Append { volume, epoch, vdl, sent_at: now, groups }
    }

    /// No read will ask below the oldest read point under way, or below the VDL, which every later read starts from.
    fn floor(&self, pg: PgId) -> PgFloor {
        let vdl = self.progress.vdl();
        let pgmrpl = self.reads.oldest_read_point(pg).map_or(vdl, |oldest| oldest.min(vdl));
        PgFloor { pg, pgmrpl, pgcl: self.groups[pg.0 as usize].pgcl() }
    }

    pub(super) fn on_ack(
        &mut self,
        cx: &mut Context<'_>,
        member: MemberIndex,
        incarnation: Incarnation,
        echo: Nanos,
        scls: &[(PgId, Lsn)],
    ) {
        if self.members.get(member).part != Part::Holds || incarnation < self.members.get(member).incarnation {
            return;
        }
        if incarnation > self.members.get(member).incarnation {
            self.members.get_mut(member).incarnation = incarnation;
            self.groups.iter_mut().for_each(|group| group.forget(member));
        }
        if echo > Nanos::ZERO && echo <= cx.now {
            self.round_trip.learn(cx.now - echo);
            self.lease.renew(member, echo);
            self.on_lease(cx);
        }
        if let Some(found) = self.contradiction(member, scls) {
            self.on_contradiction(cx, &found);
            return;
        }
        let quorum = if self.config.planted.is(Bug::QuorumOfThree) { READ_QUORUM } else { WRITE_QUORUM };
        let mut risen = Vec::with_capacity(scls.len());
        for &(pg, scl) in scls {
            let Some(group) = self.groups.get_mut(pg.0 as usize) else { continue };
            if group.acknowledge(member, scl, quorum) {
                risen.push(pg);
            }
        }
        self.pump(cx, &risen);
        self.advance(cx);
        self.try_open(cx);
    }

    fn advance(&mut self, cx: &mut Context<'_>) {
        let groups = &self.groups;
        if !self.progress.advance(|pg| groups[pg.0 as usize].pgcl()) {
            return;
        }
        cx.up.push(Upcall::Durable(self.progress.vdl()));
        if std::mem::take(&mut self.throttled) {
            cx.up.push(Upcall::Admits);
        }
    }

    /// Sends again what four segments do not have yet, to those that lack it.
    pub(super) fn resend(&mut self, cx: &mut Context<'_>) {
        if !self.is_open() {
            return;
        }
        for index in 0..self.groups.len() {
            let due = self.groups[index].due(cx.now, RESENDS_MAX, self.config.resend_max);
            for (last, records) in due {
                let group = &self.groups[index];
                let groups = vec![GroupRecords { floor: self.floor(group.pg()), records }];
                let frame = self.append_message(cx.now, groups).frame(TO_STORAGE);
                for (_, node) in self.members.holders().filter(|&(member, _)| group.scl(member) < last) {
                    cx.out.send(node, frame.clone(), IoClass::LogShipping);
                    self.stats.resends += 1;
                }
            }
        }
    }

    /// Tells every node that holds the epoch how far the volume is durable and what reads may still ask for; idle groups
    /// learn it only here. Before the volume is open its end is a plan: nodes are asked for their SCLs and told nothing.
    pub(super) fn heartbeat(&mut self, cx: &mut Context<'_>) {
        let vdl = if self.is_open() { self.progress.vdl() } else { Lsn::ZERO };
        let floor = |group: &Group| {
            let unknown = PgFloor { pg: group.pg(), pgmrpl: Lsn::ZERO, pgcl: Lsn::ZERO };
            if self.is_open() { self.floor(group.pg()) } else { unknown }
        };
        let floors: Vec<PgFloor> = self.groups.iter().map(floor).collect();
        for chunk in floors.chunks(FLOORS_MAX) {
            let message = ToStorage::Heartbeat {
                volume: self.config.volume,
                epoch: self.epoch,
                vdl,
                sent_at: cx.now,
                floors: chunk.to_vec(),
            };
            let frame = message.frame(TO_STORAGE);
            for (_, node) in self.members.holders() {
                cx.out.send(node, frame.clone(), IoClass::Control);
            }
        }
    }
}
