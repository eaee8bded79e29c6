//! Copies of pages on which a group is tried out before anything in the pool changes.

use std::collections::BTreeMap;

use super::commit::{CommitBounds, CommitError, too_large};
use super::read::{self, ReadError};
use crate::apply::apply;
use crate::catalog::{Allocation, CATALOG_PAGE, FREE_KEY, NEXT_KEY};
use crate::pool::{Miss, Pool};
use crate::{Group, GroupBuilder, Lsn, Page, PageId, PageKind, Record, RedoOp, TreeId};

/// Bytes of the two records that may change the catalog at the end.
const CATALOG_RECORDS_BYTES: usize = 76;

/// The inner pages from a root down to a page, that page left out: each with the number of the child taken.
pub(super) type Path = Vec<(PageId, usize)>;

/// A group in the making.
pub(super) struct Workspace<'p> {
    pool: &'p Pool,
    bounds: &'p CommitBounds,
    changed: BTreeMap<PageId, Page>,
    group: GroupBuilder,
    allocation: Option<(Allocation, Allocation)>,
    needs_page: Option<PageId>,
}

impl<'p> Workspace<'p> {
    pub fn new(pool: &'p Pool, next: Lsn, bounds: &'p CommitBounds) -> Workspace<'p> {
        Workspace {
            pool,
            bounds,
            changed: BTreeMap::new(),
            group: GroupBuilder::new(next),
            allocation: None,
            needs_page: None,
        }
    }

    /// A page as the group has it so far.
    pub fn page(&self, id: PageId) -> Result<&Page, ReadError> {
        match self.changed.get(&id) {
            Some(page) => Ok(page),
            None => Ok(self.pool.peek(id).ok_or(Miss(id))?),
        }
    }

    /// Adds a record to the group and applies it to the copy.
    pub fn change(&mut self, id: PageId, op: RedoOp<'_>) -> Result<(), CommitError> {
        let page = match self.changed.entry(id) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(self.pool.peek(id).ok_or(ReadError::Miss(Miss(id)))?.clone())
            }
        };
        let lsn = self.group.push(id, &op);
        match apply(page, &Record { lsn, page: id, cpl: false, op }) {
            Ok(true) => {}
            Ok(false) => return Err(CommitError::Corrupt { page: id, reason: "its LSN is ahead of the log" }),
            Err(error) => return Err(CommitError::Corrupt { page: id, reason: error.reason() }),
        }
        self.check_bounds()
    }

    /// The way from `root` to the leaf for `key`, and the leaf.
    pub fn descend(&self, root: PageId, key: &[u8]) -> Result<(Path, PageId), ReadError> {
        let mut path = Path::new();
        let mut page = self.page(root)?;
        read::check_root(page)?;
        while page.level() > 0 {
            let index = read::child_index(page, key);
            let below = self.page(read::child(page, index)?)?;
            read::check_child(page, below)?;
            path.push((page.id(), index));
            page = below;
        }
        Ok((path, page.id()))
    }

    /// An unused page, formatted.
    pub fn allocate(&mut self, kind: PageKind, level: u8, tree: TreeId) -> Result<PageId, CommitError> {
        let mut allocation = self.allocation()?;
        let id = if allocation.free.0 == 0 {
            let id = allocation.next;
            allocation.next = PageId(id.0 + 1);
            if id > self.bounds.reserved_upto {
                self.needs_page = Some(id);
            }
            self.changed.insert(id, Page::empty(id, self.pool.page_bytes()));
            id
        } else {
            let id = allocation.free;
            let page = self.page(id)?;
            if page.kind() != PageKind::Free {
                return Err(CommitError::Corrupt { page: id, reason: "it is on the free list and in use" });
            }
            allocation.free = page.right().unwrap_or_default();
            id
        };
        self.set_allocation(allocation);
        self.change(id, RedoOp::Format { kind, level, tree })?;
        Ok(id)
    }

    /// Puts a page on the free list.
    pub fn free(&mut self, id: PageId) -> Result<(), CommitError> {
        let mut allocation = self.allocation()?;
        self.change(id, RedoOp::Format { kind: PageKind::Free, level: 0, tree: TreeId(0) })?;
        if allocation.free.0 != 0 {
            self.change(id, RedoOp::SetRight { right: allocation.free })?;
        }
        allocation.free = id;
        self.set_allocation(allocation);
        Ok(())
    }

    /// Ends the group: the changed pages and the records that changed them.
    pub fn finish(mut self) -> Result<(Vec<Page>, Group), CommitError> {
        if let Some((before, after)) = self.allocation {
            for (key, old, new) in [(FREE_KEY, before.free, after.free), (NEXT_KEY, before.next, after.next)] {
                if old != new {
                    self.change(CATALOG_PAGE, RedoOp::Replace { key, value: &new.0.to_le_bytes() })?;
                }
            }
        }
        match self.needs_page {
            Some(page) => Err(CommitError::NeedsPage(page)),
            None => Ok((self.changed.into_values().collect(), self.group.finish())),
        }
    }

    fn allocation(&self) -> Result<Allocation, CommitError> {
        if let Some((_, now)) = self.allocation {
            return Ok(now);
        }
        let catalog = self.page(CATALOG_PAGE)?;
        Allocation::read(catalog).ok_or(CommitError::Corrupt { page: CATALOG_PAGE, reason: "it is not a catalog" })
    }

    fn set_allocation(&mut self, now: Allocation) {
        let before = match self.allocation {
            Some((before, _)) => Ok(before),
            None => self.allocation(),
        };
        self.allocation = before.ok().map(|before| (before, now));
    }

    fn check_bounds(&self) -> Result<(), CommitError> {
        let catalog_pages = usize::from(self.allocation.is_some() && !self.changed.contains_key(&CATALOG_PAGE));
        if self.changed.len() + catalog_pages > self.bounds.pages_max {
            return Err(too_large(self.changed.len() + catalog_pages, self.bounds.pages_max, "pages"));
        }
        let bytes = self.group.len_bytes() + CATALOG_RECORDS_BYTES;
        if bytes > self.bounds.bytes_max {
            return Err(too_large(bytes, self.bounds.bytes_max, "bytes"));
        }
        Ok(())
    }
}
