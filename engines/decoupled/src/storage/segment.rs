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

use std::collections::{BTreeSet, VecDeque};

use compute::{Lsn, PageId};

use super::chains::{Chain, Chains};
use super::places;
use crate::message::{Envelope, InventoryEntry, SegmentStatus, Standing};
use crate::{PgId, TruncationTable};

/// A record held.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its envelope.
    pub envelope: Envelope,
    /// The log block that has it.
    pub seq: u64,
}

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
    /// Whether a durable superblock names it. A start forgets a segment that none names, with all it had: until then
    /// nothing of it is complete.
    pub recorded: bool,
    /// The highest SCL ever acknowledged, by any evidence.
    pub claim: Lsn,
    /// No read comes below this.
    pub pgmrpl: Lsn,
    /// Records on a page from which it is worth coalescing.
    pub coalesce_chain: usize,
    base: Lsn,
    scl: Lsn,
    /// Every record at or below this is in the page slots.
    coalesced: Lsn,
    records: VecDeque<Held>,
    /// Records dropped from the front of `records` so far.
    dropped: u64,
    /// For each complete record, how many records before it the previous one of its page's chain is; zero when it is the
    /// first, or in no chain. Apart from the records, so that following a chain waits for memory once a record and not twice.
    backs: VecDeque<u32>,
    /// For each page, its complete records that are not in its slot.
    chains: Chains,
    /// Pages whose chains are long.
    long: BTreeSet<PageId>,
    bytes: usize,
    holes_filled: u64,
}

impl Segment {
    /// A segment without records, complete to `base`.
    pub fn new(pg: PgId, base: Lsn, hydrated: bool) -> Segment {
        Segment {
            pg,
            hydrated,
            recorded: false,
            claim: base,
            pgmrpl: Lsn::ZERO,
            coalesce_chain: usize::MAX,
            base,
            scl: base,
            coalesced: base,
            records: VecDeque::new(),
            dropped: 0,
            backs: VecDeque::new(),
            chains: Chains::default(),
            long: BTreeSet::new(),
            bytes: 0,
            holes_filled: 0,
        }
    }

    /// Complete to here.
    pub fn scl(&self) -> Lsn {
        self.scl
    }

    /// Records at or below this are in the pages only.
    pub fn base(&self) -> Lsn {
        self.base
    }

    /// What its silence means.
    pub fn standing(&self) -> Standing {
        if !self.hydrated {
            Standing::Unhydrated
        } else if self.scl < self.claim {
            Standing::Suspect
        } else {
            Standing::Clean
        }
    }

    /// Its part of a promise.
    pub fn status(&self) -> SegmentStatus {
        let claimed_scl = self.claim.max(self.scl);
        SegmentStatus { pg: self.pg, scl: self.scl, claimed_scl, standing: self.standing() }
    }

    /// Whether a record with this LSN would be new.
    pub fn lacks(&self, lsn: Lsn, table: &TruncationTable) -> Offered {
        if table.annuls(lsn) {
            return Offered::Annulled;
        }
        // Nothing that is not held is of the chain up to the SCL.
        let new = lsn > self.last() || (lsn > self.scl && places::find(&self.records, lsn).is_err());
        if new { Offered::New } else { Offered::Known }
    }

    /// Holds records that [`Segment::lacks`], LSNs rising. What fills a hole moves the records above it once for the whole
    /// run: a member that catches up has a long tail behind its hole.
    pub fn hold(&mut self, run: impl IntoIterator<Item = Envelope>, seq: u64) {
        let mut run = run.into_iter().peekable();
        let Some(first) = run.peek().map(|envelope| envelope.lsn) else { return };
        let is_hole = first < self.last();
        assert!(!is_hole || first > self.scl, "what the chain has is known");
        let mut above = if is_hole { self.records.split_off(self.above(first)) } else { VecDeque::new() };
        for envelope in run {
            while above.front().is_some_and(|held| held.envelope.lsn < envelope.lsn) {
                self.records.extend(above.pop_front());
            }
            self.bytes += envelope.record.len();
            self.holes_filled += u64::from(is_hole);
            self.records.push_back(Held { envelope, seq });
        }
        self.records.append(&mut above);
    }

    /// Follows the backlinks over records in blocks up to `durable_seq`; says whether the SCL rose.
    pub fn advance(&mut self, durable_seq: u64) -> bool {
        if !self.recorded {
            return false;
        }
        let before = self.scl;
        let start = self.above(self.scl);
        for at in start..self.records.len() {
            let Held { envelope, seq } = &self.records[at];
            if envelope.prev_pg != self.scl || *seq > durable_seq {
                break;
            }
            self.scl = envelope.lsn;
            self.chain(at);
        }
        self.scl > before
    }

