//! What a run of suites leaves for its report: counts of everything, and the course of what failed.

use std::collections::BTreeMap;
use std::path::Path;

use nemesis::{EngineClass, Owed, ROWS, Reach, Row};
use record::Verdict;
use record::report::chaos::{Availability, Cell, Chaos, Engine, Failure, Fault, Seen as Counted, Suite, Tone};

use super::course;
use super::matrix::{Matrix, SEEN};
use super::play::Played;
use super::runner::Turn;
use super::timeline;
use crate::campaign::Substance;
use crate::campaign::watch::Share;

/// Failures whose course is drawn.
const DRAWN_MAX: usize = 20;

/// How long a run took, and why it ended.
#[derive(Clone, Debug, Default)]
pub struct Extent {
    /// The whole, on the clock.
    pub elapsed_s: f64,
    /// Why not all seeds were played, if they were not.
    pub cut_short: Option<String>,
    /// The command that runs it again.
    pub reproduce: String,
}

/// Gathers turns.
#[derive(Clone, Debug, Default)]
pub struct Page {
    suites: Vec<Suite>,
    engines: BTreeMap<EngineClass, (Engine, Substance)>,
    outcomes: BTreeMap<&'static str, u64>,
    failures: Vec<Failure>,
    failed: u64,
    unsteady: u64,
    events: u64,
    virtual_s: f64,
    core_s: f64,
}

impl Page {
    /// A suite begins: its turns follow.
    pub fn begin(&mut self, suite: &super::Suite, classes: &[EngineClass], seeds: String) {
        self.suites.push(Suite {
            name: suite.name.clone(),
            about: suite.about.clone(),
            engines: classes.iter().map(|class| class.name().to_owned()).collect(),
            seeds,
            scripts: 0,
        });
        for class in classes {
            self.engines.entry(*class).or_default().0.name = class.name().to_owned();
        }
    }

    /// Takes a turn of the suite that began last into account.
    pub fn take(&mut self, turn: &Turn) {
        let played = &turn.played;
        if let Some(suite) = self.suites.last_mut() {
            suite.scripts += 1;
        }
        let (engine, substance) = self.engines.entry(turn.script.class()).or_default();
        engine.scripts += 1;
        substance.merge(&played.substance);
        let shares = &played.availability;
        let shares = [shares.commit, shares.read, shares.open, shares.durability, shares.repairability];
        engine.availabilities.iter_mut().zip(shares).for_each(|(all, share)| add(all, share));
        engine.recoveries_s.extend(played.recovery.map(|recovery| recovery.as_secs_f64()));
        *self.outcomes.entry(played.seen.name()).or_default() += 1;
        self.failed += u64::from(played.seen.failure().is_some());
        self.events += played.events;
        self.virtual_s += played.span.as_secs_f64();
        self.core_s += turn.wall.as_secs_f64();
    }

    /// Takes note of a turn that failed, of the script's file, and of how it ran with its timeline kept.
    pub fn keep(&mut self, turn: &Turn, again: &Played, script: &Path) {
        let header = &turn.script.header;
        let drawn = self.failures.len() < DRAWN_MAX;
        self.unsteady += u64::from(again.digest != turn.played.digest);
        self.failures.push(Failure {
            engine: header.engine.clone(),
            suite: header.suite.clone(),
            seed: header.seed,
            seen: counted(turn.played.seen.name(), 1),
            owed: turn.played.owed.name().to_owned(),
            what: turn.played.seen.failure().unwrap_or_default().to_owned(),
            replay: format!("sextant chaos replay {}", script.display()),
            shrink: format!("sextant chaos shrink {}", script.display()),
            course: drawn.then(|| course::of(&turn.script, again, timeline::render(&turn.script, again))),
        });
    }

    /// The report.
    pub fn render(&self, matrix: &Matrix, extent: Extent) -> String {
        let of_engine = |(engine, substance): &(Engine, Substance)| Engine {
            states: substance.counts().map(|(name, count)| (name.to_owned(), count)).collect(),
            ..engine.clone()
        };
        let classes: Vec<EngineClass> = self.engines.keys().copied().collect();
        record::report::chaos::html(&Chaos {
            verdict: self.verdict(),
            unsteady: self.unsteady,
            cut_short: extent.cut_short,
            outcomes: SEEN.iter().filter_map(|name| self.outcomes.get(name).map(|runs| counted(name, *runs))).collect(),
            failed: self.failed,
            failures: self.failures.clone(),
            engines: self.engines.values().map(of_engine).collect(),
            faults: ROWS.iter().map(|row| fault(row, &classes, matrix)).collect(),
            suites: self.suites.clone(),
            events: self.events,
            virtual_s: self.virtual_s,
            core_s: self.core_s,
            elapsed_s: extent.elapsed_s,
            code: record::info::Code::capture(),
            reproduce: extent.reproduce,
        })
    }

    fn verdict(&self) -> Option<Verdict> {
        let any = |name: &str| self.outcomes.contains_key(name);
        match () {
            () if self.outcomes.is_empty() => None,
            () if any("violation") || any("broken") => Some(Verdict::Violation),
            () if any("liveness") => Some(Verdict::Liveness),
            () if any("unknown") => Some(Verdict::Unknown),
            () => Some(Verdict::Ok),
        }
    }
}

fn add(all: &mut Availability, share: Share) {
    (all.had, all.asked) = (all.had + share.had, all.asked + share.asked);
    (all.kept, all.promised) = (all.kept + share.kept, all.promised + share.promised);
    all.runs.extend(share.ratio());
}

fn counted(name: &str, runs: u64) -> Counted {
    let tone = match name {
        "violation" | "broken" | "liveness" => Tone::Bad,
        "unknown" => Tone::Warn,
        _ => Tone::Good,
    };
    Counted { name: name.to_owned(), runs, tone }
}

fn fault(row: &'static Row, classes: &[EngineClass], matrix: &Matrix) -> Fault {
    let cell = |&class: &EngineClass| match row.owed_by(class) {
        Owed::NotApplicable => Cell::NotApplicable,
        owed if !row.strikes_on(matrix.carrier, class) => Cell::NotInjected { owed: owed.name().to_owned() },
        owed => Cell::Struck {
            owed: owed.name().to_owned(),
            hits: matrix.hits(row.id, class),
            seen: matrix.seen(row.id, class).into_iter().map(|(name, runs)| counted(name, runs)).collect(),
        },
    };
    Fault {
        id: row.id.to_owned(),
        name: row.slug.to_owned(),
        about: row.about.to_owned(),
        left_out: Some(row.reach(matrix.carrier)).filter(|reach| !reach.is_injected()).map(Reach::describe),
        cells: classes.iter().map(cell).collect(),
    }
}
