//! Playing a script, and what was seen of it.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use contract::Transaction;
use load::{Arrivals, Failure, Interval, Phase, Retry};
use nemesis::{Cast, Demand, EngineClass, Header, Owed, Row, Script};
use node::{Nanos, Rng};
use sim::SimConfig;
use workloads::Workload;

use super::operations::Scripted;
use crate::campaign::coupled::DETACHMENT_BEGAN;
use crate::campaign::hits::Counted;
use crate::campaign::world::{LOST, Sabotage, UNREFUTED};
use crate::campaign::{Availability, Coupled, Decoupled, Plants, Subject, Substance, World};
use crate::engines::DATABASE;

/// Slices that a script's time is measured in.
const SLICES: u64 = 40;
/// The least length of one.
const SLICE_MIN: Nanos = Nanos::from_millis(10);

/// How a run came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing wrong, and nothing worse than this.
    Kept(Owed),
    /// More was lost than is owed: availability, or service altogether.
    Broken {
        /// What is owed.
        owed: Owed,
        /// What was seen.
        seen: Owed,
        /// In words.
        what: String,
    },
    /// Wrong: acknowledged data lost, a reply that cannot be right, an invariant that does not hold.
    Violation(String),
    /// No progress where progress was owed.
    Liveness(String),
    /// No verdict could be reached.
    Unknown(String),
}

impl Seen {
    /// The name in matrices and records.
    pub fn name(&self) -> &'static str {
        match self {
            Seen::Kept(owed) => owed.name(),
            Seen::Broken { .. } => "broken",
            Seen::Violation(_) => "violation",
            Seen::Liveness(_) => "liveness",
            Seen::Unknown(_) => "unknown",
        }
    }

    /// What went wrong, if anything did.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Seen::Kept(_) => None,
            Seen::Broken { what, .. } | Seen::Violation(what) | Seen::Liveness(what) | Seen::Unknown(what) => {
                Some(what)
            }
        }
    }
}

/// A script that was played.
#[derive(Clone, Debug)]
pub struct Played {
    /// How it came out.
    pub seen: Seen,
    /// What was owed under the faults that took effect.
    pub owed: Owed,
    /// Effects, by row id.
    pub hits: BTreeMap<&'static str, u64>,
    /// The five availabilities while the script was played.
    pub availability: Availability,
    /// Of the script's time, from its first instant on, what passed without a commit although clients waited.
    pub outages: Vec<(Nanos, Nanos)>,
    /// How much of the script's time was played: less than all of it when an invariant broke.
    pub struck_for: Nanos,
    /// When each of the script's faults took place in that time, for those that were carried out.
    pub struck_at: Vec<Nanos>,
    /// Nodes that halted in that time: when, who, why.
    pub halts: Vec<(Nanos, String)>,
    /// From the mending of everything to the first commit after it.
    pub recovery: Option<Nanos>,
    /// The hash over every event; real time has none.
    pub digest: Option<u128>,
    /// Events delivered.
    pub events: u64,
    /// Virtual time.
    pub span: Nanos,
    /// What happened inside.
    pub substance: Substance,
    /// Acts, halts and the like, when they were asked for.
    pub timeline: Vec<(Nanos, String)>,
    /// What clients saw, where it cannot be had again by playing again.
    pub history: Vec<Transaction>,
}

impl Played {
    /// Of a script that could not be played to an end.
    pub fn nothing(seen: Seen) -> Played {
        Played {
            seen,
            owed: Owed::Masked,
            hits: BTreeMap::new(),
            availability: Availability::default(),
            outages: Vec::new(),
            struck_for: Nanos::ZERO,
            struck_at: Vec::new(),
            halts: Vec::new(),
            recovery: None,
            digest: None,
            events: 0,
            span: Nanos::ZERO,
            substance: Substance::default(),
            timeline: Vec::new(),
            history: Vec::new(),
        }
    }
}

/// How to play.
#[derive(Clone, Copy, Debug, Default)]
pub struct Playing {
    /// Keep a timeline.
    pub timeline: bool,
    /// Spoils the world after an act, for tests of the instrument itself: what breaks then is the engine's fault as far as
    /// anybody can see.
    pub sabotage: Option<Sabotage>,
    /// Bugs that the engine is built with.
    pub plants: Plants,
}

