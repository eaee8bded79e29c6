//! From start to service: carries out what [`recovery`](super::recovery) decides.

use compute::{Context, Lsn, Opened, Upcall};
use node::{IoClass, Nanos};

use super::config::WriterConfig;
use super::group::Group;
use super::members::Part;
use super::progress::Progress;
use super::recovery::evidence::{Contradiction, Evidence};
use super::recovery::promises::{Assessment, Promise, Start, assess};
use super::recovery::{Plan, walk::Walk};
use super::{Stage, VolumeDriver, ask_period};
use crate::message::{InventoryEntry, ToStorage};
use crate::planted::Bug;
use crate::quorum::WRITE_QUORUM;
use crate::{Epoch, Incarnation, MemberIndex, PgId, Register, TruncationTable};

/// The largest LSN allocation limit any writer may be configured with; truncation reaches this far above the VDL, so that it
/// annuls whatever an earlier writer gave out, whatever its limit was (P17, section 4.2.1: 10 million).
pub const LAL_RECORDS_MAX: u64 = 10_000_000;
/// Unanswered questions after which a holder is taken for lost and recovery goes back to collecting promises.
const ATTEMPTS_MAX: u32 = 8;
/// Periods of asking for which recovery waits, while it settles, for a segment that has what it found.
const SETTLING_PERIODS: u64 = 32;

impl VolumeDriver {
    /// Puts the question that each node is at, when its time has come.
    pub(super) fn ask_members(&mut self, cx: &mut Context<'_>) {
        for member in MemberIndex::all() {
            self.ask_member(cx, member);
        }
    }

    fn ask_member(&mut self, cx: &mut Context<'_>, member: MemberIndex) {
        if self.members.get(member).ask_at > cx.now {
            return;
        }
        let (volume, epoch) = (self.config.volume, self.epoch);
        let message = match self.members.get(member).part {
            Part::Unknown => ToStorage::Prepare { volume, epoch, table: self.table.clone() },
            Part::Promised => match &self.stage {
                Stage::Promising | Stage::Walking(_) => return,
                Stage::Settling(plan) | Stage::Forming(plan) | Stage::Open(plan) => {
                    let register = self.register.unwrap_or(plan.register);
                    let (table, vdl, upto, ends) = (plan.table.clone(), plan.vdl, plan.upto, plan.ends.clone());
                    ToStorage::Truncate { volume, epoch, table, vdl, upto, register, ends }
                }
            },
            Part::Holds => return,
        };
        self.members.get_mut(member).ask_at = cx.now + ask_period(&self.config);
        self.send(cx, member, &message, IoClass::Recovery);
    }

    pub(super) fn on_promise(&mut self, cx: &mut Context<'_>, member: MemberIndex, promise: Promise) {
        if self.members.get(member).part != Part::Unknown || !self.take_table(cx, member, &promise) {
            return;
        }
        let known = self.members.get_mut(member);
        known.part = Part::Promised;
        known.incarnation = promise.incarnation;
        known.ask_at = Nanos::ZERO;
        known.promise = Some(promise);
        match self.stage {
            Stage::Promising => self.assess(cx),
            Stage::Walking(_) => {}
            Stage::Settling(_) | Stage::Forming(_) | Stage::Open(_) => self.ask_member(cx, member),
        }
    }

    /// While promises are collected, all of them must hold the newest truncation table among them: a node that was away
    /// during a recovery counts records that it annulled. Gives whether this promise holds it. Later on a newer table
    /// can only be that of a recovery that never opened, and the truncation replaces it.
    fn take_table(&mut self, cx: &mut Context<'_>, member: MemberIndex, promise: &Promise) -> bool {
        if !matches!(self.stage, Stage::Promising) || promise.table == self.table {
            return true;
        }
        if !promise.table.is_newer_than(&self.table) {
            self.members.get_mut(member).ask_at = Nanos::ZERO;
            self.ask_member(cx, member);
            return false;
        }
        self.table = promise.table.clone();
        for other in MemberIndex::all().filter(|&other| other != member) {
            let known = self.members.get_mut(other);
            (known.part, known.promise, known.ask_at) = (Part::Unknown, None, Nanos::ZERO);
            self.ask_member(cx, other);
        }
        true
    }

    fn assess(&mut self, cx: &mut Context<'_>) {
        match assess(&self.members.promises(), self.config.planted) {
            Assessment::Wait(reason) => self.waiting_for = reason,
            Assessment::Absent if self.config.create => self.settle(cx, creation(&self.config, self.epoch)),
            Assessment::Absent => cx.out.halt(format!(
                "no volume {:?} at the storage nodes; create it, or point at the nodes that hold it",
                self.config.volume
            )),
            Assessment::Walk(start) => match self.evidence.missing_from(&start) {
                Some(reason) => self.waiting_for = reason,
                None => self.walk(cx, start),
            },
        }
    }

