//! From a write set to a group.

use thiserror::Error;

use super::bounds::{cell_bytes_max, key_bytes_max};
use super::in_place;
use super::merge;
use super::read::ReadError;
use super::split::{self, NewCell};
use super::workspace::Workspace;
use crate::catalog::Roots;
use crate::pool::{Full, Miss, Pool};
use crate::{Group, Lsn, PageId, RedoOp, TreeId};

/// One write of a write set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write<'a> {
    /// Adds a cell. The key is not in the tree.
    Insert {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// Replaces the value of a cell.
    Replace {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// Overwrites bytes inside the value of a cell.
    Patch {
        /// The key.
        key: &'a [u8],
        /// Where in the value.
        offset: u16,
        /// The new bytes; they end inside the value.
        bytes: &'a [u8],
    },
    /// Removes a cell.
    Remove {
        /// The key.
        key: &'a [u8],
    },
}

impl<'a> Write<'a> {
    /// The key written.
    pub fn key(&self) -> &'a [u8] {
        match *self {
            Write::Insert { key, .. }
            | Write::Replace { key, .. }
            | Write::Patch { key, .. }
            | Write::Remove { key } => key,
        }
    }

    pub(super) fn op(&self) -> RedoOp<'a> {
        match *self {
            Write::Insert { key, value } => RedoOp::Insert { key, value },
            Write::Replace { key, value } => RedoOp::Replace { key, value },
            Write::Patch { key, offset, bytes } => RedoOp::Patch { key, offset, bytes },
            Write::Remove { key } => RedoOp::Remove { key },
        }
    }
}

/// How much a group may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitBounds {
    /// Pages changed, the catalog included.
    pub pages_max: usize,
    /// Bytes of all records, encoded.
    pub bytes_max: usize,
    /// The last page the storage has reserved.
    pub reserved_upto: PageId,
}

/// Why a write set was not committed. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommitError {
    /// Fetch these pages and try again. There may be others: a page below a missing one is not known.
    #[error("{} pages are not in memory, first {:?}", .0.len(), .0.first())]
    Misses(Vec<PageId>),
    /// Reserve pages up to this one and try again.
    #[error("page {0} is not reserved")]
    NeedsPage(PageId),
    /// The group, a key or a cell is larger than allowed. Commit less at once, or use larger pages.
    #[error("the write set is too large: {actual} {what}, at most {limit} allowed")]
    TooLarge {
        /// What there is too much of, with its unit.
        what: &'static str,
        /// How much there is, so far.
        actual: usize,
        /// How much is allowed.
        limit: usize,
    },
    /// The log has no room for the group now. Try again once it has.
    #[error("the log does not admit the group now")]
    NotAdmitted,
    /// No frame is free for a new page. Try again once pages may leave the pool.
    #[error(transparent)]
    Full(#[from] Full),
    /// A write does not fit what the tree holds: the write set was not made from what is there.
    #[error("write {index} does not fit tree {}: {reason}", .tree.0)]
    Misfit {
        /// Which write.
        index: usize,
        /// Its tree.
        tree: TreeId,
        /// What does not fit.
        reason: &'static str,
    },
    /// A page is whole but cannot be where it was found, as when a disk brought back an old version of it.
    #[error("page {page} does not belong where it was found: {reason}")]
    Corrupt {
        /// The page.
        page: PageId,
        /// What does not fit.
        reason: &'static str,
    },
}

impl From<ReadError> for CommitError {
    fn from(error: ReadError) -> CommitError {
        match error {
            ReadError::Miss(Miss(page)) => CommitError::Misses(vec![page]),
            ReadError::Corrupt { page, reason } => CommitError::Corrupt { page, reason },
        }
    }
}

pub(super) fn too_large(actual: usize, limit: usize, what: &'static str) -> CommitError {
    CommitError::TooLarge { what, actual, limit }
}