/// The engine of a class, for one run; `succeeded` when a second database node may open its volume.
pub fn subject_of(class: EngineClass, plants: Plants, succeeded: bool) -> Box<dyn Subject> {
    subject(class, plants, succeeded, Nanos::ZERO)
}

/// The engine of a script, with at least so much patience with its disks.
pub(super) fn subject_with_patience(script: &Script, plants: Plants, io_timeout_min: Nanos) -> Box<dyn Subject> {
    let succeeded = script.schedule().rows.iter().any(|row| ["P5", "P6"].contains(&row.id));
    subject(script.class(), plants, succeeded, io_timeout_min)
}

fn subject(class: EngineClass, plants: Plants, succeeded: bool, io_timeout_min: Nanos) -> Box<dyn Subject> {
    let coupled = |engine: Coupled| Box::new(engine.with(plants).patient(io_timeout_min));
    let decoupled = Decoupled::any().with(plants).patient(io_timeout_min);
    match class {
        EngineClass::Coupled => coupled(Coupled::local()),
        EngineClass::Mirrored => coupled(Coupled::mirrored()),
        EngineClass::Decoupled if succeeded => Box::new(decoupled.with_successor()),
        EngineClass::Decoupled => Box::new(decoupled),
    }
}

/// Who may be struck in a header's world.
///
/// # Errors
///
/// The engine cannot be built.
pub fn cast_of(subject: &mut dyn Subject, header: &Header) -> Result<Cast, String> {
    let script = Script { header: header.clone(), operations: Vec::new(), faults: Vec::new() };
    let workload: Arc<dyn Workload> = Arc::new(Scripted::new(&script));
    world(subject, &script, &workload, &Playing::default()).map(|world| world.cast().clone())
}

fn world<'a>(
    subject: &'a mut dyn Subject,
    script: &Script,
    workload: &Arc<dyn Workload>,
    playing: &Playing,
) -> Result<World<'a>, String> {
    let header = &script.header;
    let mut sizes = Rng::new(header.seed).fork("sizes", 0);
    let engine = subject.topology(workload.schema(), header.page_bytes as usize, header.seed, &mut sizes)?;
    let load = load_of(script);
    let mut world = World::new(subject, engine, load, Arc::clone(workload), SimConfig::shuffled(header.seed));
    if let Some(why) = script.astray(world.cast()) {
        return Err(why);
    }
    world.sabotage = playing.sabotage;
    Ok(world)
}

/// The clients of a script.
pub(super) fn load_of(script: &Script) -> load::Config {
    let header = &script.header;
    let mut load = load::Config::closed(DATABASE, header.clients);
    load.seed = header.seed;
    load.arrivals = Arrivals::Listed;
    load.timeout = Nanos::from_millis(600);
    load.attempts_max = 50;
    load.unavailable_pause = Nanos::from_millis(4);
    load.tick = Nanos::from_millis(2);
    (load.acks_max, load.history_max) = (1_000_000, 1_000_000);
    load
}

/// The slices that availability is measured in.
pub(super) fn slice_of(script: &Script) -> Nanos {
    Nanos(script.span().0 / SLICES).max(SLICE_MIN)
}

/// Plays `script`. An engine that panics has failed too.
pub fn play(script: &Script, playing: &Playing) -> Played {
    catch_unwind(AssertUnwindSafe(|| run(script, playing))).unwrap_or_else(|panic| panicked(&*panic))
}

/// A run that ended in a panic.
fn panicked(panic: &(dyn Any + Send)) -> Played {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Played::nothing(Seen::Violation(format!("a node panicked: {}", text.unwrap_or("without a text"))))
}

