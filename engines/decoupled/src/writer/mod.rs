//! The writer's volume driver: the [`Storage`] of the decoupled engine's compute node.
//!
//! # Mechanism
//!
//! - **Ship** (`shipping`): each record gets its three back-pointers and goes to its protection group's open batch; a batch
//!   goes to all six segments, and is kept until four of them are complete to its end. Acknowledgements carry SCLs;
//!   PGCL, VCL and VDL follow by local bookkeeping ([`group`], [`progress`]). The VDL answers commits.
//! - **Read** (`fetching`, [`reads`]): one tracked segment, hedged.
//! - **Grow** (`growth`): a new protection group exists once a register that counts it is at four nodes.
//! - **Fence** (`fencing`, [`lease`]): a transaction that wrote nothing is answered only while this writer owns the volume.
//! - **Open** (`opening`, [`recovery`]): promises, walk, truncation, re-replication, lease.
//!
//! # Invariants
//!
//! - Nothing is acknowledged to a client above the VDL.
//! - An acknowledgement counts only under the writer's own epoch, from a node that holds the epoch's truncation table.
//! - A writer that learns of a higher epoch halts; before it opened, it tries again above that epoch.
//!
//! # Caveats
//!
//! - Records above the PGCL are kept in memory for resending, bounded by `retained_bytes_max`; a segment that misses more
//!   than that is filled by its peers.

pub mod config;
mod fencing;
mod fetching;
pub mod group;
mod growth;
pub mod lease;
pub mod members;
mod opening;
pub mod progress;
pub mod reads;
pub mod recovery;
mod shipping;

use compute::{Context, Fence, Group as RedoGroup, Lsn, PageId, Storage};
use node::{Event, Frame, IoClass, Nanos, NodeId, Rng, TimerId, Work};

pub use config::{ReadFence, WriterConfig};

use crate::message::{TO_STORAGE, TO_WRITER, ToStorage, ToWriter, Wire};
use crate::planted::Bug;
use crate::{Epoch, MemberIndex, Register, TruncationTable};
use fencing::Fences;
use group::Group;
use growth::Growth;
use lease::Lease;
use members::Members;
use progress::Progress;
use reads::Reads;
use recovery::evidence::Evidence;
use recovery::{Plan, walk::Walk};
use shipping::RoundTrip;

/// Timer owners inside the compute node.
const TICK: u8 = 1;
const HEARTBEAT: u8 = 2;
const HEDGE: u8 = 3;

type PageLsns = hashbrown::HashMap<PageId, Lsn, rustc_hash::FxBuildHasher>;

/// Where the writer is between start and service.
#[derive(Clone, Debug)]
enum Stage {
    /// Collecting promises.
    Promising,
    /// Following the volume's chain.
    Walking(Walk),
    /// Making the volume's end durable.
    Settling(Plan),
    /// Creating a volume: the unformed register is at four nodes, the formed one on its way.
    Forming(Plan),
    /// Serving.
    Open(Plan),
}

/// Counts for reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Batches shipped, each to six nodes.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Messages sent again.
    pub resends: u64,
    /// Pages asked for.
    pub reads: u64,
    /// Second segments asked because the first was late.
    pub hedges: u64,
    /// Second segments asked to learn their latency.
    pub probes: u64,
    /// Answers that brought no page.
    pub setbacks: u64,
    /// Messages that did not decode or named another volume.
    pub refused: u64,
    /// Promises broken off by a higher epoch.
    pub duels: u64,
    /// Records found above the last durable VDL at recovery and annulled or kept.
    pub walked: u64,
}

/// What a person or a report may want to know of the writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterStatus {
    /// What it is doing, and what it waits for.
    pub stage: String,
    /// Its epoch.
    pub epoch: Epoch,
    /// The VDL at which the volume was opened; zero before.
    pub opened_at: Lsn,
    /// Volume complete LSN.
    pub vcl: Lsn,
    /// Volume durable LSN.
    pub vdl: Lsn,
    /// Protection groups.
    pub pg_count: u32,
    /// Nodes that hold the epoch.
    pub holding: usize,
    /// Bytes kept for resending.
    pub retained_bytes: usize,
}

