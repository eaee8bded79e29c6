//! Scripts on the wall clock: the same operations and faults, on real rings and files.
//!
//! # Place
//!
//! [`super::play()`] plays a script in a simulated world, and this module the same script on a [`Stage`]: something that
//! carries the engine's nodes in real time and can disturb them. [`Rings`] is the real runtime of this process, with io_uring
//! disks and in-process links; [`Processes`] has every storage node in a process of its own, over TCP. What plays and judges
//! knows the trait only.
//!
//! # Mechanism
//!
//! A millisecond of a script is a millisecond of the clock. The player carries out acts when they are due, starts what halted
//! as a supervisor would, and looks every few milliseconds: at what nodes show of themselves, at halts, at what the promise
//! owes. Afterwards it undoes everything and sees that nothing is in force any more, that transactions commit, that requests
//! are answered and that the engine comes to rest; then it cuts the power of all nodes at once, or kills them all, reads everything, and gives
//! the history to the checkers that judge simulated runs ([`crate::campaign::judge`]).
//!
//! # Invariants
//!
//! - A fault is undone when the stage says so, not when it was asked to be.
//! - Nothing is left behind: a run's directory is removed, whatever came of the run.
//!
//! # Caveats
//!
//! - No two runs are alike: there is no hash of events, and a failing script need not fail again.
//! - Bounds are longer than in virtual time: commits that are owed may take [`player::BOUND`], disks answer within
//!   [`IO_TIMEOUT_MIN`] before a node calls them stuck, and when the player itself was held up that time counts for nobody.
//! - Of the invariants inside nodes those are looked at that one node shows alone. Pages are compared in the simulator only;
//!   the copies of a mirrored volume are compared here too.
//! - A device that others hold up for longer than a client waits (three seconds) is told as what it is to clients: outcomes
//!   unknown, which is `broken` where an engine owes that nothing is seen.
//! - Durability and repairability are not measured second by second: nobody sees all nodes at one instant.

mod disks;
mod files;
mod found;
mod healing;
mod manifest;
pub mod player;
mod processes;
mod rings;
mod stage;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use contract::Transaction;
use nemesis::{Cast, EngineClass, Script};
use node::{Member, Nanos, Rng, Topology};
use workloads::Workload;

pub use manifest::storage_of;
pub use processes::Processes;
pub use rings::Rings;
pub use stage::{Answered, Stage, Struck};

use self::player::Player;
use super::operations::Scripted;
use super::play::{self, Ended, Played, Playing, Seen};
use crate::campaign::judge::{self, Evidence};
use crate::campaign::successor::{HEIRS, clients, heirs};
use crate::campaign::world::cast;
use crate::campaign::{Plants, Subject};
use crate::engines::LOAD;

/// The least that a node waits for its disk before it halts.
pub const IO_TIMEOUT_MIN: Nanos = Nanos::from_secs(10);
/// How long a client waits for an answer: longer than a device that others use too may take for one write.
const CLIENT_PATIENCE: Nanos = Nanos::from_secs(3);

/// Removes a directory when it goes out of scope.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // Most often it is gone already; what cannot be removed is left for a person to see.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Everything that takes part in a run beside the stage's own console.
struct Ensemble {
    members: Vec<Member>,
    cast: Cast,
}

/// Plays `script` on the real runtime, with its files below `place`. The plants are those of `playing`; a timeline is always
/// kept.
pub fn play_on_rings(script: &Script, playing: &Playing, place: &Path) -> Played {
    play_on(script, playing, place, |Ensemble { members, cast }, directory| {
        Rings::start(members, cast, directory, script.header.seed)
    })
}

/// The same with every storage node as a process that runs `program`, which is `sextant`.
pub fn play_on_processes(script: &Script, playing: &Playing, place: &Path, program: &Path) -> Played {
    play_on(script, playing, place, |Ensemble { members, cast }, directory| {
        Processes::start(members, cast, directory, (script, playing.plants), program)
    })
}

fn play_on<S: Stage>(
    script: &Script,
    playing: &Playing,
    place: &Path,
    start: impl FnOnce(Ensemble, &Path) -> Result<S, String>,
) -> Played {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory = Removed(place.join(format!("chaos-{}-{number}", std::process::id())));
    // A node that panics halts; what comes through here is the instrument's own.
    catch_unwind(AssertUnwindSafe(|| run(script, playing, &directory.0, start)))
        .unwrap_or_else(|_| Played::nothing(Seen::Unknown("the player panicked, as standard error tells".to_owned())))
}

fn run<S: Stage>(
    script: &Script,
    playing: &Playing,
    directory: &Path,
    start: impl FnOnce(Ensemble, &Path) -> Result<S, String>,
) -> Played {
    let workload: Arc<dyn Workload> = Arc::new(Scripted::new(script));
    let mut player = match player(script, playing, &workload, |ensemble| start(ensemble, directory)) {
        Ok(player) => player,
        Err(what) => return Played::nothing(Seen::Unknown(format!("the stage cannot be built: {what}"))),
    };
    let began = player.stage.now();
    let (ended, history) = strike(&mut player, script, workload.as_ref());
    if let Ok(counted) = player.stage.counted() {
        player.hits.settle(&counted);
    }
    let hits = player.hits.counts().clone();
    let (owed, seen) = play::judged(ended, script, &hits, &player.substance);
    let (from, over) = player.watch.measured;
    let since = |at: Nanos| at.saturating_sub(from);
    let in_time = |stop: &&player::Stop| from <= stop.at && stop.at <= over;
    let name = |node| player.cast.names.name(node);
    let halts = player.stops.iter().filter(in_time);
    let halts = halts.map(|stop| (since(stop.at), format!("{}: {}", name(stop.node), stop.reason))).collect();
    let mut played = Played {
        seen,
        owed,
        hits,
        availability: player.watch.availability,
        outages: player.watch.outages.iter().map(|(from, to)| (since(*from), since(*to))).collect(),
        struck_for: since(over),
        struck_at: player.struck_at.iter().map(|at| since(*at)).collect(),
        halts,
        recovery: player.recovery,
        digest: None,
        events: 0,
        span: player.stage.now().saturating_sub(began),
        substance: player.substance,
        timeline: player.timeline,
        history,
    };
    match player.stage.end() {
        Ok(events) => played.events = events,
        Err(what) => played.seen = Seen::Unknown(format!("the stage was not left as it was found: {what}")),
    }
    played
}