    /// Puts the next complete record into its page's chain.
    fn chain(&mut self, at: usize) {
        let Envelope { lsn, page, .. } = self.records[at].envelope;
        let added = self.chains.add(page, lsn, self.dropped + at as u64);
        self.backs.push_back(added.map_or(0, |(back, _)| back));
        if added.is_some_and(|(_, len)| len as usize >= self.coalesce_chain) {
            self.long.insert(page);
        }
    }

    /// The records that are in these log blocks.
    pub fn in_blocks<'a>(&'a self, blocks: &'a BTreeSet<u64>) -> impl Iterator<Item = Envelope> + 'a {
        self.records.iter().filter(|held| blocks.contains(&held.seq)).map(|held| held.envelope.clone())
    }

    /// A record is in another log block now.
    pub fn moved(&mut self, lsn: Lsn, seq: u64) {
        if let Ok(at) = places::find(&self.records, lsn) {
            self.records[at].seq = seq;
        }
    }

    /// The highest record held.
    pub fn last(&self) -> Lsn {
        self.records.back().map_or(self.base, |last| last.envelope.lsn)
    }

    /// Records held above an LSN, in order, whether the chain reaches them or not.
    pub fn held_above(&self, above: Lsn) -> impl Iterator<Item = &Held> {
        self.records.range(self.above(above)..)
    }

    /// Drops what a truncation table annuls. `end` is the group's last LSN at or below the volume's end, if known: a
    /// claim that was annulled becomes a claim to that much.
    pub fn annul(&mut self, table: &TruncationTable, end: Option<Lsn>) {
        if !self.records.iter().any(|held| table.annuls(held.envelope.lsn)) && !table.annuls(self.claim) {
            return;
        }
        let (complete_to, bytes) = (self.scl, &mut self.bytes);
        self.records.retain(|held| {
            let keep = !table.annuls(held.envelope.lsn);
            if !keep {
                *bytes -= held.envelope.record.len();
            }
            keep
        });
        if table.annuls(self.scl) {
            let at = self.records.partition_point(|held| held.envelope.lsn <= self.scl);
            self.scl = if at == 0 { self.base } else { self.records[at - 1].envelope.lsn };
        }
        let kept = table.kept_of(self.claim);
        if kept < self.claim {
            // A chain that reaches to where the volume ends has all that is left of the claim. Of one that does not, only
            // `end` tells how much that is; without it, the segment goes on as suspect.
            let owed = if complete_to >= kept { self.scl } else { end.map_or(kept, |end| end.min(kept)) };
            self.claim = owed.max(self.scl);
        }
        self.chain_again();
    }

    /// The group has no record above `end` and up to `vdl`: a claim in between is a claim to `end`.
    pub fn settle_claim(&mut self, end: Lsn, vdl: Lsn) {
        if end < self.claim && self.claim <= vdl {
            self.claim = end.max(self.scl);
        }
    }

    /// Threads the chains anew: records were taken out from between others, or the SCL fell.
    fn chain_again(&mut self) {
        self.chains.clear();
        self.long.clear();
        self.backs.clear();
        (0..self.above(self.scl)).for_each(|at| self.chain(at));
    }

    /// Records of the chain above an LSN, up to the SCL, in order.
    pub fn chain_above(&self, above: Lsn) -> impl Iterator<Item = &Held> {
        let start = self.above(above);
        let scl = self.scl;
        self.records.range(start..).take_while(move |held| held.envelope.lsn <= scl)
    }

    /// At most `count` entries of the chain above an LSN, and whether that is all.
    pub fn inventory(&self, above: Lsn, count: usize) -> (Vec<InventoryEntry>, bool) {
        let mut rest = self.chain_above(above).map(|held| &held.envelope);
        let entry = |envelope: &Envelope| InventoryEntry {
            lsn: envelope.lsn,
            prev_volume: envelope.prev_volume,
            prev_pg: envelope.prev_pg,
            cpl: envelope.cpl,
        };
        let entries = rest.by_ref().take(count).map(entry).collect();
        (entries, rest.next().is_none())
    }

    /// The envelopes of a page's records up to `upto`, which is complete, that are not in its slot, in order.
    pub fn page_records(&self, page: PageId, upto: Lsn) -> Vec<&Envelope> {
        let chain = self.chains.of(page);
        let mut envelopes = Vec::with_capacity(chain.len as usize);
        let newest = self.links(chain).map(|held| &held.envelope).skip_while(|envelope| envelope.lsn > upto);
        envelopes.extend(newest);
        envelopes.reverse();
        envelopes
    }

