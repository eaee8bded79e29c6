//! Making room: splits, up to the root.

use super::commit::CommitError;
use super::workspace::{Path, Workspace};
use crate::page::footprint_bytes;
use crate::{Page, PageId, PageKind, RedoOp};

/// A cell that goes into a full page.
#[derive(Clone, Copy)]
pub(super) struct NewCell<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
    /// Whether it replaces the cell with its key.
    pub replaces: bool,
}

impl<'a> NewCell<'a> {
    fn op(&self) -> RedoOp<'a> {
        match self.replaces {
            true => RedoOp::Replace { key: self.key, value: self.value },
            false => RedoOp::Insert { key: self.key, value: self.value },
        }
    }
}

/// A page's cells divided in two.
struct Division {
    /// All cells at or above this key leave the left page; it divides the two.
    separator: Vec<u8>,
    /// Whether any cell leaves the left page.
    moves: bool,
    /// The cells of the left page, for the root, which keeps none.
    left: Vec<u8>,
    right: Vec<u8>,
    new_is_left: bool,
}

/// Puts a cell into page `id`, which `path` leads to, splitting it if it has no room.
pub(super) fn put(work: &mut Workspace<'_>, path: &Path, id: PageId, cell: NewCell<'_>) -> Result<(), CommitError> {
    let page = work.page(id)?;
    let freed = if cell.replaces { page.get(cell.key).map_or(0, |old| footprint_bytes(cell.key, old)) } else { 0 };
    if footprint_bytes(cell.key, cell.value) <= page.room_bytes() + freed {
        return work.change(id, cell.op());
    }
    let division = divide(page, cell, path.is_empty());
    match path.split_last() {
        None => split_root(work, id, &division),
        Some((&(parent, _), above)) => {
            let right = split_page(work, id, cell, &division)?;
            let child = NewCell { key: &division.separator, value: &right.0.to_le_bytes(), replaces: false };
            put(work, &above.to_vec(), parent, child)
        }
    }
}

/// The upper part of page `id` moves to a new page on its right, which is returned.
fn split_page(
    work: &mut Workspace<'_>,
    id: PageId,
    cell: NewCell<'_>,
    division: &Division,
) -> Result<PageId, CommitError> {
    let page = work.page(id)?;
    let (kind, level, tree, old_right) = (page.kind(), page.level(), page.tree(), page.right());
    let right = work.allocate(kind, level, tree)?;
    work.change(right, RedoOp::Append { cells: &division.right })?;
    if let Some(old_right) = old_right {
        work.change(right, RedoOp::SetRight { right: old_right })?;
    }
    if division.moves {
        work.change(id, RedoOp::Truncate { key: &division.separator })?;
    }
    work.change(id, RedoOp::SetRight { right })?;
    if division.new_is_left {
        work.change(id, cell.op())?;
    }
    Ok(right)
}

/// The root's content moves to two new pages below it.
fn split_root(work: &mut Workspace<'_>, root: PageId, division: &Division) -> Result<(), CommitError> {
    let page = work.page(root)?;
    let (kind, level, tree) = (page.kind(), page.level(), page.tree());
    let left = work.allocate(kind, level, tree)?;
    let right = work.allocate(kind, level, tree)?;
    work.change(left, RedoOp::Append { cells: &division.left })?;
    work.change(left, RedoOp::SetRight { right })?;
    work.change(right, RedoOp::Append { cells: &division.right })?;
    let mut children = Vec::new();
    encode_cell(&mut children, &[], &left.0.to_le_bytes());
    encode_cell(&mut children, &division.separator, &right.0.to_le_bytes());
    work.change(root, RedoOp::Format { kind: PageKind::Inner, level: level + 1, tree })?;
    work.change(root, RedoOp::Append { cells: &children })
}

fn divide(page: &Page, cell: NewCell<'_>, is_root: bool) -> Division {
    let position = page.search(cell.key).unwrap_or_else(|above| above);
    let mut cells: Vec<(&[u8], &[u8])> = page.cells().collect();
    if cell.replaces {
        cells[position] = (cell.key, cell.value);
    } else {
        cells.insert(position, (cell.key, cell.value));
    }
    let at_right_edge = page.right().is_none() && !cell.replaces && position + 1 == cells.len();
    let is_leaf = page.kind() == PageKind::Leaf;
    let at = match (at_right_edge, is_leaf) {
        (true, true) => cells.len() - 1,
        (true, false) => cells.len() - 2,
        (false, _) => middle(&cells, if is_leaf { 1 } else { 2 }),
    };
    let first_right = cells[at].0;
    let separator = if is_leaf { separator(cells[at - 1].0, first_right) } else { first_right };
    let new_is_left = position < at;
    let mut right = Vec::new();
    for (index, (key, value)) in cells[at..].iter().enumerate() {
        let key = if !is_leaf && index == 0 { &[] } else { *key };
        encode_cell(&mut right, key, value);
    }
    let mut left = Vec::new();
    for (key, value) in cells[..at].iter().filter(|_| is_root) {
        encode_cell(&mut left, key, value);
    }
    let moves = new_is_left || cell.replaces || cells.len() - at > 1;
    Division { separator: separator.to_vec(), moves, left, right, new_is_left }
}

/// The number of the first cell of the right half, with at least `cells_min` on either side.
pub(super) fn middle(cells: &[(&[u8], &[u8])], cells_min: usize) -> usize {
    let total: usize = cells.iter().map(|(key, value)| footprint_bytes(key, value)).sum();
    let mut left = 0;
    for (index, (key, value)) in cells.iter().enumerate() {
        let with = left + footprint_bytes(key, value);
        if with * 2 >= total {
            let nearer = if with * 2 - total <= total - left * 2 { index + 1 } else { index };
            return nearer.clamp(cells_min, cells.len() - cells_min);
        }
        left = with;
    }
    cells.len() - cells_min
}

/// The shortest key above `below` that is not above `first`.
pub(super) fn separator<'a>(below: &[u8], first: &'a [u8]) -> &'a [u8] {
    let common = below.iter().zip(first).take_while(|(a, b)| a == b).count();
    &first[..common + 1]
}

/// Adds a cell in the form of [`RedoOp::Append`].
pub(super) fn encode_cell(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.extend_from_slice(&(key.len() as u16).to_le_bytes());
    out.extend_from_slice(&(value.len() as u16).to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}
