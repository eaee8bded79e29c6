//! The compute node: sessions and transactions over a [`Storage`].
//!
//! # Mechanism
//!
//! A request runs a statement in the event that brings it. What it lacks it is *parked* for, and the event that brings it
//! resumes it: a page (`paging`), a lock, room in the log or the volume (`commit`). Statements read
//! the newest committed state under their transaction's own writes and note what they read; writes take their locks at
//! execution. Commit validates, applies and appends in one event, releases the locks as soon as the commit LSN is
//! assigned, and leaves the reply to `replies` until the log is durable that far.
//!
//! Optimistic validation follows Kung and Robinson (TODS 1981, backward validation) by row and gap; the serial
//! phase is the event itself.
//!
//! # Invariants
//!
//! - A transaction's serialization point is one event: at it, everything it read is current.
//! - A transaction that wrote is at the position of its commit LSN. One that did not is at the highest LSN it depends on,
//!   or the durable LSN at its serialization point if that is higher: no commit between that and its serialization
//!   point wrote anything it read, and the position is durable when the reply leaves, so that a log cut by a crash
//!   never gives it to another.
//! - A request is carried out at most once while the node runs, whatever links do to its frame.
//! - Only the oldest parked work keeps pages pinned, so that it can always get all it needs, and be done.
//!
//! # Caveats
//!
//! - A frame that outlives the node, sent before a crash and delivered after the restart, is a new request to the restarted
//!   node. Connections break when a node stops; links must not carry frames across that.
//! - A transaction that has failed validation but does not know it yet may have seen values of different moments in
//!   different statements. Each statement by itself is consistent.

mod commit;
mod execute;
mod layout;
mod paging;
mod replies;
mod requests;
mod scan;
mod session;
mod start;
#[cfg(test)]
mod tests;
mod transactions;

use std::collections::{BTreeMap, VecDeque};

use contract::{REQUEST_KIND, RESPONSE_KIND};
use node::{Digest, Effects, Event, FrameKind, IoClass, Nanos, Node, TimerId, Work};

use crate::locks::LockTable;
use crate::planted::Bug;
use crate::recent::Recent;
use crate::{ComputeConfig, ConfigError, Context, Lsn, Page, PageId, Pool, Roots, Stats, Storage, Upcall, Upcalls};
use execute::Scratch;
pub use layout::Layout;
use replies::{Outgoing, Replies};
use session::{Park, Phase, Sessions, Slot, WorkId};

const IDLE_TIMER: TimerId = TimerId::new(0, 1);
const TURN_TIMER: TimerId = TimerId::new(0, 2);

/// Whether the database is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Recovery runs.
    Recovering,
    /// The first group waits for the storage to reserve its pages.
    Creating,
    /// The first group waits to be durable.
    Created(Lsn),
    /// The catalog is being fetched.
    Opening,
    /// Open.
    Serving,
    /// The node asked to be stopped.
    Halted,
}

/// A compute node over the storage `S`.
#[derive(Clone, Debug)]
pub struct ComputeNode<S> {
    storage: S,
    config: ComputeConfig,
    layout: Layout,
    /// Records and bytes of the group that makes an empty database.
    first_group: (u64, usize),
    state: State,
    now: Nanos,
    pool: Pool,
    roots: Option<Roots>,
    /// The LSN of the next record.
    next: Lsn,
    /// The highest LSN found by recovery: a read may depend on it.
    recovered: Lsn,
    /// The last page the storage has reserved.
    reserved_upto: PageId,
    locks: LockTable,
    recent: Recent,
    sessions: Sessions,
    replies: Replies,
    /// Sessions whose work can go on.
    ready: VecDeque<Slot>,
    /// Who waits for each page on its way.
    fetching: BTreeMap<PageId, Vec<(Slot, WorkId)>>,
    /// Pages that came and found no frame.
    arrived: VecDeque<Page>,
    /// Work that waits or has waited for pages, oldest first, and the pages pinned for the oldest.
    page_work: BTreeMap<WorkId, Slot>,
    pins: (WorkId, Vec<PageId>),
    /// Commits the storage did not admit, in order.
    unadmitted: VecDeque<(Slot, WorkId)>,
    /// Commits that wait for new pages to be reserved.
    unreserved: Vec<(Slot, WorkId, PageId)>,
    /// Commits that wait for frames.
    roomless: Vec<(Slot, WorkId)>,
    /// Scans that let others go first.
    waiting_turn: Vec<(Slot, WorkId)>,
    idle_timer_set: bool,
    last_work: WorkId,
    last_age: u64,
    scratch: Scratch,
    upcalls: Upcalls,
    queued_upcalls: VecDeque<Upcall>,
    leaving: Vec<Outgoing>,
    stats: Stats,
    charged: Charged,
}

