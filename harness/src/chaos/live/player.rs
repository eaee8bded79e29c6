//! A script on a stage: acts when they are due, a supervisor that starts what halted, and the promise watched meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::{Error, Model, Statement};
use load::{Arrivals, Phase};
use nemesis::{Act, Cast, Names, Schedule, Timed};
use node::fault::Fault;
use node::{Nanos, NodeId, Rng};
use uring::Standing;
use workloads::Workload;

use super::disks::Handled;
use super::stage::Stage;
use crate::campaign::hits::Hits;
use crate::campaign::successor::HEIRS;
use crate::campaign::watch::{self, Progress, Vitals, Watch};
use crate::campaign::world::{REVIVE_WITHIN, ROWS_PER_INSERT};
use crate::campaign::{Subject, Substance};
use crate::engines::{DATABASE, LOAD};

/// How often the player looks at the stage.
pub const LOOK_EVERY: Nanos = Nanos::from_millis(4);
/// A player that does not come to look for longer was held up itself, and cannot tell whether the engine was.
const HELD_UP: Nanos = Nanos::from_millis(100);
/// How long commits that are owed may fail to come: what is owed in virtual time, and as much again three times for whatever
/// else the machine does.
pub const BOUND: Nanos = Nanos(4 * watch::BOUND.0);
/// A database node stays down at least so long: frames on their way to its last life wait for a thread to take them.
const DATABASE_DOWN_MIN: Nanos = Nanos::from_millis(20);
/// The first rows are in by then.
const FILL_WITHIN: Nanos = Nanos::from_secs(30);

/// A node that stopped by itself.
#[derive(Clone, Debug)]
pub struct Stop {
    /// When.
    pub at: Nanos,
    /// Who.
    pub node: NodeId,
    /// Why.
    pub reason: String,
}

/// How nodes stood at the last look.
#[derive(Clone, Debug, Default)]
pub struct Look(pub BTreeMap<NodeId, Standing>);

impl Vitals for Look {
    fn is_running(&self, node: NodeId) -> bool {
        self.0.get(&node) == Some(&Standing::Up)
    }
}

/// A stage with an engine on it, and everything that is known of the run.
pub struct Player<S> {
    /// Where it is played.
    pub stage: S,
    /// The engine.
    pub subject: Box<dyn Subject>,
    /// Who may be struck.
    pub cast: Cast,
    /// What happened.
    pub substance: Substance,
    /// What took effect.
    pub hits: Hits,
    /// What was available and what was owed.
    pub watch: Watch,
    /// Nodes that stopped by themselves.
    pub stops: Vec<Stop>,
    /// Of these, those before everything was mended.
    pub stops_before_healing: usize,
    /// Whether any disk holds what it should not, or may.
    pub damage: bool,
    /// Whether what ended the run is a lack of progress.
    pub stalled: bool,
    /// Whether what ended the run is the instrument's own.
    pub broken: bool,
    /// What the engine said was damaged, when asked by the harness.
    pub corrupt: Option<String>,
    /// From the mending of everything to the first commit after it.
    pub recovery: Option<Nanos>,
    /// When each fault took place.
    pub struck_at: Vec<Nanos>,
    /// What happened when, in words.
    pub timeline: Vec<(Nanos, String)>,
    pub(super) handled: Handled,
    pub(super) rng: Rng,
    pub(super) last: Look,
    looked_at: Nanos,
    revivals: Vec<(Nanos, NodeId)>,
    database_down_at: Option<Nanos>,
    halts_allowed: bool,
}

impl<S: Stage> Player<S> {
    /// Nothing has happened yet.
    pub fn new(stage: S, subject: Box<dyn Subject>, cast: Cast, seed: u64) -> Player<S> {
        let looked_at = stage.now();
        Player {
            stage,
            subject,
            cast,
            substance: Substance::default(),
            hits: Hits::default(),
            watch: Watch::with_bound(BOUND),
            stops: Vec::new(),
            stops_before_healing: 0,
            damage: false,
            stalled: false,
            broken: false,
            corrupt: None,
            recovery: None,
            struck_at: Vec::new(),
            timeline: Vec::new(),
            handled: Handled::default(),
            rng: Rng::new(seed).fork("supervisor", 0),
            last: Look::default(),
            looked_at,
            revivals: Vec::new(),
            database_down_at: None,
            halts_allowed: false,
        }
    }

