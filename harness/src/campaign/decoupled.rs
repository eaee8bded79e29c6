//! The decoupled engine under a campaign: invariants between steps, and the comparison of six copies.

mod sizes;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use ::decoupled::message::Standing;
use ::decoupled::quorum::{NACK_QUORUM, READ_QUORUM, WRITE_QUORUM};
use ::decoupled::storage::{SegmentProbe, StorageNode, StorageProbe};
use ::decoupled::topology::{COMPUTE, STORAGE};
use ::decoupled::writer::{ReadFence, VolumeDriver, WriterStatus};
use ::decoupled::{Config, Epoch, Incarnation, MemberIndex, PgId, VolumeId};
use compute::{ComputeNode, Lsn};
use contract::Schema;
use node::{Nanos, NodeId, Rng, Topology};
use sim::{Sim, Status};

use super::fences::Fences;
use super::segments::Segments;
use super::six::six_alike;
use super::successor::{SUCCESSOR, successor};
use super::watch::{self, Conditions, Promise, Vitals};
use super::{Glimpse, Plants, Subject, Substance, database};
use crate::engines::LOAD;

/// What the stage of a writer says while it waits for the lease of an earlier one.
const LEASE_WAIT: &str = "an earlier writer's lease";
/// The decoupled engine's database node.
pub type Database = ComputeNode<VolumeDriver>;

/// The decoupled engine for one seed.
#[derive(Debug, Default)]
pub struct Decoupled {
    read_fence: Option<ReadFence>,
    /// The one that is in use.
    fence_in_use: Option<ReadFence>,
    volume: Option<VolumeId>,
    /// The writers, as they were seen last.
    writers: BTreeMap<NodeId, WriterStatus>,
    /// The highest VDL of every writer that was open. One that was overtaken may open late, and is fenced.
    durable: BTreeMap<Epoch, Lsn>,
    /// The VDL at which every writer opened.
    opened: BTreeMap<Epoch, Lsn>,
    /// The highest SCL of any segment since the last writer opened.
    tail: Lsn,
    segments: Segments,
    fences: Fences,
    nodes: BTreeMap<NodeId, (Incarnation, Epoch, Lsn)>,
    /// How often a node's segments had kept versions for a read view, in which life of the node, as it was seen last.
    views_seen: BTreeMap<NodeId, (Incarnation, u64)>,
    /// That of all nodes since it was asked for.
    views_kept: u64,
    waited_for_lease: Option<Epoch>,
    /// What the last writer counted as complete, by group.
    acknowledged: BTreeMap<PgId, Lsn>,
    /// Nodes whose disks do not hold what they were told to: nothing is expected of what they have.
    damaged: BTreeSet<NodeId>,
    /// Whether the database served when it was looked at last.
    serves: bool,
    /// Lives of the database node that ended.
    lives: u64,
    plants: Plants,
    /// The least patience with a disk.
    io_timeout_min: Nanos,
    /// Whether a second database node may be started.
    has_successor: bool,
}

impl Decoupled {
    /// With the read fence that the seed draws.
    pub fn any() -> Decoupled {
        Decoupled::default()
    }

    /// With this read fence.
    pub fn fenced_by(read_fence: ReadFence) -> Decoupled {
        Decoupled { read_fence: Some(read_fence), ..Decoupled::default() }
    }

    /// With bugs, for the chaos command.
    pub fn with(self, plants: Plants) -> Decoupled {
        Decoupled { plants, ..self }
    }

    /// With a second database node, [`SUCCESSOR`], which somebody may start. Reads are fenced then.
    pub fn with_successor(self) -> Decoupled {
        Decoupled { has_successor: true, ..self }
    }

    /// With at least so much patience with its disks: real ones are held up by whatever else the machine does.
    pub fn patient(self, io_timeout_min: Nanos) -> Decoupled {
        Decoupled { io_timeout_min, ..self }
    }

    /// Small sizes of every kind, drawn from `rng`.
    pub fn config(&self, schema: Schema, page_bytes: usize, seed: u64, rng: &mut Rng) -> Config {
        let mut config = Config::tiny(schema, seed);
        database::draw(&mut config.compute, page_bytes, rng);
        config.writer.geometry.page_bytes = page_bytes as u32;
        config.writer.geometry.pages_per_pg = rng.between(4, 40);
        let fences = [ReadFence::Lease, ReadFence::Confirm, ReadFence::Published];
        // Without a fence a writer that was replaced reads stale, as published.
        let drawn = if self.has_successor { seed % 2 } else { seed % 3 };
        config.writer.read_fence = self.read_fence.unwrap_or(fences[drawn as usize]);
        sizes::draw_writer(&mut config, rng);
        sizes::draw_storage(&mut config, page_bytes, rng);
        config.storage.io_timeout = config.storage.io_timeout.max(self.io_timeout_min);
        config.compute.planted = self.plants.compute;
        (config.writer.planted, config.storage.planted) = (self.plants.decoupled, self.plants.decoupled);
        config
    }

