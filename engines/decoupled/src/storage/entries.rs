//! Entries in order, with a gap where the last ones were put in between.
//!
//! A member that catches up fills its hole run by run, each behind the last, below everything that came since it returned. The
//! entries below the hole and those above it are two queues: a run goes to the end of the lower one and moves nothing. Only
//! when another hole is filled do the entries between the two holes change sides.

use std::collections::VecDeque;

use super::records::Entry;

/// Entries, LSNs rising.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    low: VecDeque<Entry>,
    high: VecDeque<Entry>,
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.low.len() + self.high.len()
    }

    /// Panics unless `at` is below [`Entries::len`].
    #[inline]
    pub(super) fn get(&self, at: usize) -> &Entry {
        match at.checked_sub(self.low.len()) {
            None => &self.low[at],
            Some(at) => &self.high[at],
        }
    }

    /// Panics unless `at` is below [`Entries::len`].
    pub(super) fn get_mut(&mut self, at: usize) -> &mut Entry {
        match at.checked_sub(self.low.len()) {
            None => &mut self.low[at],
            Some(at) => &mut self.high[at],
        }
    }

    pub(super) fn front(&self) -> Option<&Entry> {
        self.low.front().or_else(|| self.high.front())
    }

    pub(super) fn back(&self) -> Option<&Entry> {
        self.high.back().or_else(|| self.low.back())
    }

    /// Those from a place on.
    pub(super) fn from(&self, at: usize) -> impl DoubleEndedIterator<Item = &Entry> {
        let in_high = at.saturating_sub(self.low.len()).min(self.high.len());
        self.low.range(at.min(self.low.len())..).chain(self.high.range(in_high..))
    }

    /// Makes room for so many more above all others.
    pub(super) fn make_room(&mut self, more: usize) {
        let last = if self.high.is_empty() { &mut self.low } else { &mut self.high };
        last.reserve(more);
    }

    /// Adds one above all others.
    pub(super) fn push_back(&mut self, entry: Entry) {
        if self.high.is_empty() { self.low.push_back(entry) } else { self.high.push_back(entry) }
    }

    pub(super) fn pop_front(&mut self) -> Option<Entry> {
        if self.low.is_empty() {
            std::mem::swap(&mut self.low, &mut self.high);
        }
        self.low.pop_front()
    }

    /// Brings the gap before the entry in place `at`. Panics when that is above [`Entries::len`].
    pub(super) fn part(&mut self, at: usize) {
        match at.checked_sub(self.low.len()) {
            None => self.low.drain(at..).rev().for_each(|entry| self.high.push_front(entry)),
            Some(more) => self.low.extend(self.high.drain(..more)),
        }
    }

    /// Puts an entry in its order, at the gap or above it.
    pub(super) fn insert(&mut self, entry: Entry) {
        while self.high.front().is_some_and(|held| held.lsn < entry.lsn) {
            self.low.extend(self.high.pop_front());
        }
        self.low.push_back(entry);
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool) {
        self.low.retain(&mut keep);
        self.high.retain(keep);
    }

    pub(super) fn clear(&mut self) {
        self.low.clear();
        self.high.clear();
    }
}

#[cfg(test)]
mod tests {
    use compute::{Lsn, PageId};

    use super::super::records::Place;
    use super::*;

    fn entry(lsn: u64) -> Entry {
        Entry { lsn: Lsn(lsn), page: PageId(0), prev_pg: Lsn::ZERO, place: Place::default() }
    }

    fn all(entries: &Entries) -> Vec<u64> {
        entries.from(0).map(|entry| entry.lsn.0).collect()
    }

    #[test]
    fn nothing_moves_where_there_is_room() {
        let mut entries = Entries::default();
        entries.push_back(entry(1));
        entries.make_room(1_000);
        let first: *const Entry = entries.get(0);
        (2..1_002).for_each(|lsn| entries.push_back(entry(lsn)));
        assert!(std::ptr::eq(first, entries.get(0)));
    }

    /// Whatever is put in and taken out, wherever the gap is: places, ends and iteration are those of one list.
    #[test]
    fn two_queues_are_one_list() {
        let mut rng = node::Rng::new(7);
        let (mut entries, mut list) = (Entries::default(), Vec::<u64>::new());
        for _ in 0..2_000 {
            match rng.below(5) {
                0 => {
                    let lsn = list.last().map_or(1, |last| last + 1 + rng.below(3));
                    entries.push_back(entry(lsn));
                    list.push(lsn);
                }
                1 | 2 => {
                    let lsn = rng.below(list.last().map_or(1_000, |last| last + 10));
                    let Err(at) = list.binary_search(&lsn) else { continue };
                    // Anywhere from the first entry up to where it belongs.
                    entries.part(rng.below(at as u64 + 1) as usize);
                    entries.insert(entry(lsn));
                    list.insert(at, lsn);
                }
                3 => {
                    let front = (!list.is_empty()).then(|| list.remove(0));
                    assert_eq!(entries.pop_front().map(|entry| entry.lsn.0), front);
                }
                _ => {
                    entries.retain(|entry| !entry.lsn.0.is_multiple_of(7));
                    list.retain(|lsn| !lsn.is_multiple_of(7));
                }
            }
            let ends = [entries.front(), entries.back()].map(|end| end.map(|entry| entry.lsn.0));
            assert_eq!(ends, [list.first().copied(), list.last().copied()]);
            assert_eq!((entries.len(), all(&entries)), (list.len(), list.clone()));
            let at = rng.below(list.len() as u64 + 2) as usize;
            let behind: Vec<u64> = entries.from(at).rev().map(|entry| entry.lsn.0).collect();
            assert_eq!(behind, list[at.min(list.len())..].iter().rev().copied().collect::<Vec<_>>());
            if let Some(lsn) = list.get(at) {
                assert_eq!((entries.get(at).lsn.0, entries.get_mut(at).lsn.0), (*lsn, *lsn));
            }
        }
    }
}
