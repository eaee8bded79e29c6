//! One segment: this node's copy of one protection group's log, in memory, and what it may say about it.
//!
//! Records are held in order of LSN, with holes where some have not come. The SCL rises along the group's backlinks
//! (P18, section 2.2) over records whose log block is durable, and over nothing else.
//!
//! # Invariants
//!
//! - `base <= scl`, and every record with `base < LSN <= scl` of the group is held, linked without a gap.
//! - No held record is annulled, and none is at or below `base`.
//! - The SCL of a segment falls only by truncation, and a claim falls only to what truncation left of it.
//! - A page's chain has its records above its slot and at or below the SCL: what is complete, and in order.
//! - No chain has a record at or below `coalesced`.

mod claim;

use std::collections::BTreeSet;

use bytes::Bytes;
use compute::{Lsn, PageId, Planted};

use super::batch::Head;
use super::chains::{Chains, Link};
use super::records::{Entry, Records};
use crate::message::{Envelope, InventoryEntry};
use crate::planted::Bug;
use crate::{PgId, TruncationTable};

/// Records whose chains are looked at before they are written to.
const LOOK_AHEAD: usize = 16;

/// What became of a record offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is held now.
    New,
    /// It was held, or is in the pages already.
    Known,
    /// It is void.
    Annulled,
}

/// One segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The group.
    pub pg: PgId,
    /// Whether it counts.
    pub hydrated: bool,
    /// Whether, while it does not count, its claim is still all that it ever acknowledged.
    pub witness: bool,
    /// Whether a durable superblock names it. A start forgets a segment that none names, with all it had: until then
    /// nothing of it is complete.
    pub recorded: bool,
    /// The highest SCL ever acknowledged, by any evidence.
    pub claim: Lsn,
    /// No read comes below this.
    pub pgmrpl: Lsn,
    /// Records on a page from which it is worth coalescing.
    pub coalesce_chain: usize,
    /// A bug, for the chaos command.
    pub planted: Planted<Bug>,
    base: Lsn,
    scl: Lsn,
    /// Complete to here with the records that the start found and could not vouch for. They may have been acknowledged, and
    /// do not count before they are durable again.
    doubt: Lsn,
    /// Every record at or below this is in the page slots.
    coalesced: Lsn,
    records: Records,
    /// For each page, its complete records that are not in its slot.
    chains: Chains,
    /// Pages whose chains are long.
    long: BTreeSet<PageId>,
    holes_filled: u64,
}

impl Segment {
    /// A segment without records, complete to `base`.
    pub fn new(pg: PgId, base: Lsn, hydrated: bool) -> Segment {
        Segment {
            pg,
            hydrated,
            witness: false,
            recorded: false,
            claim: base,
            pgmrpl: Lsn::ZERO,
            coalesce_chain: usize::MAX,
            planted: Planted::NONE,
            base,
            scl: base,
            doubt: Lsn::ZERO,
            coalesced: base,
            records: Records::default(),
            chains: Chains::default(),
            long: BTreeSet::new(),
            holes_filled: 0,
        }
    }

    /// Complete to here.
    pub fn scl(&self) -> Lsn {
        self.scl
    }

    /// Complete to here with what the start found and is not durable again yet, if that is more than the SCL.
    pub fn doubt(&self) -> Lsn {
        self.doubt
    }

    /// Everything that is held was found by the start, and part of it is in doubt.
    pub fn note_doubt(&mut self) {
        self.doubt = self.reach();
    }

    /// How far the chain goes over what is held, durable or not.
    fn reach(&self) -> Lsn {
        let last = self.last();
        self.gap(self.scl, last).map_or(last, |(tip, _)| tip)
    }

    /// Records at or below this are in the pages only.
    pub fn base(&self) -> Lsn {
        self.base
    }

    /// Whether a record with this LSN would be new.
    pub fn lacks(&self, lsn: Lsn, table: &TruncationTable) -> Offered {
        let spreads = || [Bug::AnnulledReturn, Bug::GossipUnverified].iter().any(|bug| self.planted.is(*bug));
        if table.annuls(lsn) && !spreads() {
            return Offered::Annulled;
        }
        // Nothing that is not held is of the chain up to the SCL.
        let new = lsn > self.last() || (lsn > self.scl && self.records.find(lsn).is_err());
        if new { Offered::New } else { Offered::Known }
    }