    /// The records of a chain, from the last backwards.
    fn links(&self, chain: Chain) -> impl Iterator<Item = &Held> {
        let mut place = chain.last;
        (0..chain.len).map(move |_| {
            let at = (place - self.dropped) as usize;
            place -= u64::from(self.backs[at]);
            &self.records[at]
        })
    }

    /// Records that are not in page slots.
    pub fn uncoalesced(&self) -> usize {
        self.chains.records()
    }

    /// Pages from one on that have records in no slot, with the first such record.
    pub fn chains_from(&self, first: PageId) -> impl Iterator<Item = (PageId, Lsn)> {
        let oldest = |chain| self.links(chain).last().expect("a chain has records").envelope.lsn;
        self.chains.from(first).map(move |(page, chain)| (page, oldest(chain)))
    }

    /// Pages worth coalescing up to `limit` because their chains are long.
    pub fn long_chains(&self, limit: Lsn, count: usize) -> impl Iterator<Item = PageId> {
        let due = move |page: &&PageId| {
            let chain = self.chains.of(**page);
            let newer = self.links(chain).take_while(|held| held.envelope.lsn > limit).count();
            chain.len as usize - newer >= self.coalesce_chain.div_ceil(2)
        };
        self.long.iter().filter(due).take(count).copied()
    }

    /// Pages, at most `count`, with the oldest records at or below `limit` that are in no slot and in log blocks up to
    /// `seq`.
    pub fn oldest_uncoalesced(&mut self, limit: Lsn, seq: u64, count: usize) -> BTreeSet<PageId> {
        let (mut pages, mut so_far) = (BTreeSet::new(), true);
        let limit = limit.min(self.scl);
        let start = self.above(self.coalesced);
        for held in self.records.range(start..) {
            let (lsn, page) = (held.envelope.lsn, held.envelope.page);
            if lsn > limit || !so_far && (pages.len() == count || held.seq > seq) {
                break;
            }
            let in_slot = lsn <= self.chains.of(page).cut;
            if in_slot && so_far {
                self.coalesced = lsn;
            }
            so_far &= in_slot;
            if !in_slot && held.seq <= seq && pages.len() < count {
                pages.insert(page);
            }
        }
        pages
    }

    /// A page is in its slot as of `lsn`.
    pub fn page_coalesced(&mut self, page: PageId, lsn: Lsn) {
        let left = self.links(self.chains.of(page)).take_while(|held| held.envelope.lsn > lsn).count();
        self.chains.cut(page, lsn, left as u32);
        if left < self.coalesce_chain {
            self.long.remove(&page);
        }
    }

    /// How far all records are in page slots, as of the last look by [`Segment::oldest_uncoalesced`].
    pub fn coalesced(&self) -> Lsn {
        self.coalesced
    }

    /// The first record held above an LSN.
    pub fn first_above(&self, lsn: Lsn) -> Option<&Held> {
        self.records.get(self.above(lsn))
    }

    /// The first hole of the chain above an LSN of it: what is missing lies above the first and up to the second. Nothing
    /// when the chain is held up to `upto`.
    pub fn gap(&self, above: Lsn, upto: Lsn) -> Option<(Lsn, Lsn)> {
        let (mut tip, start) = (above, self.above(above));
        for held in self.records.range(start..) {
            if held.envelope.prev_pg != tip {
                return (tip < upto).then(|| (tip, upto.min(held.envelope.prev_pg).max(tip.next())));
            }
            tip = held.envelope.lsn;
        }
        (tip < upto).then_some((tip, upto))
    }

    /// Gives up every record that is held: the segment is rebuilt from its peers.
    pub fn clear(&mut self) {
        self.records.clear();
        self.backs.clear();
        self.chains.clear();
        self.long.clear();
        self.bytes = 0;
        (self.scl, self.coalesced) = (self.base, self.base);
    }

    /// The LSN of the last record of the chain at or below `limit`.
    pub fn last_at_or_below(&self, limit: Lsn) -> Lsn {
        let at = self.above(limit.min(self.scl));
        if at == 0 { self.base } else { self.records[at - 1].envelope.lsn }
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
        (self.base, self.scl, self.coalesced) = (base, base, base);
        self.chain_again();
    }

    /// Starts over from nothing: the pages are given up too. Records held stay.
    pub fn give_up_pages(&mut self) {
        self.chains = Chains::default();
        self.rebase(Lsn::ZERO);
    }

