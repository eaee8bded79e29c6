//! The walk over all points, in one world or in copies of it.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use node::{Digest, NodeId};

use super::{Coverage, CrashFailure, CrashPlan, Edge, Leg, Point, Scenario, Subsets};
use crate::{Sim, Stop, Survival, Unit};

/// Crashes `scenario` everywhere that `plan` says.
///
/// # Errors
///
/// The first crash that is not recovered from or not survived, or an uncrashed run that does not finish.
pub fn explore(scenario: &Scenario<'_>, plan: &CrashPlan) -> Result<Coverage, CrashFailure> {
    assert!(plan.stride > 0, "every zeroth point is no point");
    let mut explorer = Explorer { scenario, plan, coverage: Coverage::default(), futures: BTreeSet::new() };
    explorer.coverage.points = explorer.count_points()?;
    explorer.crash_everywhere()?;
    Ok(explorer.coverage)
}

/// Runs `scenario` again along `path` and returns the world right after the last restart, before recovery.
///
/// # Errors
///
/// A path that the scenario does not have.
pub fn replay(scenario: &Scenario<'_>, plan: &CrashPlan, path: &[Leg]) -> Result<Sim, CrashFailure> {
    replay_in((scenario.build)(), scenario, plan, path)
}

/// Runs `scenario` again along `path` and through recovery and check, and returns the last `lines_max` lines of the
/// account of it.
pub fn explain(scenario: &Scenario<'_>, plan: &CrashPlan, path: &[Leg], lines_max: usize) -> Vec<String> {
    let lines = Rc::new(RefCell::new(VecDeque::new()));
    let mut sim = (scenario.build)();
    let sink = Rc::clone(&lines);
    sim.trace_to(move |line| {
        let mut lines = sink.borrow_mut();
        lines.push_back(line.to_owned());
        if lines.len() > lines_max {
            lines.pop_front();
        }
    });
    let explorer = Explorer { scenario, plan, coverage: Coverage::default(), futures: BTreeSet::new() };
    let outcome = replay_in(sim, scenario, plan, path).and_then(|sim| explorer.judge(sim, path, true));
    let mut lines: Vec<String> = lines.borrow_mut().drain(..).collect();
    lines.push(match outcome {
        Ok(_) => "survived".into(),
        Err(failure) => failure.what,
    });
    lines
}

struct Explorer<'a> {
    scenario: &'a Scenario<'a>,
    plan: &'a CrashPlan,
    coverage: Coverage,
    /// What crashes anywhere left, where that decides about the future.
    futures: BTreeSet<Digest>,
}