    fn check_writer(&mut self, id: NodeId, status: &WriterStatus, substance: &mut Substance) -> Result<(), String> {
        let opened = self.writers.get(&id).is_none_or(|before| before.epoch != status.epoch);
        if opened {
            substance.add("volumes opened", 1);
            let durable = self.durable.range(..status.epoch).map(|(_, vdl)| *vdl).max().unwrap_or_default();
            if status.opened_at < durable {
                return Err(format!(
                    "recovery under epoch {} opened at VDL {}, below VDL {} that an earlier writer answered up to",
                    status.epoch.number, status.opened_at, durable
                ));
            }
            self.opened.insert(status.epoch, status.opened_at);
            substance.add("recoveries that truncated a tail", u64::from(self.tail > status.opened_at));
            substance.add("leases waited out", u64::from(self.waited_for_lease == Some(status.epoch)));
            self.tail = Lsn::ZERO;
        }
        if let Some(before) = self.writers.get(&id).filter(|before| before.epoch == status.epoch)
            && (status.vdl < before.vdl || status.vcl < before.vcl)
        {
            return Err(format!("VCL or VDL fell: {before:?}, then {status:?}"));
        }
        if let Some(before) = self.writers.get(&id).filter(|before| before.epoch > status.epoch) {
            return Err(format!("the epoch fell: {before:?}, then {status:?}"));
        }
        let later = self.opened.range((Bound::Excluded(status.epoch), Bound::Unbounded)).min_by_key(|(_, vdl)| **vdl);
        if let Some((epoch, vdl)) = later.filter(|(_, vdl)| **vdl < status.vdl) {
            return Err(format!(
                "the writer of epoch {} answers up to VDL {}, and epoch {} opened at VDL {vdl}",
                status.epoch.number, status.vdl, epoch.number
            ));
        }
        if status.vdl > status.vcl {
            return Err(format!("the VDL is above the VCL: {status:?}"));
        }
        let durable = self.durable.entry(status.epoch).or_default();
        *durable = status.vdl.max(*durable);
        self.writers.insert(id, status.clone());
        Ok(())
    }

    /// What storage nodes told an open writer.
    fn check_told(&self, database: &Database, epoch: Epoch) -> Result<(), String> {
        let groups = database.storage().groups();
        MemberIndex::all().zip(STORAGE).try_for_each(|(member, node)| {
            self.fences.check(node, epoch, groups.iter().map(|group| (group.pg(), group.scl(member))))
        })
    }

    /// Counts what a node's segments kept for read views since it was looked at last. A new life counts from nothing.
    fn count_views(&mut self, id: NodeId, probe: Option<&StorageProbe>) {
        let now = probe.map_or(Default::default(), |probe| (probe.incarnation, probe.views_kept));
        let before = self.views_seen.insert(id, now).unwrap_or_default();
        let kept = now.1.checked_sub(before.1).filter(|_| before.0 == now.0);
        self.views_kept += kept.unwrap_or(now.1);
    }

    fn check_storage(&mut self, id: NodeId, probe: &StorageProbe) -> Result<(), String> {
        if let Some((incarnation, promised, vdl)) = self.nodes.get(&id)
            && (probe.incarnation < *incarnation
                || (probe.incarnation == *incarnation && (probe.promised < *promised || probe.vdl < *vdl)))
        {
            return Err(format!("incarnation, promise or VDL of {id:?} fell below {promised:?} and {vdl}: {probe:?}"));
        }
        self.nodes.insert(id, (probe.incarnation, probe.promised, probe.vdl));
        self.segments.look(id, probe)?;
        self.fences.look(id, probe);
        let tail = probe.segments.iter().map(|segment| segment.scl).max();
        self.tail = self.tail.max(tail.unwrap_or_default());
        Ok(())
    }
}

pub(super) fn writer(sim: &Sim) -> Option<&Database> {
    sim.node::<Database>(COMPUTE)
}

