//! The coupled engines under a campaign: `coupled` on one disk, and `coupled-mirrored` on four, with either policy for a lost
//! standby zone.
//!
//! # Invariants checked
//!
//! - What was durable stays so: no opening finds less log than an earlier life of the database node answered for.
//! - No page is on disk ahead of the log.
//! - The epoch of the mirrored volume never falls, as long as one of the copies whose label had it is neither lost nor put back
//!   to an older state: four empty disks say that there never was a database. Under [`ZoneLoss::Stop`] nothing is ever detached.
//! - Whenever the database node dies and the labels let the standby take over, a database started on the standby's volume
//!   opens, whole, with everything that was durable.
//! - At rest, the page file holds what memory does, the trees are whole, and the four copies are equal.

mod copies;
mod sizes;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::coupled::topology::{COMPUTE, EBS_A1, EBS_A2, EBS_B1, EBS_B2, STANDBY};
use ::coupled::{Config, CoupledNode, Probe, VolumeNode, VolumeStatus, ZoneLoss};
use compute::Lsn;
use contract::Schema;
use node::{IoClass, Nanos, NodeId, Rng, Topology};
use sim::{Sim, Status};

use super::watch::{Conditions, Promise, Standing, Vitals};
use super::{Glimpse, Plants, Subject, Substance, database};
use crate::engines::LOAD;

/// Counts worlds in which a volume of the writer's side was labelled as one that goes on alone, whether or not the other was.
pub const DETACHMENT_BEGAN: &str = "detachments begun";
/// The copies beside the writer's volume.
const OTHER_COPIES: [NodeId; 3] = [EBS_A2, EBS_B1, EBS_B2];
/// The volumes of `coupled-mirrored`, the writer's first.
pub const VOLUMES: [NodeId; 4] = [EBS_A1, EBS_A2, EBS_B1, EBS_B2];

/// Where the database's volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// On the database node's own disk.
    Local,
    /// On four volumes in two zones.
    Mirrored,
}

/// A coupled engine for one seed.
#[derive(Debug)]
pub struct Coupled {
    place: Place,
    zone_loss: Option<ZoneLoss>,
    config: Option<Config>,
    /// The highest LSN that was durable in any life.
    durable: Lsn,
    /// Whether the present life of the database node was seen open.
    open: bool,
    /// The volume as it was seen last, in whichever life.
    status: Option<VolumeStatus>,
    /// Copies whose label had that epoch, and which have not been lost or put back since.
    remembering: BTreeSet<NodeId>,
    /// Draws what is left of the standby's volume at a promotion.
    rng: Rng,
    /// Copies that were lost or put back in this run.
    replaced: BTreeSet<NodeId>,
    /// Copies that may hold what they should not.
    damaged: BTreeSet<NodeId>,
    /// Whether the database was seen open, so that it must be there from then on.
    exists: Arc<AtomicBool>,
    /// What the log's own blocks said was durable when the database node was started.
    vouched: Lsn,
    /// Whether the standby was ever detached, or one of the writer's volumes labelled so: until it is attached again, one copy stands
    /// against the writer's volume, and a start makes it equal to that, or the other way around.
    was_detached: bool,
    plants: Plants,
    /// The least patience with a disk.
    io_timeout_min: Nanos,
}

impl Coupled {
    /// `coupled`: one node, one disk.
    pub fn local() -> Coupled {
        Coupled::at(Place::Local)
    }

    /// `coupled-mirrored`, with the policy that the seed draws.
    pub fn mirrored() -> Coupled {
        Coupled::at(Place::Mirrored)
    }

    /// With this policy for a lost standby zone.
    pub fn losing_zones_by(self, zone_loss: ZoneLoss) -> Coupled {
        Coupled { zone_loss: Some(zone_loss), ..self }
    }

    /// With bugs, for the chaos command.
    pub fn with(self, plants: Plants) -> Coupled {
        Coupled { plants, ..self }
    }

    /// With at least so much patience with its disks: real ones are held up by whatever else the machine does.
    pub fn patient(self, io_timeout_min: Nanos) -> Coupled {
        Coupled { io_timeout_min, ..self }
    }

    fn at(place: Place) -> Coupled {
        Coupled {
            place,
            zone_loss: None,
            config: None,
            durable: Lsn::ZERO,
            open: false,
            status: None,
            remembering: BTreeSet::new(),
            rng: Rng::new(0),
            replaced: BTreeSet::new(),
            damaged: BTreeSet::new(),
            exists: Arc::default(),
            vouched: Lsn::ZERO,
            was_detached: false,
            plants: Plants::NONE,
            io_timeout_min: Nanos::ZERO,
        }
    }

