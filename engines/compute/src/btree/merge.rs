//! Giving room back: merges, up to the root.

use super::commit::CommitError;
use super::read;
use super::split::{self, NewCell, encode_cell};
use super::workspace::{Path, Workspace};
use crate::{Page, PageId, PageKind, RedoOp};

/// Whether a page that is no root should be merged: it is below a quarter full.
pub(super) fn is_sparse(used_bytes: usize, capacity_bytes: usize) -> bool {
    used_bytes * 4 < capacity_bytes
}

/// Whether a page that is no root must not stay as it is.
fn is_too_small(page: &Page) -> bool {
    page.count() < if page.kind() == PageKind::Leaf { 1 } else { 2 }
}

/// Two neighbours below one parent.
struct Siblings {
    parent: PageId,
    left: PageId,
    right: PageId,
    /// The right one's separator in the parent.
    separator: Vec<u8>,
}

/// Merges page `id`, which `path` leads to and which has lost cells, with a sibling if it is sparse.
pub(super) fn after_removal(work: &mut Workspace<'_>, path: &Path, id: PageId) -> Result<(), CommitError> {
    let page = work.page(id)?;
    let Some((&(parent, index), above)) = path.split_last() else {
        return pull_up(work, id);
    };
    if !is_sparse(page.used_bytes(), page.capacity_bytes()) && !is_too_small(page) {
        return Ok(());
    }
    let must = is_too_small(page);
    let above = above.to_vec();
    let mut found = None;
    for left_index in [Some(index), index.checked_sub(1)].into_iter().flatten() {
        let Some(siblings) = siblings(work, parent, left_index)? else { continue };
        if fits_one_page(work, &siblings, must)? {
            merge(work, &siblings)?;
            return after_removal(work, &above, parent);
        }
        found = Some(siblings);
    }
    match found {
        Some(siblings) if must => even_out(work, &above, &siblings),
        _ => Ok(()),
    }
}

fn siblings(work: &Workspace<'_>, parent: PageId, left_index: usize) -> Result<Option<Siblings>, CommitError> {
    let page = work.page(parent)?;
    if left_index + 1 >= page.count() {
        return Ok(None);
    }
    let separator = page.key(left_index + 1).to_vec();
    let (left, right) = (read::child(page, left_index)?, read::child(page, left_index + 1)?);
    for id in [left, right] {
        read::check_child(page, work.page(id)?)?;
    }
    Ok(Some(Siblings { parent, left, right, separator }))
}

fn fits_one_page(work: &Workspace<'_>, siblings: &Siblings, must: bool) -> Result<bool, CommitError> {
    let (left, right) = (work.page(siblings.left)?, work.page(siblings.right)?);
    let separator_bytes = if left.kind() == PageKind::Inner { siblings.separator.len() } else { 0 };
    let together = left.used_bytes() + right.used_bytes() + separator_bytes;
    let capacity = left.capacity_bytes();
    Ok(together <= if must { capacity } else { capacity / 4 * 3 })
}

/// The right page's content moves to the left one, and the right page is freed.
fn merge(work: &mut Workspace<'_>, siblings: &Siblings) -> Result<(), CommitError> {
    let right = work.page(siblings.right)?;
    let (cells, beyond) = (encode_all(right, &siblings.separator), right.right());
    if !cells.is_empty() {
        work.change(siblings.left, RedoOp::Append { cells: &cells })?;
    }
    work.change(siblings.left, RedoOp::SetRight { right: beyond.unwrap_or_default() })?;
    work.free(siblings.right)?;
    work.change(siblings.parent, RedoOp::Remove { key: &siblings.separator })
}

/// Divides the children of two inner pages, one of which has a single child, evenly between them.
fn even_out(work: &mut Workspace<'_>, above: &Path, siblings: &Siblings) -> Result<(), CommitError> {
    let (left, right) = (work.page(siblings.left)?, work.page(siblings.right)?);
    let (left_count, beyond) = (left.count(), right.right());
    let (level, tree) = (right.level(), right.tree());
    let mut cells: Vec<(&[u8], &[u8])> = left.cells().chain(right.cells()).collect();
    cells[left_count].0 = &siblings.separator;
    let at = split::middle(&cells, 2);
    let separator = cells[at].0.to_vec();
    let mut to_left = Vec::new();
    for (key, value) in cells.get(left_count..at).unwrap_or_default() {
        encode_cell(&mut to_left, key, value);
    }
    let mut to_right = Vec::new();
    for (index, (key, value)) in cells[at..].iter().enumerate() {
        encode_cell(&mut to_right, if index == 0 { &[] } else { key }, value);
    }
    if at < left_count {
        work.change(siblings.left, RedoOp::Truncate { key: &separator })?;
    } else if at > left_count {
        work.change(siblings.left, RedoOp::Append { cells: &to_left })?;
    }
    work.change(siblings.right, RedoOp::Format { kind: PageKind::Inner, level, tree })?;
    work.change(siblings.right, RedoOp::Append { cells: &to_right })?;
    if let Some(beyond) = beyond {
        work.change(siblings.right, RedoOp::SetRight { right: beyond })?;
    }
    work.change(siblings.parent, RedoOp::Remove { key: &siblings.separator })?;
    let child = NewCell { key: &separator, value: &siblings.right.0.to_le_bytes(), replaces: false };
    split::put(work, above, siblings.parent, child)
}

/// A root with a single child takes over its content.
fn pull_up(work: &mut Workspace<'_>, root: PageId) -> Result<(), CommitError> {
    let page = work.page(root)?;
    if page.kind() != PageKind::Inner || page.count() > 1 {
        return Ok(());
    }
    let child = read::child(page, 0)?;
    let below = work.page(child)?;
    read::check_child(page, below)?;
    let (kind, level, tree, cells) = (below.kind(), below.level(), below.tree(), encode_all(below, &[]));
    work.change(root, RedoOp::Format { kind, level, tree })?;
    if !cells.is_empty() {
        work.change(root, RedoOp::Append { cells: &cells })?;
    }
    work.free(child)?;
    pull_up(work, root)
}

/// All cells of a page for [`RedoOp::Append`]; an inner page's first gets `first_key`.
fn encode_all(page: &Page, first_key: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, (key, value)) in page.cells().enumerate() {
        let first = index == 0 && page.kind() == PageKind::Inner;
        encode_cell(&mut out, if first { first_key } else { key }, value);
    }
    out
}
