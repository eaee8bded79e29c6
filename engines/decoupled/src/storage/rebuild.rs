//! Repair in place: a damaged page, or a whole segment, from peers.
//!
//! A segment that is lost, wiped, or so far behind that no peer's log reaches back to it is unhydrated. It is copied as
//! pages, each in the oldest version its holder keeps, and completed from the log above the version of the first (P18, section
//! 4.2: a full segment is repaired from another's pages and the others' log).
//!
//! When it counts again depends on what it remembers:
//!
//! - One that was wiped or damaged does not know what it acknowledged. It must be complete to the highest SCL that three clean
//!   peers had, and to its own claim.
//! - One that was clean when it was left behind is a [witness](Standing::Witness). It forgot nothing: its claim is the highest
//!   SCL it ever acknowledged, and it acknowledges nothing until it counts again. Complete to its claim it has all it
//!   ever helped to make durable, and its silence about the rest is the truth, whatever peers have. It waits for no three
//!   of them, who may be waiting for it: where two members were left behind and two others wiped since, two are clean.
//!
//! # Invariants
//!
//! - A segment is marked unhydrated, durably, before its pages are given up, and hydrated only when it is complete.
//! - The claim of a witness is in the superblock that makes it one, and it acknowledges nothing before a durable superblock says
//!   that it is none any more. So a claim is never less than what was acknowledged.
//! - Of a segment that is no witness, three clean peers hold, between them, every record that it ever helped to make durable:
//!   two other members at most were not among the four. What it remembers to have acknowledged is owed as well.
//! - A page from a peer counts after its checksum, id, group and version were checked. A page in a newer version than the
//!   segment's PGMRPL raises it: nothing older is served.
//! - A copy that breaks off starts again from nothing.
//! - Log is waited for only while a peer that has it speaks, or nobody who speaks has more; otherwise pages are copied.

use bytes::Bytes;
use compute::{Lsn, Page, PageId};
use node::{Block, Effects, Nanos, NodeId};

use super::Trouble;
use super::coalesce::Wanted;
use super::pages::Purpose;
use super::segment::Segment;
use super::server::{After, Server};
use crate::message::{PageResult, Peer, Standing};
use crate::quorum::READ_QUORUM;
use crate::{Epoch, MemberIndex, PgId};

/// A segment being rebuilt.
#[derive(Clone, Debug, Default)]
pub(super) struct Rebuild {
    /// Complete to here it counts again; nothing before three clean peers were heard, unless it is a witness.
    target: Option<Lsn>,
    /// The log is needed above here, once the first pages came.
    pub(super) base: Option<Lsn>,
    source: Option<NodeId>,
    next: PageId,
    ask_at: Nanos,
    /// The superblock that says so is on its way; then the pages are given up.
    clearing: bool,
    /// The batch on its way to the disk, and where to go on after it; nowhere when it is the last.
    storing: Option<(u64, Option<PageId>)>,
}

impl Rebuild {
    /// What peers said under another epoch is void: how far the segment must be complete is asked anew.
    pub(super) fn forget_target(&mut self) {
        self.target = None;
    }

    /// Whether pages are on their way.
    pub(super) fn is_copying(&self) -> bool {
        self.source.is_some() || self.clearing
    }
}

/// Pages being made for a peer.
#[derive(Clone, Debug)]
pub(super) struct PeerPages {
    to: NodeId,
    epoch: Epoch,
    pg: PgId,
    from: PageId,
    base: Lsn,
    left: usize,
    pages: Vec<(PageId, Bytes)>,
    next: Option<PageId>,
    failed: bool,
}

impl Server {
    /// One step of every repair under way.
    pub(super) fn rebuild(&mut self, now: Nanos, out: &mut Effects) -> Result<(), Trouble> {
        self.find_left_behind(now, out)?;
        let lost: Vec<PgId> = self.segments.values().filter(|s| !s.hydrated).map(|segment| segment.pg).collect();
        self.rebuilds.retain(|pg, _| lost.contains(pg));
        for pg in lost {
            self.rebuilds.entry(pg).or_default();
            self.rebuild_segment(now, pg, out)?;
        }
        self.ask_wanted_pages(now, out);
        Ok(())
    }

