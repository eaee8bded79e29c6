//! Reading: descents, gets, scans.

use std::ops::ControlFlow;

use thiserror::Error;

use crate::pool::{Miss, Pool};
use crate::{Page, PageId, PageKind};

/// Why a read stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// Fetch this page and read again.
    #[error(transparent)]
    Miss(#[from] Miss),
    /// A page is whole but cannot be where it was found, as when a disk brought back an old version of it.
    #[error("page {page} does not belong where its tree points: {reason}")]
    Corrupt {
        /// The page.
        page: PageId,
        /// What does not fit.
        reason: &'static str,
    },
}

/// The value under `key`.
pub fn get<'p>(pool: &'p Pool, root: PageId, key: &[u8]) -> Result<Option<&'p [u8]>, ReadError> {
    Ok(leaf_for(pool, root, key)?.get(key))
}

/// Visits the cells from `from` on, below `to`, in rising order of key, until `visit` breaks or none is left.
///
/// On [`ReadError::Miss`] some cells may have been visited: once the page is there, scan again from the start, or from
/// just above the last key visited. Nothing visited is held across the call.
pub fn scan(
    pool: &Pool,
    root: PageId,
    from: &[u8],
    to: Option<&[u8]>,
    mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let mut page = leaf_for(pool, root, from)?;
    let mut index = page.search(from).unwrap_or_else(|above| above);
    let mut last: Option<&[u8]> = None;
    loop {
        while index < page.count() {
            let (key, value) = page.cell(index);
            if to.is_some_and(|to| key >= to) || visit(key, value).is_break() {
                return Ok(());
            }
            last = Some(key);
            index += 1;
        }
        let Some(right) = page.right() else { return Ok(()) };
        let next = pool.get(right).ok_or(Miss(right))?;
        if next.kind() != PageKind::Leaf || next.tree() != page.tree() {
            return Err(ReadError::Corrupt { page: right, reason: "a leaf's right sibling is another kind of page" });
        }
        if next.count() == 0 || last.is_some_and(|last| next.key(0) <= last) {
            return Err(ReadError::Corrupt { page: right, reason: "a leaf's right sibling is not above it" });
        }
        (page, index) = (next, 0);
    }
}

/// The leaf that holds `key`, or would.
fn leaf_for<'p>(pool: &'p Pool, root: PageId, key: &[u8]) -> Result<&'p Page, ReadError> {
    let mut page = pool.get(root).ok_or(Miss(root))?;
    check_root(page)?;
    while page.level() > 0 {
        let child = child(page, child_index(page, key))?;
        let below = pool.get(child).ok_or(Miss(child))?;
        check_child(page, below)?;
        page = below;
    }
    Ok(page)
}

/// The number of the child an inner page sends `key` to: the last whose separator is not above it.
#[inline]
pub(super) fn child_index(page: &Page, key: &[u8]) -> usize {
    match page.search(key) {
        Ok(index) => index,
        Err(index) => index.saturating_sub(1),
    }
}

/// Child number `index` of an inner page.
#[inline]
pub(super) fn child(page: &Page, index: usize) -> Result<PageId, ReadError> {
    if index >= page.count() {
        return Err(ReadError::Corrupt { page: page.id(), reason: "an inner page lacks a child" });
    }
    match page.cell(index).1.try_into() {
        Ok(id) => Ok(PageId(u64::from_le_bytes(id))),
        Err(_) => Err(ReadError::Corrupt { page: page.id(), reason: "a child is not a page id" }),
    }
}

/// Whether a page found at a root is one.
#[inline]
pub(super) fn check_root(page: &Page) -> Result<(), ReadError> {
    if is_tree_page(page) {
        return Ok(());
    }
    Err(ReadError::Corrupt { page: page.id(), reason: "a root is another kind of page" })
}

/// Whether a page found below another belongs there. Levels fall, so every descent ends.
#[inline]
pub(super) fn check_child(parent: &Page, child: &Page) -> Result<(), ReadError> {
    if is_tree_page(child) && child.level() + 1 == parent.level() && child.tree() == parent.tree() {
        return Ok(());
    }
    Err(ReadError::Corrupt { page: child.id(), reason: "it is not of the level or the tree of its parent" })
}

#[inline]
fn is_tree_page(page: &Page) -> bool {
    page.kind() == if page.level() == 0 { PageKind::Leaf } else { PageKind::Inner }
}
