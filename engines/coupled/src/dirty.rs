//! The dirty page table: which pages are newer in memory than in the page file, and since when.
//!
//! # Invariants
//!
//! - A page's recLSN is the first LSN of the oldest group whose change may be missing from the page file. It moves only
//!   when a copy taken later is durable there, never when the copy is taken or written.
//! - The oldest recLSN of all bounds the checkpoint.

use std::collections::VecDeque;

use compute::{Lsn, PageId};
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

#[derive(Clone, Debug, Default)]
struct Entry {
    /// The first group since the last copy was taken.
    changed: Option<Lsn>,
    /// The recLSN of the copy on its way to the page file.
    flushing: Option<Lsn>,
    /// The CPL of the last group that changed the page.
    cpl: Lsn,
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct DirtyTable {
    /// Never iterated.
    pages: HashMap<PageId, Entry, FxBuildHasher>,
    /// Pages in order of recLSN. Entries whose recLSN has moved on are skipped.
    order: VecDeque<(Lsn, PageId)>,
}

impl DirtyTable {
    /// Notes that the group `first..=cpl` changed `page`.
    pub fn changed(&mut self, page: PageId, first: Lsn, cpl: Lsn) {
        let entry = self.pages.entry(page).or_default();
        entry.cpl = cpl;
        if entry.changed.is_none() {
            entry.changed = Some(first);
            self.order.push_back((first, page));
        }
    }

    /// Takes up to `count` pages in order of recLSN, to be copied now: each with the CPL its copy will carry.
    /// Pages on their way already are passed over.
    pub fn take_oldest(&mut self, count: usize) -> Vec<(PageId, Lsn)> {
        let mut taken = Vec::with_capacity(count.min(self.pages.len()));
        for &(lsn, page) in &self.order {
            if taken.len() == count {
                break;
            }
            let Some(entry) = self.pages.get_mut(&page) else { continue };
            if entry.changed == Some(lsn) && entry.flushing.is_none() {
                entry.flushing = entry.changed.take();
                taken.push((page, entry.cpl));
            }
        }
        taken
    }

    /// The copy of `page` is durable in the page file.
    pub fn flushed(&mut self, page: PageId) {
        if let Some(entry) = self.pages.get_mut(&page) {
            entry.flushing = None;
            if entry.changed.is_none() {
                self.pages.remove(&page);
            }
        }
    }

    /// The oldest recLSN, `None` when no page is dirty.
    pub fn oldest(&mut self) -> Option<Lsn> {
        while let Some(&(lsn, page)) = self.order.front() {
            let entry = self.pages.get(&page);
            if entry.is_some_and(|entry| entry.changed == Some(lsn) || entry.flushing == Some(lsn)) {
                return Some(lsn);
            }
            self.order.pop_front();
        }
        None
    }

    /// Whether `page` is newer in memory than in the page file.
    pub fn contains(&self, page: PageId) -> bool {
        self.pages.contains_key(&page)
    }

    /// How many pages are dirty.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether no page is dirty.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rec_lsn_moves_only_when_the_copy_is_durable() {
        let mut table = DirtyTable::default();
        table.changed(PageId(1), Lsn(10), Lsn(12));
        table.changed(PageId(2), Lsn(13), Lsn(13));
        table.changed(PageId(1), Lsn(14), Lsn(15));
        assert_eq!(table.take_oldest(1), [(PageId(1), Lsn(15))]);
        table.changed(PageId(1), Lsn(16), Lsn(17));
        assert_eq!(table.oldest(), Some(Lsn(10)));
        assert_eq!(table.take_oldest(9), [(PageId(2), Lsn(13))], "a page on its way is not copied again");
        table.flushed(PageId(1));
        assert_eq!(table.oldest(), Some(Lsn(13)));
        table.flushed(PageId(2));
        assert_eq!(table.oldest(), Some(Lsn(16)));
        assert!(table.contains(PageId(1)) && !table.contains(PageId(2)));
        assert_eq!(table.take_oldest(9), [(PageId(1), Lsn(17))]);
        table.flushed(PageId(1));
        assert!(table.is_empty());
        assert_eq!(table.oldest(), None);
    }
}
