//! The buffer pool: the pages in memory.
//!
//! A fixed number of frames and a replacement policy. The pool never fetches and never writes: a page that is not here
//! is a miss that the node turns into a fetch, and a page leaves only when the storage says its changes are safe
//! elsewhere.
//!
//! # Mechanism
//!
//! 2Q (Johnson and Shasha, VLDB 1994), with a clock in place of its LRU list so that a use is one store to a cell and
//! reads can share the pool. A leaf read for the first time joins the *recent* queue, a quarter of the frames, and
//! leaves it first in, first out however often it was used meanwhile: one statement touches a page several times, and
//! that says nothing about tomorrow. Its id is remembered; if it is fetched again while remembered, it joins the *hot*
//! clock. A scan therefore passes through a quarter of the pool and leaves the rest alone. Inner pages and the catalog
//! are hot from the start.
//!
//! # Invariants
//!
//! - At most `capacity` pages; a pinned page stays.
//! - Which page is evicted depends on the calls made, on nothing else.
//!
//! # Caveats
//!
//! - When most pages wait to be flushed, finding one that may leave looks at many.

mod replacement;

use std::cell::Cell;

use replacement::Replacement;

use crate::apply::{ApplyError, apply};
use crate::{Lsn, Map, Page, PageId, PageKind, Record};

/// The size of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// The size of every page, in bytes.
    pub page_bytes: usize,
    /// Memory for pages, in bytes; rounded down to whole pages.
    pub cache_bytes: usize,
}

/// No frame can be freed now: every page is pinned or waits for its changes to be safe elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the buffer pool is full of pages that may not leave yet")]
pub struct Full;

/// A page that is not in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("page {0} is not in memory")]
pub struct Miss(pub PageId);

/// How often pages were asked for and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCounts {
    /// Pages asked for and found. A descent asks for one page per level.
    pub hits: u64,
    /// Pages asked for and not found. A statement that is run again after its fetch asks again.
    pub misses: u64,
    /// Pages that had to leave.
    pub evictions: u64,
}

/// Where a page is in the pool, valid until the next call that adds or removes a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameIndex(u32);

#[derive(Clone, Debug)]
struct Frame {
    page: Page,
    pins: u32,
    used: Cell<bool>,
}

/// Pages in memory, up to a fixed number.
#[derive(Clone, Debug)]
pub struct Pool {
    page_bytes: usize,
    capacity: usize,
    frames: Vec<Option<Frame>>,
    vacant: Vec<FrameIndex>,
    index: Map<PageId, FrameIndex>,
    replacement: Replacement,
    hits: Cell<u64>,
    misses: Cell<u64>,
    evictions: u64,
}

impl Pool {
    /// An empty pool.
    pub fn new(config: PoolConfig) -> Pool {
        let capacity = config.cache_bytes / config.page_bytes;
        Pool {
            page_bytes: config.page_bytes,
            capacity,
            frames: Vec::with_capacity(capacity),
            vacant: Vec::new(),
            index: Map::with_capacity_and_hasher(capacity, rustc_hash::FxBuildHasher),
            replacement: Replacement::new(capacity),
            hits: Cell::new(0),
            misses: Cell::new(0),
            evictions: 0,
        }
    }

    /// The page, if it is in memory. Does not count as a use.
    pub fn peek(&self, page: PageId) -> Option<&Page> {
        self.find(page).map(|at| self.page_at(at))
    }

    /// The page, if it is in memory. Counts as a use, and as a hit or a miss.
    #[inline]
    pub fn get(&self, page: PageId) -> Option<&Page> {
        self.use_frame(page).map(|at| self.page_at(at))
    }

    /// The LSN of a page in memory.
    pub fn lsn_of(&self, page: PageId) -> Option<Lsn> {
        self.peek(page).map(Page::lsn)
    }

    /// Takes a page in, evicting one that `evictable` lets go if there is no frame left. When the page is in memory
    /// already, the one with the higher LSN stays. Panics when the page has another size than the pool's.
    pub fn install(&mut self, page: Page, evictable: impl Fn(PageId, Lsn) -> bool) -> Result<(), Full> {
        assert_eq!(page.size_bytes(), self.page_bytes, "{page:?} does not have the pool's page size");
        if let Some(at) = self.find(page.id()) {
            if page.lsn() > self.page_at(at).lsn() {
                *self.page_at_mut(at) = page;
            }
            return Ok(());
        }
        self.make_room(1, evictable)?;
        self.occupy(page);
        Ok(())
    }

