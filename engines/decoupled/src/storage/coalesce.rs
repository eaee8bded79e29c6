//! Making pages: for reads from the writer and from peers, and, in the background, for their slots.
//!
//! P17, section 3.2: materialisation is governed by the length of a page's own chain, and only pages with long chains need
//! it. A second rule keeps the log short: beyond `log_bytes_target` the pages with records in the oldest extent are
//! coalesced whatever their chains.
//!
//! # Invariants
//!
//! - A page is coalesced up to the least of PGMRPL and SCL, so that no read comes below its slot and no truncation reaches
//!   into it.
//! - A slot is believed when checksum, page id and LSN are those the index names; after one wrong answer it is read again,
//!   after two it is damaged.
//! - Records are taken from the chain when the slot has come, and only onto the slot they belong to.

use std::collections::VecDeque;

use bytes::Bytes;
use compute::{Lsn, Page, PageId};
use node::{DiskReply, DiskResult, Effects, IoClass, Nanos, NodeId, TimerId, Token, Work};

use super::index::Slot;
use super::pages::{Purpose, Stored};
use super::reads::materialise;
use super::server::Server;
use super::{Owner, Trouble};
use crate::message::PageResult;
use crate::planted::Bug;
use crate::{Epoch, PgId};

/// Who wants a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The writer asked for it.
    ByWriter { to: NodeId, request: u64, epoch: Epoch },
    /// Its slot is to be renewed.
    ForSlot,
    /// The scrubber looks whether it is whole.
    ByScrub,
    /// A peer rebuilds something.
    ByPeer { request: u64, at: Lsn },
}

/// A slot on its way from the disk.
#[derive(Clone, Debug)]
pub(super) struct SlotRead {
    pg: PgId,
    page: PageId,
    slot: Slot,
    upto: Lsn,
    wanted: Wanted,
    again: bool,
}

/// Pages being made for their slots.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathering {
    left: usize,
    pages: Vec<Page>,
    /// What has come for pages that are still to be made. One is made an event: commits wait for the log that is handled in
    /// between, and for four of six nodes that may all have pages to make.
    ripe: VecDeque<Ripe>,
}

/// What a page is to be made from.
#[derive(Clone, Debug)]
enum Ripe {
    /// Its records alone: it is in no slot.
    Fresh { pg: PgId, page: PageId, upto: Lsn },
    /// Its slot, as the disk answered.
    Slot(SlotRead, DiskResult),
}

impl Gathering {
    /// Whether none is being made.
    pub(super) fn is_idle(&self) -> bool {
        self.left == 0
    }
}

impl Server {
    /// Makes a page as of `upto`, at once or when its slot has been read.
    pub(super) fn make_page(&mut self, pg: PgId, page: PageId, upto: Lsn, wanted: Wanted, out: &mut Effects) {
        match self.pages.slot(page) {
            None => {
                let base = Page::empty(page, self.pages.page_bytes());
                self.page_made(pg, page, Ok(base), upto, wanted, out);
            }
            Some(slot) if slot.lsn > upto => {
                let pgmrpl = self.segments.get(&pg).map_or(slot.lsn, |segment| segment.pgmrpl.max(slot.lsn));
                self.page_refused(page, wanted, PageResult::TooOld { pgmrpl }, out);
            }
            Some(slot) => self.read_slot(SlotRead { pg, page, slot, upto, wanted, again: false }, out),
        }
    }

    /// Looks whether a slot is whole.
    pub(super) fn scrub_slot(&mut self, pg: PgId, page: PageId, slot: Slot, out: &mut Effects) {
        let read = SlotRead { pg, page, slot, upto: slot.lsn, wanted: Wanted::ByScrub, again: false };
        self.read_slot(read, out);
    }

    fn read_slot(&mut self, read: SlotRead, out: &mut Effects) {
        let class = match read.wanted {
            Wanted::ByWriter { .. } => IoClass::PageRead,
            Wanted::ForSlot => IoClass::CoalescedPage,
            Wanted::ByScrub | Wanted::ByPeer { .. } => IoClass::Repair,
        };
        self.slot_reads_begun += 1;
        let op = self.pages.read(read.slot.slot);
        out.disk(Token::new(Owner::SLOT, self.slot_reads_begun), op, class);
        self.slot_reads.insert(self.slot_reads_begun, read);
    }

