//! The decoupled engine crashed everywhere.

use compute::ComputeNode;
use decoupled::storage::{StorageNode, StorageProbe};
use decoupled::topology::{COMPUTE, STORAGE};
use decoupled::writer::VolumeDriver;
use harness::campaign::decoupled::Database;
use harness::campaign::{CONSOLE, Decoupled, Mailbox, Subject};
use node::{Nanos, Node, NodeId, Rng};
use sim::crash::{Coverage, CrashPlan, Scenario, Subsets, explain, explore};
use sim::{Sim, SimConfig, copy_as};

use crate::number;
use crate::teller::{self, TELLER, Teller};

/// How long everything may take to agree again after a crash, in virtual time.
const SETTLE: Nanos = Nanos::from_secs(20);

fn build(seed: u64, transactions: u64) -> Sim {
    let mut config = Decoupled::any().config(teller::schema(), 512, seed, &mut Rng::new(seed).fork("crash", 0));
    // Short periods: a crash is recovered from in a few milliseconds, so that there are few idle events between points.
    config.writer.lease = config.writer.heartbeat + config.writer.lease_margin + Nanos::from_millis(2);
    config.storage.lease = config.writer.lease;
    let mut topology = decoupled::topology(&config).expect("sizes that work");
    topology.members.extend([Teller::member(transactions), Mailbox::member()]);
    Sim::new(topology, SimConfig::shuffled(seed))
}

fn copy(id: NodeId, node: &dyn Node) -> Option<Box<dyn Node>> {
    match id {
        COMPUTE => copy_as::<ComputeNode<VolumeDriver>>(node),
        TELLER => copy_as::<Teller>(node),
        CONSOLE => copy_as::<Mailbox>(node),
        _ => copy_as::<StorageNode>(node),
    }
}

/// The storage nodes that serve.
pub fn probes(sim: &Sim) -> impl Iterator<Item = StorageProbe> {
    STORAGE.iter().filter_map(|&id| sim.node::<StorageNode>(id)?.probe())
}

fn serving(sim: &Sim) -> bool {
    let database = sim.node::<Database>(COMPUTE).is_some_and(|database| database.is_serving());
    database && probes(sim).count() == STORAGE.len()
}

/// What is there is right at once; the workload goes on to its end; then all copies agree.
pub fn check(sim: &mut Sim, transactions: u64) -> Result<(), String> {
    teller::audit(sim)?;
    let _ = sim.run_until(SETTLE, teller::finished);
    if !teller::finished(sim) {
        return Err(format!("the workload did not go on; halts: {:?}", sim.halts()));
    }
    let count = teller::audit(sim)?;
    if count != transactions {
        return Err(format!("{count} of {transactions} transactions"));
    }
    let subject = Decoupled::any();
    let _ = sim.run_until(SETTLE, |sim| subject.unsettled(sim).is_none());
    match subject.unsettled(sim) {
        Some(what) => Err(format!("the copies do not become equal: {what}")),
        None => Ok(()),
    }
}

fn crash(seed: u64, victims: &[NodeId], transactions: u64, plan: &CrashPlan) -> Coverage {
    let build = || build(seed, transactions);
    let check = |sim: &mut Sim| check(sim, transactions);
    let scenario = Scenario {
        build: &build,
        victims,
        finished: &teller::finished,
        recovered: &serving,
        check: &check,
        copy: Some(&copy),
    };
    match explore(&scenario, plan) {
        Ok(coverage) => coverage,
        Err(failure) => {
            if std::env::var_os("SEXTANT_TRACE").is_some() {
                let lines = explain(&scenario, plan, &failure.path, 4_000);
                lines.iter().for_each(|line| println!("{line}"));
            }
            panic!("seed {seed}, victims {victims:?}: {failure}")
        }
    }
}

/// A stride that keeps the default run short; `SEXTANT_STRIDE=1` crashes at every point.
fn stride(otherwise: u64) -> u64 {
    number("SEXTANT_STRIDE", otherwise)
}

fn reached(name: &str, coverage: &Coverage, stride: u64) {
    println!("{name}: {coverage}; every {stride}th point");
    assert_eq!(coverage.points.div_ceil(stride), coverage.points_reached, "{name}");
    assert_eq!(coverage.recovery_points, coverage.recovery_points_reached, "{name}");
}

#[test]
fn the_writer_dies_at_every_effect() {
    let plan = CrashPlan { stride: stride(5), down: Nanos::from_millis(4), ..CrashPlan::kill() };
    let coverage = crash(11, &[COMPUTE], 6, &plan);
    reached("writer", &coverage, plan.stride);
}

#[test]
fn the_writer_dies_again_at_every_point_of_recovery() {
    let (again, subsets, stride) = (Some(Subsets::FEW), Subsets::FEW, stride(60));
    let plan = CrashPlan { again, subsets, stride, down: Nanos::from_millis(4), ..CrashPlan::kill() };
    let coverage = crash(12, &[COMPUTE], 4, &plan);
    reached("writer twice", &coverage, plan.stride);
    assert!(coverage.recovery_points > 0);
}

#[test]
fn a_storage_node_loses_power_at_every_effect() {
    let plan = CrashPlan { stride: stride(7), ..CrashPlan::power_loss() };
    let coverage = crash(13, &[STORAGE[2]], 6, &plan);
    reached("storage", &coverage, plan.stride);
    assert!(coverage.units_max > 1, "{coverage}");
}

#[test]
fn a_storage_node_loses_power_again_during_recovery() {
    let (again, subsets, stride) = (Some(Subsets::FEW), Subsets::FEW, stride(30));
    let plan = CrashPlan { again, subsets, stride, ..CrashPlan::power_loss() };
    let coverage = crash(14, &[STORAGE[0]], 3, &plan);
    reached("storage twice", &coverage, plan.stride);
}

#[test]
fn everything_loses_power_together() {
    let all: Vec<NodeId> = STORAGE.into_iter().chain([COMPUTE]).collect();
    let plan =
        CrashPlan { stride: stride(50), down: Nanos::from_millis(4), subsets: Subsets::FEW, ..CrashPlan::power_loss() };
    let coverage = crash(15, &all, 3, &plan);
    reached("all", &coverage, plan.stride);
}
