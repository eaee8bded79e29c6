//! Locks: exclusive ones on cells for writes, shared ones on ranges of cells for the reads of locking transactions.
//!
//! # Mechanism
//!
//! Strict two-phase locking (Eswaran et al., CACM 1976) with range locks where most systems have next-key locks: a
//! scan locks exactly the cells and gaps it visited, present or not, so a shared lock needs no existing row to hang on.
//! Waits are served in order of arrival. A wait that closes a cycle in the wait-for graph is a deadlock; the youngest
//! transaction of the cycle is its victim.
//!
//! # Invariants
//!
//! - A cell locked by one owner is in no range locked by another.
//! - A request waits only for locks held and for requests that came before it, except that an owner that already protects a
//!   cell by a shared lock may overtake those who wait for that very lock to go: they could never be served first.
//! - Every cycle is found when the wait that closes it begins; a grant never makes one.

mod deadlock;
mod table;
#[cfg(test)]
mod tests;

pub use table::{Acquired, LockTable, Owner};