    fn drop_upto(&mut self, base: Lsn) {
        while self.records.front().is_some_and(|held| held.envelope.lsn <= base) {
            let Some(held) = self.records.pop_front() else { break };
            self.dropped += 1;
            self.backs.pop_front();
            self.bytes -= held.envelope.record.len();
            let Envelope { lsn, page, .. } = held.envelope;
            // No chain has what is in its page's slot, or is not complete.
            if lsn > self.coalesced && lsn <= self.scl && lsn > self.chains.of(page).cut {
                self.chains.shorten(page);
            }
        }
    }

    /// Records held.
    pub fn count(&self) -> usize {
        self.records.len()
    }

    /// Encoded bytes of the records held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Records that came after a later one.
    pub fn holes_filled(&self) -> u64 {
        self.holes_filled
    }

    /// The record at `lsn`.
    pub fn record(&self, lsn: Lsn) -> Option<&Held> {
        places::find(&self.records, lsn).ok().map(|at| &self.records[at])
    }

    /// The number of the first record above `lsn`.
    fn above(&self, lsn: Lsn) -> usize {
        places::above(&self.records, lsn)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn envelope(lsn: u64, prev_pg: u64) -> Envelope {
        let (page, record) = (PageId(lsn % 3), Bytes::from_static(b"record"));
        let (prev_volume, prev_page) = (Lsn(lsn - 1), Lsn::ZERO);
        Envelope { lsn: Lsn(lsn), page, cpl: true, prev_volume, prev_pg: Lsn(prev_pg), prev_page, record }
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
            segment.hold(run.iter().map(|&lsn| envelope(lsn, lsn - 1)), seq as u64);
            segment.advance(u64::MAX);
        }
        assert_eq!((segment.scl(), segment.count(), segment.holes_filled()), (Lsn(15), 15, 9));
        assert_eq!((segment.bytes(), segment.uncoalesced()), (15 * 6, 15));
        let of_page: Vec<u64> = segment.page_records(PageId(1), Lsn(12)).iter().map(|held| held.lsn.0).collect();
        assert_eq!(of_page, [1, 4, 7, 10]);
        segment.page_coalesced(PageId(1), Lsn(4));
        let of_page: Vec<u64> = segment.page_records(PageId(1), Lsn(15)).iter().map(|held| held.lsn.0).collect();
        assert_eq!((of_page, segment.uncoalesced()), (vec![7, 10, 13], 13));
    }

    /// What is held of a chain, what was claimed, and what is left of both when everything above 4 is annulled.
    #[test]
    fn a_claim_falls_to_what_truncation_leaves_of_it_and_no_further() {
        let truncation = crate::Truncation { epoch: Default::default(), vdl: Lsn(4), upto: Lsn(100) };
        let table = TruncationTable::new(vec![truncation]).expect("one entry");
        let annulled = |chain: &[u64], claim: u64, end: Option<u64>| {
            let mut segment = Segment { recorded: true, ..Segment::new(PgId(0), Lsn::ZERO, true) };
            let before = |at: usize| if at == 0 { 0 } else { chain[at - 1] };
            segment.hold((0..chain.len()).map(|at| envelope(chain[at], before(at))), 1);
            segment.advance(1);
            segment.claim = Lsn(claim);
            segment.annul(&table, end.map(Lsn));
            segment
        };
        let told = |segment: &Segment| (segment.scl().0, segment.claim.0, segment.standing());
        assert_eq!(told(&annulled(&[1, 2, 3, 4, 5], 5, None)), (4, 4, Standing::Clean));
        assert_eq!(told(&annulled(&[1, 2, 5], 5, None)), (2, 2, Standing::Clean), "the group ends at 2");
        assert_eq!(told(&annulled(&[1, 2], 3, None)), (2, 3, Standing::Suspect), "a claim that is kept is kept");
        let mut lost = annulled(&[1, 2], 5, None);
        assert_eq!(told(&lost), (2, 4, Standing::Suspect), "it may have had 3 and 4");
        lost.settle_claim(Lsn(3), Lsn(4));
        assert_eq!(told(&lost), (2, 3, Standing::Suspect), "it had 3");
        lost.settle_claim(Lsn(2), Lsn(4));
        assert_eq!(told(&lost), (2, 2, Standing::Clean), "it had nothing of the group above 2");
        assert_eq!(told(&annulled(&[1, 2], 5, Some(3))), (2, 3, Standing::Suspect));
        assert_eq!(told(&annulled(&[1, 2], 5, Some(2))), (2, 2, Standing::Clean));
    }
}
