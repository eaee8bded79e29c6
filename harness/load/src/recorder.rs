//! What a load saw in an interval.

use std::mem;

use contract::{ConflictKind, Error};
use hdrhistogram::Histogram;
use node::Nanos;

use crate::Phase;

/// Findings kept in words in one interval; more are only counted.
const FINDINGS_MAX: usize = 32;
/// One hour, the longest latency that is told apart.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;

/// Why a transaction did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Failure {
    /// Conflicts until the attempts were used up.
    Conflict,
    /// The program gave up, as on a duplicate key.
    RolledBack,
    /// A lone insert found its key taken.
    DuplicateKey,
    /// The engine did not understand.
    Invalid,
    /// Too large for one commit.
    TooLarge,
    /// The engine did not serve until the attempts were used up.
    Unavailable,
    /// The reply was lost before a commit was asked for: certainly no effect.
    Timeout,
    /// The outcome is unknown: the engine said so, or the reply to a commit was lost.
    Unknown,
    /// The engine found its data damaged.
    Corrupt,
    /// A reply inside the transaction could not be right, so the program stopped.
    Finding,
}

impl Failure {
    /// All kinds, in the order of their `repr`.
    pub const ALL: [Failure; 10] = [
        Failure::Conflict,
        Failure::RolledBack,
        Failure::DuplicateKey,
        Failure::Invalid,
        Failure::TooLarge,
        Failure::Unavailable,
        Failure::Timeout,
        Failure::Unknown,
        Failure::Corrupt,
        Failure::Finding,
    ];

    /// The kind's name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Failure::Conflict => "conflict",
            Failure::RolledBack => "rolled_back",
            Failure::DuplicateKey => "duplicate_key",
            Failure::Invalid => "invalid",
            Failure::TooLarge => "too_large",
            Failure::Unavailable => "unavailable",
            Failure::Timeout => "timeout",
            Failure::Unknown => "unknown",
            Failure::Corrupt => "corrupt",
            Failure::Finding => "finding",
        }
    }

    pub(crate) fn of(error: &Error) -> Failure {
        match error {
            Error::Conflict(_) => Failure::Conflict,
            Error::DuplicateKey => Failure::DuplicateKey,
            Error::Invalid(_) => Failure::Invalid,
            Error::TooLarge(_) => Failure::TooLarge,
            Error::Unavailable(_) => Failure::Unavailable,
            Error::Indeterminate(_) => Failure::Unknown,
            Error::Corrupt(_) => Failure::Corrupt,
        }
    }
}

/// Why an attempt was made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Retry {
    /// A read was overtaken by another commit.
    Validation,
    /// Chosen to break a deadlock.
    Deadlock,
    /// The engine did not serve.
    Unavailable,
}

impl Retry {
    /// All kinds, in the order of their `repr`.
    pub const ALL: [Retry; 3] = [Retry::Validation, Retry::Deadlock, Retry::Unavailable];

    /// The kind's name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Retry::Validation => "validation",
            Retry::Deadlock => "deadlock",
            Retry::Unavailable => "unavailable",
        }
    }

    pub(crate) fn of(error: &Error) -> Option<Retry> {
        match error {
            Error::Conflict(ConflictKind::Validation) => Some(Retry::Validation),
            Error::Conflict(ConflictKind::Deadlock) => Some(Retry::Deadlock),
            Error::Unavailable(_) => Some(Retry::Unavailable),
            _ => None,
        }
    }
}

/// One kind of operation in one interval.
#[derive(Clone, Debug)]
pub struct OpInterval {
    /// The program's name.
    pub name: &'static str,
    /// Transactions that succeeded.
    pub ok: u64,
    /// Transactions that did not, by [`Failure`].
    pub failed: [u64; Failure::ALL.len()],
    /// Attempts made again, by [`Retry`].
    pub retries: [u64; Retry::ALL.len()],
    /// Transactions started later than intended by more than the configured time. 0 in a closed loop.
    pub late: u64,
    /// Bytes of user data that those that succeeded changed: keys and new field values.
    pub changed_bytes: u64,
    /// Service times of those that succeeded, in nanoseconds.
    pub service: Histogram<u64>,
    /// Response times of those that succeeded, in nanoseconds.
    pub response: Histogram<u64>,
}

