//! The load without its transport: clients, schedule, recorder.

use std::collections::VecDeque;

use contract::{Ack, Error, Mode, Outcome, Programs, Reply, Request, Response, Step, Transaction, TxnSeq, Verb};
use node::Nanos;

use crate::arrivals::Schedule;
use crate::capture::{Attempt, Capture, Identity};
use crate::client::{Client, Running, Turn, Waiting, committed_at};
use crate::recorder::{Failure, Interval, Retry};
use crate::{Arrivals, Config, Phase};

/// A load: clients that run transactions, and what they saw.
///
/// Every method takes the time and may append requests to send. Time never goes back.
pub struct Core {
    config: Config,
    programs: Box<dyn Programs>,
    clients: Vec<Client>,
    /// Clients without a transaction, the longest idle first.
    idle: VecDeque<u32>,
    /// Intended starts that found no client, and whether they are measured.
    queue: VecDeque<(Nanos, bool)>,
    schedule: Option<Schedule>,
    /// Instants that transactions start at, beside the schedule.
    listed: VecDeque<Nanos>,
    /// The phase that the schedule was made for.
    noticed: Phase,
    interval: Interval,
    capture: Capture,
    in_flight: u32,
    /// Of those, the measured ones.
    measured_in_flight: u32,
    /// When the time integrals were last brought forward.
    integrated: Nanos,
    /// When the nearest deadline may be, so that a tick need not look at every client.
    deadline: Nanos,
}

const NEVER: Nanos = Nanos(u64::MAX);

impl Core {
    /// A load at rest. Panics without a session.
    pub fn new(config: Config, programs: Box<dyn Programs>) -> Core {
        assert!(config.sessions > 0, "a load needs a session");
        let clients = (0..config.sessions).map(|client| Client::new(config.first_session + client)).collect();
        Core {
            clients,
            idle: (0..config.sessions).collect(),
            queue: VecDeque::new(),
            schedule: None,
            listed: VecDeque::new(),
            noticed: Phase::Idle,
            interval: Interval::new(Phase::Idle, Nanos::ZERO),
            capture: Capture::new(config.acks_max, config.history_max),
            in_flight: 0,
            measured_in_flight: 0,
            integrated: Nanos::ZERO,
            deadline: NEVER,
            programs,
            config,
        }
    }

    /// The settings as they are now.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the phase; noticed at the next [`Core::poll`].
    pub fn set_phase(&mut self, phase: Phase) {
        self.config.phase = phase;
    }

    /// Changes the arrival process, from the next [`Core::poll`] on. What is queued stays queued.
    pub fn set_arrivals(&mut self, arrivals: Arrivals) {
        self.config.arrivals = arrivals;
        // As if the load had been at rest: the next poll makes a schedule.
        self.noticed = Phase::Idle;
        self.schedule = None;
    }

    /// The instants at which transactions start under [`Arrivals::Listed`], rising, after those given before.
    pub fn start_at(&mut self, instants: impl IntoIterator<Item = Nanos>) {
        self.listed.extend(instants);
    }

    /// Whether nothing is in flight or queued.
    pub fn is_quiet(&self) -> bool {
        self.in_flight == 0 && self.queue.is_empty()
    }

    /// Transactions sent and not over.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Transactions waiting for a client.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The interval so far.
    pub fn interval(&self) -> &Interval {
        &self.interval
    }

    /// Ends the interval and begins another.
    pub fn take_interval(&mut self, now: Nanos) -> Interval {
        self.integrate(now);
        self.interval.turn(self.config.phase, now)
    }

    /// Takes the acknowledgements kept so far, in the order they came.
    pub fn take_acks(&mut self) -> Vec<Ack> {
        self.capture.take_acks()
    }

    /// Takes the history kept so far, in the order transactions ended.
    pub fn take_history(&mut self) -> Vec<Transaction> {
        self.capture.take_history()
    }

    /// Ends what is in flight as a client that goes away would: outcomes unknown where a commit was asked for. For the end
    /// of a run, so that the history holds everything that may have taken effect. `now` may be earlier than what was seen
    /// last: whoever ends a run looked at the clock on another thread.
    pub fn abandon(&mut self, now: Nanos) {
        self.integrate(now);
        let now = self.integrated;
        self.queue.clear();
        for client in 0..self.clients.len() {
            if self.clients[client].running.is_some() {
                self.lose(client, now);
            }
        }
    }