    fn walk(&mut self, cx: &mut Context<'_>, start: Start) {
        let (found, wanted) = (start.register.geometry, self.config.geometry);
        if found.page_bytes != wanted.page_bytes {
            cx.out.halt(format!(
                "the volume has pages of {} bytes and the configuration says {}; open it with the volume's page size",
                found.page_bytes, wanted.page_bytes
            ));
            return;
        }
        self.stage = Stage::Walking(Walk::new(start));
        self.ask_chains(cx);
        self.end_walk(cx);
    }

    /// Asks for the next part of every chain that is not complete.
    pub(super) fn ask_chains(&mut self, cx: &mut Context<'_>) {
        let Stage::Walking(walk) = &mut self.stage else { return };
        let mut lost = None;
        let mut questions = Vec::new();
        for index in 0..walk.chains.len() {
            let above = walk.above(&walk.chains[index]);
            let chain = &mut walk.chains[index];
            let waiting = chain.asked_at > Nanos::ZERO && chain.asked_at + ask_period(&self.config) > cx.now;
            if chain.complete || waiting {
                continue;
            }
            chain.attempts += 1;
            chain.asked_at = cx.now.max(Nanos(1));
            if chain.attempts > ATTEMPTS_MAX {
                lost = Some(chain.holder);
            }
            questions.push((chain.holder, chain.pg, above));
        }
        if let Some(holder) = lost {
            self.lose_holder(cx, holder);
            return;
        }
        let (volume, epoch) = (self.config.volume, self.epoch);
        for (holder, pg, above) in questions {
            self.send(cx, holder, &ToStorage::Inventory { volume, epoch, pg, above }, IoClass::Recovery);
        }
    }

    /// A segment that recovery counted on stopped answering: go on with the others, if they are enough.
    fn lose_holder(&mut self, cx: &mut Context<'_>, holder: MemberIndex) {
        let known = self.members.get_mut(holder);
        (known.part, known.promise, known.ask_at) = (Part::Unknown, None, cx.now);
        self.stage = Stage::Promising;
        self.assess(cx);
    }

    pub(super) fn on_inventory(
        &mut self,
        cx: &mut Context<'_>,
        member: MemberIndex,
        pg: PgId,
        above: Lsn,
        entries: Vec<InventoryEntry>,
        complete: bool,
    ) {
        let Stage::Walking(walk) = &mut self.stage else { return };
        self.stats.walked += entries.len() as u64;
        if walk.take(member, pg, above, entries, complete) {
            walk.chains[pg.0 as usize].asked_at = Nanos::ZERO;
            self.ask_chains(cx);
            self.end_walk(cx);
        }
    }

    fn end_walk(&mut self, cx: &mut Context<'_>) {
        let Stage::Walking(walk) = &self.stage else { return };
        if !walk.is_complete() {
            return;
        }
        let end = walk.end();
        let register = Register { epoch: self.epoch, version: 1, ..walk.start.register };
        let table = walk.start.table.clone();
        let base = end.vdl.max(table.annulled_upto());
        let plan = Plan { vdl: end.vdl, table, upto: Lsn(base.0 + LAL_RECORDS_MAX), ends: end.ends, register };
        self.settle(cx, plan);
    }

    fn settle(&mut self, cx: &mut Context<'_>, plan: Plan) {
        self.register = Some(plan.register);
        self.groups = plan.ends.iter().map(|&(pg, end)| Group::new(pg, end)).collect();
        self.progress = Progress::new(plan.vdl);
        self.stage = Stage::Settling(plan);
        for member in MemberIndex::all() {
            if self.members.get(member).part == Part::Promised {
                self.members.get_mut(member).ask_at = Nanos::ZERO;
                self.ask_member(cx, member);
            }
        }
        self.set_tick(cx);
    }

    pub(super) fn on_truncated(&mut self, cx: &mut Context<'_>, member: MemberIndex, incarnation: Incarnation) {
        let known = self.members.get_mut(member);
        if known.part != Part::Promised {
            return;
        }
        (known.part, known.incarnation) = (Part::Holds, incarnation.max(known.incarnation));
        self.groups.iter_mut().for_each(|group| group.forget(member));
        self.heartbeat(cx);
        self.ask_growth(cx);
        self.try_open(cx);
    }