    /// Applies a record to a page in memory; `Ok(false)` when the page is not in memory or has the record already.
    pub fn apply(&mut self, record: &Record<'_>) -> Result<bool, ApplyError> {
        match self.find(record.page) {
            Some(at) => apply(self.page_at_mut(at), record),
            None => Ok(false),
        }
    }

    /// Keeps a page in memory until as many calls of [`Pool::unpin`]; `false` when it is not in memory.
    pub fn pin(&mut self, page: PageId) -> bool {
        let Some(at) = self.find(page) else { return false };
        self.frame_mut(at).pins += 1;
        true
    }

    /// Takes back one [`Pool::pin`]. Panics when the page is not pinned.
    pub fn unpin(&mut self, page: PageId) {
        let frame = self.find(page).map(|at| self.frame_mut(at)).filter(|frame| frame.pins > 0);
        frame.expect("only a pinned page is unpinned").pins -= 1;
    }

    /// The size of every page, in bytes.
    pub fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// How many pages fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many pages are in memory.
    pub fn resident(&self) -> usize {
        self.index.len()
    }

    /// The pages in memory, in an order that depends on the calls made only.
    pub fn pages(&self) -> impl Iterator<Item = &Page> {
        self.frames.iter().flatten().map(|frame| &frame.page)
    }

    /// Hits, misses and evictions so far.
    pub fn counts(&self) -> PoolCounts {
        PoolCounts { hits: self.hits.get(), misses: self.misses.get(), evictions: self.evictions }
    }

    /// The frame of a page; counts like [`Pool::get`].
    #[inline]
    pub(crate) fn use_frame(&self, page: PageId) -> Option<FrameIndex> {
        let found = self.find(page);
        match found {
            Some(at) => {
                self.hits.set(self.hits.get() + 1);
                self.frame(at).used.set(true);
            }
            None => self.misses.set(self.misses.get() + 1),
        }
        found
    }

    #[inline]
    pub(crate) fn page_at(&self, at: FrameIndex) -> &Page {
        &self.frame(at).page
    }

    /// For [`apply`] alone.
    #[inline]
    pub(crate) fn page_at_mut(&mut self, at: FrameIndex) -> &mut Page {
        &mut self.frame_mut(at).page
    }

    /// Evicts until `count` more pages fit.
    pub(crate) fn make_room(&mut self, count: usize, evictable: impl Fn(PageId, Lsn) -> bool) -> Result<(), Full> {
        while self.capacity < self.resident() + count {
            let victim = self.replacement.victim(|at| {
                let frame = self.frames[at.0 as usize].as_ref().expect("a queued frame is occupied");
                let used = frame.used.replace(false);
                let may_leave = frame.pins == 0 && evictable(frame.page.id(), frame.page.lsn());
                replacement::Standing { page: frame.page.id(), used, may_leave }
            });
            let at = victim.ok_or(Full)?;
            let frame = self.frames[at.0 as usize].take().expect("a queued frame is occupied");
            self.index.remove(&frame.page.id());
            self.vacant.push(at);
            self.evictions += 1;
        }
        Ok(())
    }

    /// Puts back pages worked on as copies, and takes in new ones, for which there is room.
    pub(crate) fn put_back(&mut self, page: Page) {
        match self.find(page.id()) {
            Some(at) => *self.page_at_mut(at) = page,
            None => self.occupy(page),
        }
    }

    fn occupy(&mut self, page: Page) {
        assert!(self.resident() < self.capacity, "room was made for {page:?}");
        let at = self.vacant.pop().unwrap_or_else(|| {
            self.frames.push(None);
            FrameIndex(self.frames.len() as u32 - 1)
        });
        let structural = page.level() > 0 || page.kind() == PageKind::Catalog;
        self.replacement.admit(at, page.id(), structural);
        self.index.insert(page.id(), at);
        self.frames[at.0 as usize] = Some(Frame { page, pins: 0, used: Cell::new(true) });
    }

    #[inline]
    fn find(&self, page: PageId) -> Option<FrameIndex> {
        self.index.get(&page).copied()
    }

    #[inline]
    fn frame(&self, at: FrameIndex) -> &Frame {
        self.frames[at.0 as usize].as_ref().expect("an indexed frame is occupied")
    }

    #[inline]
    fn frame_mut(&mut self, at: FrameIndex) -> &mut Frame {
        self.frames[at.0 as usize].as_mut().expect("an indexed frame is occupied")
    }
}

#[cfg(test)]
mod tests;
