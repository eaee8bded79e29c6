//! The seam: what a node sees of the world, and all it can do to it.
//!
//! Every engine in Sextant is a set of [`Node`]s: deterministic state machines that take an [`Event`] and answer
//! with [`Effects`]. A node never blocks, never reads a clock, never draws from a global generator and never
//! touches a file. A *runtime* does all of that on its behalf: `uring` with real disks, links and time, `sim`
//! with simulated ones. The code that is benchmarked is therefore the very code that is fault-tested.
//!
//! # Mechanism
//!
//! The shape is io_uring's own: an effect submits an operation under a [`Token`], and a later event brings the
//! completion with that token. A node owns one directory (its disk), reaches other nodes by [`Frame`]s over
//! links, and wakes itself with timers. A [`Topology`] lists the nodes of an engine with their zones and
//! roles, and knows how to build each of them again after a crash.
//!
//! # Invariants
//!
//! - One event at a time: [`Node::handle`] runs to its end before the next event of that node is delivered.
//! - A node depends on its configuration, its seeded [`Rng`], and the events it saw, and on nothing else.
//! - Frames reach a node verified (checksum and length); a damaged frame is dropped and counted by the runtime.
//! - Every disk operation is answered by exactly one [`Event::Disk`] unless the node crashes first.
//!
//! # Caveats
//!
//! - Links may drop, duplicate, delay and reorder frames; a node that needs more builds it.
//! - The disk contract, with what power loss may do, is in [`disk`].

pub mod accounting;
pub mod block;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod digest;
pub mod disk;
pub mod event;
pub mod fault;
pub mod frame;
pub mod ids;
pub mod link;
pub mod rng;
pub mod time;
pub mod topology;
pub mod watchdog;

pub use accounting::{Counts, IoClass, Ledger};
pub use block::{Block, SECTOR_BYTES};
pub use digest::Digest;
pub use disk::{DiskError, DiskOp, DiskReply, DiskResult, FileId, FileName};
pub use event::{Effect, Effects, Event, Node, Work};
pub use frame::{Frame, FrameError, FrameKind};
pub use ids::{NodeId, TimerId, Token, Zone};
pub use link::{Delay, LinkModel, LinkProfile};
pub use rng::Rng;
pub use time::Nanos;
pub use topology::{Member, Role, Topology};
pub use watchdog::Watchdog;