/// CPU work declared so far; an event declares the difference.
#[derive(Clone, Copy, Debug, Default)]
struct Charged {
    statements: u64,
    rows: u64,
    descents: u64,
    records: u64,
    bytes: u64,
    messages: u64,
}

impl<S: Storage> ComputeNode<S> {
    /// A node over `storage`, or why the configuration cannot work.
    pub fn new(config: ComputeConfig, storage: S) -> Result<ComputeNode<S>, ConfigError> {
        let layout = Layout::new(&config.schema)?;
        let first_group = config.check(&layout)?;
        Ok(ComputeNode {
            storage,
            pool: Pool::new(config.pool()),
            recent: Recent::new(usize::from(layout.trees()) + 1, config.recent_writes_max),
            layout,
            first_group,
            config,
            state: State::Recovering,
            now: Nanos::ZERO,
            roots: None,
            next: Lsn(1),
            recovered: Lsn::ZERO,
            reserved_upto: PageId(0),
            locks: LockTable::new(),
            sessions: Sessions::default(),
            replies: Replies::default(),
            ready: VecDeque::new(),
            fetching: BTreeMap::new(),
            arrived: VecDeque::new(),
            page_work: BTreeMap::new(),
            pins: (WorkId::default(), Vec::new()),
            unadmitted: VecDeque::new(),
            unreserved: Vec::new(),
            roomless: Vec::new(),
            waiting_turn: Vec::new(),
            idle_timer_set: false,
            last_work: WorkId::default(),
            last_age: 0,
            scratch: Scratch::default(),
            upcalls: Upcalls::new(),
            queued_upcalls: VecDeque::new(),
            leaving: Vec::new(),
            stats: Stats::default(),
            charged: Charged::default(),
        })
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        let pool = self.pool.counts();
        Stats {
            page_hits: pool.hits,
            page_misses: pool.misses,
            evictions: pool.evictions,
            recent_writes: self.recent.len() as u64,
            ..self.stats
        }
    }

    /// Whether requests are served.
    pub fn is_serving(&self) -> bool {
        self.state == State::Serving
    }

    /// Whether nothing is parked, locked, held back or on its way: all clients have their answers.
    pub fn is_idle(&self) -> bool {
        self.replies.len() == 0
            && self.fetching.is_empty()
            && self.arrived.is_empty()
            && self.locks.is_empty()
            && self.sessions.slots().all(|slot| !self.sessions.at(slot).is_open())
    }

    /// The LSN of the next record.
    pub fn next_lsn(&self) -> Lsn {
        self.next
    }

    /// The storage, for probes.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The storage, for those who plant faults in it.
    pub fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    /// The buffer pool, for probes.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The trees' roots once the database is open, for probes.
    pub fn roots(&self) -> Option<&Roots> {
        self.roots.as_ref()
    }

    /// The configuration.
    pub fn config(&self) -> &ComputeConfig {
        &self.config
    }