    /// The connections to the engine are broken, as they are when its process ends or its machine starts anew: no reply comes
    /// to what was asked before. Noticed at the next [`Core::poll`].
    pub fn disconnect(&mut self, now: Nanos) {
        for running in self.clients.iter_mut().filter_map(|client| client.running.as_mut()) {
            if running.waiting != Waiting::Pause {
                (running.connected, running.deadline) = (false, now);
            }
        }
        self.deadline = self.deadline.min(now);
    }

    /// Does what is due: arrivals, broken connections, lost replies, pauses that are over, a new phase.
    pub fn poll(&mut self, now: Nanos, out: &mut Vec<Request>) {
        self.integrate(now);
        self.notice_phase(now);
        if self.deadline <= now {
            self.look_at_deadlines(now, out);
        }
        self.take_arrivals(now);
        self.fill_clients(now, out);
    }

    /// When [`Core::poll`] wants to be called next, at the latest one tick from `now`.
    pub fn next_poll(&self, now: Nanos) -> Nanos {
        let tick = now + self.config.tick;
        let listed = self.listed.front().copied().filter(|_| self.noticed != Phase::Idle);
        let next = self.schedule.as_ref().map(Schedule::next).into_iter().chain(listed).min();
        next.map_or(tick, |next| next.max(now).min(tick))
    }

    /// Takes a reply.
    pub fn response(&mut self, now: Nanos, response: Response, out: &mut Vec<Request>) {
        self.integrate(now);
        let Some(client) = self.awaiting(&response) else {
            self.interval.stray_replies += 1;
            return;
        };
        let running = self.clients[client].running.as_mut().expect("it awaits a reply");
        self.capture.answered(&mut running.attempt_seen, &response.result);
        match running.turn(response.result) {
            Turn::Next(result) => self.advance(client, Some(&result), now, out),
            Turn::Send(verb) => self.send(client, verb, now, out),
            Turn::Over(result) => self.attempt_over(client, result, now, out),
        }
        self.fill_clients(now, out);
    }

    /// A body arrived that was no response.
    pub fn undecodable(&mut self) {
        self.interval.undecodable += 1;
    }

    fn awaiting(&self, response: &Response) -> Option<usize> {
        // A client's sessions are `sessions` apart.
        let offset = response.session.0.checked_sub(self.config.first_session)?;
        let index = (offset % self.config.sessions) as usize;
        let client = &self.clients[index];
        let running = client.running.as_ref()?;
        let awaited = client.session == response.session
            && client.txn == response.txn.0
            && running.request == response.step.wrapping_add(1)
            && running.waiting != Waiting::Pause;
        awaited.then_some(index)
    }

    fn integrate(&mut self, now: Nanos) {
        let span = u128::from(now.saturating_sub(self.integrated).0);
        self.interval.in_flight_ns += span * u128::from(self.measured_in_flight);
        self.interval.queued_ns += span * self.queue.len() as u128;
        self.integrated = self.integrated.max(now);
    }

    fn notice_phase(&mut self, now: Nanos) {
        if self.noticed == self.config.phase {
            return;
        }
        if self.config.phase == Phase::Idle {
            self.schedule = None;
        } else if self.noticed == Phase::Idle {
            self.schedule = Schedule::new(&self.config.arrivals, now, self.config.seed);
        }
        self.noticed = self.config.phase;
        self.interval.phase = self.config.phase;
    }

    fn take_arrivals(&mut self, now: Nanos) {
        let measured = self.noticed == Phase::Measure;
        loop {
            let is_due = self.noticed != Phase::Idle && self.listed.front().is_some_and(|instant| *instant <= now);
            let listed = if is_due { self.listed.pop_front() } else { None };
            let due = || self.schedule.as_mut().and_then(|schedule| schedule.due(now));
            let Some(intended) = listed.or_else(due) else { return };
            if measured {
                self.interval.offered += 1;
                self.interval.lag.saturating_record((now - intended).0.max(1));
            }
            if self.queue.len() < self.config.arrivals.queue_max() + self.idle.len() {
                self.queue.push_back((intended, measured));
            } else {
                self.interval.dropped += u64::from(measured);
            }
        }
    }