impl Explorer<'_> {
    fn count_points(&self) -> Result<u64, CrashFailure> {
        let mut walk = Walk::begin((self.scenario.build)(), self.scenario, self.scenario.finished);
        let mut points = 0;
        while walk.next(self.plan, &[])?.is_some() {
            points += 1;
        }
        Ok(points)
    }

    fn crash_everywhere(&mut self) -> Result<(), CrashFailure> {
        let mut walk = Walk::begin((self.scenario.build)(), self.scenario, self.scenario.finished);
        let mut index = 0;
        while let Some(point) = walk.next(self.plan, &[])? {
            if index % self.plan.stride == 0 {
                self.crash_at(&walk.sim, point)?;
                self.coverage.points_reached += 1;
            }
            index += 1;
        }
        Ok(())
    }

    fn crash_at(&mut self, at: &Sim, point: Point) -> Result<(), CrashFailure> {
        let units = undurable(at, self.scenario.victims, self.plan.power);
        self.coverage.units += units.len() as u64;
        self.coverage.units_max = self.coverage.units_max.max(units.len() as u64);
        let mut outcomes = BTreeSet::new();
        for survival in self.plan.subsets.list(&units, salt(point)) {
            let path = [Leg { point, survival }];
            self.coverage.crashes += 1;
            let sim = self.after_crash(at, &path)?;
            if !self.is_new(&sim, &mut outcomes) {
                continue;
            }
            self.coverage.outcomes += 1;
            match self.plan.again {
                None => drop(self.judge(sim, &path, true)?),
                Some(subsets) => self.crash_recovery(sim, &path, subsets)?,
            }
        }
        Ok(())
    }

    /// Walks the recovery that `sim` is about to begin, crashing it everywhere, and judges it in the end.
    fn crash_recovery(&mut self, sim: Sim, path: &[Leg], subsets: Subsets) -> Result<(), CrashFailure> {
        let mut walk = Walk::begin(sim, self.scenario, self.scenario.recovered);
        while let Some(point) = walk.next(self.plan, path)? {
            self.coverage.recovery_points += 1;
            let units = undurable(&walk.sim, self.scenario.victims, self.plan.power);
            let mut outcomes = BTreeSet::new();
            let survivals = subsets.list(&units, salt(point));
            let followed = point.effects as usize % survivals.len();
            for (index, survival) in survivals.into_iter().enumerate() {
                let path = [path, &[Leg { point, survival }]].concat();
                self.coverage.second_crashes += 1;
                let sim = self.after_crash(&walk.sim, &path)?;
                if self.is_new(&sim, &mut outcomes) {
                    self.coverage.second_outcomes += 1;
                    self.judge(sim, &path, index == followed)?;
                }
            }
            self.coverage.recovery_points_reached += 1;
        }
        self.judge(walk.sim, path, true)?;
        Ok(())
    }

    /// Whether no earlier crash, among `outcomes` at this point or anywhere, has the future of this one.
    fn is_new(&mut self, sim: &Sim, outcomes: &mut BTreeSet<Digest>) -> bool {
        let mut future = outcome(sim, self.scenario.victims);
        match self.scenario.survivors {
            None => outcomes.insert(future),
            Some(survivors) => {
                survivors(sim, &mut future);
                self.futures.insert(future)
            }
        }
    }

    /// The world after the last crash of `path`, which `at` is about to suffer.
    fn after_crash(&self, at: &Sim, path: &[Leg]) -> Result<Sim, CrashFailure> {
        let copied = self.scenario.copy.and_then(|copy| at.fork(self.scenario.victims, copy));
        match (copied, path.last()) {
            (Some(mut sim), Some(leg)) => {
                crash_and_restart(&mut sim, self.scenario.victims, self.plan, leg.survival);
                Ok(sim)
            }
            _ => replay(self.scenario, self.plan, path),
        }
    }

    /// Runs recovery to its end and checks the result, and what comes after it when that is to be `followed`.
    fn judge(&self, mut sim: Sim, path: &[Leg], followed: bool) -> Result<Sim, CrashFailure> {
        match sim.run_until(self.plan.span, |sim| (self.scenario.recovered)(sim)) {
            Stop::Reached => {}
            stop => return Err(unfinished("recovery", stop, &sim, path)),
        }
        let aftermath = self.scenario.aftermath.filter(|_| followed);
        let checks = [self.scenario.check].into_iter().chain(aftermath);
        for check in checks {
            check(&mut sim).map_err(|what| CrashFailure { path: path.to_vec(), what })?;
        }
        Ok(sim)
    }
}

/// A world on its way from point to point.
struct Walk<'a> {
    sim: Sim,
    over: &'a dyn Fn(&Sim) -> bool,
    /// The last point given; the world stands there.
    at: Option<Point>,
}

