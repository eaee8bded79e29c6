//! One seed's world, and how a script is played in it.

mod disks;
pub mod healing;

use contract::{Model, Statement};
use load::{LoadNode, Phase};
use nemesis::{Act, Cast, DATABASE_DOWN_MIN, EngineClass, Names, Schedule, Timed};
use node::fault::{DiskRule, Fault};
use node::{Nanos, NodeId, Rng, Topology, Zone};
use sim::{Sim, SimConfig, Status, Stop, Survival};
use workloads::Workload;

use self::disks::Handled;

use super::console::{Console, Mailbox};
use super::crowd::{crowd, refused, strangers};
use super::hits::{Counted, Hits, Met};
use super::successor::{SUCCESSOR, clients, heirs};
use super::watch::{Progress, Watch};
use super::{Subject, Substance};
use crate::engines::{DATABASE, LOAD};

/// Invariants are looked at this often, in virtual time.
const LOOK_EVERY: Nanos = Nanos::from_millis(2);
/// A halted node is started again within this time, as a supervisor would.
pub const REVIVE_WITHIN: Nanos = Nanos::from_millis(8);
/// Rows in one insert of the first load.
pub const ROWS_PER_INSERT: usize = 4;

/// Counts disks that were emptied or put back to an earlier state, whether or not that took effect.
pub const LOST: &str = "disks lost or put back";

/// Counts disks that came back in an earlier state while too few others could refute them.
pub const UNREFUTED: &str = "old disks that nobody refutes";

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
    /// Whether the same bytes rotted on so many disks that nobody may be able to mend them.
    pub beyond_mending: bool,
    /// Whether progress that was owed did not come: what ended the run is no wrong answer.
    pub stalled: bool,
    /// From the mending of everything to the first commit after it.
    pub recovery: Option<Nanos>,
    /// The halts before everything was mended.
    halts_before_healing: usize,
    /// When each fault of the schedule took place, as far as it was played.
    pub struck_at: Vec<Nanos>,
    /// Acts, halts and the like as they happened, if anybody wants to know.
    pub timeline: Option<Vec<(Nanos, String)>>,
    /// A planted fault, for tests of the instrument.
    pub sabotage: Option<Sabotage>,
    disks: Handled,
}

/// Who may be struck of an engine's nodes.
pub fn cast(subject: &dyn Subject, engine: &Topology) -> Cast {
    let databases = [DATABASE, SUCCESSOR];
    let names = engine.members.iter().map(|m| (m.name.clone(), m.id.0)).chain([("load".to_owned(), LOAD.0)]);
    Cast {
        class: EngineClass::find(subject.name()).expect("subjects are the catalogue's engines"),
        names: Names(names.collect()),
        clients: LOAD,
        database: DATABASE,
        database_zone: engine.members.iter().find(|m| m.id == DATABASE).map_or(Zone::A, |m| m.zone),
        others: engine.members.iter().filter(|m| !databases.contains(&m.id)).map(|m| (m.id, m.zone)).collect(),
        successor: engine.members.iter().map(|m| m.id).find(|id| *id == SUCCESSOR),
        with_disk: engine.members.iter().filter(|m| m.has_disk).map(|m| m.id).collect(),
    }
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
        let cast = cast(subject, &engine);
        let seed = world.seed;
        let mut members = engine.members;
        members.extend(cast.successor.map(|_| heirs(&load, std::sync::Arc::clone(&workload))));
        members.extend([clients(load, workload, LOAD, seed), Mailbox::member(), strangers()]);
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
            beyond_mending: false,
            stalled: false,
            recovery: None,
            halts_before_healing: 0,
            struck_at: Vec::new(),
            timeline: None,
            sabotage: None,
            disks: Handled::default(),
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
            self.struck_at.push(self.sim.now());
            self.carry_out(fault)?;
        }
        self.substance.add("faults", schedule.faults.len() as u64);
        self.run_to(start + schedule.span)
    }

    fn carry_out(&mut self, fault: &Timed) -> Result<(), String> {
        self.hits.note(&Counted::of(&self.sim), fault, &Met::of(&self.sim, &fault.act));
        if self.timeline.is_some() {
            let what = format!("{:4} {}", fault.row.id, nemesis::words::of_act(&fault.act, &self.cast.names));
            self.tell(what);
        }
        match &fault.act {
            Act::Primitive(fault) => self.apply(fault)?,
            Act::CrashWriting { node, files } => {
                let writing = |sim: &Sim| sim.disk(*node).is_some_and(|disk| disk.is_writing(files));
                return self.cut_power_when(fault, writing);
            }
            Act::CrashLosing { node, units } => {
                let losing = |sim: &Sim| sim.undurable(*node, true).len() >= *units as usize;
                return self.cut_power_when(fault, losing);
            }
            Act::Crowd { node, sessions } => crowd(&mut self.sim, *node, *sessions),
            act => self.carry_out_on_disk(act)?,
        }
        if let Some(sabotage) = self.sabotage {
            sabotage(&mut self.sim, &fault.act);
        }
        self.look()
    }

    /// Cuts the power of a fault's node as soon as it is in a state, or when that has not come for long enough.
    fn cut_power_when(&mut self, fault: &Timed, is_so: impl Fn(&Sim) -> bool) -> Result<(), String> {
        if self.sim.run_until(nemesis::WAIT_MAX, is_so) == Stop::Livelock {
            return Err(format!("a livelock at {:?}", self.sim.now()));
        }
        if let Some(at) = self.struck_at.last_mut() {
            *at = self.sim.now();
        }
        let crash = Act::Primitive(Fault::Crash { node: fault.act.node(), power: true });
        self.carry_out(&Timed { act: crash, ..fault.clone() })
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
                match *fault {
                    Fault::Disk { node, rule } => {
                        self.note_rule(node, &rule);
                        if rule.lies() {
                            self.damaged(node, false);
                        }
                    }
                    Fault::DiskClear { node } => self.note_rule(node, &DiskRule::default()),
                    _ => {}
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
                if node == DATABASE {
                    self.load().disconnect(now);
                }
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
        let views_kept = self.subject.views_kept();
        if self.hits.holds_views() {
            self.hits.saw("P7", views_kept);
        }
        match refused(&mut self.sim) {
            0 => {}
            count => self.hits.saw("P9", count),
        }
        if let Some(load) = self.sim.node::<LoadNode>(LOAD) {
            let progress = Progress::of(load.core_ref());
            let (sim, subject) = (&self.sim, &*self.subject);
            let kept = self.watch.look(sim.now(), sim, subject, progress, || subject.standing(sim));
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
