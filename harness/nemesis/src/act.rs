//! What a script can do to a world: the runtimes' primitive faults, and damage to what lies on a disk.

use node::fault::Fault;
use node::{Nanos, NodeId};

/// How long a crash waits for the write that it is meant for.
pub const WAIT_MAX: Nanos = Nanos::from_millis(20);

/// One change to the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// A primitive that a runtime carries out.
    Primitive(Fault),
    /// Power fails at the node as soon as it writes to a file whose name begins so; if it does not for [`WAIT_MAX`], then.
    CrashWriting {
        /// Who.
        node: NodeId,
        /// Which files.
        files: String,
    },
    /// Power fails at the node as soon as it would lose so many sectors and names that are not durable; if it does not come to
    /// that for [`WAIT_MAX`], then.
    CrashLosing {
        /// Who.
        node: NodeId,
        /// How many.
        units: u32,
    },
    /// What lies at one place of the first node's disk rots there, and wherever others of the nodes have the same bytes.
    RotAlike {
        /// Whose: the first one's says what.
        nodes: Vec<NodeId>,
        /// Which files: those whose names begin so.
        files: String,
        /// Where among the first one's sectors that hold anything, in millionths.
        place: u32,
    },
    /// Strangers open so many sessions at a database all at once. Half of them leave a transaction open and never come back.
    Crowd {
        /// Where.
        node: NodeId,
        /// How many.
        sessions: u32,
    },
    /// Stored sectors of a node are damaged, whether it runs or not.
    Damage {
        /// Whose.
        node: NodeId,
        /// How.
        kind: DamageKind,
        /// Which files: those whose names begin so.
        files: String,
        /// Where among the sectors that hold anything, in millionths.
        place: u32,
        /// How many neighbouring sectors.
        sectors: u32,
    },
    /// The disk of a node that is down is emptied.
    Wipe {
        /// Whose.
        node: NodeId,
    },
    /// A node's disk is remembered as it is.
    Keep {
        /// Whose.
        node: NodeId,
    },
    /// The disk of a node that is down goes back to what was remembered.
    Rollback {
        /// Whose.
        node: NodeId,
    },
    /// Two nodes that are down get each other's disks.
    Swap {
        /// The one.
        one: NodeId,
        /// The other.
        other: NodeId,
    },
}

/// How stored sectors are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// Bits flip silently.
    Rot,
    /// Reads fail until the sectors are written anew.
    Unreadable,
}

impl Act {
    /// The node that is struck; for links the sender.
    pub fn node(&self) -> NodeId {
        match self {
            Act::Primitive(fault) => match *fault {
                Fault::Crash { node, .. }
                | Fault::Restart { node }
                | Fault::Pause { node }
                | Fault::Resume { node }
                | Fault::Disk { node, .. }
                | Fault::DiskClear { node }
                | Fault::Clock { node, .. } => node,
                Fault::Link { from, .. } | Fault::Heal { from, .. } => from,
            },
            Act::RotAlike { nodes, .. } => nodes[0],
            Act::CrashWriting { node, .. }
            | Act::CrashLosing { node, .. }
            | Act::Crowd { node, .. }
            | Act::Damage { node, .. }
            | Act::Wipe { node }
            | Act::Keep { node }
            | Act::Rollback { node } => *node,
            Act::Swap { one, .. } => *one,
        }
    }

    /// Everybody it is about.
    pub fn nodes(&self) -> [NodeId; 2] {
        let other = match self {
            Act::Primitive(Fault::Link { to, .. } | Fault::Heal { to, .. }) => *to,
            Act::Swap { other, .. } => *other,
            _ => self.node(),
        };
        [self.node(), other]
    }
}