    /// Opens once the end is durable at four segments of every group and no earlier writer can believe in a lease.
    pub(super) fn try_open(&mut self, cx: &mut Context<'_>) {
        let Stage::Settling(plan) = &self.stage else { return };
        let plan = plan.clone();
        if self.members.holding() < WRITE_QUORUM {
            self.waiting_for = format!("{} of {WRITE_QUORUM} nodes hold the truncation", self.members.holding());
            return;
        }
        let incomplete = self.incomplete_group(&plan).filter(|_| !self.config.planted.is(Bug::OpensEarly));
        if let Some(pg) = incomplete {
            self.waiting_for = format!("protection group {} to be complete at {WRITE_QUORUM} segments", pg.0);
            self.doubt_plan(cx, &plan);
            return;
        }
        let promises = self.members.promises();
        let lease_over = promises.iter().flatten().map(|promise| promise.lease_over).max().unwrap_or(Nanos::ZERO);
        if cx.now < lease_over {
            self.waiting_for = format!("an earlier writer's lease, {:?} more", lease_over - cx.now);
            return;
        }
        if plan.register.formed {
            self.open(cx, plan);
        } else {
            let formed = Register { formed: true, pg_count: 1, geometry_epoch: 1, ..plan.register };
            self.stage = Stage::Forming(plan);
            self.write_register(cx, formed);
        }
    }

    /// Whoever had the end of a group may have lost it since it promised. Nobody was told of what no other segment has: unless
    /// one turns up that has it, the volume is recovered anew, without it.
    fn doubt_plan(&mut self, cx: &mut Context<'_>, plan: &Plan) {
        let had = |group: &Group| self.members.holders().any(|(member, _)| group.scl(member) >= plan.end(group.pg()));
        if self.groups.iter().all(had) {
            self.doubted_since = None;
            return;
        }
        let since = *self.doubted_since.get_or_insert(cx.now);
        if cx.now.saturating_sub(since) > Nanos(SETTLING_PERIODS * ask_period(&self.config).0) {
            self.start_over(cx, self.epoch, Nanos::ZERO);
        }
    }

    fn incomplete_group(&self, plan: &Plan) -> Option<PgId> {
        let complete = |group: &&Group| {
            let end = plan.end(group.pg());
            self.members.holders().filter(|&(member, _)| group.scl(member) >= end).count() >= WRITE_QUORUM
        };
        self.groups.iter().find(|group| !complete(group)).map(Group::pg)
    }

    pub(super) fn open(&mut self, cx: &mut Context<'_>, plan: Plan) {
        (self.last, self.base) = (plan.vdl, plan.upto);
        let opened = Opened { next: plan.upto.next(), durable: plan.vdl, created: plan.vdl == Lsn::ZERO };
        self.waiting_for.clear();
        self.stage = Stage::Open(plan);
        cx.up.push(Upcall::Opened(opened));
        self.heartbeat(cx);
    }

    /// A node does not hold this epoch. Above it: another writer is there. Below: the node must be brought up again.
    pub(super) fn on_refused(&mut self, cx: &mut Context<'_>, member: MemberIndex, promised: Epoch) {
        if promised <= self.epoch {
            let known = self.members.get_mut(member);
            if known.part == Part::Holds || promised < self.epoch {
                (known.part, known.promise, known.ask_at) = (Part::Unknown, None, cx.now);
                self.groups.iter_mut().for_each(|group| group.forget(member));
                self.set_tick(cx);
            }
            return;
        }
        if self.is_open() {
            cx.out.halt(format!(
                "fenced: storage holds epoch {} and this writer has {}; another writer owns the volume",
                promised.number, self.epoch.number
            ));
            return;
        }
        // Another recovery may have annulled what this one knows of.
        self.evidence = Evidence::default();
        let wait = match self.stats.duels {
            // The first refusal only says which epochs were used before.
            0 => Nanos::ZERO,
            // Waits that grow, so that two recoveries do not chase each other for ever.
            duels => Nanos(self.rng.below(self.config.resend_min.0 << duels.min(5))),
        };
        self.stats.duels += 1;
        self.start_over(cx, promised, wait);
    }

    /// Whether an acknowledgement shows that recovery was misled.
    pub(super) fn contradiction(&self, member: MemberIndex, scls: &[(PgId, Lsn)]) -> Option<Contradiction> {
        let (Stage::Settling(plan) | Stage::Open(plan)) = &self.stage else { return None };
        scls.iter().find_map(|&(pg, scl)| {
            let end = self.groups.get(pg.0 as usize)?.opened_end();
            (end < scl && scl <= plan.vdl).then_some(Contradiction { pg, member, scl, end, vdl: plan.vdl })
        })
    }

