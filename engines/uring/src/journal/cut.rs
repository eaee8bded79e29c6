//! Where in the journal the power fails.

use std::collections::{BTreeMap, BTreeSet};

use node::{NodeId, Rng};

use super::record::JournalRecord;

/// A moment of power loss, as indices into the records of one journal: what was recorded before has happened.
///
/// Any position taken for all nodes together is a moment that was: the journal has one order, in which a cause stands
/// before its effect. Nodes may also lose power apart, in an order of their own, as long as none of them knows of
/// something that another one had not done yet. [`Cut::apart`] keeps to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    at: usize,
    own: BTreeMap<NodeId, usize>,
}

impl Cut {
    /// All nodes at once.
    pub fn together(at: usize) -> Cut {
        Cut { at, own: BTreeMap::new() }
    }

    /// Each node at a place of its own: at `at`, or later, but before the first frame delivered to it since. Until
    /// then a node acts on what it knew at `at`, and what it sends is delivered to nobody, since the others end before
    /// their next frame too. Frames to every node that takes part must have been recorded; clients, whose replies
    /// count up to `at`, take part.
    pub fn apart(records: &[JournalRecord], at: usize, rng: &mut Rng) -> Cut {
        let nodes: BTreeSet<NodeId> = records.iter().filter_map(JournalRecord::submitter).collect();
        let mut ends = BTreeMap::new();
        for (index, record) in records.iter().enumerate().skip(at) {
            if let JournalRecord::Delivered { to, .. } = record {
                ends.entry(*to).or_insert(index);
            }
        }
        let own = nodes.into_iter().map(|node| {
            let end = ends.get(&node).copied().unwrap_or(records.len());
            (node, at + rng.below((end - at) as u64 + 1) as usize)
        });
        Cut { at, own: own.collect() }
    }

    /// The moment for everything that has no disk.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Whether something of `node` at position `index` has happened.
    pub(super) fn includes(&self, node: NodeId, index: usize) -> bool {
        index < self.own.get(&node).copied().unwrap_or(self.at)
    }

    /// The position after the last record that can have happened.
    pub(super) fn end(&self) -> usize {
        self.own.values().copied().fold(self.at, usize::max)
    }
}