    /// Holds records that [`Segment::lacks`], LSNs rising, which came in `received`.
    pub fn hold(&mut self, heads: &[Head], received: &Bytes, seq: u64) {
        let Some(first) = heads.first() else { return };
        if first.lsn < self.last() {
            assert!(first.lsn > self.scl, "what the chain has is known");
            self.holes_filled += heads.len() as u64;
        }
        self.records.hold(heads, received, seq);
    }

    /// Follows the backlinks over records in blocks up to `durable_seq`; says whether the SCL rose.
    pub fn advance(&mut self, durable_seq: u64) -> bool {
        if !self.recorded || self.last() <= self.scl {
            return false;
        }
        let first = self.above(self.scl);
        let Segment { records, scl, planted, .. } = self;
        let follows = |entry: &&Entry| {
            let links = entry.prev_pg == *scl || planted.is(Bug::GapIgnored);
            let follows = links && records.seq(entry) <= durable_seq;
            if follows {
                *scl = entry.lsn;
            }
            follows
        };
        let complete = records.from(first).take_while(follows).count();
        self.chain_all(first, complete);
        complete > 0
    }

    /// Puts complete records into their pages' chains. The ends of chains are far apart in memory: looked at one behind the
    /// other before anything is written, they are waited for together.
    fn chain_all(&mut self, first: usize, count: usize) {
        let mut ahead = Vec::with_capacity(count.min(LOOK_AHEAD));
        for start in (first..first + count).step_by(LOOK_AHEAD) {
            ahead.extend(self.records.from(start).take(LOOK_AHEAD.min(first + count - start)).copied());
            let in_order = ahead.iter().all(|entry| self.chains.last_of(entry.page) < entry.lsn);
            assert!(in_order, "a chain has nothing above the SCL");
            ahead.drain(..).for_each(|entry| self.chain(&entry));
        }
    }

    /// Puts the next complete record into its page's chain.
    fn chain(&mut self, entry: &Entry) {
        let &Entry { lsn, page, place, .. } = entry;
        let len = self.chains.add(page, Link { lsn, place });
        if len.is_some_and(|len| len >= self.coalesce_chain) {
            self.long.insert(page);
        }
    }

