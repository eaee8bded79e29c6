//! A node that serves: the machines together.

use std::collections::{BTreeMap, VecDeque};

use compute::{Lsn, PageId};
use node::{Digest, Effects, Event, Frame, IoClass, Nanos, NodeId, Rng, TimerId, Token, Work};

use super::acks::Acks;
use super::block::{Claim, LogIdentity};
use super::coalesce::{Gathering, SlotRead};
use super::fence::Fence;
use super::gossip::{Lacks, SILENT_PERIODS};
use super::hotlog::{HotLog, LogShape, Vouch};
use super::keeper::Keeper;
use super::open::Opened;
use super::pages::PageStore;
use super::peers::Peers;
use super::rebuild::{PeerPages, Rebuild};
use super::restoring::Restoring;
use super::scrub::Scrub;
use super::segment::Segment;
use super::superblock::{SegmentRecord, Superblock};
use super::{Owner, StorageConfig, Trouble};
use crate::message::{PEER, SETTLE, TO_STORAGE, TO_WRITER, ToStorage, ToWriter, Wire};
use crate::planted::Bug;
use crate::{Epoch, Incarnation, MemberIndex, PgId, Register, TruncationTable};

/// What to do once a superblock is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Answer a promise.
    Promise { to: NodeId, epoch: Epoch },
    /// The truncation table of an epoch is durable; answer it.
    Truncated { to: NodeId, epoch: Epoch },
    /// The truncation table of an epoch, brought by a peer, is durable.
    Held { epoch: Epoch },
    /// Extents may be used again.
    Free { extents: Vec<u32> },
    /// A rebuilt segment counts again.
    Hydrated { pg: PgId },
    /// A segment's pages may be given up.
    Copy { pg: PgId },
    /// Nothing waits for it.
    Nothing,
    /// Answer a register.
    Register { to: NodeId, epoch: Epoch, version: u64 },
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Messages that could not be read, or of another volume or group.
    pub(super) refused: u64,
    /// Records taken.
    pub(super) records: u64,
    /// Records that were there already.
    pub(super) duplicates: u64,
    /// Records that are void.
    pub(super) annulled: u64,
    /// Appends dropped because too much waits for the disk.
    pub(super) throttled: u64,
    /// Pages written to their slots.
    pub(super) coalesced: u64,
    /// Slots and log blocks found damaged.
    pub(super) damaged: u64,
    /// Records that came from peers.
    pub(super) gossiped: u64,
    /// Bytes sent to peers.
    pub(super) gossip_bytes: u64,
    /// Pages that came from peers.
    pub(super) pages_repaired: u64,
    /// Segments rebuilt.
    pub(super) rebuilt: u64,
    /// Segments that fell behind every peer's log.
    pub(super) left_behind: u64,
    /// Floors that a read under way kept below the VDL they came with, though the segment had records in between.
    pub(super) views_kept: u64,
}

/// The node's state while it serves.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) config: StorageConfig,
    pub(super) member: MemberIndex,
    pub(super) rng: Rng,
    pub(super) incarnation: Incarnation,
    pub(super) fence: Fence,
    pub(super) table: TruncationTable,
    pub(super) register: Option<Register>,
    pub(super) vdl: Lsn,
    pub(super) claims_void_upto: u64,
    pub(super) log_floor: u64,
    pub(super) keeper: Keeper,
    pub(super) after: VecDeque<(u64, After)>,
    pub(super) log: HotLog,
    pub(super) acks: Acks,
    pub(super) segments: BTreeMap<PgId, Segment>,
    /// Claims as the newest submitted block has them.
    pub(super) claimed: BTreeMap<PgId, Claim>,
    pub(super) vouched_vdl: Lsn,
    pub(super) counters: Counters,
    /// Who writes, as far as this node was told.
    pub(super) writer: Option<(NodeId, Epoch)>,
    pub(super) pages: PageStore,
    pub(super) slot_reads: BTreeMap<u64, SlotRead>,
    pub(super) slot_reads_begun: u64,
    pub(super) gathering: Gathering,
    /// Whether a superblock that frees extents is on its way.
    pub(super) freeing: bool,
    pub(super) peers: Peers,
    pub(super) peer_turn: usize,
    pub(super) offer_at: Nanos,
    pub(super) lacks: Lacks,
    pub(super) rebuilds: BTreeMap<PgId, Rebuild>,
    pub(super) pages_wanted: BTreeMap<PageId, PgId>,
    pub(super) pages_wanted_at: Nanos,
    pub(super) peer_pages: BTreeMap<u64, PeerPages>,
    pub(super) peer_pages_begun: u64,
    pub(super) scrub: Scrub,
    /// Whether deferred work is worked off at once.
    pub(super) settling: bool,
    /// The block with the last record that the start found in doubt.
    doubt_until: u64,
}