    /// A segment below every peer's log can be completed from pages only.
    fn find_left_behind(&mut self, now: Nanos, out: &mut Effects) -> Result<(), Trouble> {
        let mut behind = Vec::new();
        for segment in self.segments.values().filter(|segment| segment.hydrated) {
            let ahead = || self.peers.speaking(segment.pg, now).filter(|theirs| theirs.scl > segment.scl());
            if ahead().count() >= READ_QUORUM && ahead().all(|theirs| theirs.base > segment.scl()) {
                behind.push(segment.pg);
            }
        }
        for pg in behind {
            if let Some(segment) = self.segments.get_mut(&pg) {
                // What a suspect segment claims is what could be read of its claims.
                segment.witness = segment.standing() == Standing::Clean;
                segment.claim = segment.claim.max(segment.scl());
                segment.hydrated = false;
            }
            self.counters.left_behind += 1;
            self.save(After::Nothing, out)?;
        }
        Ok(())
    }

    fn rebuild_segment(&mut self, now: Nanos, pg: PgId, out: &mut Effects) -> Result<(), Trouble> {
        let (Some(segment), Some(rebuild)) = (self.segments.get(&pg), self.rebuilds.get_mut(&pg)) else {
            return Ok(());
        };
        if segment.witness {
            rebuild.target = Some(segment.claim);
        }
        if rebuild.target.is_none() {
            let clean: Vec<Lsn> = self.peers.clean(pg).map(|(_, theirs)| theirs.scl).collect();
            if clean.len() < READ_QUORUM {
                return Ok(());
            }
            rebuild.target = clean.into_iter().max();
        }
        // Offers on their way since before this segment's last acknowledgements may name less than it owes.
        let target = rebuild.target.unwrap_or_default().max(segment.claim);
        if rebuild.is_copying() {
            if now >= rebuild.ask_at && rebuild.storing.is_none() && !rebuild.clearing {
                // The source is silent. Another one starts over: versions of two sources do not add up.
                (rebuild.source, rebuild.base) = (None, None);
            }
            return Ok(());
        }
        let scl = segment.scl();
        let ahead = || self.peers.speaking(pg, now).filter(|theirs| theirs.scl > scl);
        let in_log = ahead().any(|theirs| theirs.base <= scl) || ahead().next().is_none();
        // A witness may have its claim already and be behind all the same.
        let is_behind = segment.witness && (!in_log || self.peers.speaking(pg, now).next().is_none());
        if scl >= target && !is_behind {
            return self.hydrate(pg, out);
        }
        if in_log {
            // What nobody has who speaks is waited for: their pages would bring nothing.
            self.lack(pg, target, now);
        } else if self.pages.is_idle() && self.gathering.is_idle() && self.pages.page_bytes() > 0 {
            rebuild.clearing = true;
            if let Some(segment) = self.segments.get_mut(&pg) {
                // The log here is of no use before there are pages under it.
                segment.give_up_pages();
            }
            return self.save(After::Copy { pg }, out);
        }
        Ok(())
    }

    fn hydrate(&mut self, pg: PgId, out: &mut Effects) -> Result<(), Trouble> {
        if let Some(segment) = self.segments.get_mut(&pg) {
            (segment.hydrated, segment.witness) = (true, false);
            segment.claim = segment.claim.max(segment.scl());
        }
        self.rebuilds.remove(&pg);
        self.counters.rebuilt += 1;
        self.save(After::Hydrated { pg }, out)
    }

    /// The superblock says that the segment has no base: gives up its pages and asks a clean peer for its first ones.
    pub(super) fn start_copy(&mut self, now: Nanos, pg: PgId, out: &mut Effects) {
        if let Some(rebuild) = self.rebuilds.get_mut(&pg) {
            rebuild.clearing = false;
        }
        let sources: Vec<MemberIndex> = self.peers.clean(pg).map(|(member, _)| member).collect();
        if sources.is_empty() {
            return;
        }
        let chosen = sources[self.rng.below(sources.len() as u64) as usize];
        let source = self.node_of(chosen);
        let (first, last) = self.pages_of(pg);
        let stale: Vec<PageId> =
            self.pages.from(first).map(|(page, _)| page).take_while(|page| *page <= last).collect();
        self.pages_wanted.retain(|_, wanted| *wanted != pg);
        if !stale.is_empty() {
            self.pages.store(Purpose::Repair, Vec::new(), stale, out);
        }
        let wait = self.config.gossip_every;
        let Some(rebuild) = self.rebuilds.get_mut(&pg) else { return };
        rebuild.source = Some(source);
        (rebuild.base, rebuild.next, rebuild.ask_at) = (None, first, now + Nanos(4 * wait.0));
        self.ask_pages(source, pg, first, out);
    }