    fn fill_clients(&mut self, now: Nanos, out: &mut Vec<Request>) {
        let closed = self.config.arrivals == Arrivals::Closed && self.noticed != Phase::Idle;
        while !self.idle.is_empty() {
            let (intended, measured) = match self.queue.pop_front() {
                Some(queued) => queued,
                None if closed => (now, self.noticed == Phase::Measure),
                None => return,
            };
            let client = self.idle.pop_front().expect("one is idle");
            self.start(client, intended, measured, now, out);
        }
    }

    fn start(&mut self, client: u32, intended: Nanos, measured: bool, now: Nanos, out: &mut Vec<Request>) {
        let program = self.programs.next(client);
        let name = program.name();
        let closed = self.config.arrivals == Arrivals::Closed;
        if measured {
            self.interval.offered += u64::from(closed);
            let late = !closed && now - intended > self.config.late_after;
            self.interval.op(name).late += u64::from(late);
        }
        self.clients[client as usize].running = Some(Running {
            program,
            name,
            intended,
            started: now,
            attempt_started: now,
            attempt: 1,
            measured,
            waiting: Waiting::Pause,
            connected: true,
            deadline: NEVER,
            request: 0,
            escorted: None,
            stopped: false,
            attempt_seen: Attempt::default(),
            changed_bytes: 0,
        });
        self.in_flight += 1;
        self.measured_in_flight += u32::from(measured);
        self.begin_attempt(client as usize, now, out);
    }

    fn begin_attempt(&mut self, client: usize, now: Nanos, out: &mut Vec<Request>) {
        self.clients[client].txn += 1;
        self.running(client).begin_attempt(now);
        self.advance(client, None, now, out);
    }

    fn running(&mut self, client: usize) -> &mut Running {
        self.clients[client].running.as_mut().expect("the client runs a transaction")
    }

    /// Asks the program for its next step and sends it.
    fn advance(&mut self, client: usize, last: Option<&Result<Reply, Error>>, now: Nanos, out: &mut Vec<Request>) {
        let locking_from = self.config.locking_from_attempt;
        let running = self.clients[client].running.as_mut().expect("the client runs a transaction");
        let mode = if running.attempt >= locking_from { Mode::Locking } else { Mode::Optimistic };
        // A stopped program is not asked again.
        let step = if running.stopped { Ok(Step::Rollback) } else { running.program.step(last) };
        let step = step.unwrap_or_else(|finding| {
            self.interval.finding(finding);
            running.stopped = true;
            Step::Rollback
        });
        let verb = running.verb(step, mode);
        self.send(client, verb, now, out);
    }

    fn send(&mut self, client: usize, verb: Verb, now: Nanos, out: &mut Vec<Request>) {
        self.interval.requests += 1;
        let running = self.clients[client].running.as_mut().expect("the client runs a transaction");
        if let Verb::Execute(statement) | Verb::Single(statement) = &verb {
            self.interval.statements += 1;
            self.capture.sent(&mut running.attempt_seen, statement);
        }
        out.push(self.clients[client].request(verb, now, self.config.timeout));
        self.deadline = self.deadline.min(now + self.config.timeout);
    }

    fn attempt_over(&mut self, client: usize, result: Result<Reply, Error>, now: Nanos, out: &mut Vec<Request>) {
        let outcome = match (&result, committed_at(&result)) {
            (_, Some(position)) => Outcome::Ok(position),
            (Err(Error::Indeterminate(_)), None) => Outcome::Info,
            (_, None) => Outcome::Fail,
        };
        self.capture_attempt(client, outcome, now);
        let (attempts_max, pause) = (self.config.attempts_max, self.config.unavailable_pause);
        let running = self.running(client);
        let retry = result.as_ref().err().and_then(Retry::of);
        let Some(retry) = retry.filter(|_| running.attempt < attempts_max && !running.stopped) else {
            return self.over(client, result, now);
        };
        running.attempt += 1;
        running.program.restart();
        let (name, measured) = (running.name, running.measured);
        if measured {
            self.interval.op(name).retries[retry as usize] += 1;
        }
        if retry == Retry::Unavailable {
            let running = self.running(client);
            running.waiting = Waiting::Pause;
            running.deadline = now + pause;
            self.deadline = self.deadline.min(now + pause);
        } else {
            self.begin_attempt(client, now, out);
        }
    }

