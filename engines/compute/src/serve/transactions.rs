//! The life of a transaction between its requests: running statements, ending, failing, replying.

use contract::{ConflictKind, Error, Mode, RESPONSE_KIND, Reply, Response, Statement, TxnSeq};
use node::{Effects, Frame, FrameKind, IoClass};

use super::execute::{Executor, Stop};
use super::replies::Outgoing;
use super::session::{Park, Phase, Slot, WorkId};
use super::{ComputeNode, IDLE_TIMER, TURN_TIMER};
use crate::planted::Bug;
use crate::{Fence, Lsn, Storage};

/// After this many conflicts a single statement is run again with shared locks.
const SINGLE_OPTIMISTIC_RUNS: u32 = 2;

impl<S: Storage> ComputeNode<S> {
    /// Opens a transaction.
    pub(super) fn begin_transaction(&mut self, slot: Slot, mode: Mode, single: bool) {
        let session = self.sessions.at_mut(slot);
        if !std::mem::take(&mut session.keeps_age) {
            self.last_age += 1;
            session.age = self.last_age;
        }
        session.mode = mode;
        session.phase = Phase::Open;
        session.single = single.then_some(0);
        self.locks.set_age(slot.owner(), session.age);
    }

    /// Gives the session's next work a number of its own.
    pub(super) fn begin_work(&mut self, slot: Slot, phase: Phase) {
        self.page_work_is_over(self.sessions.at(slot).work);
        let session = self.sessions.at_mut(slot);
        self.last_work = WorkId(self.last_work.0 + 1);
        session.work = self.last_work;
        session.phase = phase;
        session.park = Park::No;
    }

    fn page_work_is_over(&mut self, work: WorkId) {
        if !self.page_work.is_empty() {
            self.end_page_work(work);
        }
    }

    /// Starts a statement of the open transaction.
    pub(super) fn begin_statement(&mut self, slot: Slot, statement: Statement, out: &mut Effects) {
        self.begin_work(slot, Phase::Executing);
        self.stats.statements += 1;
        let session = self.sessions.at_mut(slot);
        session.statement = Some(statement);
        session.statement_mark = session.reads.mark();
        session.statement_parked = false;
        session.progressed = false;
        session.scan.reset();
        self.execute(slot, out);
    }

    /// Runs the session's statement as far as it goes.
    pub(super) fn execute(&mut self, slot: Slot, out: &mut Effects) {
        let statement = self.sessions.at_mut(slot).statement.take().expect("an executing session has a statement");
        let result = Executor {
            config: &self.config,
            layout: &self.layout,
            pool: &self.pool,
            roots: self.roots.as_ref().expect("transactions run on an open database"),
            locks: &mut self.locks,
            recent: &mut self.recent,
            session: self.sessions.at_mut(slot),
            slot,
            scratch: &mut self.scratch,
            seen: Lsn(self.next.0 - 1),
            rows_scanned: &mut self.stats.rows_scanned,
        }
        .run(&statement);
        let session = self.sessions.at_mut(slot);
        session.statement_parked |= result.is_err();
        // Kept while it may have to run again.
        if session.single.is_some() || !matches!(result, Ok(_) | Err(Stop::Failed(_))) {
            session.statement = Some(statement);
        }
        match result {
            Ok(reply) => self.finish_statement(slot, reply, out),
            Err(Stop::Failed(Error::Conflict(kind))) => self.conflict(slot, kind, out),
            Err(Stop::Failed(error)) => self.fail(slot, error, out),
            Err(Stop::Miss(page)) => self.park_for_pages(slot, &[page], out),
            Err(Stop::Locked) => self.park_for_lock(slot, out),
            Err(Stop::Turn) => {
                session.park = Park::Turn;
                self.waiting_turn.push((slot, session.work));
                out.set_timer(TURN_TIMER, node::Nanos::ZERO);
            }
        }
    }

    fn finish_statement(&mut self, slot: Slot, reply: Reply, out: &mut Effects) {
        let session = self.sessions.at_mut(slot);
        if session.single.is_some() {
            session.single_reply = Some(reply);
            session.phase = Phase::Committing;
            return self.commit(slot, out);
        }
        session.phase = Phase::Open;
        let work = session.work;
        self.page_work_is_over(work);
        self.reply_now(slot, Ok(reply), out);
    }

    /// The statement has begun to wait for a lock: breaks the deadlocks that closes.
    fn park_for_lock(&mut self, slot: Slot, out: &mut Effects) {
        self.stats.lock_waits += 1;
        self.sessions.at_mut(slot).park = Park::Lock;
        while let Some(victim) = self.locks.victim(slot.owner()) {
            self.stats.deadlocks += 1;
            self.conflict(Slot(victim.0), ConflictKind::Deadlock, out);
            if victim == slot.owner() {
                return;
            }
        }
    }

    /// Another transaction was in the way. A single statement runs again, others end.
    pub(super) fn conflict(&mut self, slot: Slot, kind: ConflictKind, out: &mut Effects) {
        let session = self.sessions.at_mut(slot);
        session.keeps_age = true;
        if let Some(runs) = session.single {
            self.stats.singles_rerun += 1;
            let statement = session.statement.take().expect("kept for this");
            let (mode, runs) =
                if runs + 1 >= SINGLE_OPTIMISTIC_RUNS { (Mode::Locking, runs) } else { (session.mode, runs) };
            self.end_transaction(slot);
            self.begin_transaction(slot, mode, true);
            let session = self.sessions.at_mut(slot);
            session.single = Some(runs + 1);
            session.single_reply = None;
            session.statement = Some(statement);
            session.statement_mark = Default::default();
            session.statement_parked = false;
            self.begin_work(slot, Phase::Executing);
            self.ready.push_back(slot);
            return;
        }
        match kind {
            ConflictKind::Validation => self.stats.aborts_validation += 1,
            ConflictKind::Deadlock => self.stats.aborts_deadlock += 1,
        }
        let depends_on = self.depends_on(slot);
        self.reply_finally(slot, Err(Error::Conflict(kind)), depends_on, false, out);
        self.end_transaction(slot);
    }

