//! One client: its session, and the transaction it runs.

use std::mem;

use contract::{CommitPosition, Error, Mode, Program, Reply, Request, SessionId, Statement, Step, TxnSeq, Verb};
use node::Nanos;

use crate::capture::Attempt;

/// A client and its session.
pub struct Client {
    pub session: SessionId,
    /// The number of the last attempt; it rises over all sessions.
    pub txn: u64,
    pub running: Option<Running>,
}

/// The transaction a client runs.
pub struct Running {
    pub program: Box<dyn Program>,
    pub name: &'static str,
    /// When it was meant to start.
    pub intended: Nanos,
    /// When its first request was sent.
    pub started: Nanos,
    /// When the current attempt's first request was sent.
    pub attempt_started: Nanos,
    /// From 1.
    pub attempt: u32,
    /// Whether its intended start lies in a measured phase.
    pub measured: bool,
    pub waiting: Waiting,
    /// Whether the connection that the last request went over is there.
    pub connected: bool,
    /// When the reply counts as lost, or the pause is over.
    pub deadline: Nanos,
    /// The last request's number in the attempt.
    pub request: u32,
    /// A lone statement that runs as a locking transaction.
    pub escorted: Option<Escort>,
    /// A finding made the program stop; the transaction is being rolled back.
    pub stopped: bool,
    pub attempt_seen: Attempt,
    /// Bytes of user data that the last attempt that ended changed.
    pub changed_bytes: u64,
}

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The reply to a begin or to a statement in a transaction.
    Inside,
    /// The reply to a commit.
    Commit,
    /// The reply to a rollback.
    Rollback,
    /// The reply to a lone statement.
    Single {
        /// Whether it can change the database.
        writes: bool,
    },
    /// The end of a pause before another attempt.
    Pause,
}

/// A lone statement on its way through begin, execute and commit.
#[derive(Clone, Debug)]
pub enum Escort {
    /// The begin is sent.
    Begin(Statement),
    /// The statement is sent.
    Execute,
    /// The commit or rollback is sent; this is what the statement came to.
    End(Result<Reply, Error>),
}

/// What a reply means for the attempt.
pub enum Turn {
    /// The program goes on with this reply.
    Next(Result<Reply, Error>),
    /// Send this, without asking the program.
    Send(Verb),
    /// The attempt is over, with this final reply.
    Over(Result<Reply, Error>),
}

impl Client {
    pub fn new(session: u32) -> Client {
        Client { session: SessionId(session), txn: 0, running: None }
    }

    /// The next request of the open attempt. Panics when there is none.
    pub fn request(&mut self, verb: Verb, now: Nanos, timeout: Nanos) -> Request {
        let running = self.running.as_mut().expect("a request belongs to a transaction");
        running.waiting = match &verb {
            Verb::Begin(_) | Verb::Execute(_) => Waiting::Inside,
            Verb::Commit => Waiting::Commit,
            Verb::Rollback => Waiting::Rollback,
            Verb::Single(statement) => Waiting::Single { writes: statement.writes() },
        };
        (running.connected, running.deadline) = (true, now + timeout);
        let step = running.request;
        running.request += 1;
        Request { session: self.session, txn: TxnSeq(self.txn), step, verb }
    }
}

impl Running {
    /// Forgets the last attempt and readies the next.
    pub fn begin_attempt(&mut self, now: Nanos) {
        self.attempt_started = now;
        self.request = 0;
        self.escorted = None;
        self.attempt_seen = Attempt::default();
    }

    /// The request for a program's step, in an attempt that guards its reads by `mode`.
    pub fn verb(&mut self, step: Step, mode: Mode) -> Verb {
        match step {
            Step::Begin => Verb::Begin(mode),
            Step::Execute(statement) => Verb::Execute(statement),
            Step::Commit => Verb::Commit,
            Step::Rollback => Verb::Rollback,
            // A lone statement has no mode: to take locks it becomes a transaction.
            Step::Single(statement) if mode == Mode::Locking => {
                self.escorted = Some(Escort::Begin(statement));
                Verb::Begin(mode)
            }
            Step::Single(statement) => Verb::Single(statement),
        }
    }

    /// What the reply awaited means.
    pub fn turn(&mut self, result: Result<Reply, Error>) -> Turn {
        if let Some(escort) = self.escorted.take() {
            return self.escort(escort, result);
        }
        let goes_on = match &result {
            Ok(_) => self.waiting == Waiting::Inside,
            Err(error) => self.waiting == Waiting::Inside && error.keeps_transaction(),
        };
        if goes_on { Turn::Next(result) } else { Turn::Over(result) }
    }

    fn escort(&mut self, escort: Escort, result: Result<Reply, Error>) -> Turn {
        match (escort, result) {
            (Escort::Begin(statement), Ok(_)) => {
                self.escorted = Some(Escort::Execute);
                Turn::Send(Verb::Execute(statement))
            }
            (Escort::Execute, Ok(reply)) => {
                self.escorted = Some(Escort::End(Ok(reply)));
                Turn::Send(Verb::Commit)
            }
            (Escort::Execute, Err(error)) if error.keeps_transaction() => {
                self.escorted = Some(Escort::End(Err(error)));
                Turn::Send(Verb::Rollback)
            }
            (Escort::End(found), Ok(last)) => {
                Turn::Over(found.map(|reply| reply.with_position(last.position().unwrap_or_default())))
            }
            (Escort::Begin(_) | Escort::Execute | Escort::End(_), Err(error)) => Turn::Over(Err(error)),
        }
    }

    /// Whether the transaction may take effect although no reply comes.
    pub fn may_take_effect(&self) -> bool {
        matches!(self.waiting, Waiting::Commit | Waiting::Single { writes: true })
    }

    pub fn take_seen(&mut self) -> Attempt {
        mem::take(&mut self.attempt_seen)
    }
}

/// The position of a final reply that committed.
pub fn committed_at(result: &Result<Reply, Error>) -> Option<CommitPosition> {
    result.as_ref().ok().and_then(Reply::position)
}