    fn all_nodes(&self) -> Vec<NodeId> {
        match self.place {
            Place::Local => vec![COMPUTE],
            Place::Mirrored => vec![COMPUTE, EBS_A1, EBS_A2, STANDBY, EBS_B1, EBS_B2],
        }
    }

    /// Small sizes of every kind, drawn from `rng`.
    pub fn config(&self, schema: Schema, page_bytes: usize, seed: u64, rng: &mut Rng) -> Config {
        let mut config = sizes::draw(schema, page_bytes, seed, rng);
        (config.planted, config.compute.planted) = (self.plants.coupled, self.plants.compute);
        config.io_timeout = config.io_timeout.max(self.io_timeout_min);
        if let Some(zone_loss) = self.zone_loss {
            config.mirror.zone_loss = zone_loss;
        }
        config
    }

    /// The nodes of an engine with these sizes.
    ///
    /// # Errors
    ///
    /// Sizes that the engine cannot work with.
    pub fn nodes(&self, config: &Config) -> Result<Topology, String> {
        let topology = match self.place {
            Place::Local => ::coupled::local(config),
            Place::Mirrored => ::coupled::mirrored(config),
        };
        topology.map_err(|error| error.to_string())
    }

    /// The nodes of an engine that makes its database once: where it was seen open before, its absence is an error.
    fn reopening(&self, config: &Config) -> Result<Topology, String> {
        let mut topology = self.nodes(config)?;
        let mut later = self.nodes(&Config { create: false, ..config.clone() })?;
        let at = |topology: &Topology| topology.members.iter().position(|member| member.id == COMPUTE);
        let (Some(first), Some(again)) = (at(&topology), at(&later)) else { return Ok(topology) };
        let again = later.members.swap_remove(again).build;
        let exists = Arc::clone(&self.exists);
        let first = &mut topology.members[first].build;
        let make = std::mem::replace(first, Box::new(|_| unreachable!("replaced below")));
        *first = Box::new(move |starts| if exists.load(Ordering::Relaxed) { again(starts) } else { make(starts) });
        Ok(topology)
    }

    fn drawn(&self) -> Result<&Config, String> {
        self.config.as_ref().ok_or_else(|| "no topology was made".into())
    }

    /// The node whose disk holds the copy that is right.
    fn first_copy(&self) -> NodeId {
        match self.place {
            Place::Local => COMPUTE,
            Place::Mirrored => EBS_A1,
        }
    }

    fn check_log(&mut self, sim: &Sim, probe: &Probe, substance: &mut Substance) -> Result<(), String> {
        let disk = sim.disk(self.first_copy()).ok_or("the writer's volume has no disk")?;
        // What cannot be read vouches for nothing.
        if probe.durable < self.vouched && disk.counts().reads_unreadable == 0 {
            return Err(format!("the log was cut at {}, and its own blocks vouch for {}", probe.durable, self.vouched));
        }
        let page_bytes = self.drawn()?.compute.page_bytes;
        self.check_durable(probe, substance)?;
        copies::log_first(disk, page_bytes, probe.durable)
    }

    fn check_durable(&mut self, probe: &Probe, substance: &mut Substance) -> Result<(), String> {
        self.exists.store(true, Ordering::Relaxed);
        if !std::mem::replace(&mut self.open, true) {
            substance.add("openings", 1);
        }
        if probe.durable < self.durable {
            return Err(format!("the log is durable up to {}, and was up to {}", probe.durable, self.durable));
        }
        if probe.durable > probe.appended {
            return Err(format!("more is durable than was appended: {probe:?}"));
        }
        self.durable = probe.durable;
        Ok(())
    }

    fn check_volume(&mut self, now: VolumeStatus, substance: &mut Substance) -> Result<(), String> {
        let Some(epoch) = epoch(now) else { return Ok(()) };
        let before = self.status.replace(now);
        let seen = before.and_then(self::epoch);
        if seen.is_some_and(|seen| epoch < seen) && !self.remembering.is_empty() {
            let by = &self.remembering;
            return Err(format!("the volume's epoch fell: {before:?}, then {now:?}; it is remembered by {by:?}"));
        }
        if seen != Some(epoch) {
            let alone = matches!(now, VolumeStatus::Detached { .. });
            self.remembering = VOLUMES.into_iter().take(if alone { 2 } else { VOLUMES.len() }).collect();
        }
        let was_detached = matches!(before, Some(VolumeStatus::Detached { .. }));
        match now {
            VolumeStatus::Detached { .. } if self.drawn()?.mirror.zone_loss == ZoneLoss::Stop => {
                return Err(format!("the standby was detached, which the policy forbids: {now:?}"));
            }
            VolumeStatus::Detached { .. } => {
                self.was_detached = true;
                substance.add("detachments", u64::from(!was_detached));
            }
            _ => substance.add("standbys attached again", u64::from(was_detached)),
        }
        Ok(())
    }