    fn ask_pages(&mut self, to: NodeId, pg: PgId, from: PageId, out: &mut Effects) {
        let count = (self.config.push_bytes_max / self.pages.page_bytes().max(1)).max(1) as u32;
        let (volume, epoch) = (self.config.volume, self.fence.promised());
        self.tell(to, &Peer::AskPages { volume, epoch, pg, from, count }, out);
    }

    fn ask_wanted_pages(&mut self, now: Nanos, out: &mut Effects) {
        if self.pages_wanted.is_empty() || now < self.pages_wanted_at {
            return;
        }
        self.pages_wanted_at = now + self.config.gossip_every;
        let wanted: Vec<(PageId, PgId)> = self.pages_wanted.iter().take(16).map(|(&page, &pg)| (page, pg)).collect();
        for (page, pg) in wanted {
            let peers: Vec<MemberIndex> = self.peers.clean(pg).map(|(member, _)| member).collect();
            if peers.is_empty() {
                continue;
            }
            let chosen = peers[self.rng.below(peers.len() as u64) as usize];
            let (volume, epoch, to) = (self.config.volume, self.fence.promised(), self.node_of(chosen));
            self.tell(to, &Peer::AskPages { volume, epoch, pg, from: page, count: 1 }, out);
        }
    }

    /// A peer asks for pages. They are made as of the oldest version every read may still ask for.
    pub(super) fn on_ask_pages(&mut self, to: NodeId, pg: PgId, from: PageId, count: u32, out: &mut Effects) {
        let Some(segment) = self.segments.get(&pg).filter(|segment| segment.standing() == Standing::Clean) else {
            return;
        };
        let at = segment.pgmrpl.min(segment.scl());
        let base = segment.last_at_or_below(at);
        let (first, last) = self.pages_of(pg);
        let slots = self.pages.from(from.max(first)).map(|(page, _)| page).take_while(|page| *page <= last);
        let mut pages: Vec<PageId> = slots.take(count as usize + 1).collect();
        pages.extend(segment.chained_pages(from.max(first), base, count as usize + 1));
        pages.sort_unstable();
        pages.dedup();
        let next = pages.get(count as usize).copied();
        pages.truncate(count as usize);
        let epoch = self.fence.promised();
        self.peer_pages_begun += 1;
        let id = self.peer_pages_begun;
        let gathering =
            PeerPages { to, epoch, pg, from, base, left: pages.len(), pages: Vec::new(), next, failed: false };
        self.peer_pages.insert(id, gathering);
        if pages.is_empty() {
            self.peer_pages_done(id, at, out);
        }
        for page in pages {
            self.make_page(pg, page, at, Wanted::ByPeer { request: id, at }, out);
        }
    }

    /// A page for a peer is made, or cannot be.
    pub(super) fn peer_page_made(&mut self, id: u64, page: PageId, at: Lsn, result: PageResult, out: &mut Effects) {
        let Some(gathering) = self.peer_pages.get_mut(&id) else { return };
        gathering.left -= 1;
        match result {
            PageResult::Page { page: bytes } => gathering.pages.push((page, bytes)),
            _ => gathering.failed = true,
        }
        if gathering.left == 0 {
            self.peer_pages_done(id, at, out);
        }
    }

    fn peer_pages_done(&mut self, id: u64, at: Lsn, out: &mut Effects) {
        let Some(mut done) = self.peer_pages.remove(&id) else { return };
        if done.failed || !self.fence.serves(done.epoch) {
            return;
        }
        done.pages.sort_by_key(|(page, _)| *page);
        let PeerPages { to, epoch, pg, from, base, next, pages, .. } = done;
        let (volume, pages) = (self.config.volume, pages.into_iter().map(|(_, bytes)| bytes).collect());
        self.tell(to, &Peer::Pages { volume, epoch, pg, from, at, base, pages, next }, out);
    }

