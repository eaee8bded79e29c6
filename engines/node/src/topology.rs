//! The nodes of an engine: who they are, where they live, and how to build each of them.

use std::fmt;

use crate::{Node, NodeId, Zone};

/// What a node is there for. Costs are reported by role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The load generator.
    Load,
    /// The database node: B+tree, buffer pool, locks, transactions.
    Compute,
    /// A storage node of a decoupled volume.
    Storage,
    /// A block volume or its mirror.
    Volume,
    /// A standby database instance.
    Standby,
}

impl Role {
    /// The role's name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Load => "load",
            Role::Compute => "compute",
            Role::Storage => "storage",
            Role::Volume => "volume",
            Role::Standby => "standby",
        }
    }
}

/// One node of a topology.
pub struct Member {
    /// Its id, unique in the topology.
    pub id: NodeId,
    /// Its name in records and its directory's name on disk, e.g. `storage-a1`.
    pub name: String,
    /// What it is there for.
    pub role: Role,
    /// Where it lives.
    pub zone: Zone,
    /// Whether it has a disk.
    pub has_disk: bool,
    /// Builds the node, at start and after every crash. The argument counts starts in this runtime, from 0; seeds and
    /// whatever must differ between incarnations derive from it.
    pub build: Box<dyn Fn(u64) -> Box<dyn Node> + Send>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} ({} in {})", self.id, self.name, self.role.name(), self.zone)
    }
}

/// The nodes of one engine.
#[derive(Debug, Default)]
pub struct Topology {
    /// In order of id.
    pub members: Vec<Member>,
}

impl Topology {
    /// The member `id`, if there is one.
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// The ids of all members in `zone`.
    pub fn in_zone(&self, zone: Zone) -> impl Iterator<Item = NodeId> + '_ {
        self.members.iter().filter(move |member| member.zone == zone).map(|member| member.id)
    }
}