    pub(super) fn on_slot(&mut self, token: Token, result: DiskResult, out: &mut Effects) {
        let Some(read) = self.slot_reads.remove(&token.own()) else { return };
        self.pages.read_done(read.slot.slot);
        match read.wanted {
            Wanted::ForSlot => self.ripen(Ripe::Slot(read, result), out),
            Wanted::ByWriter { .. } | Wanted::ByScrub | Wanted::ByPeer { .. } => self.slot_came(read, result, out),
        }
    }

    fn ripen(&mut self, ripe: Ripe, out: &mut Effects) {
        if self.gathering.ripe.is_empty() {
            out.set_timer(TimerId::new(Owner::RIPE, 0), Nanos::ZERO);
        }
        self.gathering.ripe.push_back(ripe);
    }

    /// Makes the next page that can be made for its slot.
    pub(super) fn make_ripe(&mut self, out: &mut Effects) {
        let Some(ripe) = self.gathering.ripe.pop_front() else { return };
        if !self.gathering.ripe.is_empty() {
            out.set_timer(TimerId::new(Owner::RIPE, 0), Nanos::ZERO);
        }
        match ripe {
            Ripe::Fresh { pg, page, upto } => self.make_page(pg, page, upto, Wanted::ForSlot, out),
            Ripe::Slot(read, result) => self.slot_came(read, result, out),
        }
    }

    fn slot_came(&mut self, read: SlotRead, result: DiskResult, out: &mut Effects) {
        if self.pages.slot(read.page) != Some(read.slot) {
            // The page went to another slot meanwhile, and the records below that one are in it.
            self.made_elsewhere(read, out);
            return;
        }
        let opened = match result {
            Ok(DiskReply::Data(block)) => match Page::open(block, read.page) {
                Ok(page) if page.lsn() == read.slot.lsn => Ok(page),
                Ok(page) => Err(format!("it has LSN {} and was written with {}", page.lsn(), read.slot.lsn)),
                Err(error) => Err(error.to_string()),
            },
            Ok(other) => Err(format!("the disk answered {other:?}")),
            Err(error) => Err(error.to_string()),
        };
        if opened.is_err() && !read.again {
            self.read_slot(SlotRead { again: true, ..read }, out);
            return;
        }
        let base = opened.map_err(|error| format!("slot {} of page {}: {error}", read.slot.slot, read.page));
        self.page_made(read.pg, read.page, base, read.upto, read.wanted, out);
    }

    /// A slot that is the page's no more is of no use; where the page is now, if anywhere, is looked up again.
    fn made_elsewhere(&mut self, read: SlotRead, out: &mut Effects) {
        let SlotRead { pg, page, upto, wanted, .. } = read;
        let is_rebuilt = self.segments.get(&pg).is_none_or(|segment| !segment.hydrated);
        match wanted {
            Wanted::ByScrub => {}
            wanted if is_rebuilt => self.page_refused(page, wanted, PageResult::Behind { scl: Lsn::ZERO }, out),
            wanted => self.make_page(pg, page, upto, wanted, out),
        }
    }

    fn page_made(
        &mut self,
        pg: PgId,
        page: PageId,
        base: Result<Page, String>,
        upto: Lsn,
        wanted: Wanted,
        out: &mut Effects,
    ) {
        let made = base.and_then(|base| match self.segments.get(&pg) {
            Some(segment) => {
                let records = segment.page_records(page, upto);
                out.charge(Work::Apply, records.len() as u64);
                materialise(base, records)
            }
            None => Ok(base),
        });
        match made {
            Ok(made) => self.page_ready(page, made, wanted, out),
            Err(detail) => {
                self.counters.damaged += 1;
                self.want_page(pg, page);
                self.page_refused(page, wanted, PageResult::Damaged { detail }, out);
            }
        }
    }

    fn page_ready(&mut self, page: PageId, made: Page, wanted: Wanted, out: &mut Effects) {
        match wanted {
            Wanted::ByWriter { to, request, epoch } => {
                let result = PageResult::Page { page: Bytes::from_owner(made.sealed()) };
                self.answer_writer(to, request, epoch, page, result, out);
            }
            Wanted::ForSlot => {
                self.gathering.pages.push(made);
                self.gathered(out);
            }
            Wanted::ByScrub => {}
            Wanted::ByPeer { request, at } => {
                let result = PageResult::Page { page: Bytes::from_owner(made.sealed()) };
                self.peer_page_made(request, page, at, result, out);
            }
        }
    }