/// Makes one group of all writes, in their order, from LSN `next` on, and applies it to the pool's pages.
///
/// All or nothing: on an error neither pages nor trees have changed, though pages may have been evicted. Write sets in
/// order of tree and key are fastest. The caller appends the group to the log in the same event.
///
/// `admits` is asked once everything else is settled, with the group's last LSN and its bytes; it must say yes before a
/// page changes.
///
/// Panics when `writes` is empty.
pub fn commit(
    pool: &mut Pool,
    roots: &Roots,
    writes: &[(TreeId, Write<'_>)],
    next: Lsn,
    bounds: &CommitBounds,
    evictable: &dyn Fn(PageId, Lsn) -> bool,
    admits: &mut dyn FnMut(Lsn, usize) -> bool,
) -> Result<Group, CommitError> {
    assert!(!writes.is_empty(), "a group has at least one record");
    check_sizes(pool.page_bytes(), writes)?;
    match in_place::plan(pool, roots, writes, next, bounds)? {
        Some(plan) => {
            let bytes = writes.iter().map(|(_, write)| in_place::record_bytes(write)).sum();
            if !admits(Lsn(next.0 + writes.len() as u64 - 1), bytes) {
                return Err(CommitError::NotAdmitted);
            }
            Ok(in_place::execute(pool, writes, &plan, next))
        }
        None => on_copies(pool, roots, writes, next, bounds, evictable, admits),
    }
}

fn check_sizes(page_bytes: usize, writes: &[(TreeId, Write<'_>)]) -> Result<(), CommitError> {
    for (_, write) in writes {
        let (Write::Insert { key, value } | Write::Replace { key, value }) = *write else { continue };
        if key.len() > key_bytes_max(page_bytes) {
            return Err(too_large(key.len(), key_bytes_max(page_bytes), "bytes of a key"));
        }
        if key.len() + value.len() > cell_bytes_max(page_bytes) {
            return Err(too_large(key.len() + value.len(), cell_bytes_max(page_bytes), "bytes of key and value"));
        }
    }
    Ok(())
}

/// The root of a write's tree.
pub(super) fn root_of(roots: &Roots, index: usize, tree: TreeId) -> Result<PageId, CommitError> {
    roots.of(tree).ok_or(CommitError::Misfit { index, tree, reason: "there is no such tree" })
}

fn on_copies(
    pool: &mut Pool,
    roots: &Roots,
    writes: &[(TreeId, Write<'_>)],
    next: Lsn,
    bounds: &CommitBounds,
    evictable: &dyn Fn(PageId, Lsn) -> bool,
    admits: &mut dyn FnMut(Lsn, usize) -> bool,
) -> Result<Group, CommitError> {
    let mut work = Workspace::new(pool, next, bounds);
    for (index, &(tree, write)) in writes.iter().enumerate() {
        write_on_copies(&mut work, root_of(roots, index, tree)?, index, tree, write)?;
    }
    let (pages, group) = work.finish()?;
    let new = pages.iter().filter(|page| pool.peek(page.id()).is_none()).count();
    let changed = |id: PageId| pages.binary_search_by_key(&id, |page| page.id()).is_ok();
    pool.make_room(new, |id, lsn| !changed(id) && evictable(id, lsn))?;
    if !admits(group.last(), group.bytes().len()) {
        return Err(CommitError::NotAdmitted);
    }
    for page in pages {
        pool.put_back(page);
    }
    Ok(group)
}

fn write_on_copies(
    work: &mut Workspace<'_>,
    root: PageId,
    index: usize,
    tree: TreeId,
    write: Write<'_>,
) -> Result<(), CommitError> {
    let (path, leaf) = work.descend(root, write.key())?;
    let page = work.page(leaf)?;
    let misfit = |reason| Err(CommitError::Misfit { index, tree, reason });
    let old = page.get(write.key());
    match (write, old) {
        (Write::Insert { .. }, Some(_)) => misfit("the key is there already"),
        (Write::Replace { .. } | Write::Patch { .. } | Write::Remove { .. }, None) => misfit("the key is not there"),
        (Write::Insert { key, value }, None) => split::put(work, &path, leaf, NewCell { key, value, replaces: false }),
        (Write::Replace { key, value }, Some(old)) => {
            let shrinks = value.len() < old.len();
            split::put(work, &path, leaf, NewCell { key, value, replaces: true })?;
            if shrinks { merge::after_removal(work, &path, leaf) } else { Ok(()) }
        }
        (Write::Patch { offset, bytes, .. }, Some(old)) => {
            if usize::from(offset) + bytes.len() > old.len() {
                return misfit("the patch ends outside the value");
            }
            work.change(leaf, write.op())
        }
        (Write::Remove { .. }, Some(_)) => {
            work.change(leaf, write.op())?;
            merge::after_removal(work, &path, leaf)
        }
    }
}
