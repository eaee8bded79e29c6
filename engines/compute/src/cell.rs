//! Cells: a key together with the tree it is in, as one byte string.
//!
//! Locks, recent commits, read sets and write sets speak of rows and index entries alike. Their common name is the
//! tree's number, big-endian, followed by the key, so that one ordered map holds all trees and every range inside a
//! tree is a range of byte strings.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::TreeId;

/// The most trees, the catalog included: the range "to the end of the tree" ends at the next number.
pub const TREES_MAX: usize = u16::MAX as usize - 1;

/// Bytes of the tree's number.
const TREE_BYTES: usize = 2;
/// Names up to this length are put together without an allocation of their own.
const NAME_BYTES_USUAL: usize = 64;

/// A shared name of one cell. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellKey(Arc<[u8]>);

impl CellKey {
    /// The cell `key` of `tree`.
    pub fn new(tree: TreeId, key: &[u8]) -> CellKey {
        // Copied as a block from the stack: this runs several times in every statement.
        let mut name = [0; NAME_BYTES_USUAL];
        match name.get_mut(..TREE_BYTES + key.len()) {
            Some(name) => {
                name[..TREE_BYTES].copy_from_slice(&tree.0.to_be_bytes());
                name[TREE_BYTES..].copy_from_slice(key);
                CellKey(Arc::from(&*name))
            }
            None => CellKey([&tree.0.to_be_bytes()[..], key].concat().into()),
        }
    }

    /// The cell whose name, tree included, is `bytes`. Panics when there is no room for a tree.
    pub fn of_bytes(bytes: &[u8]) -> CellKey {
        assert!(bytes.len() >= 2, "a cell's name starts with its tree");
        CellKey(bytes.into())
    }

    /// The tree.
    pub fn tree(&self) -> TreeId {
        tree_of(&self.0)
    }

    /// The key inside the tree.
    pub fn key(&self) -> &[u8] {
        &self.0[2..]
    }

    /// Tree and key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for CellKey {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for CellKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tree().0, self.key().escape_ascii())
    }
}

/// The tree of a cell's name.
pub fn tree_of(cell: &[u8]) -> TreeId {
    TreeId(u16::from_be_bytes([cell[0], cell[1]]))
}

/// Overwrites `out` with the name of the cell `key` of `tree`.
pub fn set_cell(out: &mut Vec<u8>, tree: TreeId, key: &[u8]) {
    out.clear();
    out.extend_from_slice(&tree.0.to_be_bytes());
    out.extend_from_slice(key);
}

/// Overwrites `out` with the end of a range in `tree`: before `to`, or at the end of the tree.
pub fn set_end(out: &mut Vec<u8>, tree: TreeId, to: Option<&[u8]>) {
    match to {
        Some(to) => set_cell(out, tree, to),
        None => set_cell(out, TreeId(tree.0 + 1), &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_ordered_by_tree_then_key() {
        let cells = [
            CellKey::new(TreeId(1), b""),
            CellKey::new(TreeId(1), b"\0"),
            CellKey::new(TreeId(1), &[0xff; 9]),
            CellKey::new(TreeId(2), b""),
            CellKey::new(TreeId(0x100), b"a"),
        ];
        assert!(cells.is_sorted());
        let mut end = Vec::new();
        set_end(&mut end, TreeId(1), None);
        assert!(cells[2].as_bytes() < &end[..] && &end[..] <= cells[3].as_bytes());
        assert_eq!((cells[4].tree(), cells[4].key()), (TreeId(0x100), &b"a"[..]));
    }
}