    fn page_refused(&mut self, page: PageId, wanted: Wanted, result: PageResult, out: &mut Effects) {
        match wanted {
            Wanted::ByWriter { to, request, epoch } => self.answer_writer(to, request, epoch, page, result, out),
            Wanted::ForSlot => self.gathered(out),
            Wanted::ByScrub => {}
            Wanted::ByPeer { request, at } => self.peer_page_made(request, page, at, result, out),
        }
    }

    fn answer_writer(
        &mut self,
        to: NodeId,
        request: u64,
        epoch: Epoch,
        page: PageId,
        result: PageResult,
        out: &mut Effects,
    ) {
        if self.fence.serves(epoch) {
            self.answer_read(to, request, page, result, out);
        } else {
            self.refuse(to, epoch, out);
        }
    }

    /// Begins a batch of pages for their slots, if there is a reason to.
    pub(super) fn coalesce(&mut self, out: &mut Effects) {
        if !self.pages.is_idle() || !self.gathering.is_idle() {
            return;
        }
        let pages = self.choose_pages();
        self.gathering = Gathering { left: pages.len(), ..Gathering::default() };
        for (pg, page, upto) in pages {
            if self.pages.slot(page).is_some() {
                self.make_page(pg, page, upto, Wanted::ForSlot, out);
            } else {
                self.ripen(Ripe::Fresh { pg, page, upto }, out);
            }
        }
    }

    fn choose_pages(&mut self) -> Vec<(PgId, PageId, Lsn)> {
        let age = self.age_limit();
        let max = self.config.coalesce_pages_max;
        let mut chosen = Vec::new();
        for segment in self.segments.values_mut().filter(|segment| segment.hydrated) {
            let floor = if self.config.planted.is(Bug::CollectsAbovePgmrpl) { Lsn(u64::MAX) } else { segment.pgmrpl };
            let limit = floor.min(segment.scl());
            let left = max - chosen.len();
            let mut pages = segment.oldest_uncoalesced(limit, age, left);
            pages.extend(segment.long_chains(limit, left));
            pages.retain(|page| !self.pages_wanted.contains_key(page));
            chosen.extend(pages.into_iter().take(left).map(|page| (segment.pg, page, limit)));
            if chosen.len() == max {
                break;
            }
        }
        chosen
    }

    /// Records in log blocks up to this one are coalesced whatever the length of their chains.
    fn age_limit(&self) -> u64 {
        if self.settling {
            return u64::MAX;
        }
        let mut excess = self.log.live_bytes().saturating_sub(self.config.log_bytes_target);
        if excess == 0 {
            return 0;
        }
        let mut limit = 0;
        for (_, extent) in self.log.closed() {
            limit = extent.last;
            excess = excess.saturating_sub(self.log.extent_bytes());
            if excess == 0 {
                break;
            }
        }
        limit
    }

    fn gathered(&mut self, out: &mut Effects) {
        self.gathering.left -= 1;
        if self.gathering.left > 0 || self.gathering.pages.is_empty() {
            return;
        }
        let pages = std::mem::take(&mut self.gathering.pages);
        self.pages.store(Purpose::Coalesce, pages, Vec::new(), out);
    }

    pub(super) fn on_stored(&mut self, stored: &Stored, out: &mut Effects) -> Result<(), Trouble> {
        for &(page, lsn) in &stored.pages {
            let pg = self.pg_of(page);
            if let Some(segment) = self.segments.get_mut(&pg) {
                segment.page_coalesced(page, lsn);
            }
        }
        match stored.purpose {
            Purpose::Coalesce => self.counters.coalesced += stored.pages.len() as u64,
            Purpose::Repair => self.on_repaired(stored.id, out)?,
        }
        self.collect(out)?;
        self.coalesce(out);
        Ok(())
    }

    /// The group of a page of this volume.
    pub(super) fn pg_of(&self, page: PageId) -> PgId {
        let pages_per_pg = self.register.map_or(u64::MAX, |register| register.geometry.pages_per_pg);
        PgId((page.0 / pages_per_pg) as u32)
    }
}