/// The engine of a script, patient with real disks, and its nodes.
fn engine_of(script: &Script, plants: Plants) -> Result<(Box<dyn Subject>, Topology), String> {
    let header = &script.header;
    let mut subject = play::subject_with_patience(script, plants, IO_TIMEOUT_MIN);
    let mut sizes = Rng::new(header.seed).fork("sizes", 0);
    let schema = Scripted::new(script).schema();
    let engine = subject.topology(schema, header.page_bytes as usize, header.seed, &mut sizes)?;
    Ok((subject, engine))
}

fn player<S: Stage>(
    script: &Script,
    playing: &Playing,
    workload: &Arc<dyn Workload>,
    start: impl FnOnce(Ensemble) -> Result<S, String>,
) -> Result<Player<S>, String> {
    let seed = script.header.seed;
    let (subject, engine) = engine_of(script, playing.plants)?;
    let cast = cast(subject.as_ref(), &engine);
    if let Some(why) = script.astray(&cast) {
        return Err(why);
    }
    let load = load::Config { timeout: CLIENT_PATIENCE, ..play::load_of(script) };
    let mut members = engine.members;
    members.extend(cast.successor.map(|_| heirs(&load, Arc::clone(workload))));
    members.push(clients(load, Arc::clone(workload), LOAD, seed));
    let stage = start(Ensemble { members, cast: cast.clone() })?;
    Ok(Player::new(stage, subject, cast, seed))
}

/// Everything between the first rows and the verdict, and what clients saw.
fn strike<S: Stage>(player: &mut Player<S>, script: &Script, workload: &dyn Workload) -> (Ended, Vec<Transaction>) {
    let initial = match player.fill(workload) {
        Ok(initial) => initial,
        Err(what) => return (Ended::Unknown(format!("the first rows, before any fault: {what}")), Vec::new()),
    };
    let rows = between(player, script, workload);
    let refusal = player.refusal();
    let (rows, ended) = match (rows, refusal) {
        (Ok(rows), _) => (Some(rows), None),
        (Err(what), _) if player.broken => (None, Some(Ended::Unknown(what))),
        (Err(_), Some(reason)) => (None, Some(Ended::Refused(reason))),
        (Err(what), None) if player.stalled => (None, Some(Ended::Stalled(what))),
        (Err(what), None) => (None, Some(Ended::Wrong(what))),
    };
    let (evidence, interval) = match evidence(player, initial, rows) {
        Ok(found) => found,
        Err(what) => return (Ended::Unknown(what), Vec::new()),
    };
    let mut history = evidence.history.clone();
    history.extend(evidence.inherited.iter().chain(evidence.rows.iter().flatten()).cloned());
    let degraded = play::disturbance(&interval);
    let right = judge::findings(&interval)
        .and_then(|()| judge::judge(evidence, player.subject.as_ref(), &player.watch, &mut player.substance));
    let ended = match (right, ended) {
        (Err(what), _) => Ended::Wrong(what),
        (Ok(()), Some(ended)) => ended,
        (Ok(()), None) => Ended::Well { degraded },
    };
    (ended, history)
}

/// From the first rows to the last reading.
fn between<S: Stage>(
    player: &mut Player<S>,
    script: &Script,
    workload: &dyn Workload,
) -> Result<Vec<Transaction>, String> {
    let instants = script.operations.iter().map(|operation| operation.at).collect();
    player.begin(instants, play::slice_of(script))?;
    let played = player.play(&script.schedule());
    player.go_on()?;
    played?;
    player.converge()?;
    let whole = !player.damage || script.class() == EngineClass::Decoupled;
    if whole {
        player.stage.audit(&mut player.substance)?;
    }
    let rows = player.power_cycle(&workload.schema())?;
    player.settle()?;
    if whole {
        player.stage.audit(&mut player.substance)?;
    }
    Ok(rows)
}

/// Takes what clients saw. What they still wait for may have taken effect.
fn evidence<S: Stage>(
    player: &mut Player<S>,
    initial: contract::Model,
    rows: Option<Vec<Transaction>>,
) -> Result<(Evidence, load::Interval), String> {
    let now = player.stage.now();
    let (history, mut acks, interval) = player.stage.load(LOAD, move |core| {
        core.abandon(now);
        (core.take_history(), core.take_acks(), core.take_interval(now))
    })?;
    let mut inherited = Vec::new();
    if player.cast.successor.is_some() {
        let (seen, taken) = player.stage.load(HEIRS, move |core| {
            core.abandon(now);
            (core.take_history(), core.take_acks())
        })?;
        inherited = seen;
        acks.extend(taken);
    }
    Ok((Evidence { initial, acks, history, inherited, rows }, interval))
}
