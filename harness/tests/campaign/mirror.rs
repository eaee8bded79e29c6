//! Serial transactions on engines and model in lockstep.

use harness::campaign::decoupled::Database;
use harness::campaign::{Decoupled, Mirror, Reflection};
use harness::engines::DATABASE;
use node::Rng;
use sim::SimConfig;
use workloads::mixed::Mixed;
use workloads::{Distribution, Workload};

use crate::number;

/// Keys of the mixed workload: enough for trees of three levels, few enough that deletes meet what inserts made.
const KEYS: u64 = 400;

fn decoupled(workload: &dyn Workload, seed: u64) -> Reflection {
    let mut config = Decoupled::any().config(workload.schema(), 512, seed, &mut Rng::new(seed).fork("mirror", 0));
    config.compute.cache_bytes = compute::ComputeConfig::cache_bytes_min(512, config.compute.txn_pages_max);
    config.compute.idle_timeout = node::Nanos::from_secs(10);
    let topology = decoupled::topology(&config).expect("sizes that work");
    Reflection::new("decoupled", topology, SimConfig::shuffled(seed))
}

/// `SEXTANT_MIRROR` transactions in all, cut into runs over fresh data with other sizes.
#[test]
fn serial_transactions_get_the_models_replies() {
    let (all, chunk) = (number("SEXTANT_MIRROR", 600), 500);
    let (mut committed, mut splits, mut merges, mut evictions, mut left, mut seed) = (0, 0, 0, 0, all, 1);
    while left > 0 {
        let workload = Mixed::new(2, KEYS, 24, Distribution::Uniform, seed);
        let engines = vec![decoupled(&workload, seed)];
        let mut mirror = Mirror::new(engines, &workload, seed).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
        let count = left.min(chunk);
        let mirrored = mirror.run(count).and_then(|mirrored| mirror.compare_tables().map(|()| mirrored));
        committed += mirrored.unwrap_or_else(|what| panic!("seed {seed}: {what}")).committed;
        let stats = mirror.engines()[0].sim.node::<Database>(DATABASE).expect("it runs").stats();
        splits += stats.splits;
        merges += stats.merges;
        evictions += stats.evictions;
        (left, seed) = (left - count, seed + 1);
    }
    println!(
        "mirror: {all} transactions, {committed} committed, {splits} splits, {merges} merges, {evictions} evictions"
    );
    assert!(committed > all * 3 / 4 && splits > 0 && merges > 0 && evictions > all, "{committed} {splits} {merges}");
}