    /// Takes note of a failure of the stage itself.
    pub(super) fn own<T>(&mut self, result: Result<T, String>) -> Result<T, String> {
        self.broken |= result.is_err();
        result
    }

    pub(super) fn tell(&mut self, what: String) {
        self.timeline.push((self.stage.now(), what));
    }

    fn name(&self, node: NodeId) -> String {
        Names::name(&self.cast.names, node)
    }

    /// Inserts the workload's first rows, and gives them as a model.
    ///
    /// # Errors
    ///
    /// The engine did not take them.
    pub fn fill(&mut self, workload: &dyn Workload) -> Result<Model, String> {
        let mut model = Model::new(workload.schema());
        let give_up = self.stage.now() + FILL_WITHIN;
        for shard in workload.load(1) {
            let table = shard.table;
            let mut rows = shard.rows.peekable();
            while rows.peek().is_some() {
                let batch: Vec<_> = rows.by_ref().take(ROWS_PER_INSERT).collect();
                batch.iter().for_each(|(key, row)| model.load(table, key.clone(), row.clone()));
                self.insert(&Statement::InsertMany { table, rows: batch }, give_up)?;
            }
        }
        Ok(model)
    }

    /// A write may be asked for again only when it was refused.
    fn insert(&mut self, statement: &Statement, give_up: Nanos) -> Result<(), String> {
        while self.stage.now() < give_up {
            let left = give_up.saturating_sub(self.stage.now());
            let answered = self.stage.ask(statement, Duration::from_nanos(left.0));
            match self.own(answered)?.result {
                Some(Ok(_)) => return Ok(()),
                Some(Err(Error::Unavailable(_) | Error::Conflict(_))) => self.stage.rest(Duration::from_millis(2)),
                other => return Err(format!("{statement:?} was answered {other:?}")),
            }
        }
        Err("the engine does not serve".to_owned())
    }

    /// Plays a schedule, watching invariants. Afterwards things are as the schedule left them.
    ///
    /// # Errors
    ///
    /// An invariant that broke, or a halt that nothing explains.
    pub fn play(&mut self, schedule: &Schedule) -> Result<(), String> {
        let start = self.stage.now();
        self.halts_allowed |= schedule.fails_disks();
        for fault in &schedule.faults {
            self.run_to(start + fault.at)?;
            self.struck_at.push(self.stage.now());
            self.carry_out(fault)?;
        }
        self.substance.add("faults", schedule.faults.len() as u64);
        self.run_to(start + schedule.span)
    }

    fn carry_out(&mut self, fault: &Timed) -> Result<(), String> {
        self.tell(format!("{:4} {}", fault.row.id, nemesis::words::of_act(&fault.act, &self.cast.names)));
        match &fault.act {
            Act::Primitive(primitive) => self.apply(primitive, Some(fault))?,
            Act::CrashWriting { node, .. } | Act::CrashLosing { node, .. } => {
                self.crash(*node, &fault.act, Some(fault))?;
            }
            Act::Crowd { .. } => self.strike(&fault.act, Some(fault))?,
            act => self.carry_out_on_disk(act, fault)?,
        }
        let waited = matches!(fault.act, Act::CrashWriting { .. } | Act::CrashLosing { .. });
        if let Some(at) = self.struck_at.last_mut().filter(|_| waited) {
            *at = self.stage.now();
        }
        self.look()
    }

