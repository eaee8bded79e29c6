//! One node's disk out of a journal that is still being written: what a power cut leaves of it, and how it is as a whole.

use std::collections::BTreeMap;

use node::{FileName, NodeId};

use super::image::{Survivors, Undurable};
use super::record::Journal;

impl Journal {
    /// What of the node's disk was not durable at position `at`.
    pub(crate) fn undurable(&self, node: NodeId, at: usize) -> Undurable {
        self.disk_at(node, at).undurable()
    }

    /// The node's files after a power loss at position `at`.
    pub(crate) fn left(&self, node: NodeId, at: usize, survivors: Survivors) -> BTreeMap<FileName, Vec<u8>> {
        self.disk_at(node, at).left(node, survivors)
    }
}