    /// Before anything was served the volume is recovered anew, with what was found. Later it is too late for that: reads may
    /// have been answered without it.
    pub(super) fn on_contradiction(&mut self, cx: &mut Context<'_>, found: &Contradiction) {
        if self.is_open() {
            cx.out.halt(format!("known limit: {found}; start again while every storage node can be reached"));
            return;
        }
        self.evidence.note(found);
        self.start_over(cx, self.epoch, Nanos::ZERO);
    }

    /// Tries again above an epoch, after a while.
    fn start_over(&mut self, cx: &mut Context<'_>, above: Epoch, wait: Nanos) {
        self.epoch.number = above.number + 1;
        self.stage = Stage::Promising;
        self.register = None;
        self.groups.clear();
        self.growth = Default::default();
        self.doubted_since = None;
        self.table = TruncationTable::default();
        self.members.reset();
        for member in MemberIndex::all() {
            self.members.get_mut(member).ask_at = cx.now + wait;
        }
        self.ask_members(cx);
        self.set_tick(cx);
    }
}

/// The plan of a volume that does not exist yet: empty, with an unformed register.
fn creation(config: &WriterConfig, epoch: Epoch) -> Plan {
    let register = Register {
        epoch,
        version: 1,
        formed: false,
        geometry: config.geometry,
        geometry_epoch: 0,
        pg_count: 0,
        membership_epoch: 1,
        members: config.members,
    };
    Plan { vdl: Lsn::ZERO, table: TruncationTable::default(), upto: Lsn::ZERO, ends: Vec::new(), register }
}

#[cfg(test)]
mod tests {
    use compute::pool::{Pool, PoolConfig};
    use node::{Effect, Effects};

    use super::*;
    use crate::VolumeId;

    /// A writer at a stage of a volume that recovery found to end at LSN 9, and its one group at LSN 5.
    fn recovered(stage: impl Fn(Plan) -> Stage) -> VolumeDriver {
        let register = Register::sample(1);
        let config = WriterConfig::new(VolumeId(7), register.geometry, register.members, 1);
        let mut driver = VolumeDriver::new(config, 1).expect("a good configuration");
        let (vdl, table, ends) = (Lsn(9), TruncationTable::default(), vec![(PgId(0), Lsn(5))]);
        driver.groups = vec![Group::new(PgId(0), Lsn(5))];
        driver.progress = Progress::new(vdl);
        driver.members.get_mut(MemberIndex(3)).part = Part::Holds;
        driver.stage = stage(Plan { vdl, table, upto: Lsn(100), ends, register });
        driver
    }

    /// Member 3 acknowledges so much of the group; gives why the writer halts, if it does.
    fn acknowledge(driver: &mut VolumeDriver, scl: u64) -> Option<String> {
        let (mut out, mut up) = (Effects::new(), Vec::new());
        let mut pool = Pool::new(PoolConfig { page_bytes: 512, cache_bytes: 4096 });
        let mut cx = Context { now: Nanos(1), out: &mut out, pool: &mut pool, up: &mut up };
        driver.on_ack(&mut cx, MemberIndex(3), Incarnation(1), Nanos::ZERO, &[(PgId(0), Lsn(scl))]);
        out.drain().find_map(|effect| match effect {
            Effect::Halt { reason } => Some(reason),
            _ => None,
        })
    }

    /// A disk that recovery relied on was put back to an older state, and the volume was opened without records that are durable:
    /// reads may have been answered without them, so it is too late to recover anew, and to go on would be to lose them.
    #[test]
    fn an_open_writer_that_was_misled_halts_and_says_by_what() {
        let mut driver = recovered(Stage::Open);
        let why = acknowledge(&mut driver, 7).expect("member 3 has more than recovery found");
        for said in
            ["known limit", "protection group 0", "LSN 5", "member 3", "LSN 7", "VDL 9", "put back to an older state"]
        {
            assert!(why.contains(said), "{said:?} is not in {why:?}");
        }
    }

    #[test]
    fn a_writer_that_is_not_open_yet_recovers_anew_with_what_it_was_told() {
        let mut driver = recovered(Stage::Settling);
        let epoch = driver.epoch;
        assert_eq!(acknowledge(&mut driver, 7), None);
        assert!(matches!(driver.stage, Stage::Promising) && driver.epoch > epoch);
    }

    /// What lies at or below the end is what recovery found, and above the VDL this writer's own records are.
    #[test]
    fn segments_as_recovery_found_them_and_new_records_contradict_nothing() {
        for scl in [0, 4, 5, 10, 101] {
            assert_eq!(acknowledge(&mut recovered(Stage::Open), scl), None, "SCL {scl}");
        }
    }
}
