//! One seed's world, and how a script is played in it.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Model, Statement, Transaction};
use load::{LoadNode, Phase};
use nemesis::{Act, Cast, DATABASE_DOWN_MIN, DamageKind, EngineClass, Names, Schedule, Timed, healing};
use node::fault::Fault;
use node::{Nanos, NodeId, Rng, Topology, Zone};
use sim::{Ailment, Sim, SimConfig, SimDisk, Status, Stop, Survival};
use workloads::Workload;

use super::console::{Console, Mailbox};
use super::hits::Hits;
use super::successor::{SUCCESSOR, clients, heirs};
use super::watch::{Progress, Watch};
use super::{Subject, Substance};
use crate::engines::{DATABASE, LOAD};

/// Invariants are looked at this often, in virtual time.
const LOOK_EVERY: Nanos = Nanos::from_millis(2);
/// A halted node is started again within this time, as a supervisor would.
const REVIVE_WITHIN: Nanos = Nanos::from_millis(8);
/// After everything is healed: the longest until a transaction commits, until the load has its answers, and until all
/// copies agree.
const CONVERGE_WITHIN: Nanos = Nanos::from_secs(20);
/// A database that names damage in so many halts, with nothing wrong around it, refuses to serve.
const HALTS_OF_REFUSAL: usize = 3;
/// Rows in one insert of the first load.
const ROWS_PER_INSERT: usize = 4;

/// Spoils the world after an act, behind everybody's back: a planted fault that no script tells of.
pub type Sabotage = fn(&mut Sim, &Act);

/// A seed's world.
pub struct World<'a> {
    /// The engine.
    pub subject: &'a mut dyn Subject,
    /// The simulated world.
    pub sim: Sim,
    /// What happened.
    pub substance: Substance,
    /// The harness's own client.
    pub console: Console,
    pub(super) cast: Cast,
    rng: Rng,
    database_crashed_at: Option<Nanos>,
    revivals: Vec<(Nanos, NodeId)>,
    halts_seen: usize,
    halts_allowed: bool,
    /// What took effect, by row.
    pub hits: Hits,
    /// What was available, and what was owed.
    pub watch: Watch,
    /// Whether any disk holds what it should not, or may.
    pub damage: bool,
    /// Whether progress that was owed did not come: what ended the run is no wrong answer.
    pub stalled: bool,
    /// From the mending of everything to the first commit after it.
    pub recovery: Option<Nanos>,
    /// The halts before everything was mended.
    halts_before_healing: usize,
    /// Acts, halts and the like as they happened, if anybody wants to know.
    pub timeline: Option<Vec<(Nanos, String)>>,
    /// A planted fault, for tests of the instrument.
    pub sabotage: Option<Sabotage>,
    /// Disks as they were when a script said to keep them.
    kept: BTreeMap<NodeId, SimDisk>,
    /// Disks that were emptied.
    wiped: BTreeSet<NodeId>,
    /// Disks that took each other's place, in order.
    swapped: Vec<(NodeId, NodeId)>,
}