impl Server {
    pub(super) fn new(
        config: StorageConfig,
        member: MemberIndex,
        rng: Rng,
        restored: Restoring,
        now: Nanos,
        out: &mut Effects,
    ) -> Result<Server, Trouble> {
        let (opened, segments, in_doubt) = restored.finish();
        let Opened { superblock, keeper, found, mut pages, index_lost, .. } = opened;
        pages.planted = config.planted;
        let shape = LogShape {
            extent_bytes: config.extent_bytes,
            block_bytes_max: config.block_bytes_max,
            writes_in_flight: config.writes_in_flight,
            planted: config.planted,
        };
        let identity = LogIdentity { volume: config.volume, member };
        let vdl = found.vdl;
        let log = HotLog::new(identity, superblock.incarnation, shape, found);
        let mut fence = Fence::new(superblock.promised, superblock.table.epoch(), config.lease, now);
        fence.planted = config.planted;
        let mut server = Server {
            member,
            rng,
            incarnation: superblock.incarnation,
            fence,
            table: superblock.table,
            register: superblock.register,
            vdl,
            claims_void_upto: superblock.claims_void_upto,
            log_floor: superblock.log_floor,
            keeper,
            after: VecDeque::new(),
            log,
            acks: Acks::default(),
            segments,
            claimed: BTreeMap::new(),
            vouched_vdl: Lsn::ZERO,
            counters: Counters::default(),
            writer: None,
            pages,
            slot_reads: BTreeMap::new(),
            slot_reads_begun: 0,
            gathering: Gathering::default(),
            freeing: false,
            peers: Peers::new(Nanos(config.gossip_every.0 * SILENT_PERIODS)),
            peer_turn: usize::from(member.0),
            offer_at: Nanos::ZERO,
            lacks: Lacks::default(),
            rebuilds: BTreeMap::new(),
            pages_wanted: BTreeMap::new(),
            pages_wanted_at: Nanos::ZERO,
            peer_pages: BTreeMap::new(),
            peer_pages_begun: 0,
            scrub: Scrub::default(),
            settling: false,
            doubt_until: 0,
            config,
        };
        out.set_timer(TimerId::new(Owner::TICK, 0), server.config.tick);
        out.set_timer(TimerId::new(Owner::GOSSIP, 0), server.config.catch_up_every);
        out.set_timer(TimerId::new(Owner::SCRUB, 0), server.config.scrub_every);
        server.take_up_pages(index_lost, out)?;
        for (pg, batch) in in_doubt {
            server.doubt_until = server.take_records(pg, batch).unwrap_or_default().max(server.doubt_until);
        }
        server.segments.values_mut().for_each(Segment::note_doubt);
        server.flush(out);
        Ok(server)
    }