    fn capture_attempt(&mut self, client: usize, outcome: Outcome, now: Nanos) {
        let Client { session, txn, running } = &mut self.clients[client];
        let running = running.as_mut().expect("the client runs a transaction");
        let who = Identity {
            client: client as u32,
            session: *session,
            txn: TxnSeq(*txn),
            name: running.name,
            invoked_ns: running.attempt_started.0,
        };
        let seen = running.take_seen();
        running.changed_bytes = seen.changed_bytes();
        let (acks_dropped, history_dropped) = self.capture.over(who, seen, outcome, now.0);
        self.interval.acks_dropped += acks_dropped;
        self.interval.history_dropped += history_dropped;
    }

    /// Ends a transaction and frees its client.
    fn over(&mut self, client: usize, result: Result<Reply, Error>, now: Nanos) {
        let mut running = self.clients[client].running.take().expect("the client runs a transaction");
        self.in_flight -= 1;
        self.measured_in_flight -= u32::from(running.measured);
        self.idle.push_back(client as u32);
        let service = now - running.started;
        if let Err(finding) = running.program.finish(&result) {
            self.interval.finding(finding);
        }
        if !running.measured {
            return;
        }
        self.interval.busy_ns += u128::from(service.0);
        let op = self.interval.op(running.name);
        let failure = match &result {
            _ if running.stopped => Some(Failure::Finding),
            Ok(Reply::RolledBack) => Some(Failure::RolledBack),
            Ok(_) => None,
            Err(Error::Indeterminate(_)) if !running.may_take_effect() => Some(Failure::Timeout),
            Err(error) => Some(Failure::of(error)),
        };
        match failure {
            Some(failure) => op.failed[failure as usize] += 1,
            None => {
                op.ok += 1;
                op.changed_bytes += running.changed_bytes;
                op.service.saturating_record(service.0.max(1));
                op.response.saturating_record((now - running.intended).0.max(1));
            }
        }
    }

    fn look_at_deadlines(&mut self, now: Nanos, out: &mut Vec<Request>) {
        for client in 0..self.clients.len() {
            let Some(running) = &self.clients[client].running else { continue };
            if running.deadline > now {
                continue;
            }
            if running.waiting == Waiting::Pause {
                self.begin_attempt(client, now, out);
            } else {
                let connected = running.connected;
                self.hang_up(client, out);
                if connected {
                    self.lose(client, now);
                } else {
                    self.reconnect(client, now, out);
                }
            }
        }
        let deadlines =
            self.clients.iter().filter_map(|client| client.running.as_ref()).map(|running| running.deadline);
        self.deadline = deadlines.min().unwrap_or(NEVER);
    }

    /// Tells the engine that the session is gone, as a closed connection does: a request of a later attempt makes it drop
    /// what the session has open, whatever became of the last one.
    fn hang_up(&mut self, client: usize, out: &mut Vec<Request>) {
        let Client { session, txn, running } = &self.clients[client];
        if running.is_some() {
            out.push(Request { session: *session, txn: TxnSeq(*txn + 1), step: 0, verb: Verb::Rollback });
        }
    }

    /// The connection is gone and another takes its place: what can have had no effect is tried again, as what an engine that
    /// does not serve refuses.
    fn reconnect(&mut self, client: usize, now: Nanos, out: &mut Vec<Request>) {
        let why = "the connection broke".to_owned();
        let unknown = self.running(client).may_take_effect();
        let error = if unknown { Error::Indeterminate(why) } else { Error::Unavailable(why) };
        self.attempt_over(client, Err(error), now, out);
        // Not before: what is over is kept under the name it had.
        self.clients[client].session.0 += self.config.sessions;
    }

    /// The reply is lost: the transaction is over for its client, which goes on under a new session.
    fn lose(&mut self, client: usize, now: Nanos) {
        let running = self.running(client);
        let unknown = running.may_take_effect();
        // A pause has no attempt open.
        if running.waiting != Waiting::Pause {
            self.capture_attempt(client, if unknown { Outcome::Info } else { Outcome::Fail }, now);
        }
        self.over(client, Err(Error::Indeterminate("no reply in time".into())), now);
        self.clients[client].session.0 += self.config.sessions;
    }
}
