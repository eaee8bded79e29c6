//! The six storage nodes as the writer sees them.

use node::{Nanos, NodeId};

use super::recovery::promises::Promise;
use crate::quorum::MEMBERS;
use crate::{Incarnation, MemberIndex};

/// How far a node takes part in the writer's epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Nothing is known; it is asked to promise.
    Unknown,
    /// It promised; it is told where the volume ends.
    Promised,
    /// It holds the epoch's truncation table: its acknowledgements count.
    Holds,
}

/// One storage node.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its address.
    pub node: NodeId,
    /// How far it takes part.
    pub part: Part,
    /// Its latest incarnation known.
    pub incarnation: Incarnation,
    /// What it promised, while recovery needs it.
    pub promise: Option<Promise>,
    /// When to ask again for what it has not answered.
    pub ask_at: Nanos,
}

/// All six.
#[derive(Clone, Debug)]
pub struct Members {
    list: [Member; MEMBERS],
}

impl Members {
    /// Six nodes of which nothing is known.
    pub fn new(nodes: [NodeId; MEMBERS]) -> Members {
        let unknown = |node| Member {
            node,
            part: Part::Unknown,
            incarnation: Incarnation::default(),
            promise: None,
            ask_at: Nanos::ZERO,
        };
        Members { list: nodes.map(unknown) }
    }

    /// The member at an address.
    pub fn by_node(&self, node: NodeId) -> Option<MemberIndex> {
        MemberIndex::all().find(|member| self.list[usize::from(member.0)].node == node)
    }

    /// One member.
    pub fn get(&self, member: MemberIndex) -> &Member {
        &self.list[usize::from(member.0)]
    }

    /// One member, to change.
    pub fn get_mut(&mut self, member: MemberIndex) -> &mut Member {
        &mut self.list[usize::from(member.0)]
    }

    /// Forgets everything but the addresses, for another attempt under another epoch.
    pub fn reset(&mut self) {
        *self = Members::new(std::array::from_fn(|index| self.list[index].node));
    }

    /// The promises, by member.
    pub fn promises(&self) -> [Option<Promise>; MEMBERS] {
        std::array::from_fn(|index| self.list[index].promise.clone())
    }

    /// How many hold the epoch.
    pub fn holding(&self) -> usize {
        self.list.iter().filter(|member| member.part == Part::Holds).count()
    }

    /// The members that hold the epoch, with their addresses.
    pub fn holders(&self) -> impl Iterator<Item = (MemberIndex, NodeId)> + '_ {
        let holds = MemberIndex::all().filter(|&member| self.get(member).part == Part::Holds);
        holds.map(|member| (member, self.get(member).node))
    }
}
