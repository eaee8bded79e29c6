//! Crashing a scenario everywhere: at every effect boundary, with every chosen subset of what is not durable, and again
//! at every boundary of the recovery.
//!
//! # Mechanism
//!
//! One uncrashed run of the scenario enumerates the [`Point`]s: the state right after each effect of a victim that
//! reaches beyond its memory, the state right before the next one where something happened in between, and the end.
//! From each point the world is copied ([`Sim::fork`]) or, where a surviving node cannot be copied, run again from the
//! seed. In the copy the victims crash together with one [`Survival`], restart, recover, and are checked. With
//! [`CrashPlan::again`] each recovery is walked in the same way and crashed once more. After Pillai et al. (OSDI 2014)
//! and redb's crash consistency tests, with subsets of sectors in the place of prefixes of writes.
//!
//! # Invariants
//!
//! - A point is a state between two effects, so every state of the victims' disks that a crash can meet is a subset of
//!   what some point leaves open.
//! - [`Coverage::points_reached`] equals [`Coverage::points`] when exploring ends without failure: no point was skipped.
//! - A failure's path alone reproduces it: [`replay`].
//!
//! # Caveats
//!
//! - The nodes that survive are explored at one timing, that of the scenario's seed. Vary the seed for others.
//! - Cost grows with points × undurable units. Keep workloads short and blocks small; [`Subsets`] says how much to try.

mod explore;
mod subsets;
#[cfg(test)]
mod tests;

use std::fmt;

use node::{Digest, Nanos, NodeId};
use thiserror::Error;

pub use explore::{explain, explore, replay};
pub use subsets::Subsets;

use crate::fork::CopyNode;
use crate::{Sim, Survival};

/// Judges a world; it may run it further. The error says what is wrong.
pub type Judge<'a> = &'a dyn Fn(&mut Sim) -> Result<(), String>;

/// Chains what decides about a world's future.
pub type Fingerprint<'a> = &'a dyn Fn(&Sim, &mut Digest);

/// What is crashed, when it is done, and how the result is judged.
#[derive(Clone, Copy)]
pub struct Scenario<'a> {
    /// Builds the world, always the same: nodes that drive the workload included.
    pub build: &'a dyn Fn() -> Sim,
    /// The nodes that crash, together.
    pub victims: &'a [NodeId],
    /// Whether the uncrashed run has come to the end of its workload.
    pub finished: &'a dyn Fn(&Sim) -> bool,
    /// Whether the victims, restarted, have recovered.
    pub recovered: &'a dyn Fn(&Sim) -> bool,
    /// Judges the world after recovery; it may run it further, to read everything back. The error says what is wrong.
    pub check: Judge<'a>,
    /// Judges what comes after a check that held: that work goes on, that copies become equal. It takes longer than the
    /// check, so that it follows every first crash, and one of the second crashes at each point of a recovery.
    pub aftermath: Option<Judge<'a>>,
    /// Chains all that the survivors know, where they are few: the future of a crash depends on that and on the victims'
    /// disks, but for its timing. Then a crash that leaves what an earlier one left, at whatever point, is not run again.
    pub survivors: Option<Fingerprint<'a>>,
    /// Copies a surviving node, which makes exploring fast; without it every crash is run again from the seed.
    pub copy: Option<CopyNode<'a>>,
}

/// How a scenario is crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPlan {
    /// Whether the power fails, or only the process.
    pub power: bool,
    /// What to let survive of a crash in the workload.
    pub subsets: Subsets,
    /// What to let survive of a second crash, at every point of the recovery from the first. `None` is no second crash.
    pub again: Option<Subsets>,
    /// Every how many points to crash; 1 is everywhere. Sampling shows in [`Coverage`].
    pub stride: u64,
    /// How long the victims stay down.
    pub down: Nanos,
    /// The longest a workload or a recovery may take, in virtual time.
    pub span: Nanos,
}

impl CrashPlan {
    /// Power loss at every point with every kind of subset, and no second crash.
    pub fn power_loss() -> CrashPlan {
        CrashPlan {
            power: true,
            subsets: Subsets::EVERY,
            again: None,
            stride: 1,
            down: Nanos::from_millis(1),
            span: Nanos::from_secs(60),
        }
    }

    /// A killed process at every point: only what is in flight is in doubt.
    pub fn kill() -> CrashPlan {
        CrashPlan { power: false, ..CrashPlan::power_loss() }
    }
}

/// Where between two effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Right after the last one.
    After,
    /// Right before the next one, with all that happened to the victims in between.
    BeforeNext,
    /// When the workload is finished, or the recovery over.
    End,
}

/// A place to crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// How many effects of the victims were carried out since the world began.
    pub effects: u64,
    /// Where between the last and the next.
    pub edge: Edge,
}

/// One crash of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Where.
    pub point: Point,
    /// What survived. With several victims, units are numbered through all of them in order.
    pub survival: Survival,
}

/// How much was explored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Points of the uncrashed run.
    pub points: u64,
    /// Points crashed at, recovered from and checked with every subset planned.
    pub points_reached: u64,
    /// First crashes.
    pub crashes: u64,
    /// Those that left something else than an earlier crash: at the same point, or at any with [`Scenario::survivors`].
    /// The others have the same future and are not run again.
    pub outcomes: u64,
    /// Points of all recoveries. Zero without [`CrashPlan::again`].
    pub recovery_points: u64,
    /// Those crashed at, recovered from and checked.
    pub recovery_points_reached: u64,
    /// Second crashes.
    pub second_crashes: u64,
    /// Those with an outcome of their own.
    pub second_outcomes: u64,
    /// The most undurable units at one point.
    pub units_max: u64,
    /// The undurable units at all points together.
    pub units: u64,
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Coverage { points, points_reached, crashes, outcomes, units_max, .. } = self;
        write!(f, "{points} points enumerated, {points_reached} reached, ")?;
        write!(f, "{crashes} crashes with {outcomes} outcomes of up to {units_max} undurable units; ")?;
        let Coverage { recovery_points, recovery_points_reached, second_crashes, second_outcomes, .. } = self;
        write!(f, "{recovery_points} points of recovery enumerated, {recovery_points_reached} reached, ")?;
        write!(f, "{second_crashes} second crashes with {second_outcomes} outcomes")
    }
}

/// A crash that was not survived.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}; path {path:?}")]
pub struct CrashFailure {
    /// The crashes that led to it; empty when the uncrashed run failed.
    pub path: Vec<Leg>,
    /// What was wrong.
    pub what: String,
}
