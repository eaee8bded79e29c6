//! The runtime's own record of what it did to its disks, and the crash images that follow from it.
//!
//! # Mechanism
//!
//! SIGKILL keeps the page cache, and a real device loses nothing on demand, so neither shows what power loss does.
//! The journal does: every write, sync, creation and removal of every node, each recorded when it is submitted and
//! again when it has completed, in one order for the whole runtime, over a copy of what the directories held at the
//! start. A [`Cut`] is a position in that order, or one for each node. A [`CrashImage`] of a cut holds everything that was durable there, and
//! a chosen subset of the sectors and names that were not; reopened on a real runtime it is the disk after a power
//! loss at that moment. Frames delivered to chosen nodes are recorded in the same order, so that a test knows which
//! replies clients had seen at the cut.
//!
//! # Invariants
//!
//! - A completion is recorded before the node can act on it, a submission before the kernel sees it.
//! - A sector in an image is always either its last durable content, the content of one write not yet durable, or
//!   garbage where a write of it was in flight.
//!
//! # Caveats
//!
//! - Contents are kept in memory: journals are for short runs.

mod cut;
mod image;
mod power;
mod record;

pub use cut::Cut;
pub use image::{CrashImage, Survivors, Undurable};
pub use record::{Base, Journal, JournalOp, JournalRecord};

#[cfg(test)]
mod tests;
