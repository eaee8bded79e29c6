//! The common case: every write fits its leaf.

use super::commit::{CommitBounds, CommitError, Write, root_of, too_large};
use super::merge::is_sparse;
use super::read::{self, ReadError};
use crate::apply::apply;
use crate::catalog::Roots;
use crate::page::{CELL_OVERHEAD_BYTES, footprint_bytes};
use crate::pool::{FrameIndex, Miss, Pool};
use crate::redo::RECORD_HEADER_BYTES;
use crate::{Group, GroupBuilder, Lsn, Page, PageId, Record, TreeId};

/// Which frame holds the leaf of each write.
pub(super) type Plan = Vec<FrameIndex>;

/// What the writes to one leaf come to.
struct Leaf<'w> {
    at: FrameIndex,
    is_root: bool,
    /// Bytes the writes may take, none given back.
    grows_bytes: usize,
    /// Bytes the writes give back.
    shrinks_bytes: usize,
    last_key: &'w [u8],
}

/// Finds the leaves of all writes; `None` when the writes have to be made on copies.
pub(super) fn plan(
    pool: &Pool,
    roots: &Roots,
    writes: &[(TreeId, Write<'_>)],
    next: Lsn,
    bounds: &CommitBounds,
) -> Result<Option<Plan>, CommitError> {
    let mut plan = Plan::with_capacity(writes.len());
    let mut misses = Vec::new();
    let mut leaves: Vec<Leaf<'_>> = Vec::with_capacity(writes.len().min(bounds.pages_max));
    let mut fits = true;
    for (index, &(tree, write)) in writes.iter().enumerate() {
        let root = root_of(roots, index, tree)?;
        let at = match leaf_frame(pool, root, write.key()) {
            Ok(at) => at,
            Err(ReadError::Miss(Miss(page))) => {
                misses.push(page);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let page = pool.page_at(at);
        if page.lsn() >= next {
            return Err(CommitError::Corrupt { page: page.id(), reason: "its LSN is ahead of the log" });
        }
        plan.push(at);
        fits = fits && note(&mut leaves, page, at, page.id() == root, &write);
        if leaves.len() > bounds.pages_max {
            return Err(too_large(leaves.len(), bounds.pages_max, "pages"));
        }
    }
    if !misses.is_empty() {
        misses.sort_unstable();
        misses.dedup();
        return Err(CommitError::Misses(misses));
    }
    fits = fits && leaves.iter().all(|leaf| leaf.stays_whole(pool.page_at(leaf.at)));
    if !fits {
        return Ok(None);
    }
    let bytes: usize = writes.iter().map(|(_, write)| record_bytes(write)).sum();
    if bytes > bounds.bytes_max {
        return Err(too_large(bytes, bounds.bytes_max, "bytes"));
    }
    Ok(Some(plan))
}

/// Makes the planned writes.
pub(super) fn execute(pool: &mut Pool, writes: &[(TreeId, Write<'_>)], plan: &Plan, next: Lsn) -> Group {
    let mut group = GroupBuilder::new(next);
    for (&(_, write), &at) in writes.iter().zip(plan) {
        let page = pool.page_at_mut(at);
        let op = write.op();
        let lsn = group.push(page.id(), &op);
        let applied = apply(page, &Record { lsn, page: page.id(), cpl: false, op });
        assert_eq!(applied, Ok(true), "the plan made sure that it fits");
    }
    group.finish()
}

/// Notes a write to a leaf; `false` when it needs a closer look.
fn note<'w>(leaves: &mut Vec<Leaf<'w>>, page: &Page, at: FrameIndex, is_root: bool, write: &Write<'w>) -> bool {
    let key = write.key();
    let found = page.search(key).ok().map(|index| page.cell(index).1.len());
    let (grows_bytes, shrinks_bytes) = match (*write, found) {
        (Write::Insert { key, value }, None) => (footprint_bytes(key, value), 0),
        (Write::Replace { value, .. }, Some(old)) => (value.len().saturating_sub(old), old.saturating_sub(value.len())),
        (Write::Patch { offset, bytes, .. }, Some(old)) if usize::from(offset) + bytes.len() <= old => (0, 0),
        (Write::Remove { key }, Some(old)) => (0, CELL_OVERHEAD_BYTES + key.len() + old),
        _ => return false,
    };
    // Write sets come in order of key, so the leaf is the last one or a new one; one key is never written twice.
    match leaves.iter_mut().rev().find(|leaf| leaf.at == at) {
        Some(leaf) if leaf.last_key >= key => return false,
        Some(leaf) => {
            leaf.grows_bytes += grows_bytes;
            leaf.shrinks_bytes += shrinks_bytes;
            leaf.last_key = key;
        }
        None => leaves.push(Leaf { at, is_root, grows_bytes, shrinks_bytes, last_key: key }),
    }
    true
}

impl Leaf<'_> {
    /// Whether the leaf neither splits nor merges.
    fn stays_whole(&self, page: &Page) -> bool {
        let grows_too_much = self.grows_bytes > page.room_bytes();
        let left_bytes = page.used_bytes().saturating_sub(self.shrinks_bytes);
        let shrinks_too_much = self.shrinks_bytes > 0 && is_sparse(left_bytes, page.capacity_bytes());
        !grows_too_much && (self.is_root || !shrinks_too_much)
    }
}

/// How long a write's record is.
pub(super) fn record_bytes(write: &Write<'_>) -> usize {
    RECORD_HEADER_BYTES
        + match write {
            Write::Insert { key, value } | Write::Replace { key, value } => 2 + key.len() + value.len(),
            Write::Patch { key, bytes, .. } => 4 + key.len() + bytes.len(),
            Write::Remove { key } => key.len(),
        }
}

fn leaf_frame(pool: &Pool, root: PageId, key: &[u8]) -> Result<FrameIndex, ReadError> {
    let mut at = pool.use_frame(root).ok_or(Miss(root))?;
    let mut page = pool.page_at(at);
    read::check_root(page)?;
    while page.level() > 0 {
        let child = read::child(page, read::child_index(page, key))?;
        at = pool.use_frame(child).ok_or(Miss(child))?;
        let below = pool.page_at(at);
        read::check_child(page, below)?;
        page = below;
    }
    Ok(at)
}