    /// Calls the storage, and queues what it says.
    fn with_storage<T>(&mut self, out: &mut Effects, call: impl FnOnce(&mut S, &mut Context<'_>) -> T) -> T {
        let mut cx = Context { now: self.now, out, pool: &mut self.pool, up: &mut self.upcalls };
        let result = call(&mut self.storage, &mut cx);
        self.queued_upcalls.extend(self.upcalls.drain(..));
        result
    }

    /// Takes up what the storage said and resumes what can go on, until neither is left.
    fn settle(&mut self, out: &mut Effects) {
        loop {
            if let Some(slot) = self.ready.pop_front() {
                self.resume(slot, out);
            } else if let Some(upcall) = self.queued_upcalls.pop_front() {
                self.on_upcall(upcall, out);
            } else {
                break;
            }
        }
    }

    fn on_upcall(&mut self, upcall: Upcall, out: &mut Effects) {
        match upcall {
            Upcall::Opened(opened) => self.on_opened(opened, out),
            Upcall::Durable(durable) => self.on_durable(durable, out),
            Upcall::Fetched { page, result } => self.on_fetched(page, result, out),
            Upcall::Reserved(page) => self.on_reserved(page, out),
            Upcall::Full => self.on_full(out),
            Upcall::Admits => self.on_admits(out),
            Upcall::Evictable => self.on_room(out),
            Upcall::FencePassed(ticket) => {
                self.replies.on_fence_passed(ticket, &mut self.leaving);
                self.send_leaving(out);
            }
        }
    }

    fn on_durable(&mut self, durable: Lsn, out: &mut Effects) {
        if let State::Created(last) = self.state
            && durable >= last
        {
            self.state = State::Serving;
        }
        let woken = if self.config.planted.is(Bug::LostWakeUp) { Lsn(durable.0 - 1) } else { durable };
        self.replies.on_durable(woken, &mut self.leaving);
        self.send_leaving(out);
        self.recent.prune(durable);
        self.on_room(out);
    }

    /// Runs on what was parked and has what it waited for.
    fn resume(&mut self, slot: Slot, out: &mut Effects) {
        let session = self.sessions.at(slot);
        match (session.park, session.phase) {
            (Park::No, Phase::Executing) => self.execute(slot, out),
            (Park::No, Phase::Committing) => self.commit(slot, out),
            _ => {}
        }
    }

    fn wake(&mut self, slot: Slot) {
        self.sessions.at_mut(slot).park = Park::No;
        self.ready.push_back(slot);
    }

    /// Whether the session still does the work that was parked, for `reason`.
    fn is_parked(&self, slot: Slot, work: WorkId, reason: Park) -> bool {
        let session = self.sessions.at(slot);
        session.work == work && session.park == reason && session.is_open()
    }

    fn on_timer(&mut self, timer: TimerId, out: &mut Effects) {
        if timer == IDLE_TIMER {
            self.drop_idle(out);
        } else if timer == TURN_TIMER {
            for (slot, work) in std::mem::take(&mut self.waiting_turn) {
                if self.is_parked(slot, work, Park::Turn) {
                    self.wake(slot);
                }
            }
        }
    }

    fn halt(&mut self, reason: String, out: &mut Effects) {
        self.state = State::Halted;
        out.halt(reason);
    }

    fn send_leaving(&mut self, out: &mut Effects) {
        let mut leaving = std::mem::take(&mut self.leaving);
        for reply in leaving.drain(..) {
            self.send(reply, out);
        }
        self.leaving = leaving;
    }

    fn send(&mut self, reply: Outgoing, out: &mut Effects) {
        self.charged.bytes += reply.frame.len_bytes() as u64;
        let session = self.sessions.at_mut(reply.slot);
        let awaited = (session.client, session.id, session.txn, session.step);
        if awaited == (reply.client, reply.session, reply.txn, reply.step) {
            session.last_reply = Some(reply.frame.clone());
        }
        out.send(reply.client, reply.frame, IoClass::Client);
    }

    /// Declares the CPU work of this event.
    fn charge(&mut self, before: Charged, out: &mut Effects) {
        let counts = self.pool.counts();
        self.charged.descents = counts.hits + counts.misses;
        self.charged.records = self.stats.redo_records;
        self.charged.rows = self.stats.rows_scanned;
        self.charged.statements = self.stats.statements;
        let after = self.charged;
        for (work, units) in [
            (Work::Message, after.messages - before.messages),
            (Work::Statement, after.statements - before.statements),
            (Work::Descend, after.descents - before.descents),
            (Work::ScanRow, after.rows - before.rows),
            (Work::Apply, after.records - before.records),
            // Whole kilobytes as they fill up, so that small replies are paid for too.
            (Work::Kilobyte, after.bytes / 1024 - before.bytes / 1024),
        ] {
            if units > 0 {
                out.charge(work, units);
            }
        }
    }
}

impl<S: Storage> Node for ComputeNode<S> {
    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects) {
        if self.state == State::Halted {
            return;
        }
        self.now = now;
        let before = self.charged;
        match event {
            Event::Frame { from, frame } if frame.kind() == FrameKind(REQUEST_KIND) => {
                self.charged.messages += 1;
                self.charged.bytes += frame.len_bytes() as u64;
                self.on_request_frame(from, &frame, out);
            }
            Event::Frame { frame, .. } if frame.kind() == FrameKind(RESPONSE_KIND) => self.stats.refused += 1,
            Event::Timer { timer } if timer.owner() == 0 => self.on_timer(timer, out),
            event => self.with_storage(out, |storage, cx| storage.handle(cx, event)),
        }
        self.settle(out);
        self.charge(before, out);
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.next.0);
        digest.word(self.last_work.0);
        digest.word(self.last_age);
        digest.word(self.stats.commits_read_only + (self.stats.lock_waits << 32));
        digest.word(self.replies.len() as u64 + ((self.pool.resident() as u64) << 32));
        self.storage.digest(digest);
    }
}