impl<'a> Walk<'a> {
    fn begin(mut sim: Sim, scenario: &Scenario<'_>, over: &'a dyn Fn(&Sim) -> bool) -> Walk<'a> {
        sim.watch(scenario.victims);
        Walk { sim, over, at: None }
    }

    /// Goes on to the next point; `None` when the last one was the end.
    fn next(&mut self, plan: &CrashPlan, path: &[Leg]) -> Result<Option<Point>, CrashFailure> {
        let edge = match self.at.map(|point| point.edge) {
            Some(Edge::End) => return Ok(None),
            // Effects held back belong to the event of the last one: nothing happened in between.
            Some(Edge::After) if self.sim.held.is_none() => self.go_before_next(plan, path)?,
            None => self.go_before_next(plan, path)?,
            Some(Edge::After | Edge::BeforeNext) => {
                let stop = self.sim.run_until_effect(self.sim.effects() + 1, plan.span);
                assert_eq!(stop, Stop::Reached, "an effect held back is carried out next");
                Edge::After
            }
        };
        self.at = Some(Point { effects: self.sim.effects(), edge });
        Ok(self.at)
    }

    fn go_before_next(&mut self, plan: &CrashPlan, path: &[Leg]) -> Result<Edge, CrashFailure> {
        match self.sim.run_until_held(plan.span, self.over) {
            Stop::Reached if self.sim.held.is_some() => Ok(Edge::BeforeNext),
            Stop::Reached => Ok(Edge::End),
            stop => Err(unfinished(if path.is_empty() { "workload" } else { "recovery" }, stop, &self.sim, path)),
        }
    }
}

fn replay_in(mut sim: Sim, scenario: &Scenario<'_>, plan: &CrashPlan, path: &[Leg]) -> Result<Sim, CrashFailure> {
    for (index, leg) in path.iter().enumerate() {
        let over = if index == 0 { scenario.finished } else { scenario.recovered };
        let mut walk = Walk::begin(sim, scenario, over);
        while walk.next(plan, &path[..index])? != Some(leg.point) {
            if walk.at.is_some_and(|point| point.edge == Edge::End) {
                return Err(CrashFailure { path: path.to_vec(), what: format!("there is no {:?}", leg.point) });
            }
        }
        sim = walk.sim;
        crash_and_restart(&mut sim, scenario.victims, plan, leg.survival);
    }
    Ok(sim)
}

/// Crashes all victims at once, and builds them again after the time the plan keeps them down.
fn crash_and_restart(sim: &mut Sim, victims: &[NodeId], plan: &CrashPlan, survival: Survival) {
    let mut first_unit = 0;
    for (index, &victim) in victims.iter().enumerate() {
        let units = sim.undurable(victim, plan.power).len();
        sim.crash(victim, plan.power, for_victim(survival, index, first_unit, units));
        first_unit += units;
    }
    let _ = sim.run_for(plan.down);
    for &victim in victims {
        sim.restart(victim);
    }
}

/// The part of `survival` that concerns the victim whose `units` are numbered from `first`.
pub(super) fn for_victim(survival: Survival, victim: usize, first: usize, units: usize) -> Survival {
    let own = |unit: usize| unit.checked_sub(first).filter(|&own| own < units);
    match survival {
        Survival::OneDropped(unit) => own(unit).map_or(Survival::All, Survival::OneDropped),
        Survival::OneKept(unit) => own(unit).map_or(Survival::None, Survival::OneKept),
        Survival::Random(seed) => Survival::Random(seed.wrapping_add(victim as u64)),
        Survival::Torn(seed) => Survival::Torn(seed.wrapping_add(victim as u64)),
        Survival::None | Survival::All => survival,
    }
}

fn undurable(sim: &Sim, victims: &[NodeId], power: bool) -> Vec<Unit> {
    victims.iter().flat_map(|&victim| sim.undurable(victim, power)).collect()
}

/// What of a crash the victims' next lives can see. Crashes at one point with the same outcome have the same future.
fn outcome(sim: &Sim, victims: &[NodeId]) -> Digest {
    let mut digest = Digest::default();
    for disk in victims.iter().filter_map(|&victim| sim.disk(victim)) {
        digest.word(0);
        disk.digest(&mut digest);
    }
    digest
}

fn salt(point: Point) -> u64 {
    point.effects << 2 | point.edge as u64
}

fn unfinished(what: &str, stop: Stop, sim: &Sim, path: &[Leg]) -> CrashFailure {
    let halts: Vec<String> = sim.halts().iter().map(|halt| format!("{:?}: {}", halt.node, halt.reason)).collect();
    CrashFailure {
        path: path.to_vec(),
        what: format!("the {what} did not end ({stop:?} at {:?}; halts: {halts:?})", sim.now()),
    }
}