    /// Lets the stage carry out an act, and notes what it met.
    pub(super) fn strike(&mut self, act: &Act, fault: Option<&Timed>) -> Result<(), String> {
        let before = self.stage.counted();
        let before = self.own(before)?;
        let struck = self.stage.strike(act).map_err(|error| format!("{act:?} could not be carried out: {error}"));
        let struck = self.own(struck)?;
        // A rule takes effect until it is gone, which is a while after the stage was asked.
        let counted = if ends_a_rule(act) {
            let after = self.stage.counted();
            self.own(after)?
        } else {
            before
        };
        if let Some(fault) = fault {
            // A crash that waited for a write is a crash.
            let noted = match act {
                Act::CrashWriting { node, .. } | Act::CrashLosing { node, .. } => {
                    Act::Primitive(Fault::Crash { node: *node, power: true })
                }
                act => act.clone(),
            };
            self.hits.note(&counted, &Timed { act: noted, ..fault.clone() }, &struck.met);
        }
        if let Some(place) = struck.place {
            self.tell(format!("     {place}"));
            self.damaged(act.node(), false);
        }
        Ok(())
    }

    /// Carries out a primitive, where the node's state lets it.
    pub(super) fn apply(&mut self, primitive: &Fault, fault: Option<&Timed>) -> Result<(), String> {
        let act = Act::Primitive(primitive.clone());
        match *primitive {
            Fault::Crash { node, .. } => return self.crash(node, &act, fault),
            Fault::Restart { node } => {
                if let Some(fault) = fault.filter(|_| self.cast.successor == Some(node)) {
                    let counted = self.stage.counted();
                    let counted = self.own(counted)?;
                    self.hits.note(&counted, fault, &crate::campaign::hits::Met::default());
                }
                self.restart(node)?;
                return self.set_heirs(node, Phase::Measure);
            }
            Fault::Pause { node } if self.standing(node)? != Standing::Up => return Ok(()),
            Fault::Resume { node } if self.standing(node)? != Standing::Paused => return Ok(()),
            Fault::Resume { .. } | Fault::Heal { .. } => self.watch.may_speak(self.stage.now()),
            Fault::Disk { node, rule } => {
                self.note_rule(node, &rule);
                if rule.lies() {
                    self.damaged(node, false);
                }
            }
            Fault::Pause { .. } | Fault::Link { .. } | Fault::DiskClear { .. } | Fault::Clock { .. } => {}
        }
        self.strike(&act, fault)?;
        self.watch.apply(primitive);
        Ok(())
    }

    fn crash(&mut self, node: NodeId, act: &Act, fault: Option<&Timed>) -> Result<(), String> {
        self.look()?;
        self.strike(act, fault)?;
        self.subject.life_over(node);
        self.substance.add("crashes", 1);
        if node == DATABASE {
            self.database_down_at = Some(self.stage.now());
        }
        self.set_heirs(node, Phase::Idle)
    }

    /// How a node stands now.
    pub(super) fn standing(&mut self, node: NodeId) -> Result<Standing, String> {
        let all = self.stage.standing();
        self.own(all)?.get(&node).copied().ok_or_else(|| format!("{node:?} is not on the stage"))
    }

    /// Starts a node that is down; the database not before frames of its last life have died out.
    pub(super) fn restart(&mut self, node: NodeId) -> Result<(), String> {
        let now = self.stage.now();
        let earliest = self.database_down_at.filter(|_| node == DATABASE).map(|at| at + DATABASE_DOWN_MIN);
        match self.standing(node)? {
            Standing::Up | Standing::Paused => Ok(()),
            Standing::Down if earliest.is_some_and(|earliest| now < earliest) => {
                self.revivals.push((earliest.unwrap_or(now), node));
                Ok(())
            }
            Standing::Down => {
                self.watch.may_speak(now);
                self.strike(&Act::Primitive(Fault::Restart { node }), None)?;
                if node == DATABASE {
                    let told = self.stage.load(LOAD, move |core| core.disconnect(now));
                    self.own(told)?;
                }
                Ok(())
            }
            Standing::Halted => {
                let kill = Act::Primitive(Fault::Crash { node, power: false });
                self.crash(node, &kill, None)?;
                self.restart(node)
            }
        }
    }

