//! Crashed everywhere.

use coupled::{Config, LocalVolume};
use node::{Nanos, Topology};
use sim::crash::{Coverage, CrashPlan, Scenario, Subsets, explore};
use sim::{Sim, SimConfig, copy_as};

use crate::store::{self, CLIENT, Client, STORE, audit};

const SEED: u64 = 11;

/// A log of four small segments and a cache of eight pages: it wraps, checkpoints, evicts and throttles within a few
/// dozen groups.
pub fn config(seed: u64) -> Config {
    let mut config = Config::tiny(contract::Schema::default(), seed);
    config.compute.cache_bytes = 8 * 512;
    config.log.segment_bytes = 4096;
    config.log.segments = 3;
    config.compute.txn_bytes_max = 2048;
    config.page_file_chunk_bytes = 4 * 512;
    config.recovery.chunk_bytes = 2048;
    config.flush.slots = 3;
    config
}

pub fn local(config: &Config, groups: u64, sim: SimConfig) -> Sim {
    let members = store::members(config, groups, true, |config, _| {
        Box::new(LocalVolume::new(config.io_timeout, coupled::WATCHDOG_TIMER))
    });
    Sim::new(Topology { members }, sim)
}

fn crash_local(groups: u64, plan: &CrashPlan) -> Coverage {
    crash_with(&config(SEED), groups, plan, &|_| Ok(()))
}

/// `also` is what must hold besides, after the recovery and at the end.
pub fn crash_with(
    config: &Config,
    groups: u64,
    plan: &CrashPlan,
    also: &dyn Fn(&Sim) -> Result<(), String>,
) -> Coverage {
    let build = || local(config, groups, SimConfig::shuffled(config.seed));
    let check = |sim: &mut Sim| {
        audit(sim, config.seed)?;
        also(sim)?;
        let _ = sim.run_until(Nanos::from_secs(20), store::finished);
        if !store::finished(sim) {
            return Err(format!("the workload did not go on; halts: {:?}", sim.halts()));
        }
        let count = audit(sim, config.seed)?;
        also(sim)?;
        if count == groups { Ok(()) } else { Err(format!("{count} of {groups} groups")) }
    };
    let scenario = Scenario {
        build: &build,
        victims: &[STORE],
        finished: &store::finished,
        recovered: &store::serving,
        check: &check,
        aftermath: None,
        survivors: None,
        copy: Some(&|id, node| if id == CLIENT { copy_as::<Client>(node) } else { None }),
    };
    match explore(&scenario, plan) {
        Ok(coverage) => coverage,
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn power_loss_at_every_effect_with_every_kind_of_subset_loses_nothing_acknowledged() {
    let coverage = crash_local(24 * crate::campaign(), &CrashPlan::power_loss());
    println!("local, power loss: {coverage}");
    assert_eq!(coverage.points, coverage.points_reached);
    assert!(coverage.units_max > 1, "{coverage}");
}

#[test]
fn power_loss_again_at_every_point_of_recovery_changes_nothing() {
    let plan = CrashPlan { again: Some(Subsets::FEW), subsets: Subsets::FEW, ..CrashPlan::power_loss() };
    let coverage = crash_local(12 * crate::campaign(), &plan);
    println!("local, power loss twice: {coverage}");
    assert_eq!(coverage.points, coverage.points_reached);
    assert_eq!(coverage.recovery_points, coverage.recovery_points_reached);
}

#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    let plan = CrashPlan { subsets: Subsets::FEW, ..CrashPlan::kill() };
    let coverage = crash_local(40 * crate::campaign(), &plan);
    println!("local, kill: {coverage}");
    assert_eq!(coverage.points, coverage.points_reached);
}
