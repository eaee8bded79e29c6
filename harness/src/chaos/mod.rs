//! Chaos: the same faults on every engine, each held against what it owes.
//!
//! # Mechanism
//!
//! A suite and a seed make a [`nemesis::Script`] ([`author()`]); a script is played in a simulated world ([`play()`]), on the
//! worlds and subjects of [`crate::campaign`]: safety under faults, then liveness in a mended world, then an audit of all
//! copies, a power cycle, a reading of everything, and a replay of the whole history. What was *seen* is compared with what
//! was *owed* under the faults that took effect. Failures are kept as scripts, which [`shrink`] makes small. [`mutants`] plants
//! known bugs, to see whether all this finds them.
//!
//! # Invariants
//!
//! - A script is a run: played twice, by any number of threads, in any build, it has one hash.
//! - A fault that changed nothing is not counted as survived.
//!
//! # Caveats
//!
//! - With several faults in one script, what was seen is counted for each that took effect. `rows` strikes one at a time.
//! - A run with data damaged beyond the budget may end without progress: for a suite about safety that is a refusal.

pub mod author;
pub mod course;
pub mod live;
pub mod matrix;
pub mod mutants;
pub mod operations;
pub mod page;
pub mod play;
pub mod runner;
pub mod shrink;
pub mod suite;
pub mod timeline;
pub mod verdicts;

pub use author::{author, author_for};
pub use play::{Played, Seen, play};
pub use suite::Suite;