fn probe(sim: &Sim, id: NodeId) -> Option<StorageProbe> {
    sim.node::<StorageNode>(id).and_then(StorageNode::probe)
}

/// Four segments must have what the writer counts as complete. Nodes that are down or opening are given the benefit of the
/// doubt, and so are those left out of `probes`; a node that promised a later epoch may have truncated. One that started on a
/// full disk must have found it, though it does not count it before there is room to write it again.
fn check_quorums<'a>(
    database: &Database,
    status: &WriterStatus,
    probes: impl Iterator<Item = &'a Option<StorageProbe>>,
) -> Result<(), String> {
    let probes: Vec<&Option<StorageProbe>> = probes.collect();
    let untold = STORAGE.len() - probes.len();
    if probes.iter().copied().flatten().any(|probe| probe.promised > status.epoch) {
        return Ok(());
    }
    for group in database.storage().groups() {
        let complete = |probe: &&&Option<StorageProbe>| {
            probe.as_ref().is_none_or(|probe| {
                let found = |segment: &SegmentProbe| segment.scl.max(segment.doubt) >= group.pgcl();
                probe.segments.iter().any(|segment| segment.pg == group.pg() && found(segment))
            })
        };
        let count = probes.iter().filter(complete).count() + untold;
        if count < WRITE_QUORUM && group.pgcl() > Lsn::ZERO {
            let scls: Vec<Option<Lsn>> = probes
                .iter()
                .map(|probe| probe.as_ref()?.segments.iter().find(|s| s.pg == group.pg()).map(|segment| segment.scl))
                .collect();
            return Err(format!(
                "protection group {} counts as complete to {} and {count} segments are: SCLs {scls:?}",
                group.pg().0,
                group.pgcl()
            ));
        }
    }
    Ok(())
}

