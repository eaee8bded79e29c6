//! Black-box checkers: they judge an engine by what its clients saw, and see nothing else.
//!
//! - [`replay`]: strict serializability. The committed transactions are given to the model one after the other, in the order
//!   of their commit positions; every reply must be the model's, and the order must respect real time.
//! - [`history`]: the input of the checkers below: anybody's histories, as JSON lines or as Jepsen's EDN.
//! - [`register`]: registers whose writes are all different; exact at any concurrency.
//! - [`kv`]: key-value stores with any values, by replay where positions are known and by search where not.
//! - [`list_append`]: transactions on lists, judged by cycles of their dependencies, in Elle's manner.
//! - [`bank`]: totals that never change.
//! - [`recorded`]: what our own clients did, as such a history.
//! - [`simulated`]: histories of a store that keeps its promise, for tests and benchmarks of checkers.
//! - [`durability`]: after a crash, every key holds its last acknowledged version or a later unknown one.
//!
//! # Invariants
//!
//! - A checker says *invalid* only when no outcome of the unknown transactions could explain what was seen, and *valid* only
//!   when one does. When it gives up looking, it says *unknown*.
//!
//! # Caveats
//!
//! - The replay believes commit positions: it checks the order that the engine itself claims. An engine that is serializable
//!   in another order than it claims is judged invalid, which is intended.

mod access;
pub mod bank;
pub mod durability;
pub mod history;
pub mod kv;
pub mod list_append;
mod prose;
pub mod recorded;
pub mod register;
pub mod replay;
mod report;
pub mod simulated;
mod verdict;

pub use report::{Anomaly, Report};
pub use verdict::Verdict;

/// A hash map without a random seed.
type Map<K, V> = hashbrown::HashMap<K, V, rustc_hash::FxBuildHasher>;
/// A hash set without a random seed.
type Set<T> = hashbrown::HashSet<T, rustc_hash::FxBuildHasher>;