fn run(script: &Script, playing: &Playing) -> Played {
    let mut subject = subject_with_patience(script, playing.plants, Nanos::ZERO);
    let workload: Arc<dyn Workload> = Arc::new(Scripted::new(script));
    let mut world = match world(subject.as_mut(), script, &workload, playing) {
        Ok(world) => world,
        Err(what) => return Played::nothing(Seen::Unknown(format!("the world cannot be built: {what}"))),
    };
    world.timeline = playing.timeline.then(Vec::new);
    let ended = strike(&mut world, script, workload.as_ref());
    world.hits.settle(&Counted::of(&world.sim));
    let hits = world.hits.counts().clone();
    let (owed, seen) = judged(ended, script, &hits, &world.substance);
    let (began, over) = world.watch.measured;
    let since = |at: Nanos| at.saturating_sub(began);
    let halts = world.sim.halts().iter().filter(|halt| began <= halt.at && halt.at <= over);
    let halts = halts.map(|halt| (since(halt.at), format!("{}: {}", world.cast().names.name(halt.node), halt.reason)));
    let halts = halts.collect();
    Played {
        seen,
        owed,
        hits,
        availability: world.watch.availability,
        outages: world.watch.outages.iter().map(|(from, to)| (since(*from), since(*to))).collect(),
        struck_for: since(over),
        struck_at: world.struck_at.iter().map(|at| since(*at)).collect(),
        halts,
        recovery: world.recovery,
        digest: Some(world.sim.digest().0),
        events: world.sim.events(),
        span: world.sim.now(),
        substance: world.substance.clone(),
        timeline: world.timeline.take().unwrap_or_default(),
        history: Vec::new(),
    }
}

/// How a run ended, before it is compared with what is owed.
pub(super) enum Ended {
    Well {
        degraded: Option<String>,
    },
    Refused(String),
    Wrong(String),
    Stalled(String),
    /// The instrument failed.
    Unknown(String),
}

fn strike(world: &mut World<'_>, script: &Script, workload: &dyn Workload) -> Ended {
    let initial = match world.fill(workload) {
        Ok(initial) => initial,
        Err(what) => return Ended::Wrong(format!("the first rows, before any fault: {what}")),
    };
    let rows = between(world, script, workload);
    let refusal = world.refusal();
    let (rows, ended) = match (rows, refusal) {
        (Ok(rows), _) => (Some(rows), None),
        (Err(_), Some(reason)) => (None, Some(Ended::Refused(reason))),
        (Err(what), None) if world.stalled => return Ended::Stalled(what),
        (Err(what), None) => return Ended::Wrong(what),
    };
    let degraded = disturbance(world.load().interval());
    match (world.judge(initial, rows), ended) {
        (Err(what), _) => Ended::Wrong(what),
        (Ok(()), Some(ended)) => ended,
        (Ok(()), None) => Ended::Well { degraded },
    }
}

/// From the first rows to the last reading.
fn between(
    world: &mut World<'_>,
    script: &Script,
    workload: &dyn Workload,
) -> Result<Vec<contract::Transaction>, String> {
    let start = world.sim.now();
    world.watch.begin(start, slice_of(script));
    world.load().start_at(script.operations.iter().map(|operation| start + operation.at));
    world.load().set_phase(Phase::Measure);
    let played = world.play(&script.schedule());
    let now = world.sim.now();
    world.watch.end(now);
    played?;
    world.load().set_arrivals(Arrivals::Closed);
    world.converge()?;
    // Damage that nobody has met yet is still there: only copies that mend themselves are compared at once.
    let mends = script.class() == EngineClass::Decoupled && !world.beyond_mending;
    if !world.damage || mends {
        world.audit()?;
    }
    let rows = world.power_cycle(&workload.schema())?;
    world.settle()?;
    if !world.damage || mends {
        world.audit()?;
    }
    world.close()?;
    Ok(rows)
}

/// What clients saw beside latency.
pub(super) fn disturbance(interval: &Interval) -> Option<String> {
    let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
    for op in &interval.ops {
        for failure in [Failure::Unavailable, Failure::Timeout, Failure::Unknown, Failure::Corrupt] {
            *seen.entry(failure.name()).or_default() += op.failed[failure as usize];
        }
        *seen.entry("refusals").or_default() += op.retries[Retry::Unavailable as usize];
    }
    seen.retain(|_, count| *count > 0);
    (!seen.is_empty()).then(|| format!("clients saw {seen:?}"))
}

/// The worst that is owed under the rows that took effect.
fn owed(script: &Script, hits: &BTreeMap<&'static str, u64>, substance: &Substance) -> Owed {
    let class = script.class();
    let effective = hits.keys().filter_map(|id| Row::find(id));
    let worst = effective.clone().map(|row| row.owed_by(class)).max().unwrap_or(Owed::Masked).max(Owed::Masked);
    // A disk that was emptied to spoil a repair is gone, although nobody was seen to repair from it.
    let damaged = effective.clone().any(Row::damages) || substance.get(LOST) > 0;
    let unbounded = script.header.demand() == Ok(Demand::Safety) && damaged;
    if unbounded { worst.max(Owed::Halt) } else { worst }
}