    /// Pages from a peer.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn on_pages(
        &mut self,
        now: Nanos,
        source: NodeId,
        pg: PgId,
        from: PageId,
        (at, base): (Lsn, Lsn),
        pages: Vec<Bytes>,
        next: Option<PageId>,
        out: &mut Effects,
    ) {
        let Some(pages) = self.check_pages(pg, at, pages) else {
            self.counters.refused += 1;
            return;
        };
        if self.pages_wanted.contains_key(&from) && self.rebuilds.get(&pg).is_none_or(|r| !r.is_copying()) {
            self.take_wanted_page(pg, from, at, pages, out);
            return;
        }
        let Some(rebuild) = self.rebuilds.get_mut(&pg) else { return };
        if rebuild.source != Some(source) || rebuild.next != from || rebuild.storing.is_some() {
            return;
        }
        rebuild.base = rebuild.base.or(Some(base));
        rebuild.ask_at = now + Nanos(4 * self.config.gossip_every.0);
        if let Some(segment) = self.segments.get_mut(&pg) {
            segment.pgmrpl = segment.pgmrpl.max(at);
        }
        self.counters.pages_repaired += pages.len() as u64;
        let id = self.pages.store(Purpose::Repair, pages, Vec::new(), out);
        if let Some(rebuild) = self.rebuilds.get_mut(&pg) {
            rebuild.storing = Some((id, next));
        }
    }

    fn check_pages(&self, pg: PgId, at: Lsn, pages: Vec<Bytes>) -> Option<Vec<Page>> {
        let (first, last) = self.pages_of(pg);
        let mut checked: Vec<Page> = Vec::with_capacity(pages.len());
        for bytes in pages {
            if bytes.len() != self.pages.page_bytes() {
                return None;
            }
            let id = PageId(u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?));
            let page = Page::open(Block::padded(&bytes), id).ok()?;
            let in_order = checked.last().is_none_or(|before| before.id() < id);
            if !in_order || id < first || id > last || page.lsn() > at {
                return None;
            }
            checked.push(page);
        }
        Some(checked)
    }

    fn take_wanted_page(&mut self, pg: PgId, page: PageId, at: Lsn, pages: Vec<Page>, out: &mut Effects) {
        let whole = pages.into_iter().find(|found| found.id() == page);
        // A version older than the one that was lost would lack records that are collected.
        let lost = self.pages.slot(page).map_or(Lsn::ZERO, |slot| slot.lsn);
        let (Some(whole), Some(segment)) = (whole, self.segments.get_mut(&pg)) else { return };
        if at < lost || whole.lsn() < lost {
            return;
        }
        segment.pgmrpl = segment.pgmrpl.max(at);
        self.pages_wanted.remove(&page);
        self.counters.pages_repaired += 1;
        self.pages.store(Purpose::Repair, vec![whole], Vec::new(), out);
    }

    /// A batch from a peer is durable: the copy goes on, or ends.
    pub(super) fn on_repaired(&mut self, id: u64, out: &mut Effects) -> Result<(), Trouble> {
        let is_stored = |rebuild: &Rebuild| rebuild.storing.is_some_and(|(storing, _)| storing == id);
        let Some((&pg, rebuild)) = self.rebuilds.iter_mut().find(|(_, rebuild)| is_stored(rebuild)) else {
            return Ok(());
        };
        let next = rebuild.storing.take().and_then(|(_, next)| next);
        let (base, source) = (rebuild.base, rebuild.source);
        match (next, source) {
            (Some(next), Some(source)) => {
                rebuild.next = next;
                self.ask_pages(source, pg, next, out);
                Ok(())
            }
            _ => {
                rebuild.source = None;
                if let (Some(segment), Some(base)) = (self.segments.get_mut(&pg), base) {
                    segment.rebase(base);
                    segment.advance(self.log.durable_seq());
                }
                self.save(After::Nothing, out)
            }
        }
    }

    /// The first and the last page of a group.
    fn pages_of(&self, pg: PgId) -> (PageId, PageId) {
        let pages_per_pg = self.register.map_or(1, |register| register.geometry.pages_per_pg);
        let first = u64::from(pg.0) * pages_per_pg;
        (PageId(first), PageId(first + pages_per_pg - 1))
    }
}

impl Segment {
    /// Pages from `from` on, at most `count`, that have a record at or below `upto` and not in a slot.
    fn chained_pages(&self, from: PageId, upto: Lsn, count: usize) -> Vec<PageId> {
        self.chains_from(from).filter(|(_, first)| *first <= upto).map(|(page, _)| page).take(count).collect()
    }
}