/// The volume driver.
#[derive(Clone, Debug)]
pub struct VolumeDriver {
    config: WriterConfig,
    rng: Rng,
    epoch: Epoch,
    stage: Stage,
    waiting_for: String,
    members: Members,
    /// The newest truncation table among the promises.
    table: TruncationTable,
    register: Option<Register>,
    /// What the next recovery must find.
    evidence: Evidence,
    /// Since when no segment that takes part has what recovery found.
    doubted_since: Option<Nanos>,
    groups: Vec<Group>,
    progress: Progress,
    /// The last LSN given out, for the next record's back-pointer.
    last: Lsn,
    /// LSNs up to here were never this writer's to give; the allocation limit counts from it or from the VDL.
    base: Lsn,
    page_lsns: PageLsns,
    page_lsns_max: usize,
    throttled: bool,
    round_trip: RoundTrip,
    lease: Lease,
    fences: Fences,
    reads: Reads,
    growth: Growth,
    ticking: bool,
    stats: WriterStats,
}

impl VolumeDriver {
    /// A driver that has not started. `start` counts the starts of this node, so that no two share an epoch's owner.
    /// Fails when the configuration is impossible.
    pub fn new(config: WriterConfig, start: u64) -> Result<VolumeDriver, String> {
        config.check()?;
        let mut rng = Rng::new(config.seed).fork("writer", start);
        let epoch = Epoch { number: 1, owner: rng.next_u64() };
        Ok(VolumeDriver {
            rng,
            epoch,
            stage: Stage::Promising,
            waiting_for: String::new(),
            members: Members::new(config.members),
            table: TruncationTable::default(),
            register: None,
            evidence: Evidence::default(),
            doubted_since: None,
            groups: Vec::new(),
            progress: Progress::new(Lsn::ZERO),
            last: Lsn::ZERO,
            base: Lsn::ZERO,
            page_lsns: PageLsns::default(),
            page_lsns_max: shipping::PAGE_LSNS_LEAST,
            throttled: false,
            round_trip: RoundTrip::default(),
            lease: Lease::new(config.lease, config.lease_margin),
            fences: Fences::default(),
            reads: Reads::default(),
            growth: Growth::default(),
            ticking: false,
            stats: WriterStats::default(),
            config,
        })
    }

    /// Counts so far.
    pub fn stats(&self) -> WriterStats {
        self.stats
    }

    /// The state, for a person.
    pub fn status(&self) -> WriterStatus {
        let stage = match &self.stage {
            Stage::Promising => format!("collecting promises: {}", self.waiting_for),
            Stage::Walking(walk) => format!("following {} chains from VDL {}", walk.chains.len(), walk.start.vdl),
            Stage::Settling(plan) => format!("settling at VDL {}: {}", plan.vdl, self.waiting_for),
            Stage::Forming(_) => "creating the volume".to_owned(),
            Stage::Open(_) => "open".to_owned(),
        };
        let opened_at = if let Stage::Open(plan) = &self.stage { plan.vdl } else { Lsn::ZERO };
        WriterStatus {
            stage,
            epoch: self.epoch,
            opened_at,
            vcl: self.progress.vcl(),
            vdl: self.progress.vdl(),
            pg_count: self.groups.len() as u32,
            holding: self.members.holding(),
            retained_bytes: self.retained_bytes(),
        }
    }