    /// The statement or the commit came to an error.
    pub(super) fn fail(&mut self, slot: Slot, error: Error, out: &mut Effects) {
        let session = self.sessions.at_mut(slot);
        if error.keeps_transaction() && session.single.is_none() {
            session.phase = Phase::Open;
            session.park = Park::No;
            let work = session.work;
            self.page_work_is_over(work);
            return self.reply_now(slot, Err(error), out);
        }
        self.stats.aborts_other += 1;
        let depends_on = self.depends_on(slot);
        // The error says something about what is stored.
        self.reply_finally(slot, Err(error), depends_on, true, out);
        self.end_transaction(slot);
    }

    /// Drops the open transaction at its client's wish.
    pub(super) fn roll_back(&mut self, slot: Slot, out: &mut Effects) {
        self.stats.rollbacks += 1;
        let depends_on = self.depends_on(slot);
        self.reply_finally(slot, Ok(Reply::RolledBack), depends_on, false, out);
        self.end_transaction(slot);
    }

    /// Drops an open transaction that nobody waits for any more.
    pub(super) fn abandon(&mut self, slot: Slot) {
        if self.sessions.at(slot).is_open() {
            self.stats.abandoned += 1;
            self.end_transaction(slot);
        }
    }

    /// Lets go of everything the transaction has, and resumes those who waited for its locks.
    pub(super) fn end_transaction(&mut self, slot: Slot) {
        let session = self.sessions.at_mut(slot);
        session.phase = Phase::Closed;
        session.park = Park::No;
        session.reads.clear();
        session.writes.clear();
        session.scan.reset();
        session.statement = None;
        session.single = None;
        if let Some(since) = session.reads_since.take() {
            self.recent.close(since);
        }
        let work = session.work;
        self.page_work_is_over(work);
        let mut granted = Vec::new();
        self.locks.release(slot.owner(), &mut granted);
        for owner in granted {
            self.wake(Slot(owner.0));
        }
    }

    /// A reply to the session's request, encoded.
    pub(super) fn encode(&self, slot: Slot, result: Result<Reply, Error>) -> Outgoing {
        let session = self.sessions.at(slot);
        let response = Response { session: session.id, txn: session.txn, step: session.step, result };
        let frame = encode_response(&response);
        Outgoing { slot, client: session.client, session: session.id, txn: session.txn, step: session.step, frame }
    }

    /// Answers a statement of a transaction that stays open.
    pub(super) fn reply_now(&mut self, slot: Slot, result: Result<Reply, Error>, out: &mut Effects) {
        let reply = self.encode(slot, result);
        self.send(reply, out);
        self.set_idle_timer(out);
    }

    /// Answers the last request of a transaction once the log is durable up to `needs` and, if `fenced`, this node has been
    /// found to be still the one that may answer.
    pub(super) fn reply_finally(
        &mut self,
        slot: Slot,
        result: Result<Reply, Error>,
        needs: Lsn,
        fenced: bool,
        out: &mut Effects,
    ) {
        let reply = self.encode(slot, result);
        let fence = if fenced { self.with_storage(out, |storage, cx| storage.fence(cx)) } else { Fence::Passed };
        let durable = self.durable() >= needs || self.config.planted.is(Bug::EarlyReply);
        self.stats.reads_delayed += u64::from(!durable);
        match fence {
            Fence::Passed if durable => self.send(reply, out),
            Fence::Passed => self.replies.hold_read(needs, None, reply),
            Fence::Wait(ticket) => {
                self.stats.reads_fenced += 1;
                self.replies.hold_read(needs, Some(ticket), reply);
                self.replies.on_durable(self.durable(), &mut self.leaving);
                self.send_leaving(out);
            }
        }
    }

    /// Answers a request that no session stands for.
    pub(super) fn refuse(
        &mut self,
        client: node::NodeId,
        request: (contract::SessionId, TxnSeq, u32),
        error: Error,
        out: &mut Effects,
    ) {
        self.stats.unavailable += 1;
        let (session, txn, step) = request;
        let frame = encode_response(&Response { session, txn, step, result: Err(error) });
        self.charged.bytes += frame.len_bytes() as u64;
        out.send(client, frame, IoClass::Client);
    }

    fn set_idle_timer(&mut self, out: &mut Effects) {
        if !self.idle_timer_set {
            self.idle_timer_set = true;
            out.set_timer(IDLE_TIMER, self.config.idle_timeout);
        }
    }

    /// Drops transactions whose clients have been silent for too long.
    pub(super) fn drop_idle(&mut self, out: &mut Effects) {
        self.idle_timer_set = false;
        let mut any_open = false;
        for slot in self.sessions.slots() {
            let session = self.sessions.at(slot);
            if session.phase == Phase::Open && self.now.saturating_sub(session.heard) >= self.config.idle_timeout {
                self.abandon(slot);
            }
            any_open |= self.sessions.at(slot).is_open();
        }
        if any_open {
            self.set_idle_timer(out);
        }
    }
}

fn encode_response(response: &Response) -> Frame {
    Frame::encode(FrameKind(RESPONSE_KIND), contract::codec::response_hint_bytes(response), |body| {
        contract::codec::encode_response(response, body);
    })
}
