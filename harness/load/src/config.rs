//! What a load is told.

use node::{Nanos, NodeId};

use crate::Arrivals;

/// The settings of a load. Every field is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where requests go.
    pub engine: NodeId,
    /// How many clients there are. In an open loop, the most transactions in flight.
    pub sessions: u32,
    /// When transactions start.
    pub arrivals: Arrivals,
    /// What the load does at first.
    pub phase: Phase,
    /// How long a request may go unanswered before its reply counts as lost.
    pub timeout: Nanos,
    /// Attempts at a transaction, conflicts and refusals included, before it counts as failed.
    pub attempts_max: u32,
    /// From which attempt on, counted from 1, reads take shared locks.
    pub locking_from_attempt: u32,
    /// The pause before another attempt when the engine says it is unavailable.
    pub unavailable_pause: Nanos,
    /// How often timeouts and pauses are looked at.
    pub tick: Nanos,
    /// A start this much after its intended time counts as late.
    pub late_after: Nanos,
    /// The first session number. A client that loses a reply goes on under a session `sessions` higher. Loads that
    /// share an engine, and lives of a load, start far apart.
    pub first_session: u32,
    /// Acknowledgements kept until they are taken; 0 keeps none.
    pub acks_max: usize,
    /// Transactions of the history kept until they are taken; 0 keeps none.
    pub history_max: usize,
    /// Seeds the arrival schedule.
    pub seed: u64,
}

impl Config {
    /// A closed loop of `sessions` clients against `engine`, recording nothing but latencies, idle at first.
    pub fn closed(engine: NodeId, sessions: u32) -> Config {
        Config {
            engine,
            sessions,
            arrivals: Arrivals::Closed,
            phase: Phase::Idle,
            timeout: Nanos::from_secs(5),
            attempts_max: 1_000,
            locking_from_attempt: 3,
            unavailable_pause: Nanos::from_millis(20),
            tick: Nanos::from_millis(10),
            late_after: Nanos::from_millis(1),
            first_session: 1,
            acks_max: 0,
            history_max: 0,
            seed: 1,
        }
    }
}

/// What a load does. Set from outside, between events; noticed at the next event or tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Start nothing; let what is in flight end, and start what is queued.
    Idle,
    /// Start transactions, but leave them out of the figures.
    Warmup,
    /// Start transactions and record those whose intended start lies in this phase, also when they end after it.
    Measure,
}

impl Phase {
    /// The phase's name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Idle => "idle",
            Phase::Warmup => "warmup",
            Phase::Measure => "measure",
        }
    }
}
