//! For each page of a segment, its records that are in no slot yet.
//!
//! A chain lists its records with where their bytes are, one behind the other: making a page reads it front to back and
//! waits for memory only where the records themselves are, for all of them at once. Taking a record up writes to the end of
//! one chain and reads no other record.
//!
//! # Invariants
//!
//! - A chain has records at or below the SCL only, in order: nothing is ever put between two of them.
//! - A chain has no record at or below its page's `cut`.

use compute::{Lsn, PageId};

use super::records::Place;

/// Pages in one span.
const SPAN_PAGES: u64 = 64;

/// A record of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its LSN.
    pub lsn: Lsn,
    /// Where its bytes are.
    pub place: Place,
}

/// The chain of one page.
#[derive(Clone, Debug, Default)]
struct Chain {
    /// Every record of the page up to here is in its slot.
    cut: Lsn,
    links: Vec<Link>,
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
    /// The records of a page that are not in its slot, in order.
    pub fn of(&self, page: PageId) -> &[Link] {
        self.known(page).map_or(&[], |chain| &chain.links)
    }

    /// Every record of a page up to here is in its slot.
    pub fn cut_of(&self, page: PageId) -> Lsn {
        self.known(page).map_or(Lsn::ZERO, |chain| chain.cut)
    }

    /// The newest record of a page's chain; zero when it has none.
    pub fn last_of(&self, page: PageId) -> Lsn {
        self.of(page).last().map_or(Lsn::ZERO, |link| link.lsn)
    }

    /// Adds the newest record of a page and gives the chain's length; nothing when the page's slot has the record.
    pub fn add(&mut self, page: PageId, link: Link) -> Option<usize> {
        let chain = self.entry(page);
        if link.lsn <= chain.cut {
            return None;
        }
        chain.links.push(link);
        let len = chain.links.len();
        self.records += 1;
        Some(len)
    }

    /// A page's slot has its records up to `cut`; gives how many are left in the chain.
    pub fn cut(&mut self, page: PageId, cut: Lsn) -> usize {
        let chain = self.entry(page);
        let before = chain.links.len();
        chain.cut = cut.max(chain.cut);
        let done = chain.links.partition_point(|link| link.lsn <= cut);
        if done == before {
            // Few pages have long chains at once; what those needed is not kept for each.
            chain.links = Vec::new();
        } else {
            chain.links.drain(..done);
        }
        self.records -= done;
        before - done
    }

    /// A page's oldest record is given up.
    pub fn shorten(&mut self, page: PageId) {
        let chain = self.entry(page);
        if !chain.links.is_empty() {
            chain.links.remove(0);
            self.records -= 1;
        }
    }

    /// A page's record at `lsn` is in other bytes now.
    pub fn moved(&mut self, page: PageId, lsn: Lsn, place: Place) {
        let chain = self.entry(page);
        if let Ok(at) = chain.links.binary_search_by_key(&lsn, |link| link.lsn) {
            chain.links[at].place = place;
        }
    }

    /// Pages from one on that have a chain, in order, with its first record.
    pub fn from(&self, first: PageId) -> impl Iterator<Item = (PageId, Lsn)> {
        let skipped = (first.0 / SPAN_PAGES).saturating_sub(self.first);
        let spans = (self.first + skipped..).zip(self.spans.iter().skip(skipped as usize));
        let pages = spans.flat_map(|(number, span)| {
            let page = move |at: usize| PageId(number * SPAN_PAGES + at as u64);
            span.iter().enumerate().filter_map(move |(at, chain)| Some((page(at), chain.links.first()?.lsn)))
        });
        pages.filter(move |(page, _)| *page >= first)
    }

    /// Records in all chains.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Takes every record away. The slots stay as they are.
    pub fn clear(&mut self) {
        self.spans.iter_mut().flatten().for_each(|chain| chain.links.clear());
        self.records = 0;
    }

    fn known(&self, page: PageId) -> Option<&Chain> {
        let span = (page.0 / SPAN_PAGES).checked_sub(self.first).and_then(|span| self.spans.get(span as usize));
        span?.get((page.0 % SPAN_PAGES) as usize)
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

    fn link(lsn: u64) -> Link {
        Link { lsn: Lsn(lsn), place: Place::default() }
    }

    #[test]
    fn a_chain_names_its_records_in_order() {
        let mut chains = Chains::default();
        let page = PageId(700);
        assert_eq!(chains.add(page, link(5)), Some(1));
        assert_eq!(chains.add(PageId(3), link(6)), Some(1));
        assert_eq!(chains.add(page, link(9)), Some(2));
        assert_eq!(chains.of(page), [link(5), link(9)]);
        assert_eq!((chains.of(PageId(701)), chains.records()), (&[][..], 3));
        assert_eq!(chains.from(PageId(0)).collect::<Vec<_>>(), [(PageId(3), Lsn(6)), (page, Lsn(5))]);
        assert_eq!(chains.from(PageId(4)).collect::<Vec<_>>(), [(page, Lsn(5))]);
        assert_eq!((chains.cut(page, Lsn(5)), chains.cut_of(page), chains.records()), (1, Lsn(5), 2));
        chains.shorten(page);
        chains.shorten(page);
        assert_eq!(chains.records(), 1);
    }

    #[test]
    fn what_a_slot_has_is_in_no_chain() {
        let mut chains = Chains::default();
        assert_eq!(chains.cut(PageId(1), Lsn(8)), 0);
        assert_eq!(chains.add(PageId(1), link(8)), None);
        assert_eq!(chains.add(PageId(1), link(9)), Some(1));
        chains.clear();
        assert_eq!((chains.cut_of(PageId(1)), chains.records()), (Lsn(8), 0));
    }
}
