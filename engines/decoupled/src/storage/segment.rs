//! One segment: this node's copy of one protection group's log, in memory, and what it may say about it.
//!
//! Records are held in order of LSN, with holes where some have not come. The SCL rises along the group's backlinks
//! (P18, section 2.2) over records whose log block is durable, and over nothing else.
//!
//! # Invariants
//!
//! - `base <= scl`, and every record with `base < LSN <= scl` of the group is held, linked without a gap.
//! - No held record is annulled, and none is at or below `base`.
//! - The SCL of a segment falls only by truncation.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use compute::{Lsn, PageId};

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
    /// The highest SCL ever acknowledged, by any evidence.
    pub claim: Lsn,
    /// No read comes below this.
    pub pgmrpl: Lsn,
    base: Lsn,
    scl: Lsn,
    records: VecDeque<Held>,
    chains: BTreeMap<PageId, Vec<Lsn>>,
    bytes: usize,
    holes_filled: u64,
}

impl Segment {
    /// A segment without records, complete to `base`.
    pub fn new(pg: PgId, base: Lsn, hydrated: bool) -> Segment {
        Segment {
            pg,
            hydrated,
            claim: base,
            pgmrpl: Lsn::ZERO,
            base,
            scl: base,
            records: VecDeque::new(),
            chains: BTreeMap::new(),
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
        let last = self.records.back().map_or(self.base, |held| held.envelope.lsn);
        let new = lsn > last || (lsn > self.base && self.find(lsn).is_err());
        if new { Offered::New } else { Offered::Known }
    }

    /// Holds a record that [`Segment::lacks`].
    pub fn hold(&mut self, envelope: Envelope, seq: u64) {
        let (lsn, page) = (envelope.lsn, envelope.page);
        let in_order = self.records.back().is_none_or(|last| last.envelope.lsn < lsn);
        self.bytes += envelope.record.len();
        let chain = self.chains.entry(page).or_default();
        if in_order {
            chain.push(lsn);
            self.records.push_back(Held { envelope, seq });
            return;
        }
        self.holes_filled += 1;
        let at = chain.partition_point(|&known| known < lsn);
        chain.insert(at, lsn);
        let at = self.records.partition_point(|held| held.envelope.lsn < lsn);
        self.records.insert(at, Held { envelope, seq });
    }

    /// Follows the backlinks over records in blocks up to `durable_seq`; says whether the SCL rose.
    pub fn advance(&mut self, durable_seq: u64) -> bool {
        let before = self.scl;
        let at = self.records.partition_point(|held| held.envelope.lsn <= self.scl);
        for held in self.records.range(at..) {
            if held.envelope.prev_pg != self.scl || held.seq > durable_seq {
                break;
            }
            self.scl = held.envelope.lsn;
        }
        self.scl > before
    }

    /// Whether there are records that the chain does not reach.
    pub fn has_holes(&self) -> bool {
        self.records.back().is_some_and(|last| last.envelope.lsn > self.scl)
    }

    /// Drops what a truncation table annuls. `end` is the group's last LSN at or below the volume's end, if known: a
    /// claim that was annulled becomes a claim to that much.
    pub fn annul(&mut self, table: &TruncationTable, end: Option<Lsn>) {
        if !self.records.iter().any(|held| table.annuls(held.envelope.lsn)) && !table.annuls(self.claim) {
            return;
        }
        let chains = &mut self.chains;
        let bytes = &mut self.bytes;
        self.records.retain(|held| {
            let keep = !table.annuls(held.envelope.lsn);
            if !keep {
                *bytes -= held.envelope.record.len();
                unchain(chains, held.envelope.page, held.envelope.lsn);
            }
            keep
        });
        if table.annuls(self.scl) {
            let at = self.records.partition_point(|held| held.envelope.lsn <= self.scl);
            self.scl = if at == 0 { self.base } else { self.records[at - 1].envelope.lsn };
        }
        if table.annuls(self.claim) {
            let clean = self.scl;
            self.claim = end.map_or(clean, |end| end.max(clean));
        }
    }

    /// Records of the chain above an LSN, up to the SCL, in order.
    pub fn chain_above(&self, above: Lsn) -> impl Iterator<Item = &Held> {
        let start = self.records.partition_point(|held| held.envelope.lsn <= above);
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

    /// The envelopes of a page's records with `above < LSN <= upto`, in order.
    pub fn page_records(&self, page: PageId, above: Lsn, upto: Lsn) -> Vec<Envelope> {
        let lsns = self.chains.get(&page).map_or(&[][..], Vec::as_slice);
        let (start, end) = (lsns.partition_point(|&lsn| lsn <= above), lsns.partition_point(|&lsn| lsn <= upto));
        let held = |&lsn: &Lsn| self.records[self.find(lsn).expect("a chained record is held")].envelope.clone();
        lsns[start..end.max(start)].iter().map(held).collect()
    }

    /// The pages with records held, and the LSNs of those records.
    pub fn chains(&self) -> &BTreeMap<PageId, Vec<Lsn>> {
        &self.chains
    }

    /// The LSN of the last record of the chain at or below `limit`.
    pub fn last_at_or_below(&self, limit: Lsn) -> Lsn {
        let at = self.records.partition_point(|held| held.envelope.lsn <= limit.min(self.scl));
        if at == 0 { self.base } else { self.records[at - 1].envelope.lsn }
    }

    /// Gives up records at or below `base`, which is an LSN of the chain: they are in the pages.
    pub fn collect(&mut self, base: Lsn) {
        assert!(base <= self.scl, "only complete records are collected");
        self.drop_upto(base);
        self.base = self.base.max(base);
    }

    /// Starts over from pages that have every record up to `base`. Records held above it stay.
    pub fn rebase(&mut self, base: Lsn) {
        self.drop_upto(base);
        (self.base, self.scl) = (base, base);
    }

    fn drop_upto(&mut self, base: Lsn) {
        while self.records.front().is_some_and(|held| held.envelope.lsn <= base) {
            let Some(held) = self.records.pop_front() else { break };
            self.bytes -= held.envelope.record.len();
            unchain(&mut self.chains, held.envelope.page, held.envelope.lsn);
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
        self.find(lsn).ok().map(|at| &self.records[at])
    }

    fn find(&self, lsn: Lsn) -> Result<usize, usize> {
        self.records.binary_search_by_key(&lsn, |held| held.envelope.lsn)
    }
}

fn unchain(chains: &mut BTreeMap<PageId, Vec<Lsn>>, page: PageId, lsn: Lsn) {
    let Some(chain) = chains.get_mut(&page) else { return };
    if let Ok(at) = chain.binary_search(&lsn) {
        chain.remove(at);
    }
    if chain.is_empty() {
        chains.remove(&page);
    }
}

/// The envelopes of one message, checked: rising LSNs, every page in the group. Each with its bytes as received.
pub fn decode_batch(
    mut records: Bytes,
    pg: PgId,
    pages_per_pg: u64,
) -> Result<Vec<(Envelope, Bytes)>, crate::message::EnvelopeError> {
    let mut envelopes: Vec<(Envelope, Bytes)> = Vec::with_capacity(records.len() / 64 + 1);
    while !records.is_empty() {
        let whole = records.clone();
        let envelope = Envelope::take(&mut records)?;
        let bytes = whole.slice(..whole.len() - records.len());
        let in_group = envelope.page.0 / pages_per_pg == u64::from(pg.0);
        let rising = envelopes.last().is_none_or(|(last, _)| last.lsn < envelope.lsn);
        if !in_group || !rising {
            return Err(crate::message::EnvelopeError::BackPointer);
        }
        envelopes.push((envelope, bytes));
    }
    Ok(envelopes)
}
