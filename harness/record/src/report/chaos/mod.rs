//! The report of a chaos run: many scripts on one page, in the frame of the other reports.
//!
//! Whoever ran the scripts hands over a [`Chaos`], plain data that knows no fault and no engine; [`html`] draws it: verdict
//! and failures, the matrix of faults and engines, what was available, how long recoveries took, the course of failing
//! runs, and what was run.
//!
//! # Invariants
//!
//! - What was not measured is said to be so, never drawn as zero.
//! - A share below one is never rounded up to one.
//!
//! # Caveats
//!
//! - Availabilities pool the slices of all runs of an engine. Suites differ in what they strike, so that engines compare
//!   fairly only where they played the same suites.

mod about;
mod availability;
mod course;
mod matrix;
pub mod mutants;
mod recovery;
mod verdict;

pub use course::{Course, Lane, Stretch};

use super::page;
use crate::Verdict;
use crate::info::Code;

/// Whether a figure is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As owed.
    Good,
    /// Nobody can say.
    Warn,
    /// Worse than owed.
    Bad,
}

impl Tone {
    /// Its class in the style sheet.
    fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Warn => "warn",
            Tone::Bad => "bad",
        }
    }
}

/// In how many runs something was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What.
    pub name: String,
    /// How many runs.
    pub runs: u64,
    /// Whether it is as owed.
    pub tone: Tone,
}

/// A suite as far as it was played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// Its engines, those that were played.
    pub engines: Vec<String>,
    /// The seeds that were asked for, and which part of them.
    pub seeds: String,
    /// Scripts that were played.
    pub scripts: u64,
}

/// Slices of virtual time in which something was so, over all runs of an engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Availability {
    /// Slices in which it was.
    pub had: u64,
    /// Slices in which it was asked for.
    pub asked: u64,
    /// Slices of those in which the state of the faults promised it.
    pub promised: u64,
    /// Slices of these in which it was.
    pub kept: u64,
    /// The share of each run that asked for it.
    pub runs: Vec<f64>,
}

/// The five things that may be available, in the order of [`Engine::availabilities`].
pub const AVAILABILITIES: [&str; 5] = ["commit", "tracked read", "open or recovered", "durability", "repairability"];

/// What was seen of an engine over all suites.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Engine {
    /// Its name.
    pub name: String,
    /// Scripts that it played.
    pub scripts: u64,
    /// As [`AVAILABILITIES`] names them.
    pub availabilities: [Availability; 5],
    /// From the mending of everything to the first commit after it, of each run that came so far.
    pub recoveries_s: Vec<f64>,
    /// How often rare things happened inside, by name.
    pub states: Vec<(String, u64)>,
}

/// A fault of the matrix, on one engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// It cannot strike the engine.
    NotApplicable,
    /// Nothing injects it; the row says why.
    NotInjected {
        /// What would be owed.
        owed: String,
    },
    /// It can be injected.
    Struck {
        /// What is owed at worst.
        owed: String,
        /// How often it changed anything.
        hits: u64,
        /// What was seen of runs in which it did, worst first.
        seen: Vec<Seen>,
    },
}

/// A row of the matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What happens.
    pub about: String,
    /// Why no script injects it, if none does.
    pub left_out: Option<String>,
    /// One for each of [`Chaos::engines`].
    pub cells: Vec<Cell>,
}

/// A run that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The engine.
    pub engine: String,
    /// The suite.
    pub suite: String,
    /// The seed.
    pub seed: u64,
    /// What was seen.
    pub seen: Seen,
    /// What is owed.
    pub owed: String,
    /// What went wrong, in words.
    pub what: String,
    /// The command that plays it again.
    pub replay: String,
    /// The command that makes it small.
    pub shrink: String,
    /// How it went, for the first of them.
    pub course: Option<Course>,
}

/// A chaos run.
#[derive(Clone, Debug, PartialEq)]
pub struct Chaos {
    /// Judged over all scripts; `None` when none was played.
    pub verdict: Option<Verdict>,
    /// Failing scripts that ran in another way when they were played again.
    pub unsteady: u64,
    /// Why not all seeds were played, if they were not.
    pub cut_short: Option<String>,
    /// How scripts came out, worst first.
    pub outcomes: Vec<Seen>,
    /// Scripts that failed.
    pub failed: u64,
    /// The failures that were kept.
    pub failures: Vec<Failure>,
    /// The engines, in the order of the columns.
    pub engines: Vec<Engine>,
    /// The rows.
    pub faults: Vec<Fault>,
    /// What was played.
    pub suites: Vec<Suite>,
    /// Events delivered to nodes.
    pub events: u64,
    /// Virtual time of all scripts.
    pub virtual_s: f64,
    /// What they took, added up over the cores that played them.
    pub core_s: f64,
    /// What the whole took.
    pub elapsed_s: f64,
    /// The source and its compiler.
    pub code: Code,
    /// The command that runs it again.
    pub reproduce: String,
}

impl Chaos {
    fn scripts(&self) -> u64 {
        self.engines.iter().map(|engine| engine.scripts).sum()
    }
}

/// The page.
pub fn html(chaos: &Chaos) -> String {
    let sections = [
        verdict::header(chaos),
        verdict::failures(chaos),
        matrix::section(chaos),
        availability::section(chaos),
        recovery::section(chaos),
        course::section(chaos),
        about::section(chaos),
    ];
    let names: Vec<&str> = chaos.suites.iter().map(|suite| suite.name.as_str()).collect();
    page(&format!("chaos {}", names.join(", ")), &sections.concat())
}

#[cfg(test)]
mod tests;