impl Subject for Decoupled {
    fn name(&self) -> &'static str {
        "decoupled"
    }

    fn topology(&mut self, schema: Schema, page_bytes: usize, seed: u64, rng: &mut Rng) -> Result<Topology, String> {
        let config = self.config(schema, page_bytes, seed, rng);
        (self.volume, self.fence_in_use) = (Some(config.writer.volume), Some(config.writer.read_fence));
        let mut topology = ::decoupled::topology(&config)?;
        topology.members.extend(self.has_successor.then(|| successor(&config)));
        Ok(topology)
    }

    fn observe(&mut self, sim: &Sim, substance: &mut Substance) -> Result<(), String> {
        let probes: Vec<Option<StorageProbe>> = STORAGE.iter().map(|&id| probe(sim, id)).collect();
        probes.iter().flatten().for_each(|probe| self.segments.note(&probe.table));
        for (&id, probe) in STORAGE.iter().zip(&probes) {
            self.count_views(id, probe.as_ref());
            if let Some(probe) = probe.as_ref().filter(|_| !self.damaged.contains(&id)) {
                self.check_storage(id, probe)?;
            }
        }
        if self.has_successor
            && let Some(heir) = sim.node::<Database>(SUCCESSOR)
            && let status = heir.storage().status()
            && status.stage == "open"
        {
            self.check_writer(SUCCESSOR, &status, substance)?;
            self.check_told(heir, status.epoch)?;
        }
        self.serves = writer(sim).is_some_and(Database::is_serving);
        let Some(database) = writer(sim) else { return Ok(()) };
        let status = database.storage().status();
        if status.stage.contains(LEASE_WAIT) {
            self.waited_for_lease = Some(status.epoch);
        }
        if status.stage == "open" {
            self.check_writer(COMPUTE, &status, substance)?;
            self.check_told(database, status.epoch)?;
            let trusted = STORAGE.iter().zip(&probes).filter(|(id, _)| !self.damaged.contains(id));
            check_quorums(database, &status, trusted.map(|(_, probe)| probe))?;
            self.acknowledged = database.storage().groups().iter().map(|group| (group.pg(), group.pgcl())).collect();
        }
        Ok(())
    }

    fn glimpse(&mut self, id: NodeId, glimpse: &Glimpse, substance: &mut Substance) -> Result<(), String> {
        if let Glimpse::Writer { status, .. } = glimpse
            && id == COMPUTE
        {
            self.serves = status.stage == "open";
        }
        match glimpse {
            Glimpse::Writer { status, .. } if status.stage == "open" => self.check_writer(id, status, substance),
            Glimpse::Segments(probe) if !self.damaged.contains(&id) => self.check_storage(id, probe),
            _ => Ok(()),
        }
    }

    fn life_ends(&mut self, sim: &Sim, id: NodeId, substance: &mut Substance) -> Result<(), String> {
        self.life_over(id);
        if id == COMPUTE
            && let Some(database) = writer(sim)
        {
            count_database(database, substance);
        }
        if let Some(probe) = probe(sim, id) {
            count_storage(&probe, substance);
        }
        Ok(())
    }

    fn life_over(&mut self, id: NodeId) {
        self.lives += u64::from(id == COMPUTE);
    }

    fn unsettled(&self, sim: &Sim) -> Option<String> {
        let Some(database) = writer(sim) else { return Some("the database is down".into()) };
        match Rest::of(database) {
            Err(why) => Some(why),
            Ok(rest) => STORAGE.iter().find_map(|&id| rest.unmet(id, probe(sim, id).as_ref())),
        }
    }

    fn audit(&mut self, sim: &mut Sim, substance: &mut Substance) -> Result<(), String> {
        let volume = self.volume.ok_or("no topology was made")?;
        let pages = six_alike(sim, volume)?;
        substance.add("pages compared on six nodes", pages.len() as u64);
        database::walk(&pages, substance)
    }

    fn may_halt(&self, reason: &str) -> bool {
        // A database that comes back may duel with the epoch that its last life left at nodes that were away.
        (self.lives > 0 || self.has_successor) && reason.starts_with("fenced: ")
    }

    fn promise(&self, vitals: &dyn Vitals, conditions: &Conditions) -> Promise {
        let good = |&&id: &&NodeId| conditions.is_good(vitals, id) && conditions.are_joined(COMPUTE, id);
        let good: Vec<NodeId> = STORAGE.iter().filter(good).copied().collect();
        let among_themselves =
            good.iter().all(|&one| good.iter().all(|&other| one == other || conditions.are_joined(one, other)));
        let alone = !self.has_successor || !vitals.is_running(SUCCESSOR);
        let running = vitals.is_running(COMPUTE);
        let open = alone && running && good.len() >= WRITE_QUORUM && among_themselves;
        let whole = STORAGE.iter().filter(|id| !self.damaged.contains(id));
        // One segment serves a page; whoever answers with it must know that nobody has taken its place.
        let readers = match self.fence_in_use {
            Some(ReadFence::Published) => 1,
            Some(ReadFence::Confirm) => NACK_QUORUM,
            Some(ReadFence::Lease) | None => WRITE_QUORUM,
        };
        let clients = alone && conditions.are_joined(LOAD, COMPUTE);
        Promise {
            commits: open && clients,
            reads: clients && (open || (running && self.serves && good.len() >= readers)),
            open,
            // Every record is on four, and so on one of any three.
            durable: whole.clone().count() >= READ_QUORUM,
            repairable: whole.filter(|id| vitals.is_running(**id)).count() >= READ_QUORUM,
        }
    }

    fn silent(&self, vitals: &dyn Vitals, conditions: &Conditions) -> Vec<NodeId> {
        // Appends may arrive by gossip, acknowledgements only by the node's own way to the writer.
        let silent = |id: &NodeId| !vitals.is_running(*id) || conditions.is_cut(*id, COMPUTE);
        STORAGE.into_iter().filter(silent).collect()
    }

    fn cannot_commit(&self, silent: &BTreeSet<NodeId>) -> bool {
        silent.len() > STORAGE.len() - WRITE_QUORUM
    }

    fn standing(&self, sim: &Sim) -> watch::Standing {
        let open =
            writer(sim).is_some_and(|database| database.is_serving() && database.storage().status().stage == "open");
        let running = |id: &NodeId| *sim.status(*id) == Status::Running;
        let holders = |id: &&NodeId| self.segments.holds(**id, &self.acknowledged);
        let holding: Vec<&NodeId> = STORAGE.iter().filter(holders).collect();
        let repairable = holding.iter().any(|id| running(id));
        watch::Standing { open, durable: Some(!holding.is_empty()), repairable: Some(repairable) }
    }

    fn views_kept(&mut self) -> u64 {
        std::mem::take(&mut self.views_kept)
    }

    /// Every three that a recovery may ask need a truthful holder of each durable record, so four of the other five must have
    /// all of them. A durable record is at four, hence at three of the others at least, and no newer than their newest.
    fn would_refute(&self, sim: &Sim, id: NodeId) -> bool {
        let others = STORAGE.into_iter().filter(|node| *node != id).filter_map(|node| probe(sim, node));
        let segments: Vec<SegmentProbe> = others.flat_map(|probe| probe.segments).collect();
        let newest = |pg: PgId| segments.iter().filter(|s| s.pg == pg).map(|s| s.scl).max();
        let holds = |s: &&SegmentProbe| s.standing == Standing::Clean && Some(s.scl) == newest(s.pg);
        let groups: BTreeSet<PgId> = segments.iter().map(|segment| segment.pg).collect();
        let holders = |pg: PgId| segments.iter().filter(|s| s.pg == pg).filter(holds).count();
        !groups.is_empty() && groups.into_iter().all(|pg| holders(pg) >= WRITE_QUORUM)
    }

    fn disk_damaged(&mut self, id: NodeId, _lost: bool) {
        self.nodes.remove(&id);
        self.segments.forget(id);
        self.fences.forget(id);
        self.damaged.insert(id);
    }
}

