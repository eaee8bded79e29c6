//! Many seeds: drawn, played side by side, and gathered in order.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nemesis::{Act, Carrier, EngineClass, Names, Script, words};
use node::fault::Fault;
use rayon::prelude::*;

use super::author_for;
use super::live::{Processes, Rings, Stage, play_on_processes, play_on_rings};
use super::play::{Played, Playing, play};
use super::suite::Suite;
use crate::interrupt;

/// Seeds that are played between two looks at the time and at interrupts, for each job.
const BATCH: usize = 4;

/// What scripts are played on, and where.
#[derive(Clone, Debug, Default)]
pub enum Ground {
    /// Simulated worlds.
    #[default]
    Sim,
    /// The real runtime, with files below this directory.
    Real(PathBuf),
    /// The same with storage nodes as processes.
    Process {
        /// Below which their files are.
        place: PathBuf,
        /// What they run: `sextant`.
        program: PathBuf,
    },
}

impl Ground {
    /// What it is to the catalogue.
    pub fn carrier(&self) -> Carrier {
        match self {
            Ground::Sim => Carrier::Sim,
            Ground::Real(_) => Carrier::Real,
            Ground::Process { .. } => Carrier::Process,
        }
    }

    /// Plays a script there.
    pub fn play(&self, script: &Script, playing: &Playing) -> Played {
        match self {
            Ground::Sim => play(script, playing),
            Ground::Real(place) => play_on_rings(script, playing, place),
            Ground::Process { place, program } => play_on_processes(script, playing, place, program),
        }
    }

    /// What in a script cannot be played there, and why.
    pub fn refuses(&self, script: &Script) -> Option<String> {
        let carrier = self.carrier();
        if !carrier.classes().contains(&script.class()) {
            let played: Vec<&str> = carrier.classes().iter().map(|class| class.name()).collect();
            return Some(format!("{} cannot be played there, only {}", script.class().name(), played.join(", ")));
        }
        let carries = |act: &Act| match self {
            Ground::Sim => true,
            Ground::Real(_) => Rings::carries(act),
            Ground::Process { .. } => Processes::carries(act),
        };
        let fault = script.faults.iter().find(|fault| !carries(&fault.act))?;
        let names = Names(script.header.nodes.clone());
        let why = match fault.act {
            Act::Primitive(Fault::Crash { .. }) => "power cannot be cut; without `power` it is a kill".to_owned(),
            _ => fault.row.reach(carrier).describe(),
        };
        Some(format!("{} (`{}`) cannot be done there: {why}", fault.row.id, words::of_act(&fault.act, &names)))
    }
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Order {
    /// The suite.
    pub suite: Suite,
    /// Its engines, or some of them.
    pub classes: Vec<EngineClass>,
    /// The seeds.
    pub seeds: std::ops::Range<u64>,
    /// What they are played on.
    pub ground: Ground,
    /// Which part of them: the `i`th of `n`, counted from 1.
    pub shard: (u64, u64),
}

/// A seed that was played.
#[derive(Clone, Debug)]
pub struct Turn {
    /// What was played.
    pub script: Script,
    /// What came of it.
    pub played: Played,
    /// How long it took on the wall clock.
    pub wall: Duration,
}

/// Why a run of many ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything was played.
    Complete,
    /// The time was over.
    OutOfTime,
    /// Somebody asked for an end.
    Interrupted,
}

/// Plays all of `order` with as many threads as rayon has, and gives each turn to `take` in order of engine and seed.
/// `until` is when to begin no more.
///
/// # Errors
///
/// A script that cannot be drawn, or what `take` says.
pub fn run<E: From<String>>(
    order: &Order,
    until: Option<Instant>,
    mut take: impl FnMut(Turn) -> Result<(), E>,
) -> Result<Ending, E> {
    let (part, parts) = order.shard;
    let seeds = || order.seeds.clone().filter(|seed| seed % parts == part - 1);
    let all: Vec<(EngineClass, u64)> =
        order.classes.iter().flat_map(|&class| seeds().map(move |seed| (class, seed))).collect();
    // In real time a batch is as long as its scripts.
    let batch = if order.ground.carrier() == Carrier::Sim { BATCH } else { 1 };
    for batch in all.chunks(batch * rayon::current_num_threads()) {
        if interrupt::asked() {
            return Ok(Ending::Interrupted);
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            return Ok(Ending::OutOfTime);
        }
        let turns: Vec<Result<Turn, String>> =
            batch.par_iter().map(|&(class, seed)| turn(order, class, seed)).collect();
        for turn in turns {
            take(turn?)?;
        }
    }
    Ok(Ending::Complete)
}

fn turn(order: &Order, class: EngineClass, seed: u64) -> Result<Turn, String> {
    let script = author_for(order.ground.carrier(), &order.suite, class, seed)?;
    let began = Instant::now();
    let played = order.ground.play(&script, &Playing::default());
    Ok(Turn { script, played, wall: began.elapsed() })
}
