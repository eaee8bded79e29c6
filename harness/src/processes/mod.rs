//! Storage nodes as processes of their own.
//!
//! `sextant node` hosts one or several of a volume's six storage nodes on real rings and serves them over TCP ([`serve`]).
//! The database node, the load and the console stay in the process of `bench`, `verify` or `chaos`, which dials the six
//! ([`Fleet`]): those that somebody else started, or children of its own ([`Children`]). Where connections are to be disturbed,
//! wires lie between all of them ([`Wires`]).
//!
//! # Mechanism
//!
//! Frames are those of in-process links. Beside each storage node stands an *attendant*, a node that answers the harness's
//! *overseer* with what the storage node has counted and how it is ([`NodeReport`]): the record of a run shows the same
//! figures whether nodes are threads or processes.
//!
//! # Invariants
//!
//! - A child does not outlive its parent: the kernel kills it when the parent ends, however it ends.
//! - What a node counted in an earlier process still counts after it was killed, up to its last report.
//!
//! # Caveats
//!
//! - What a killed process counted after its last report is missing in the figures.
//! - Delays of links towards storage nodes are realised, and recorded, by their processes; the run's record has those of the
//!   other direction.
//! - All nodes know one database node and its successor. A second process with the same node that dials takes the first one's
//!   connections over.

mod attendant;
mod children;
mod fleet;
mod report;
mod serve;
mod serving;
mod wires;

use node::NodeId;

pub use children::Children;
pub use fleet::{Fleet, ProcessSite};
pub use report::NodeReport;
pub use serve::{ServePlan, serve};
pub use serving::Serving;
pub use wires::Wires;

/// The node that hears attendants on the harness's behalf.
pub const OVERSEER: NodeId = NodeId(1001);

/// The attendant of the storage node with this index.
pub fn attendant_of(member: usize) -> NodeId {
    NodeId(1010 + u32::try_from(member).expect("six members"))
}
