//! For each page of a segment, its records that are in no slot yet.
//!
//! A chain is threaded through the segment's records: an entry a page, small enough that a span of them shares a few cache
//! lines, names the page's last record, and each record how far before it the page's previous one lies (P18, section 2.2,
//! has the same back-pointer as an LSN). Taking a record up touches one entry and no other record, and costs no memory of
//! its own.
//!
//! # Invariants
//!
//! - A chain has records at or below the SCL only, in order: nothing is ever put between two of them.
//! - A chain has no record at or below its page's `cut`.

use compute::{Lsn, PageId};

/// Pages in one span.
const SPAN_PAGES: u64 = 64;

/// The chain of one page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Every record of the page up to here is in its slot.
    pub cut: Lsn,
    /// The place of the last record; means nothing when the chain is empty.
    pub last: u64,
    /// How many records it has.
    pub len: u32,
}

/// All chains of a segment.
#[derive(Clone, Debug, Default)]
pub struct Chains {
    /// The number of the first span.
    first: u64,
    /// Spans in order; one without pages is empty. A group's pages are one range, so there are few.
    spans: Vec<Vec<Chain>>,
    records: usize,
}

impl Chains {
    /// The chain of a page.
    pub fn of(&self, page: PageId) -> Chain {
        let span = (page.0 / SPAN_PAGES).checked_sub(self.first).and_then(|span| self.spans.get(span as usize));
        span.and_then(|span| span.get((page.0 % SPAN_PAGES) as usize)).copied().unwrap_or_default()
    }

    /// Adds the record at `place`, which is the page's newest. Gives how far back the one before it is, zero when it is the
    /// first, and the chain's length; nothing when the page's slot has the record.
    pub fn add(&mut self, page: PageId, lsn: Lsn, place: u64) -> Option<(u32, u32)> {
        let chain = self.entry(page);
        if lsn <= chain.cut {
            return None;
        }
        let back = if chain.len == 0 { 0 } else { place - chain.last };
        (chain.last, chain.len) = (place, chain.len + 1);
        let len = chain.len;
        self.records += 1;
        Some((u32::try_from(back).expect("fewer than four billion records are held"), len))
    }

    /// A page's slot has its records up to `cut`, which leaves `len` of them in the chain.
    pub fn cut(&mut self, page: PageId, cut: Lsn, len: u32) {
        let chain = self.entry(page);
        let before = chain.len;
        (chain.cut, chain.len) = (cut.max(chain.cut), len);
        self.records = self.records - before as usize + len as usize;
    }

    /// A page's oldest record is given up.
    pub fn shorten(&mut self, page: PageId) {
        let chain = self.entry(page);
        if chain.len > 0 {
            chain.len -= 1;
            self.records -= 1;
        }
    }

    /// Pages from one on that have a chain, in order.
    pub fn from(&self, first: PageId) -> impl Iterator<Item = (PageId, Chain)> {
        let skipped = (first.0 / SPAN_PAGES).saturating_sub(self.first);
        let spans = (self.first + skipped..).zip(self.spans.iter().skip(skipped as usize));
        let pages = spans.flat_map(|(number, span)| {
            let page = move |(at, chain): (usize, &Chain)| (PageId(number * SPAN_PAGES + at as u64), *chain);
            span.iter().enumerate().map(page)
        });
        pages.filter(move |(page, chain)| *page >= first && chain.len > 0)
    }

    /// Records in all chains.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Takes every record away. The slots stay as they are.
    pub fn clear(&mut self) {
        self.spans.iter_mut().flatten().for_each(|chain| chain.len = 0);
        self.records = 0;
    }

    fn entry(&mut self, page: PageId) -> &mut Chain {
        let number = page.0 / SPAN_PAGES;
        if self.spans.is_empty() {
            self.first = number;
        } else if number < self.first {
            self.spans.splice(0..0, (number..self.first).map(|_| Vec::new()));
            self.first = number;
        }
        let at = (number - self.first) as usize;
        if at >= self.spans.len() {
            self.spans.resize(at + 1, Vec::new());
        }
        let span = &mut self.spans[at];
        if span.is_empty() {
            span.resize(SPAN_PAGES as usize, Chain::default());
        }
        &mut span[(page.0 % SPAN_PAGES) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_names_its_records_from_the_last_backwards() {
        let mut chains = Chains::default();
        let page = PageId(700);
        assert_eq!(chains.add(page, Lsn(5), 0), Some((0, 1)));
        assert_eq!(chains.add(PageId(3), Lsn(6), 1), Some((0, 1)));
        assert_eq!(chains.add(page, Lsn(9), 4), Some((4, 2)));
        assert_eq!(chains.of(page), Chain { cut: Lsn::ZERO, last: 4, len: 2 });
        assert_eq!(chains.records(), 3);
        assert_eq!(chains.from(PageId(0)).map(|(page, _)| page.0).collect::<Vec<_>>(), [3, 700]);
        assert_eq!(chains.from(PageId(4)).map(|(page, _)| page.0).collect::<Vec<_>>(), [700]);
        chains.cut(page, Lsn(5), 1);
        assert_eq!((chains.of(page).cut, chains.records()), (Lsn(5), 2));
        chains.shorten(page);
        chains.shorten(page);
        assert_eq!(chains.records(), 1);
    }

    #[test]
    fn what_a_slot_has_is_in_no_chain() {
        let mut chains = Chains::default();
        chains.cut(PageId(1), Lsn(8), 0);
        assert_eq!(chains.add(PageId(1), Lsn(8), 0), None);
        assert_eq!(chains.add(PageId(1), Lsn(9), 1), Some((0, 1)));
        chains.clear();
        assert_eq!((chains.of(PageId(1)).cut, chains.records()), (Lsn(8), 0));
    }
}