    /// Lets time pass until `at`.
    pub(super) fn run_to(&mut self, at: Nanos) -> Result<(), String> {
        while self.stage.now() < at {
            let due = self.revivals.iter().map(|revival| revival.0).min().unwrap_or(at);
            let next = at.min(due).min(self.stage.now() + LOOK_EVERY);
            self.stage.rest(Duration::from_nanos(next.saturating_sub(self.stage.now()).0));
            self.look()?;
            let now = self.stage.now();
            let due: Vec<NodeId> = self.revivals.iter().filter(|(at, _)| *at <= now).map(|(_, node)| *node).collect();
            self.revivals.retain(|(at, _)| *at > now);
            due.into_iter().try_for_each(|node| self.restart(node))?;
        }
        Ok(())
    }

    /// Checks invariants and the promise, and takes note of nodes that halted.
    pub(super) fn look(&mut self) -> Result<(), String> {
        let (now, held_up) = (self.stage.now(), self.stage.now().saturating_sub(self.looked_at));
        if held_up > HELD_UP {
            self.watch.forgive(held_up);
        }
        self.looked_at = now;
        self.stage.observe(self.subject.as_mut(), &mut self.substance)?;
        let standing = self.stage.standing();
        self.last = Look(self.own(standing)?);
        let progress = self.stage.load(LOAD, |core| Progress::of(core));
        let progress = self.own(progress)?;
        let now = self.stage.now();
        let stage = &mut self.stage;
        let standing = || watch::Standing { open: stage.serves(), durable: None, repairable: None };
        let kept = self.watch.look(now, &self.last, self.subject.as_ref(), progress, standing);
        self.stalled |= kept.is_err();
        kept?;
        self.take_stops()
    }

    fn take_stops(&mut self) -> Result<(), String> {
        while let Some((at, node, reason)) = self.stage.next_halt() {
            self.substance.add("halts", 1);
            self.tell(format!("     {} halts: {reason}", self.name(node)));
            self.stops.push(Stop { at, node, reason: reason.clone() });
            // The runtime keeps a panic to its node; no fault is a reason for one.
            let panicked = reason.starts_with("panicked");
            if panicked || (!self.halts_allowed && !self.subject.may_halt(&reason)) {
                return Err(format!("{} halted at {at:?}: {reason}", self.name(node)));
            }
            if self.cast.successor == Some(node) {
                self.set_heirs(node, Phase::Idle)?;
                continue;
            }
            let after = Nanos(self.rng.below(REVIVE_WITHIN.0));
            self.revivals.push((self.stage.now() + after, node));
        }
        Ok(())
    }

    /// The successor's clients work while it is up.
    fn set_heirs(&mut self, node: NodeId, phase: Phase) -> Result<(), String> {
        if self.cast.successor != Some(node) {
            return Ok(());
        }
        let set = self.stage.load(HEIRS, move |core| core.set_phase(phase));
        self.own(set)
    }

    /// Lets the load run the script's operations from now on.
    pub(super) fn begin(&mut self, instants: Vec<Nanos>, slice: Nanos) -> Result<(), String> {
        let now = self.stage.now();
        self.watch.begin(now, slice);
        let begun = self.stage.load(LOAD, move |core| {
            core.start_at(instants.into_iter().map(|at| now + at));
            core.set_phase(Phase::Measure);
        });
        self.own(begun)
    }

    /// Lets the load go on by itself: the script has no more.
    pub(super) fn go_on(&mut self) -> Result<(), String> {
        self.watch.end(self.stage.now());
        let set = self.stage.load(LOAD, |core| core.set_arrivals(Arrivals::Closed));
        self.own(set)
    }
}

/// Whether nothing that is counted from now on is the effect of what the act ends.
fn ends_a_rule(act: &Act) -> bool {
    matches!(act, Act::Primitive(Fault::DiskClear { .. } | Fault::Heal { .. } | Fault::Clock { drift_ppm: 0, .. }))
}
