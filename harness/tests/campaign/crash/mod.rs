//! Every engine under every policy, crashed at every effect boundary of a short workload, and crashed again at every
//! point of every recovery from that.
//!
//! # Mechanism
//!
//! A [`Stage`] is an engine with one policy in a world so small that half a dozen transactions split pages, change several
//! of them in one group, write pages back and free log ([`Stage::substance`] demands it of the uncrashed run). Its
//! [`Victims`] lose power together at each point that [`sim::crash`] enumerates, *once* with the whole family of subsets
//! of what is not durable (none, all, each one dropped, each one kept, 16 seeded, one torn), and *twice*: a second crash
//! at each point of the recovery from a first one, see [`FIRST_OF_TWO`] and [`SECOND_OF_TWO`]. After each the table is
//! read (everything acknowledged is there, nothing by halves). After each first crash, and one of the second crashes at
//! each point, the workload then goes on to its end, the table is read again, and all copies must become equal.
//!
//! `SEXTANT_STRIDE=1` crashes at every point of every workload; the default samples the longer ones. The proof is
//!
//! ```text
//! SEXTANT_STRIDE=1 cargo test --release -p harness --test campaign crash:: -- --nocapture
//! ```

mod coupled;
mod decoupled;
mod mirrored;

pub use decoupled::{check, probes};

use harness::campaign::{CONSOLE, Mailbox};
use node::{Nanos, Node, NodeId};
use sim::crash::{Coverage, CrashPlan, Scenario, Subsets, explain, explore};
use sim::{Sim, copy_as};

use crate::number;
use crate::teller::{self, TELLER, Teller};

/// How long everything may take to agree again after a crash, in virtual time.
const SETTLE: Nanos = Nanos::from_secs(20);

/// What is let survive of the first of two crashes.
const FIRST_OF_TWO: Subsets = Subsets { none_and_all: true, each: false, random: 0, torn: 0 };
/// What is let survive of the second of two crashes.
const SECOND_OF_TWO: Subsets = Subsets { none_and_all: true, each: false, random: 2, torn: 0 };

/// An engine and a policy.
trait Stage {
    /// Both, for reports.
    fn name(&self) -> String;
    /// The engine, a teller of so many transactions, and a mailbox.
    fn world(&self, transactions: u64) -> Sim;
    /// Whether everything that was crashed has recovered.
    fn serving(&self, sim: &Sim) -> bool;
    /// Copies one of the engine's nodes.
    fn copy(&self, id: NodeId, node: &dyn Node) -> Option<Box<dyn Node>>;
    /// Runs until all is at rest and the copies are equal.
    fn rest(&self, sim: &mut Sim) -> Result<(), String>;
    /// What the workload lacks to be worth crashing.
    fn substance(&self, sim: &Sim) -> Option<String>;
}

/// Nodes that crash together.
struct Victims {
    name: &'static str,
    nodes: Vec<NodeId>,
    /// How long they stay down: frames of a last life must have died out, and a policy for a loss taken its course.
    down: Nanos,
    /// Whether the teller alone survives.
    are_all: bool,
}

impl Victims {
    fn new(name: &'static str, nodes: &[NodeId]) -> Victims {
        Victims { name, nodes: nodes.to_vec(), down: Nanos::from_millis(4), are_all: false }
    }

    fn all(name: &'static str, nodes: &[NodeId]) -> Victims {
        Victims { are_all: true, ..Victims::new(name, nodes) }
    }
}

/// The workload goes on to its end.
fn go_on(sim: &mut Sim, transactions: u64) -> Result<(), String> {
    let _ = sim.run_until(SETTLE, teller::finished);
    if !teller::finished(sim) {
        return Err(format!("the workload did not go on; halts: {:?}", sim.halts()));
    }
    let count = teller::audit(sim)?;
    if count != transactions {
        return Err(format!("{count} of {transactions} transactions"));
    }
    Ok(())
}

/// Explores, prints what was reached, and demands that it is what was enumerated.
fn crash(stage: &dyn Stage, victims: &Victims, transactions: u64, plan: &CrashPlan) -> Coverage {
    let plan = &CrashPlan { down: victims.down, ..*plan };
    let name = format!("crash {}, {}, victims {}", crashes(plan), stage.name(), victims.name);
    let copy = |id, node: &dyn Node| match id {
        TELLER => copy_as::<Teller>(node),
        CONSOLE => copy_as::<Mailbox>(node),
        _ => stage.copy(id, node),
    };
    let scenario = Scenario {
        build: &|| stage.world(transactions),
        victims: &victims.nodes,
        finished: &teller::finished,
        recovered: &|sim| stage.serving(sim),
        check: &|sim| teller::audit(sim).map(drop),
        aftermath: Some(&|sim| go_on(sim, transactions).and_then(|()| stage.rest(sim))),
        survivors: if victims.are_all { Some(&teller::fingerprint) } else { None },
        copy: Some(&copy),
    };
    let coverage = explore(&scenario, plan).unwrap_or_else(|failure| {
        if std::env::var_os("SEXTANT_TRACE").is_some() {
            explain(&scenario, plan, &failure.path, 4_000).iter().for_each(|line| println!("{line}"));
        }
        panic!("{name}: {failure}")
    });
    println!("{name}, every {}th point: {coverage}", plan.stride);
    assert_eq!(coverage.points.div_ceil(plan.stride), coverage.points_reached, "{name}");
    assert_eq!(coverage.recovery_points, coverage.recovery_points_reached, "{name}");
    coverage
}

fn crashes(plan: &CrashPlan) -> &'static str {
    if plan.again.is_some() { "twice" } else { "once" }
}

/// One crash, with every kind of subset; by default at every `stride`th point.
fn once(stage: &dyn Stage, victims: &Victims, transactions: u64, stride: u64) -> Coverage {
    let plan = CrashPlan { stride: number("SEXTANT_STRIDE", stride), ..CrashPlan::power_loss() };
    crash(stage, victims, transactions, &plan)
}

/// Two crashes, the second at every point of the recovery from the first; the first by default at every `stride`th.
fn twice(stage: &dyn Stage, victims: &Victims, transactions: u64, stride: u64) -> Coverage {
    let stride = number("SEXTANT_STRIDE", stride);
    let plan = CrashPlan { stride, subsets: FIRST_OF_TWO, again: Some(SECOND_OF_TWO), ..CrashPlan::power_loss() };
    let coverage = crash(stage, victims, transactions, &plan);
    assert!(coverage.recovery_points > 0, "{coverage}");
    coverage
}

/// Demands that the workload does, uncrashed, what makes crashes worth trying.
fn has_substance(stage: &dyn Stage, transactions: u64) {
    let mut sim = stage.world(transactions);
    let _ = sim.run_until(SETTLE, teller::finished);
    assert_eq!(teller::audit(&mut sim), Ok(transactions), "{}", stage.name());
    assert_eq!(stage.substance(&sim), None, "{}", stage.name());
}
