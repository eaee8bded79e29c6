//! For each page of a segment, its records that are in no slot yet.
//!
//! Every record a node takes is put into its page's chain, so a page must be found fast: pages of a group are numbered
//! densely, and an ordered map of spans of 64 pages is a node or two deep where one of pages is four.
//!
//! # Invariants
//!
//! - A chain's records rise.

use std::collections::BTreeMap;

use compute::{Lsn, PageId};

/// Pages in one span.
const SPAN_PAGES: u64 = 64;

/// A record as its page's chain has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The record.
    pub lsn: Lsn,
    /// Its place among all records of the segment's life if none came late: where to look first.
    pub place: u64,
}

/// All chains of a segment.
#[derive(Clone, Debug, Default)]
pub struct Chains {
    spans: BTreeMap<u64, Vec<Vec<Link>>>,
    records: usize,
}

impl Chains {
    /// The chain of a page; empty when all its records are in its slot.
    pub fn of(&self, page: PageId) -> &[Link] {
        let span = self.spans.get(&(page.0 / SPAN_PAGES));
        span.map_or(&[][..], |span| &span[(page.0 % SPAN_PAGES) as usize])
    }

    /// Adds a record, which the chain does not have, and gives the chain's new length.
    pub fn add(&mut self, page: PageId, link: Link) -> usize {
        let span = self.spans.entry(page.0 / SPAN_PAGES).or_insert_with(|| vec![Vec::new(); SPAN_PAGES as usize]);
        let chain = &mut span[(page.0 % SPAN_PAGES) as usize];
        if chain.last().is_none_or(|last| last.lsn < link.lsn) {
            chain.push(link);
        } else {
            let at = chain.partition_point(|known| known.lsn < link.lsn);
            chain.insert(at, link);
        }
        self.records += 1;
        chain.len()
    }

    /// Takes a page's records up to `upto` away, and gives how many are left.
    pub fn cut(&mut self, page: PageId, upto: Lsn) -> usize {
        let Some(chain) = self.chain(page) else { return 0 };
        let count = chain.partition_point(|known| known.lsn <= upto);
        chain.drain(..count);
        let left = chain.len();
        if left == 0 {
            // Whether the page is written again soon is unknown; most chains of a large volume would keep memory for nothing.
            *chain = Vec::new();
        }
        self.records -= count;
        left
    }

    /// Takes one record away, if it is there.
    pub fn remove(&mut self, page: PageId, lsn: Lsn) {
        let Some(chain) = self.chain(page) else { return };
        if let Ok(at) = chain.binary_search_by_key(&lsn, |link| link.lsn) {
            chain.remove(at);
            self.records -= 1;
        }
    }

    /// Pages from one on that have a chain, in order, each with its first record.
    pub fn from(&self, first: PageId) -> impl Iterator<Item = (PageId, Lsn)> {
        let pages = self.spans.range(first.0 / SPAN_PAGES..).flat_map(|(number, span)| {
            let page = move |(at, chain): (usize, &Vec<Link>)| {
                Some((PageId(number * SPAN_PAGES + at as u64), chain.first()?.lsn))
            };
            span.iter().enumerate().filter_map(page)
        });
        pages.skip_while(move |(page, _)| *page < first)
    }

    /// Records in all chains.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Takes everything away.
    pub fn clear(&mut self) {
        *self = Chains::default();
    }

    fn chain(&mut self, page: PageId) -> Option<&mut Vec<Link>> {
        Some(&mut self.spans.get_mut(&(page.0 / SPAN_PAGES))?[(page.0 % SPAN_PAGES) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chains(records: &[(u64, u64)]) -> Chains {
        let mut chains = Chains::default();
        for &(page, lsn) in records {
            chains.add(PageId(page), Link { lsn: Lsn(lsn), place: 0 });
        }
        chains
    }

    #[test]
    fn late_records_find_their_place_and_pages_their_order() {
        let mut chains = chains(&[(700, 5), (3, 9), (3, 2), (3, 4), (64, 1)]);
        let lsns: Vec<u64> = chains.of(PageId(3)).iter().map(|link| link.lsn.0).collect();
        assert_eq!(lsns, [2, 4, 9]);
        let from = |first: u64| chains.from(PageId(first)).map(|(page, lsn)| (page.0, lsn.0)).collect::<Vec<_>>();
        assert_eq!(from(0), [(3, 2), (64, 1), (700, 5)]);
        assert_eq!(from(4), [(64, 1), (700, 5)]);
        assert_eq!(from(701), []);
        assert_eq!((chains.cut(PageId(3), Lsn(4)), chains.records()), (1, 3));
        chains.remove(PageId(3), Lsn(9));
        chains.remove(PageId(3), Lsn(9));
        assert_eq!((chains.of(PageId(3)).len(), chains.records()), (0, 2));
        assert_eq!(chains.cut(PageId(5), Lsn(4)), 0);
    }
}