/// A database node at rest, as storage must have it to be at rest too.
#[derive(Clone, Debug)]
pub struct Rest {
    status: WriterStatus,
    groups: Vec<(PgId, Lsn)>,
}

impl Rest {
    /// The database node's side.
    ///
    /// # Errors
    ///
    /// What keeps it from rest.
    pub fn of(database: &Database) -> Result<Rest, String> {
        let status = database.storage().status();
        if !database.is_serving() || status.stage != "open" {
            return Err(format!("the database is {}", status.stage));
        }
        let groups = database.storage().groups();
        if !database.is_idle() || status.holding < STORAGE.len() || status.retained_bytes > 0 {
            let groups: Vec<String> = groups
                .iter()
                .filter(|group| group.retained_bytes() > 0)
                .map(|group| {
                    let scls: Vec<Lsn> = MemberIndex::all().map(|member| group.scl(member)).collect();
                    format!(
                        "group {} has {} bytes, PGCL {}, SCLs {scls:?}",
                        group.pg().0,
                        group.retained_bytes(),
                        group.pgcl()
                    )
                })
                .collect();
            return Err(format!("the database has work: idle {}, {status:?}, {groups:?}", database.is_idle()));
        }
        Ok(Rest { status, groups: groups.iter().map(|group| (group.pg(), group.pgcl())).collect() })
    }

    /// What keeps the storage node `id` from rest; without a probe it does not serve.
    pub fn unmet(&self, id: NodeId, probe: Option<&StorageProbe>) -> Option<String> {
        let status = &self.status;
        let Some(probe) = probe else { return Some(format!("{id:?} does not serve")) };
        if probe.serving != Some(status.epoch) || probe.vdl != status.vdl {
            return Some(format!("{id:?} serves {:?} at VDL {}, the writer is {status:?}", probe.serving, probe.vdl));
        }
        self.groups.iter().find_map(|(pg, pgcl)| {
            let Some(segment) = probe.segments.iter().find(|segment| segment.pg == *pg) else {
                return Some(format!("{id:?} has no segment of protection group {}", pg.0));
            };
            let behind = segment.scl != *pgcl || segment.standing != Standing::Clean;
            behind.then(|| format!("{id:?} is behind: PGCL {pgcl}, {segment:?}"))
        })
    }
}

fn count_database(database: &Database, substance: &mut Substance) {
    database::count(&database.stats(), substance);
    let stats = database.storage().stats();
    for (name, count) in [
        ("batches shipped", stats.batches),
        ("resends", stats.resends),
        ("hedges", stats.hedges),
        ("probing reads", stats.probes),
        ("read setbacks", stats.setbacks),
        ("epoch duels", stats.duels),
        ("records walked", stats.walked),
    ] {
        substance.add(name, count);
    }
}

fn count_storage(probe: &StorageProbe, substance: &mut Substance) {
    let holes: u64 = probe.segments.iter().map(|segment| segment.holes_filled).sum();
    for (name, count) in [
        ("holes filled", holes),
        ("records gossiped", probe.gossiped),
        ("pages coalesced", probe.coalesced),
        ("records annulled", probe.annulled),
        ("appends throttled", probe.throttled),
        ("segments left behind", probe.left_behind),
        ("versions kept for a read view", probe.views_kept),
        ("segments rebuilt from baseline", probe.rebuilt),
        ("pages repaired", probe.pages_repaired),
        ("damage found", probe.damaged),
    ] {
        substance.add(name, count);
    }
}
