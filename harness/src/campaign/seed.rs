//! One seed, from its draw to its verdict.

use std::sync::Arc;

use contract::{Model, Transaction};
use load::Phase;
use nemesis::{Carrier, Demand, Plan, ROWS, Schedule};
use node::{Nanos, Rng};
use sim::SimConfig;
use workloads::mixed::Mixed;
use workloads::{Distribution, Settings, Workload};

use super::judge::{self, Evidence};
use super::world::World;
use super::{Subject, Substance};
use crate::engines::DATABASE;

/// Takes the account of a run, line by line.
pub type Trace = Box<dyn FnMut(&str)>;

/// What came of a seed that kept every promise.
#[derive(Clone, Debug)]
pub struct Account {
    /// The hash over every event of the run.
    pub digest: u128,
    /// Events delivered to nodes.
    pub events: u64,
    /// Virtual time.
    pub span: Nanos,
    /// The workload.
    pub workload: &'static str,
    /// The rows of faults in use.
    pub rows: Vec<&'static str>,
    /// What happened.
    pub substance: Substance,
}

/// Runs `seed` against `subject`. `trace` is told every event, effect and fault.
///
/// # Errors
///
/// The promise that was broken, in words. The seed alone reproduces it.
pub fn run(subject: &mut dyn Subject, seed: u64, trace: Option<Trace>) -> Result<Account, String> {
    let rng = Rng::new(seed).fork("campaign", 0);
    let (workload, page_bytes) = draw_workload(seed, &mut rng.fork("workload", 0));
    let engine = subject.topology(workload.schema(), page_bytes, seed, &mut rng.fork("sizes", 0))?;
    let load = draw_load(seed, &mut rng.fork("load", 0));
    let mut world = World::new(subject, engine, load, Arc::clone(&workload), SimConfig::shuffled(seed));
    if let Some(trace) = trace {
        world.sim.trace_to(trace);
    }
    let rows = world.strike(&*workload, rng)?;
    let account = |world: &World<'_>| Account {
        digest: world.sim.digest().0,
        events: world.sim.events(),
        span: world.sim.now(),
        workload: workload.name(),
        rows: rows.clone(),
        substance: world.substance.clone(),
    };
    Ok(account(&world))
}

impl World<'_> {
    /// Everything between the building of the world and its verdict.
    fn strike(&mut self, workload: &dyn Workload, rng: Rng) -> Result<Vec<&'static str>, String> {
        let mut draws = rng.fork("script", 0);
        if draws.chance(0.25) {
            // The volume is created under faults.
            let schedule = self.draw(Nanos::from_millis(draws.between(1, 60)), &mut draws);
            self.play(&schedule)?;
            self.recover()?;
        }
        let initial = self.fill(workload)?;
        let span = Nanos::from_millis(draws.between(20, 500));
        let schedule = self.draw(span, &mut draws);
        self.load().set_phase(Phase::Measure);
        self.play(&schedule)?;
        self.converge()?;
        self.audit()?;
        let rows = self.power_cycle(&workload.schema())?;
        self.settle()?;
        self.audit()?;
        self.close()?;
        self.judge(initial, Some(rows))?;
        Ok(schedule.rows.iter().map(|row| row.id).collect())
    }

    /// Faults that leave stored bytes whole: the engines come back from them by themselves.
    fn draw(&self, span: Nanos, rng: &mut Rng) -> Schedule {
        let whole = |row: &&nemesis::Row| !row.damages() && !["D7", "D21", "K3", "P5", "P6"].contains(&row.id);
        let (rows, episodes_max) = (ROWS.iter().filter(whole).collect(), nemesis::EPISODES_MAX);
        let plan = Plan {
            rows,
            swarm: true,
            demand: Demand::Liveness,
            span,
            episodes_max,
            divided: 0.0,
            carrier: Carrier::Sim,
        };
        Schedule::draw(&plan, self.cast(), rng)
    }

    /// Compares all copies: see [`Subject::audit`].
    ///
    /// # Errors
    ///
    /// A difference, in words.
    pub fn audit(&mut self) -> Result<(), String> {
        self.subject.audit(&mut self.sim, &mut self.substance)
    }

    /// Judges what clients saw, from `initial` on, with `rows` as the final reading: see [`judge`].
    ///
    /// # Errors
    ///
    /// What cannot be, in words.
    pub fn judge(&mut self, initial: Model, rows: Option<Vec<Transaction>>) -> Result<(), String> {
        // An engine that refuses to serve leaves requests in flight, and what they asked for may have taken effect.
        let now = self.sim.now();
        self.load().abandon(now);
        let (mut inherited, mut acks) = (Vec::new(), self.load().take_acks());
        if let Some(heirs) = self.heirs() {
            heirs.abandon(now);
            (inherited, acks) = (heirs.take_history(), [acks, heirs.take_acks()].concat());
        }
        judge::findings(self.load().interval())?;
        let history = self.load().take_history();
        let evidence = Evidence { initial, acks, history, inherited, rows };
        judge::judge(evidence, &*self.subject, &self.watch, &mut self.substance)
    }
}

/// A workload and the smallest page that holds its rows.
fn draw_workload(seed: u64, rng: &mut Rng) -> (Arc<dyn Workload>, usize) {
    let keys = rng.between(10, 300);
    let named = |name: &str, rows, page_bytes| {
        let settings = Settings { tables: 2, rows, distribution: None, seed };
        let workload = workloads::build(name, &settings).expect("a workload of the registry");
        (Arc::from(workload), page_bytes)
    };
    match rng.below(10) {
        0..=4 => {
            let tables = rng.between(1, 3) as u16;
            (Arc::new(Mixed::new(tables, keys, 24, Distribution::Uniform, seed)), 512)
        }
        5 => named("bank", rng.between(4, 60), 512),
        6 => named("register", rng.between(2, 40), 512),
        7 => named("list-append", rng.between(2, 20), 8192),
        8 => named("oltp_read_write", keys, 2048),
        _ => named("oltp_write_only", keys, 2048),
    }
}

fn draw_load(seed: u64, rng: &mut Rng) -> load::Config {
    let mut config = load::Config::closed(DATABASE, rng.between(1, 12) as u32);
    config.seed = seed;
    config.timeout = Nanos::from_millis(rng.between(20, 300));
    config.attempts_max = 50;
    config.unavailable_pause = Nanos::from_micros(rng.between(500, 10_000));
    config.tick = Nanos::from_millis(2);
    (config.acks_max, config.history_max) = (1_000_000, 1_000_000);
    config
}