impl OpInterval {
    /// Nothing yet.
    pub fn new(name: &'static str) -> OpInterval {
        OpInterval {
            name,
            ok: 0,
            failed: [0; Failure::ALL.len()],
            retries: [0; Retry::ALL.len()],
            late: 0,
            changed_bytes: 0,
            service: new_histogram(),
            response: new_histogram(),
        }
    }

    /// Transactions that ended, whatever their outcome.
    pub fn completed(&self) -> u64 {
        self.ok + self.errors()
    }

    /// Transactions that did not succeed.
    pub fn errors(&self) -> u64 {
        self.failed.iter().sum()
    }
}

/// What happened between two calls of `take_interval`. Operations count where they *end*; only those whose intended start
/// lies in a measured phase count at all.
#[derive(Clone, Debug)]
pub struct Interval {
    /// The phase at the interval's end.
    pub phase: Phase,
    /// When it began.
    pub start: Nanos,
    /// When it ended.
    pub end: Nanos,
    /// By operation, in order of first appearance in the run.
    pub ops: Vec<OpInterval>,
    /// Intended starts in a measured phase. In a closed loop, actual starts.
    pub offered: u64,
    /// Of those, how many found the queue full and were never sent.
    pub dropped: u64,
    /// The time integral of measured transactions in flight (sent, not over): divided by the interval's length it is their
    /// mean number. What began before the measured phase is in no figure of it, so not in this one.
    pub in_flight_ns: u128,
    /// The time integral of transactions waiting in the queue.
    pub queued_ns: u128,
    /// The sum of service times of all measured transactions that ended in the interval, whatever their outcome. By Little's
    /// law it is about `in_flight_ns`, and over a whole phase, stragglers included, exactly.
    pub busy_ns: u128,
    /// How late the load noticed intended starts, in nanoseconds: its own lag, not the engine's.
    pub lag: Histogram<u64>,
    /// Statements sent, begins, commits and rollbacks not included.
    pub statements: u64,
    /// Requests sent.
    pub requests: u64,
    /// Replies that nobody waited for any more, duplicates included.
    pub stray_replies: u64,
    /// Bodies that were no response.
    pub undecodable: u64,
    /// Replies that cannot be right, in words; at most 32.
    pub findings: Vec<String>,
    /// How many findings there were.
    pub findings_count: u64,
    /// Acknowledgements that did not fit into the journal's buffer.
    pub acks_dropped: u64,
    /// Transactions that did not fit into the history's buffer.
    pub history_dropped: u64,
}

impl Interval {
    pub(crate) fn new(phase: Phase, start: Nanos) -> Interval {
        Interval {
            phase,
            start,
            end: start,
            ops: Vec::new(),
            offered: 0,
            dropped: 0,
            in_flight_ns: 0,
            queued_ns: 0,
            busy_ns: 0,
            lag: new_histogram(),
            statements: 0,
            requests: 0,
            stray_replies: 0,
            undecodable: 0,
            findings: Vec::new(),
            findings_count: 0,
            acks_dropped: 0,
            history_dropped: 0,
        }
    }

    /// All operations as one.
    pub fn all(&self) -> OpInterval {
        let mut all = OpInterval::new("ALL");
        for op in &self.ops {
            all.ok += op.ok;
            all.late += op.late;
            all.changed_bytes += op.changed_bytes;
            all.failed.iter_mut().zip(op.failed).for_each(|(sum, count)| *sum += count);
            all.retries.iter_mut().zip(op.retries).for_each(|(sum, count)| *sum += count);
            all.service.add(&op.service).expect("histograms of one shape");
            all.response.add(&op.response).expect("histograms of one shape");
        }
        all
    }

    pub(crate) fn op(&mut self, name: &'static str) -> &mut OpInterval {
        let at = self.ops.iter().position(|op| op.name == name).unwrap_or_else(|| {
            self.ops.push(OpInterval::new(name));
            self.ops.len() - 1
        });
        &mut self.ops[at]
    }

    pub(crate) fn finding(&mut self, finding: String) {
        self.findings_count += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// Ends this interval and begins the next with the same operations.
    pub(crate) fn turn(&mut self, phase: Phase, now: Nanos) -> Interval {
        let mut next = Interval::new(phase, now);
        next.ops = self.ops.iter().map(|op| OpInterval::new(op.name)).collect();
        self.end = now;
        self.phase = phase;
        mem::replace(self, next)
    }
}

/// 1 ns to 1 h, three significant digits.
fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("the bounds are constant and valid")
}