    /// The writer's zone might never return.
    fn check_standby(&mut self, sim: &Sim, substance: &mut Substance) -> Result<(), String> {
        let config = self.drawn()?.clone();
        // What is left of a damaged copy is mended by the resync, which a standby that is promoted has not had. Damage of the
        // writer's volume that came while there was one other copy is in all four.
        let suspects: &[NodeId] = if self.was_detached { &VOLUMES } else { &[EBS_B1, EBS_B2] };
        let damaged = suspects.iter().any(|id| self.damaged.contains(id));
        if damaged || self.durable == Lsn::ZERO || !copies::may_promote(sim, &config) {
            return Ok(());
        }
        let probe = copies::promote(sim, &config, self.rng.next_u64(), substance)?;
        substance.add("standbys promoted", 1);
        if probe.durable < self.durable {
            return Err(format!(
                "the standby's volume holds the log up to {}, and clients were answered up to {}",
                probe.durable, self.durable
            ));
        }
        Ok(())
    }
}

fn epoch(status: VolumeStatus) -> Option<u64> {
    match status {
        VolumeStatus::Attached { epoch } | VolumeStatus::Detached { epoch, .. } => Some(epoch),
        VolumeStatus::Local | VolumeStatus::Connecting => None,
    }
}

fn writer(sim: &Sim) -> Option<&CoupledNode> {
    sim.node::<CoupledNode>(COMPUTE)
}