    /// The LSNs and envelopes of the records that are in these log blocks.
    pub fn in_blocks<'a>(&'a self, blocks: &'a BTreeSet<u64>) -> impl Iterator<Item = (Lsn, &'a [u8])> + 'a {
        let lost = self.records.from(0).filter(|entry| blocks.contains(&self.records.seq(entry)));
        lost.map(|entry| (entry.lsn, self.encoded(entry)))
    }

    /// Records are in another log block now, and in other bytes: each is named with where its envelope begins in them.
    pub fn moved(&mut self, records: &[(Lsn, u32)], bytes: &Bytes, seq: u64) {
        for Entry { lsn, page, place, .. } in self.records.moved(records, bytes, seq) {
            self.chains.moved(page, lsn, place);
        }
    }

    /// The highest record held.
    pub fn last(&self) -> Lsn {
        self.records.back().map_or(self.base, |last| last.lsn)
    }

    /// Records held above an LSN, in order, whether the chain reaches them or not.
    pub fn held_above(&self, above: Lsn) -> impl Iterator<Item = &Entry> {
        self.records.from(self.above(above))
    }

    /// A record's envelope, encoded.
    pub fn encoded(&self, entry: &Entry) -> &[u8] {
        let (_, len) = self.records.envelope(entry.place);
        &self.records.bytes_from(entry.place)[..len]
    }

    /// Threads the chains anew: records were taken out from between others, or the SCL fell.
    fn chain_again(&mut self) {
        self.chains.clear();
        self.long.clear();
        self.chain_all(0, self.above(self.scl));
    }

    /// Records of the chain above an LSN, up to the SCL, in order.
    fn chain_above(&self, above: Lsn) -> impl Iterator<Item = &Entry> {
        self.held_above(above).take_while(|entry| entry.lsn <= self.scl)
    }

    /// At most `count` entries of the chain above an LSN, and whether that is all.
    pub fn inventory(&self, above: Lsn, count: usize) -> (Vec<InventoryEntry>, bool) {
        let mut rest = self.chain_above(above);
        let entry = |entry: &Entry| {
            let (Envelope { prev_volume, prev_pg, record, .. }, _) = self.records.envelope(entry.place);
            InventoryEntry { lsn: entry.lsn, prev_volume, prev_pg, cpl: record.cpl }
        };
        let entries = rest.by_ref().take(count).map(entry).collect();
        (entries, rest.next().is_none())
    }

    /// A page's records up to `upto`, which is complete, that are not in its slot, in order.
    pub fn page_records(&self, page: PageId, upto: Lsn) -> impl ExactSizeIterator<Item = Envelope<'_>> {
        let links = self.chains.of(page);
        let links = &links[..links.partition_point(|link| link.lsn <= upto)];
        self.records.fetch(links.iter().map(|link| link.place));
        links.iter().map(|link| self.records.envelope(link.place).0)
    }

    /// Records that are not in page slots.
    pub fn uncoalesced(&self) -> usize {
        self.chains.records()
    }

    /// Pages from one on that have records in no slot, with the first such record.
    pub fn chains_from(&self, first: PageId) -> impl Iterator<Item = (PageId, Lsn)> {
        self.chains.from(first)
    }

    /// Pages worth coalescing up to `limit` because their chains are long.
    pub fn long_chains(&self, limit: Lsn, count: usize) -> impl Iterator<Item = PageId> {
        let due = move |page: &&PageId| {
            let due = self.chains.of(**page).partition_point(|link| link.lsn <= limit);
            due >= self.coalesce_chain.div_ceil(2)
        };
        self.long.iter().filter(due).take(count).copied()
    }

    /// Pages, at most `count`, with the oldest records at or below `limit` that are in no slot and in log blocks up to
    /// `seq`.
    pub fn oldest_uncoalesced(&mut self, limit: Lsn, seq: u64, count: usize) -> BTreeSet<PageId> {
        let (mut pages, mut so_far) = (BTreeSet::new(), true);
        let limit = limit.min(self.scl);
        let start = self.above(self.coalesced);
        for entry in self.records.from(start) {
            let &Entry { lsn, page, .. } = entry;
            if lsn > limit || !so_far && (pages.len() == count || self.records.seq(entry) > seq) {
                break;
            }
            let in_slot = lsn <= self.chains.cut_of(page);
            if in_slot && so_far {
                self.coalesced = lsn;
            }
            so_far &= in_slot;
            if !in_slot && pages.len() < count && self.records.seq(entry) <= seq {
                pages.insert(page);
            }
        }
        pages
    }

    /// A page is in its slot as of `lsn`.
    pub fn page_coalesced(&mut self, page: PageId, lsn: Lsn) {
        let left = self.chains.cut(page, lsn);
        if left < self.coalesce_chain {
            self.long.remove(&page);
        }
    }

    /// How far all records are in page slots, as of the last look by [`Segment::oldest_uncoalesced`].
    pub fn coalesced(&self) -> Lsn {
        self.coalesced
    }

    /// The first record held above an LSN.
    pub fn first_above(&self, lsn: Lsn) -> Option<Lsn> {
        self.held_above(lsn).next().map(|entry| entry.lsn)
    }

    /// The first hole of the chain above an LSN of it: what is missing lies above the first and up to the second. Nothing
    /// when the chain is held up to `upto`.
    pub fn gap(&self, above: Lsn, upto: Lsn) -> Option<(Lsn, Lsn)> {
        let mut tip = above;
        for entry in self.held_above(above) {
            if entry.prev_pg != tip {
                return (tip < upto).then(|| (tip, upto.min(entry.prev_pg).max(tip.next())));
            }
            tip = entry.lsn;
        }
        (tip < upto).then_some((tip, upto))
    }

    /// Gives up every record that is held: the segment is rebuilt from its peers.
    pub fn clear(&mut self) {
        self.records.clear();
        self.chains.clear();
        self.long.clear();
        (self.scl, self.coalesced, self.doubt) = (self.base, self.base, Lsn::ZERO);
    }

    /// The LSN of the last record of the chain at or below `limit`.
    pub fn last_at_or_below(&self, limit: Lsn) -> Lsn {
        let at = self.above(limit.min(self.scl));
        if at == 0 { self.base } else { self.records.entry(at - 1).lsn }
    }

    /// Gives up records at or below `base`, which is an LSN of the chain: they are in the pages.
    pub fn collect(&mut self, base: Lsn) {
        assert!(base <= self.scl, "only complete records are collected");
        self.drop_upto(base);
        self.base = self.base.max(base);
        self.coalesced = self.coalesced.max(base);
    }

    /// Starts over from pages that have every record up to `base`. Records held above it stay.
    pub fn rebase(&mut self, base: Lsn) {
        self.drop_upto(base);
        (self.base, self.scl, self.coalesced, self.doubt) = (base, base, base, Lsn::ZERO);
        self.chain_again();
    }

    /// Starts over from nothing: the pages are given up too. Records held stay.
    pub fn give_up_pages(&mut self) {
        self.chains = Chains::default();
        self.rebase(Lsn::ZERO);
    }

    fn drop_upto(&mut self, base: Lsn) {
        while self.records.front().is_some_and(|first| first.lsn <= base) {
            let Some(Entry { lsn, page, .. }) = self.records.pop_front() else { break };
            // No chain has what is in its page's slot, or is not complete.
            if lsn > self.coalesced && lsn <= self.scl && lsn > self.chains.cut_of(page) {
                self.chains.shorten(page);
            }
        }
    }

    /// Makes room for so many more records.
    pub fn make_room(&mut self, more: usize) {
        self.records.make_room(more);
    }

    /// Records held.
    pub fn count(&self) -> usize {
        self.records.len()
    }

    /// Records that came after a later one.
    pub fn holes_filled(&self) -> u64 {
        self.holes_filled
    }

    /// Whether the record at `lsn` is held.
    pub fn has(&self, lsn: Lsn) -> bool {
        self.records.find(lsn).is_ok()
    }

    /// The number of the first record above `lsn`.
    fn above(&self, lsn: Lsn) -> usize {
        self.records.above(lsn)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use bytes::BytesMut;
    use compute::{GroupBuilder, RedoOp};

    use super::*;

    /// Holds records, each given with the one before it in the group.
    pub(super) fn hold(segment: &mut Segment, records: impl IntoIterator<Item = (u64, u64)>, seq: u64) {
        let (mut bytes, mut heads) = (BytesMut::new(), Vec::new());
        for (lsn, prev_pg) in records {
            let (lsn, prev_pg, page, at) = (Lsn(lsn), Lsn(prev_pg), PageId(lsn % 3), bytes.len() as u32);
            let mut group = GroupBuilder::new(lsn);
            group.push(page, &RedoOp::Remove { key: b"key" });
            Envelope::put(&mut bytes, lsn, prev_pg, prev_pg, Lsn::ZERO, group.finish().bytes());
            heads.push(Head { lsn, page, prev_pg, at, end: bytes.len() as u32 });
        }
        segment.hold(&heads, &bytes.freeze(), seq);
    }

    /// A member that was away had every record it missed put in front of all that came since, one by one: minutes of
    /// moving memory at a few thousand transactions a second, in which nobody got an answer from its thread.
    #[test]
    fn runs_fill_holes_in_any_order_and_chains_are_whole() {
        let runs: [&[u64]; 5] = [&[1, 2, 3], &[13, 14, 15], &[4, 5, 9], &[6, 7, 8], &[10, 11, 12]];
        let mut segment = Segment { recorded: true, ..Segment::new(PgId(0), Lsn::ZERO, true) };
        let table = TruncationTable::default();
        for (seq, run) in runs.into_iter().enumerate() {
            let new = |lsn: &&u64| segment.lacks(Lsn(**lsn), &table) == Offered::New;
            assert_eq!(run.iter().filter(new).count(), run.len());
            hold(&mut segment, run.iter().map(|&lsn| (lsn, lsn - 1)), seq as u64);
            segment.advance(u64::MAX);
        }
        assert_eq!((segment.scl(), segment.count(), segment.holes_filled()), (Lsn(15), 15, 9));
        assert_eq!(segment.uncoalesced(), 15);
        let of_page: Vec<u64> = segment.page_records(PageId(1), Lsn(12)).map(|held| held.record.lsn.0).collect();
        assert_eq!(of_page, [1, 4, 7, 10]);
        segment.page_coalesced(PageId(1), Lsn(4));
        let of_page: Vec<u64> = segment.page_records(PageId(1), Lsn(15)).map(|held| held.record.lsn.0).collect();
        assert_eq!((of_page, segment.uncoalesced()), (vec![7, 10, 13], 13));
    }
}
