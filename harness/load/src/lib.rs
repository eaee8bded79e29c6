//! The load generator: when clients ask, what becomes of each transaction, and how long it took.
//!
//! It sees the contract and the seam only, and takes its transactions from any [`contract::Programs`].
//!
//! # Mechanism
//!
//! [`Core`] is the pure heart: a set of clients, each with one session and at most one transaction, an arrival schedule and
//! a recorder. Time comes in with every call; requests go out through a vector. [`LoadNode`] runs a core as a
//! [`node::Node`] that speaks the client codec; an asynchronous driver can run the same core for engines that are no
//! nodes.
//!
//! - **Closed loop**: every client starts its next transaction when the last is over. This measures capacity.
//! - **Open loop**: transactions *intend* to start at times drawn in advance (Poisson or constant), whatever the engine
//!   does; one that finds no free client waits in a queue. This is the only way latencies under faults mean anything: a
//!   stalled engine makes a closed loop ask less (measurement of a stall: p99 of 1.2 ms closed, 1,479 ms open).
//!
//! Two latencies, always. **Service** time runs from the first request of a transaction's first attempt to its final
//! reply, retries and their pauses included. **Response** time runs from the intended start to the final reply; in a closed
//! loop the two are the same. Only successful transactions enter the histograms; the others are counted by kind.
//!
//! A conflict restarts the program (the third attempt and later with shared next-key locks); *unavailable* is retried after
//! a pause; a lost reply is never retried: its outcome is unknown if a commit was asked for, and the client goes on
//! under a new session. Whoever starts an engine again tells the load that its connections broke ([`Core::disconnect`]), so
//! that no client waits its whole patience for a process that is gone: an attempt that cannot have taken effect is retried
//! like one that was refused, the others end with an unknown outcome.
//!
//! # Invariants
//!
//! - One request of a session is open at a time; a session is never used again after a lost reply.
//! - Every intended start is counted once: completed, dropped, queued or in flight.
//! - A program's `finish` is called exactly once, unless the load ends before it.
//! - With equal seeds and replies, the same requests at the same times.
//!
//! # Caveats
//!
//! - Lost replies and broken connections are noticed at a tick (10 ms by default), so a timeout may be that much late.
//! - A lone statement that meets its third conflict is sent as a locking transaction of its own: three requests.
//! - The acknowledgement journal and the history are bounded; what did not fit is counted, and checkers then say unknown.

pub mod arrivals;
mod capture;
mod client;
pub mod config;
mod core;
mod load_node;

pub mod recorder;
pub mod reference_engines;
#[cfg(test)]
mod tests;

pub use arrivals::Arrivals;
pub use config::{Config, Phase};
pub use core::Core;
pub use load_node::LoadNode;
pub use recorder::{Failure, Interval, OpInterval, Retry};