impl Subject for Coupled {
    fn name(&self) -> &'static str {
        match self.place {
            Place::Local => "coupled",
            Place::Mirrored => "coupled-mirrored",
        }
    }

    fn topology(&mut self, schema: Schema, page_bytes: usize, seed: u64, rng: &mut Rng) -> Result<Topology, String> {
        let config = self.config(schema, page_bytes, seed, rng);
        let topology = self.reopening(&config)?;
        (self.config, self.rng) = (Some(config), rng.fork("promotion", 0));
        Ok(topology)
    }

    fn observe(&mut self, sim: &Sim, substance: &mut Substance) -> Result<(), String> {
        if self.place == Place::Mirrored && !self.was_detached && copies::detachment_began(sim) {
            self.was_detached = true;
            substance.add(DETACHMENT_BEGAN, 1);
        }
        let Some(database) = writer(sim) else { return Ok(()) };
        self.check_volume(database.storage().volume_status(), substance)?;
        match database.storage().probe() {
            Some(probe) => self.check_log(sim, &probe, substance),
            None => Ok(()),
        }
    }

    fn glimpse(&mut self, _id: NodeId, glimpse: &Glimpse, substance: &mut Substance) -> Result<(), String> {
        match glimpse {
            Glimpse::Log { probe: Some(probe), .. } => self.check_durable(probe, substance),
            _ => Ok(()),
        }
    }

    fn life_over(&mut self, id: NodeId) {
        self.open &= id != COMPUTE;
    }

    fn starts(&mut self, sim: &Sim, id: NodeId) {
        if let (COMPUTE, Place::Local, Some(config)) = (id, self.place, &self.config) {
            self.vouched = sim.disk(COMPUTE).map_or(Lsn::ZERO, |disk| copies::vouched(disk, config));
        }
    }

    fn life_ends(&mut self, sim: &Sim, id: NodeId, substance: &mut Substance) -> Result<(), String> {
        if id != COMPUTE {
            return Ok(());
        }
        self.life_over(id);
        if let Some(database) = writer(sim) {
            database::count(&database.stats(), substance);
            if let Some(probe) = database.storage().probe() {
                count_storage(&probe, substance);
            }
        }
        match self.place {
            Place::Local => Ok(()),
            Place::Mirrored => self.check_standby(sim, substance),
        }
    }

    fn unsettled(&self, sim: &Sim) -> Option<String> {
        let Some(database) = writer(sim) else { return Some("the database is down".into()) };
        unrest(database).or_else(|| {
            let volumes = VOLUMES.into_iter().filter(|_| self.place == Place::Mirrored);
            volumes.into_iter().find_map(|id| {
                let serves = sim.node::<VolumeNode>(id).is_some_and(VolumeNode::is_serving);
                (!serves).then(|| format!("{id:?} does not serve: {:?}", sim.status(id)))
            })
        })
    }

    fn audit(&mut self, sim: &mut Sim, substance: &mut Substance) -> Result<(), String> {
        let database = writer(sim).ok_or("the database is down")?;
        let disk = sim.disk(self.first_copy()).ok_or("the writer's volume has no disk")?;
        copies::pages_are_whole(disk, database, substance)?;
        match self.place {
            Place::Local => Ok(()),
            Place::Mirrored => {
                let copied: u64 = [EBS_A1].into_iter().chain(OTHER_COPIES).map(|id| copies_written(sim, id)).sum();
                substance.add("writes by resyncs", copied);
                copies::copies_are_equal(sim, &OTHER_COPIES, substance)
            }
        }
    }

    fn may_halt(&self, _reason: &str) -> bool {
        false
    }

    fn promise(&self, vitals: &dyn Vitals, conditions: &Conditions) -> Promise {
        let nodes = self.all_nodes();
        let good = nodes.iter().all(|&id| conditions.is_good(vitals, id));
        let joined =
            nodes.iter().all(|&one| nodes.iter().all(|&other| one == other || conditions.are_joined(one, other)));
        let serves = good && joined && conditions.are_joined(LOAD, COMPUTE);
        let up = |id: &&NodeId| !self.replaced.contains(id) && vitals.is_running(**id);
        let copies = || OTHER_COPIES.iter().chain([&EBS_A1]).filter(up).count();
        // The standby's copies may be of an earlier time, while it is detached: one lost disk leaves a whole one in each zone.
        let (lost_max, repairable) = match self.place {
            Place::Local => (0, false),
            Place::Mirrored => (1, copies() >= 3),
        };
        Promise {
            commits: serves,
            reads: serves,
            open: good && joined,
            durable: self.replaced.len() <= lost_max,
            repairable,
        }
    }

    fn silent(&self, vitals: &dyn Vitals, _conditions: &Conditions) -> Vec<NodeId> {
        self.all_nodes().into_iter().filter(|id| !vitals.is_running(*id)).collect()
    }

    fn cannot_commit(&self, silent: &BTreeSet<NodeId>) -> bool {
        // The volume and its mirror take every write one after the other; the standby's zone may be let go.
        let needed: &[NodeId] = match self.place {
            Place::Local => &[COMPUTE],
            Place::Mirrored => &[COMPUTE, EBS_A1, EBS_A2],
        };
        needed.iter().any(|id| silent.contains(id))
    }

    fn standing(&self, sim: &Sim) -> Standing {
        let open = writer(sim).is_some_and(CoupledNode::is_serving);
        let copies: Vec<NodeId> = match self.place {
            Place::Local => vec![COMPUTE],
            Place::Mirrored => [EBS_A1].into_iter().chain(OTHER_COPIES).collect(),
        };
        let whole = |id: &&NodeId| !self.replaced.contains(id);
        let durable = copies.iter().any(|id| whole(&id));
        let repairable = copies.len() > 1 && copies.iter().filter(whole).any(|id| *sim.status(*id) == Status::Running);
        Standing { open, durable: Some(durable), repairable: Some(repairable) }
    }

    fn disk_damaged(&mut self, id: NodeId, lost: bool) {
        self.damaged.insert(id);
        if lost {
            self.remembering.remove(&id);
            self.replaced.insert(id);
        }
    }
}

/// What keeps a database node from rest.
pub fn unrest(database: &CoupledNode) -> Option<String> {
    let (storage, volume) = (database.storage(), database.storage().volume_status());
    if !database.is_serving() || !database.is_idle() || !storage.is_settled() {
        let (serving, idle, probe) = (database.is_serving(), database.is_idle(), storage.probe());
        return Some(format!("the database has work: serving {serving}, idle {idle}, {volume:?}, {probe:?}"));
    }
    match volume {
        VolumeStatus::Local | VolumeStatus::Attached { .. } => None,
        VolumeStatus::Connecting | VolumeStatus::Detached { .. } => Some(format!("the volume is {volume:?}")),
    }
}

/// Writes of a resync: a write of the engine keeps its own class on every disk.
fn copies_written(sim: &Sim, id: NodeId) -> u64 {
    sim.ledger(id).class(IoClass::Mirror).writes
}

fn count_storage(probe: &Probe, substance: &mut Substance) {
    let recovery = &probe.recovery;
    for (name, count) in [
        ("log blocks written", probe.log_writes),
        ("pages flushed", probe.pages_flushed),
        ("double-write batches", probe.batches),
        ("checkpoints", probe.checkpoints),
        ("commits refused for lack of log", probe.throttled),
        ("log tails cut", u64::from(recovery.tail_cut)),
        ("torn pages restored", recovery.pages_restored),
        ("redo records read back", recovery.records),
        ("pages redone", recovery.pages_redone),
    ] {
        substance.add(name, count);
    }
}