    /// The protection groups.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn retained_bytes(&self) -> usize {
        self.groups.iter().map(Group::retained_bytes).sum()
    }

    /// Pages of one protection group.
    pub fn pages_per_pg(&self) -> u64 {
        self.register.map_or(self.config.geometry.pages_per_pg, |register| register.geometry.pages_per_pg)
    }

    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    fn send(&self, cx: &mut Context<'_>, member: MemberIndex, message: &ToStorage, class: IoClass) {
        cx.out.send(self.members.get(member).node, message.frame(TO_STORAGE), class);
    }

    fn set_tick(&mut self, cx: &mut Context<'_>) {
        if !self.ticking {
            self.ticking = true;
            cx.out.set_timer(TimerId::new(TICK, 0), self.config.resend_min);
        }
    }

    fn on_tick(&mut self, cx: &mut Context<'_>) {
        self.ticking = false;
        self.ask_members(cx);
        self.ask_chains(cx);
        self.resend(cx);
        self.ask_growth(cx);
        self.ask_confirmation(cx);
        self.try_open(cx);
        if !self.is_open() || self.has_unanswered() {
            self.set_tick(cx);
        }
    }

    fn has_unanswered(&self) -> bool {
        self.members.holding() < crate::quorum::MEMBERS
            || self.retained_bytes() > 0
            || self.growth.is_pending()
            || self.fences.is_pending()
    }

    fn on_frame(&mut self, cx: &mut Context<'_>, from: NodeId, frame: &Frame) {
        let Some(member) = self.members.by_node(from).filter(|_| frame.kind() == TO_WRITER) else {
            self.stats.refused += 1;
            return;
        };
        let message = match ToWriter::from_frame(frame) {
            Ok(message) if message.concerns().0 == self.config.volume => message,
            _ => {
                self.stats.refused += 1;
                return;
            }
        };
        cx.out.charge(Work::Message, 1);
        if message.concerns().1 == self.epoch {
            self.on_message(cx, member, message);
        }
    }

    fn on_message(&mut self, cx: &mut Context<'_>, member: MemberIndex, message: ToWriter) {
        match message {
            ToWriter::Ack { incarnation, echo, scls, .. } => self.on_ack(cx, member, incarnation, echo, &scls),
            ToWriter::Page { request, page, result, .. } => self.on_page(cx, member, request, page, result),
            ToWriter::Promise { incarnation, lease_left, vdl, table, register, segments, .. } => {
                let lease_over = cx.now + lease_left;
                let promise = recovery::promises::Promise { incarnation, lease_over, vdl, table, register, segments };
                self.on_promise(cx, member, promise);
            }
            ToWriter::Refused { promised, .. } => self.on_refused(cx, member, promised),
            ToWriter::Inventory { pg, above, entries, complete, .. } => {
                self.on_inventory(cx, member, pg, above, entries, complete);
            }
            ToWriter::Truncated { incarnation, .. } => self.on_truncated(cx, member, incarnation),
            ToWriter::RegisterWritten { version, .. } => self.on_register_written(cx, member, version),
            ToWriter::Confirmed { ticket, .. } => self.on_confirmed(cx, member, ticket),
        }
    }
}

impl Storage for VolumeDriver {
    fn handle(&mut self, cx: &mut Context<'_>, event: Event) {
        match event {
            Event::Start => {
                self.ask_members(cx);
                self.set_tick(cx);
                cx.out.set_timer(TimerId::new(HEARTBEAT, 0), self.config.heartbeat);
            }
            Event::Frame { from, frame } => self.on_frame(cx, from, &frame),
            Event::Timer { timer } => match timer.owner() {
                TICK => self.on_tick(cx),
                HEARTBEAT => {
                    self.heartbeat(cx);
                    cx.out.set_timer(TimerId::new(HEARTBEAT, 0), self.config.heartbeat);
                }
                HEDGE => self.on_hedge(cx, timer.own()),
                _ => {}
            },
            // The writer has no disk: storage is on the other side of the network.
            Event::Disk { .. } => {}
        }
    }

    fn reserve(&mut self, cx: &mut Context<'_>, page: PageId) -> bool {
        self.reserve_page(cx, page)
    }

    fn admits(&mut self, last: Lsn, bytes: usize) -> bool {
        let limit = self.progress.vdl().max(self.base).0 + self.config.lal_records;
        let room = self.retained_bytes() + bytes <= self.config.retained_bytes_max || self.retained_bytes() == 0;
        let admitted = last.0 <= limit && room;
        self.throttled |= !admitted;
        admitted
    }

    fn append(&mut self, cx: &mut Context<'_>, group: RedoGroup) {
        self.ship(cx, &group);
    }

    fn fetch(&mut self, cx: &mut Context<'_>, page: PageId) {
        self.start_read(cx, page);
    }

    fn evictable(&self, _page: PageId, page_lsn: Lsn) -> bool {
        page_lsn <= self.progress.vdl() || self.config.planted.is(Bug::EvictsAboveVdl)
    }

    fn fence(&mut self, cx: &mut Context<'_>) -> Fence {
        self.ask_fence(cx)
    }

    fn durable(&self) -> Lsn {
        self.progress.vdl()
    }

    fn digest(&self, digest: &mut node::Digest) {
        for word in [self.epoch.number, self.last.0, self.progress.vcl().0, self.progress.vdl().0] {
            digest.word(word);
        }
        digest.word(self.reads.len() as u64);
        digest.word(self.members.holding() as u64);
    }
}

/// A period after which a question to a node that did not answer is put again.
fn ask_period(config: &WriterConfig) -> Nanos {
    Nanos(config.resend_min.0 * 2)
}