/// Whether the end of a coupled engine's log is gone after bytes rotted: nothing vouches for the last block until the next is
/// written, so that its damage looks like a torn tail. A stated limit, see `engines/README.md`; anything else is not.
fn is_unvouched_tail(ended: &Ended, class: EngineClass, hits: &BTreeMap<&'static str, u64>) -> bool {
    let rotted = ["D8", "D9", "D10", "K7"].iter().any(|id| hits.contains_key(id));
    let is_tail = matches!(ended, Ended::Wrong(what) if what.starts_with("the log is durable up to"));
    class != EngineClass::Decoupled && rotted && is_tail
}

/// Whether a wrong answer comes after a disk was put back to an earlier state that too few others could refute: a recovery that asks
/// that node and two that never had a record annuls it, and nobody can know. A stated limit, see `engines/README.md`.
fn is_unrefuted(ended: &Ended, substance: &Substance) -> bool {
    matches!(ended, Ended::Wrong(_)) && substance.get(UNREFUTED) > 0
}

/// Whether bytes rotted on a mirrored volume that refuses to serve them, and the standby was detached at some time, or half so: of two
/// copies that differ, nothing says which is right, and one is believed. A stated limit, see `engines/README.md`.
fn is_odd_one_of_two(ended: &Ended, class: EngineClass, hits: &BTreeMap<&'static str, u64>, detached: bool) -> bool {
    let rotted = ["D8", "D9", "D10"].iter().any(|id| hits.contains_key(id));
    class == EngineClass::Mirrored && detached && rotted && matches!(ended, Ended::Refused(_))
}

/// Whether all copies of a storage node's newest superblock rotted, one by one, before its scrubber had looked at one of them. The
/// node has forgotten what it promised and refuses to start, which is all it can do.
fn is_lost_superblock(ended: &Ended, hits: &BTreeMap<&'static str, u64>) -> bool {
    let lost = ["under superblock generation", "none of the superblock's"];
    let refused = matches!(ended, Ended::Refused(what) if lost.iter().any(|words| what.contains(words)));
    refused && hits.contains_key("D20")
}

/// What was owed, and what was seen.
pub(super) fn judged(
    ended: Ended,
    script: &Script,
    hits: &BTreeMap<&'static str, u64>,
    substance: &Substance,
) -> (Owed, Seen) {
    let owed = owed(script, hits, substance);
    let limit = is_unvouched_tail(&ended, script.class(), hits) || is_unrefuted(&ended, substance);
    let owed = if limit { Owed::KnownLimit } else { owed };
    let detached = substance.get("detachments") + substance.get(DETACHMENT_BEGAN) > 0;
    let refuses = is_lost_superblock(&ended, hits) || is_odd_one_of_two(&ended, script.class(), hits, detached);
    let owed = if refuses { owed.max(Owed::Halt) } else { owed };
    (owed, seen(ended, owed, script))
}

fn seen(ended: Ended, owed: Owed, script: &Script) -> Seen {
    let held = |seen: Owed, what: String| {
        if seen <= owed { Seen::Kept(seen) } else { Seen::Broken { owed, seen, what } }
    };
    match ended {
        Ended::Well { degraded: None } => held(Owed::Masked, String::new()),
        Ended::Well { degraded: Some(what) } => held(Owed::Degraded, what),
        Ended::Refused(what) => held(Owed::Halt, format!("the engine refuses to serve: {what}")),
        Ended::Wrong(_) | Ended::Stalled(_) if owed == Owed::KnownLimit => Seen::Kept(Owed::KnownLimit),
        Ended::Stalled(_) if script.header.demand() == Ok(Demand::Safety) && owed >= Owed::Halt => {
            Seen::Kept(Owed::Halt)
        }
        Ended::Wrong(what) => Seen::Violation(what),
        Ended::Unknown(what) => Seen::Unknown(what),
        Ended::Stalled(what) => Seen::Liveness(what),
    }
}