    pub(super) fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects) -> Result<(), Trouble> {
        match event {
            Event::Start => {}
            Event::Frame { from, frame } => self.on_frame(now, from, &frame, out)?,
            Event::Disk { token, result } => self.on_disk(now, token, result, out)?,
            Event::Timer { timer } => self.on_timer(now, timer, out)?,
        }
        self.flush(out);
        Ok(())
    }

    /// Whether what the start found in doubt is durable by now: until then the node would say less than it once said. On a full
    /// disk that may be long: the node serves what it has, and its segments are suspect.
    pub(super) fn is_ready(&self) -> bool {
        self.log.durable_seq() >= self.doubt_until || self.log.is_full()
    }

    fn on_frame(&mut self, now: Nanos, from: NodeId, frame: &Frame, out: &mut Effects) -> Result<(), Trouble> {
        out.charge(Work::Message, 1);
        out.charge(Work::Kilobyte, (frame.len_bytes() as u64).div_ceil(1024));
        match frame.kind() {
            TO_STORAGE => match ToStorage::from_frame(frame) {
                Ok(message) if message.sender().0 == self.config.volume => self.on_writer(now, from, message, out),
                _ => {
                    self.counters.refused += 1;
                    Ok(())
                }
            },
            PEER => self.on_peer(now, from, frame, out),
            SETTLE => {
                self.settling = frame.body().first() == Some(&1);
                self.coalesce(out);
                self.collect(out)
            }
            _ => {
                self.counters.refused += 1;
                Ok(())
            }
        }
    }

    fn on_disk(
        &mut self,
        now: Nanos,
        token: Token,
        result: node::DiskResult,
        out: &mut Effects,
    ) -> Result<(), Trouble> {
        match token.owner() {
            Owner::KEEPER => {
                if let Some(generation) = self.keeper.handle(token, result, out)? {
                    self.on_saved(now, generation, out);
                }
            }
            Owner::LOG => {
                let more = self.log.handle_block(token, result)?;
                self.on_durable(more, out);
            }
            Owner::EXTENT => self.log.handle_extent(token, result, out)?,
            Owner::PAGES => {
                if let Some(stored) = self.pages.handle(token, result, out)? {
                    self.on_stored(&stored, out)?;
                }
            }
            Owner::SLOT => self.on_slot(token, result, out),
            Owner::SCRUB => self.on_scrubbed(token, result, out),
            Owner::SUPERBLOCK => self.on_superblock_scrubbed(token, &result, out)?,
            // The start's own operations are over.
            _ => {}
        }
        Ok(())
    }

    fn on_timer(&mut self, now: Nanos, timer: TimerId, out: &mut Effects) -> Result<(), Trouble> {
        match timer.owner() {
            Owner::TICK => {
                self.tick(out)?;
                let period = self.jittered(self.config.tick);
                out.set_timer(TimerId::new(Owner::TICK, 0), period);
            }
            Owner::GOSSIP => self.gossip(now, out)?,
            Owner::SCRUB => self.scrub(out),
            Owner::RIPE => self.make_ripe(out),
            _ => {}
        }
        Ok(())
    }

    /// A period, give or take a quarter, so that six nodes do not work in step.
    pub(super) fn jittered(&mut self, period: Nanos) -> Nanos {
        Nanos(period.0 - period.0 / 4 + self.rng.below(period.0 / 2 + 1))
    }

    fn tick(&mut self, out: &mut Effects) -> Result<(), Trouble> {
        self.keeper.retry(out);
        self.pages.retry(out);
        if self.log.is_held_up() {
            let Server { log, segments, claimed, vouched_vdl, vdl, keeper, .. } = self;
            log.retry(|full| vouch(segments, claimed, vouched_vdl, *vdl, keeper.durable(), full), out);
        }
        // An idle log vouches for what it acknowledged last, so that rot of its last block is not taken for a torn tail.
        if self.log.is_idle() && (self.has_new_claims() || self.vdl > self.vouched_vdl) {
            self.log.push_empty();
        }
        self.coalesce(out);
        self.collect(out)
    }

    fn has_new_claims(&self) -> bool {
        self.segments.values().any(|segment| self.claimed.get(&segment.pg) != Some(&claim_of(segment)))
    }

    /// Blocks became durable: SCLs rise and appends are answered.
    fn on_durable(&mut self, more: bool, out: &mut Effects) {
        if !more {
            return;
        }
        let durable_seq = self.log.durable_seq();
        for segment in self.segments.values_mut() {
            segment.advance(durable_seq);
        }
        while let Some(ack) = self.acks.next_ready(durable_seq) {
            let unchecked = || [Bug::AckAcrossFence, Bug::NoEpochCheck].iter().any(|bug| self.config.planted.is(*bug));
            if self.fence.serves(ack.epoch) || unchecked() {
                self.send_ack(ack.to, ack.epoch, ack.echo, &ack.pgs, out);
            } else {
                self.refuse(ack.to, ack.epoch, out);
            }
        }
    }

    /// Acknowledges segments that count, by the superblock too: one that came back as a [witness](crate::message::Standing)
    /// would deny what it had said since. What is said here is claimed by later blocks.
    pub(super) fn send_ack(&mut self, to: NodeId, epoch: Epoch, echo: Nanos, pgs: &[PgId], out: &mut Effects) {
        let mut scls = Vec::with_capacity(pgs.len());
        for pg in pgs {
            let Server { segments, keeper, .. } = self;
            let counts = |segment: &&mut Segment| segment.hydrated && keeper.counts(segment.pg);
            let Some(segment) = segments.get_mut(pg).filter(counts) else { continue };
            segment.claim = segment.claim.max(segment.scl());
            let stored = segment.planted.is(Bug::PerRecordQuorum);
            scls.push((*pg, if stored { segment.last() } else { segment.scl() }));
        }
        let (volume, incarnation) = (self.config.volume, self.incarnation);
        let ack = ToWriter::Ack { volume, epoch, incarnation, echo, scls };
        self.send(to, &ack, IoClass::LogShipping, out);
    }

    pub(super) fn refuse(&self, to: NodeId, epoch: Epoch, out: &mut Effects) {
        let refused = ToWriter::Refused { volume: self.config.volume, epoch, promised: self.fence.promised() };
        self.send(to, &refused, IoClass::Control, out);
    }

    pub(super) fn send(&self, to: NodeId, message: &ToWriter, class: IoClass, out: &mut Effects) {
        out.send(to, message.frame(TO_WRITER), class);
    }

    pub(super) fn flush(&mut self, out: &mut Effects) {
        let Server { log, segments, claimed, vouched_vdl, vdl, keeper, .. } = self;
        log.flush(|full| vouch(segments, claimed, vouched_vdl, *vdl, keeper.durable(), full), out);
    }

    /// Makes the state as it is now durable, then does `after`.
    pub(super) fn save(&mut self, after: After, out: &mut Effects) -> Result<(), Trouble> {
        let segments = self.segments.values().map(|segment| SegmentRecord {
            pg: segment.pg,
            hydrated: segment.hydrated,
            witness: segment.witness,
            base: segment.base(),
            claim: segment.claim,
            pgmrpl: segment.pgmrpl,
        });
        let forgets = self.config.planted.is(Bug::TruncationForgotten);
        let superblock = Superblock {
            generation: 0,
            volume: self.config.volume,
            member: self.member,
            incarnation: self.incarnation,
            promised: self.fence.promised(),
            table: if forgets { TruncationTable::default() } else { self.table.clone() },
            vdl: self.vdl,
            register: self.register,
            log_floor: self.log_floor,
            claims_void_upto: self.claims_void_upto,
            index_position: self.pages.position(),
            segments: segments.collect(),
        };
        let generation = self.keeper.save(superblock, out)?;
        self.after.push_back((generation, after));
        Ok(())
    }

    pub(super) fn digest(&self, digest: &mut Digest) {
        digest.word(self.incarnation.0);
        digest.word(self.fence.promised().number);
        digest.word(self.log.pushed_seq());
        digest.word(self.log.durable_seq());
        digest.word(self.keeper.durable());
        for segment in self.segments.values() {
            digest.word(segment.scl().0 ^ segment.base().0.rotate_left(32));
        }
    }
}

fn claim_of(segment: &Segment) -> Claim {
    Claim { pg: segment.pg, scl: segment.claim, pgmrpl: segment.pgmrpl }
}

/// What the next block says: the claims that changed since the last one, or all of them.
fn vouch(
    segments: &BTreeMap<PgId, Segment>,
    claimed: &mut BTreeMap<PgId, Claim>,
    vouched_vdl: &mut Lsn,
    vdl: Lsn,
    generation: u64,
    full: bool,
) -> Vouch {
    let mut claims = Vec::new();
    for segment in segments.values() {
        let claim = claim_of(segment);
        if full || claimed.get(&segment.pg) != Some(&claim) {
            claims.push(claim);
            claimed.insert(segment.pg, claim);
        }
    }
    *vouched_vdl = vdl;
    Vouch { vdl, generation, claims }
}