impl<'a> World<'a> {
    /// The engine's nodes, a load that is idle at first, and the console.
    pub fn new(
        subject: &'a mut dyn Subject,
        engine: Topology,
        load: load::Config,
        workload: std::sync::Arc<dyn Workload>,
        world: SimConfig,
    ) -> World<'a> {
        let databases = [DATABASE, SUCCESSOR];
        let names = engine.members.iter().map(|m| (m.name.clone(), m.id.0)).chain([("load".to_owned(), LOAD.0)]);
        let cast = Cast {
            class: EngineClass::find(subject.name()).expect("subjects are the catalogue's engines"),
            names: Names(names.collect()),
            clients: LOAD,
            database: DATABASE,
            database_zone: engine.members.iter().find(|m| m.id == DATABASE).map_or(Zone::A, |m| m.zone),
            others: engine.members.iter().filter(|m| !databases.contains(&m.id)).map(|m| (m.id, m.zone)).collect(),
            successor: engine.members.iter().map(|m| m.id).find(|id| *id == SUCCESSOR),
            with_disk: engine.members.iter().filter(|m| m.has_disk).map(|m| m.id).collect(),
        };
        let seed = world.seed;
        let mut members = engine.members;
        members.extend(cast.successor.map(|_| heirs(&load, std::sync::Arc::clone(&workload))));
        members.extend([clients(load, workload, LOAD, seed), Mailbox::member()]);
        let mut sim = Sim::new(Topology { members }, world);
        if let Some(successor) = cast.successor {
            sim.crash(successor, false, Survival::All);
        }
        World {
            subject,
            sim,
            substance: Substance::default(),
            console: Console::new(DATABASE),
            cast,
            rng: Rng::new(seed).fork("supervisor", 0),
            database_crashed_at: None,
            revivals: Vec::new(),
            halts_seen: 0,
            halts_allowed: false,
            hits: Hits::default(),
            watch: Watch::default(),
            damage: false,
            stalled: false,
            recovery: None,
            halts_before_healing: 0,
            timeline: None,
            sabotage: None,
            kept: BTreeMap::new(),
            wiped: BTreeSet::new(),
            swapped: Vec::new(),
        }
    }

    /// Who may be struck.
    pub fn cast(&self) -> &Cast {
        &self.cast
    }

    /// The load.
    pub fn load(&mut self) -> &mut load::Core {
        self.sim.node_mut::<LoadNode>(LOAD).expect("nobody crashes the load").core()
    }

    /// Inserts the workload's first rows, and gives them as a model.
    ///
    /// # Errors
    ///
    /// The engine did not take them.
    pub fn fill(&mut self, workload: &dyn Workload) -> Result<Model, String> {
        let mut model = Model::new(workload.schema());
        for shard in workload.load(1) {
            let table = shard.table;
            let mut rows = shard.rows.peekable();
            while rows.peek().is_some() {
                let batch: Vec<_> = rows.by_ref().take(ROWS_PER_INSERT).collect();
                batch.iter().for_each(|(key, row)| model.load(table, key.clone(), row.clone()));
                self.console.single(&mut self.sim, &Statement::InsertMany { table, rows: batch })?;
            }
        }
        Ok(model)
    }

    /// Plays a schedule, watching invariants. Afterwards things are as the schedule left them.
    ///
    /// # Errors
    ///
    /// An invariant that broke, or a halt that nothing explains.
    pub fn play(&mut self, schedule: &Schedule) -> Result<(), String> {
        let start = self.sim.now();
        self.halts_allowed |= schedule.fails_disks();
        for fault in &schedule.faults {
            self.run_to(start + fault.at)?;
            self.carry_out(fault)?;
        }
        self.substance.add("faults", schedule.faults.len() as u64);
        self.run_to(start + schedule.span)
    }

    fn carry_out(&mut self, fault: &Timed) -> Result<(), String> {
        self.hits.note(&self.sim, fault);
        if self.timeline.is_some() {
            let what = format!("{:4} {}", fault.row.id, nemesis::words::of_act(&fault.act, &self.cast.names));
            self.tell(what);
        }
        match &fault.act {
            Act::Primitive(fault) => self.apply(fault)?,
            Act::CrashWriting { node, files } => {
                let writing = |sim: &Sim| sim.disk(*node).is_some_and(|disk| disk.is_writing(files));
                if self.sim.run_until(nemesis::WAIT_MAX, writing) == Stop::Livelock {
                    return Err(format!("a livelock at {:?}", self.sim.now()));
                }
                let crash = Act::Primitive(Fault::Crash { node: *node, power: true });
                return self.carry_out(&Timed { act: crash, ..fault.clone() });
            }
            Act::Damage { node, kind, files, place, sectors } => {
                let ailment = match kind {
                    DamageKind::Rot => Ailment::Rotten,
                    DamageKind::Unreadable => Ailment::Unreadable,
                };
                let files = if files == "any" { "" } else { files };
                let disk = self.sim.disk_mut(*node);
                let struck = disk.and_then(|disk| disk.ail(files, *place, u64::from(*sectors), ailment));
                if let Some((file, sectors)) = struck {
                    self.damaged(*node, false);
                    self.tell(format!("     {} sectors {sectors:?}", file.as_str()));
                }
            }
            // A disk that is in another's place is not emptied or put back too: it would come home with a stranger's name.
            Act::Wipe { node } | Act::Keep { node } | Act::Rollback { node } if self.is_exchanged(*node) => {}
            Act::Wipe { node } => {
                self.put_down(*node)?;
                self.damaged(*node, true);
                self.wiped.insert(*node);
                if let Some(disk) = self.sim.disk_mut(*node) {
                    disk.wipe();
                }
            }
            Act::Keep { node } => {
                if let Some(disk) = self.sim.disk(*node) {
                    self.kept.insert(*node, disk.clone());
                }
            }
            Act::Rollback { node } => self.roll_back(*node)?,
            // Nor is a disk that was emptied exchanged: whoever found it blank would take it for its own.
            Act::Swap { one, other } if [one, other].iter().any(|node| self.wiped.contains(node)) => {}
            Act::Swap { one, other } => self.swap(*one, *other)?,
        }
        if let Some(sabotage) = self.sabotage {
            sabotage(&mut self.sim, &fault.act);
        }
        self.look()
    }

    fn roll_back(&mut self, node: NodeId) -> Result<(), String> {
        let Some(mut kept) = self.kept.get(&node).cloned() else { return Ok(()) };
        self.put_down(node)?;
        self.damaged(node, true);
        kept.crash(false, Survival::All);
        self.put_in(node, kept);
        Ok(())
    }

    fn swap(&mut self, one: NodeId, other: NodeId) -> Result<(), String> {
        [one, other].into_iter().try_for_each(|node| self.put_down(node))?;
        let (Some(first), Some(second)) = (self.sim.disk(one).cloned(), self.sim.disk(other).cloned()) else {
            return Ok(());
        };
        for (node, disk) in [(one, second), (other, first)] {
            self.damaged(node, false);
            self.put_in(node, disk);
        }
        match self.swapped.last() {
            Some(last) if *last == (one, other) => drop(self.swapped.pop()),
            _ => self.swapped.push((one, other)),
        }
        Ok(())
    }

    /// Puts a disk in a node's place. It behaves as disks do there now.
    fn put_in(&mut self, node: NodeId, mut disk: SimDisk) {
        if let Some(place) = self.sim.disk_mut(node) {
            disk.set_rule(place.rule());
            *place = disk;
        }
    }

    fn is_exchanged(&self, node: NodeId) -> bool {
        self.swapped.iter().any(|(one, other)| [*one, *other].contains(&node))
    }

    /// Crashes a node unless it is down, for what can be done to a disk only then.
    fn put_down(&mut self, node: NodeId) -> Result<(), String> {
        if *self.sim.status(node) == Status::Crashed {
            Ok(())
        } else {
            self.apply(&Fault::Crash { node, power: false })
        }
    }

    fn damaged(&mut self, node: NodeId, lost: bool) {
        self.damage = true;
        self.watch.damaged(node);
        self.subject.disk_damaged(node, lost);
    }

    fn tell(&mut self, what: String) {
        let now = self.sim.now();
        if let Some(timeline) = &mut self.timeline {
            timeline.push((now, what));
        }
    }

    fn apply(&mut self, fault: &Fault) -> Result<(), String> {
        match *fault {
            Fault::Crash { node, .. } => {
                self.look()?;
                self.subject.life_ends(&self.sim, node, &mut self.substance)?;
                self.sim.apply(fault);
                self.substance.add("crashes", 1);
                if node == DATABASE {
                    self.database_crashed_at = Some(self.sim.now());
                }
                self.set_heirs(node, Phase::Idle);
            }
            Fault::Restart { node } => {
                self.restart(node)?;
                self.set_heirs(node, Phase::Measure);
            }
            _ => {
                if let Fault::Disk { node, rule } = *fault
                    && rule.lies()
                {
                    self.damaged(node, false);
                }
                self.sim.apply(fault);
            }
        }
        self.watch.apply(fault);
        Ok(())
    }

    /// Starts a node that is down; the database not before frames of its last life have died out.
    fn restart(&mut self, node: NodeId) -> Result<(), String> {
        let now = self.sim.now();
        let earliest = self.database_crashed_at.filter(|_| node == DATABASE).map(|at| at + DATABASE_DOWN_MIN);
        match self.sim.status(node) {
            Status::Running | Status::Paused => {}
            Status::Crashed if earliest.is_some_and(|earliest| now < earliest) => {
                self.revivals.push((earliest.unwrap_or(now), node));
            }
            Status::Crashed => {
                self.subject.starts(&self.sim, node);
                self.sim.apply(&Fault::Restart { node });
            }
            Status::Halted { .. } => {
                self.subject.life_ends(&self.sim, node, &mut self.substance)?;
                self.sim.apply(&Fault::Crash { node, power: false });
                if node == DATABASE {
                    self.database_crashed_at = Some(now);
                }
                self.restart(node)?;
            }
        }
        Ok(())
    }

    fn run_to(&mut self, at: Nanos) -> Result<(), String> {
        while self.sim.now() < at {
            let due = self.revivals.iter().map(|revival| revival.0).min().unwrap_or(at).max(self.sim.now());
            let next = at.min(due).min(self.sim.now() + LOOK_EVERY);
            if self.sim.run_for(next.saturating_sub(self.sim.now())) == Stop::Livelock {
                return Err(format!("a livelock at {:?}", self.sim.now()));
            }
            self.look()?;
            let now = self.sim.now();
            let due: Vec<NodeId> = self.revivals.iter().filter(|(at, _)| *at <= now).map(|(_, node)| *node).collect();
            self.revivals.retain(|(at, _)| *at > now);
            if !due.is_empty() {
                due.into_iter().try_for_each(|node| self.restart(node))?;
                self.look()?;
            }
        }
        Ok(())
    }

    /// Checks invariants, and takes note of nodes that halted.
    fn look(&mut self) -> Result<(), String> {
        self.subject.observe(&self.sim, &mut self.substance)?;
        if let Some(load) = self.sim.node::<LoadNode>(LOAD) {
            let progress = Progress::of(load.core_ref());
            let kept = self.watch.look(&self.sim, &*self.subject, progress);
            self.stalled |= kept.is_err();
            kept?;
        }
        let fresh: Vec<_> = self.sim.halts()[self.halts_seen..].to_vec();
        self.halts_seen = self.sim.halts().len();
        for halt in fresh {
            self.substance.add("halts", 1);
            if self.timeline.is_some() {
                self.tell(format!("     {} halts: {}", self.cast.names.name(halt.node), halt.reason));
            }
            if !self.halts_allowed && !self.subject.may_halt(&halt.reason) {
                return Err(format!("{:?} halted at {:?}: {}", halt.node, halt.at, halt.reason));
            }
            if self.cast.successor == Some(halt.node) {
                self.set_heirs(halt.node, Phase::Idle);
                continue;
            }
            let after = Nanos(self.rng.below(REVIVE_WITHIN.0));
            self.revivals.push((self.sim.now() + after, halt.node));
        }
        Ok(())
    }

    /// Mends everything and waits until the database node runs again.
    ///
    /// # Errors
    ///
    /// It does not, or a broken invariant.
    pub fn recover(&mut self) -> Result<(), String> {
        self.heal()?;
        self.await_that("the database does not start", |world| {
            let status = world.sim.status(DATABASE);
            (*status != Status::Running).then(|| format!("{status:?}"))
        })
    }

    fn heal(&mut self) -> Result<(), String> {
        self.tell("     everything is mended".to_owned());
        self.halts_before_healing = self.sim.halts().len();
        self.hits.heal(&self.sim);
        // Backwards: what was exchanged three ways comes apart in no other order.
        for (one, other) in std::mem::take(&mut self.swapped).into_iter().rev() {
            self.swap(one, other)?;
        }
        self.swapped.clear();
        if let Some(successor) = self.cast.successor {
            self.put_down(successor)?;
        }
        for fault in healing(&self.cast) {
            self.apply(&fault)?;
        }
        self.engine().into_iter().try_for_each(|node| self.restart(node))?;
        self.look()
    }

    /// Mends everything and demands that transactions commit again, that all requests are answered, and that the copies
    /// become equal, each within a bound.
    ///
    /// # Errors
    ///
    /// What did not happen, or a broken invariant.
    pub fn converge(&mut self) -> Result<(), String> {
        self.heal()?;
        let (before, healed_at) = (self.committed(), self.sim.now());
        self.await_that("no transaction commits", |world| {
            (world.committed() <= before).then(|| world.subject.unsettled(&world.sim).unwrap_or_default())
        })?;
        self.recovery = Some(self.sim.now() - healed_at);
        self.load().set_phase(Phase::Idle);
        self.await_that("requests stay unanswered", |world| {
            let in_flight = world.load().in_flight();
            (!world.load().is_quiet()).then(|| format!("{in_flight} in flight"))
        })?;
        self.settle()
    }

    /// Why the engine refuses to serve, when it does so since everything was mended and says that its data is damaged.
    pub fn refusal(&self) -> Option<String> {
        let since = &self.sim.halts()[self.halts_before_healing..];
        let damage = |halt: &&sim::Halt| self.subject.names_damage(&halt.reason);
        let of_database = since.iter().filter(|halt| halt.node == DATABASE).filter(damage).nth(HALTS_OF_REFUSAL - 1);
        let elsewhere = since.iter().filter(damage).nth(8 * HALTS_OF_REFUSAL);
        of_database.or(elsewhere).map(|halt| halt.reason.clone()).or_else(|| self.console.corrupt.clone())
    }

    /// Waits for all copies to become equal.
    ///
    /// # Errors
    ///
    /// They do not within a bound, or an invariant broke.
    pub fn settle(&mut self) -> Result<(), String> {
        self.await_that("the copies do not become equal", |world| world.subject.unsettled(&world.sim))
    }

    fn committed(&mut self) -> u64 {
        self.load().interval().ops.iter().map(|op| op.ok).sum()
    }

    fn await_that(&mut self, trouble: &str, unmet: impl Fn(&mut Self) -> Option<String>) -> Result<(), String> {
        let deadline = self.sim.now() + CONVERGE_WITHIN;
        while let Some(what) = unmet(self) {
            if let Some(reason) = self.refusal() {
                return Err(format!("{trouble}: {reason}"));
            }
            if self.sim.now() >= deadline {
                self.stalled = true;
                let halts = self.sim.halts();
                return Err(format!("{trouble} within {CONVERGE_WITHIN:?} of healing: {what}; halts {halts:?}"));
            }
            self.run_to(self.sim.now() + LOOK_EVERY)?;
        }
        Ok(())
    }

    /// Cuts the power of the whole engine, gives it back, and reads every table.
    ///
    /// # Errors
    ///
    /// The engine did not come back.
    pub fn power_cycle(&mut self, schema: &contract::Schema) -> Result<Vec<Transaction>, String> {
        let nodes = self.engine();
        for &node in &nodes {
            self.subject.life_ends(&self.sim, node, &mut self.substance)?;
            let survival = Survival::Random(self.rng.next_u64());
            self.sim.crash(node, true, survival);
        }
        self.database_crashed_at = Some(self.sim.now());
        self.run_to(self.sim.now() + DATABASE_DOWN_MIN)?;
        nodes.into_iter().try_for_each(|node| self.restart(node))?;
        self.look()?;
        let rows = self.console.read_all(&mut self.sim, schema);
        // An answer that names damage is a refusal; none is a lack of progress.
        self.stalled |= rows.is_err() && self.console.corrupt.is_none();
        let rows = rows?;
        self.look()?;
        Ok(rows)
    }

    /// Counts what the nodes' last lives did, and what links did in the whole run.
    ///
    /// # Errors
    ///
    /// As [`Subject::life_ends`].
    pub fn close(&mut self) -> Result<(), String> {
        let nodes = self.engine();
        nodes.into_iter().try_for_each(|node| self.subject.life_ends(&self.sim, node, &mut self.substance))?;
        let links = self.sim.link_counts();
        for (name, count) in [
            ("frames lost", links.lost),
            ("frames cut off", links.cut),
            ("frames duplicated", links.duplicated),
            ("frames damaged", links.damaged),
            ("frames overtaking", links.overtaking),
        ] {
            self.substance.add(name, count);
        }
        Ok(())
    }

    /// The engine's nodes, the database last.
    fn engine(&self) -> Vec<NodeId> {
        self.cast.others.iter().map(|other| other.0).chain([DATABASE]).collect()
    }
}
