//! Serial transactions on all engines and the model in lockstep.

use std::collections::BTreeMap;

use contract::Schema;
use coupled::ZoneLoss;
use harness::campaign::{Coupled, Decoupled, Mirror, Reflection, database};
use node::{Nanos, Rng, Topology};
use sim::SimConfig;
use workloads::mixed::Mixed;
use workloads::{Distribution, Workload};

use crate::number;

/// Keys of the mixed workload: enough for trees of three levels, few enough that deletes meet what inserts made.
const KEYS: u64 = 400;
const PAGE_BYTES: usize = 512;
/// Transactions over the same data, before fresh data and other sizes.
const CHUNK: u64 = 500;

/// The most pages a transaction changes. The model knows no such bound.
const TXN_PAGES_MAX: usize = 48;

/// The smallest cache that works, and sessions that are never idle for too long.
fn starve(config: &mut compute::ComputeConfig) {
    config.txn_pages_max = TXN_PAGES_MAX;
    config.cache_bytes = compute::ComputeConfig::cache_bytes_min(PAGE_BYTES, TXN_PAGES_MAX);
    config.idle_timeout = Nanos::from_secs(10);
}

fn of_coupled(engine: &Coupled, schema: &Schema, seed: u64) -> Topology {
    let mut config = engine.config(schema.clone(), PAGE_BYTES, seed, &mut Rng::new(seed).fork("mirror", 1));
    starve(&mut config.compute);
    engine.nodes(&config).expect("sizes that work")
}

fn of_decoupled(schema: &Schema, seed: u64) -> Topology {
    let mut rng = Rng::new(seed).fork("mirror", 0);
    let mut config = Decoupled::any().config(schema.clone(), PAGE_BYTES, seed, &mut rng);
    starve(&mut config.compute);
    decoupled::topology(&config).expect("sizes that work")
}

/// The engines, each in its own world with sizes of its own.
fn engines(schema: &Schema, seed: u64) -> Vec<Reflection> {
    let zone_loss = [ZoneLoss::Stop, ZoneLoss::Detach(Nanos::from_millis(20))][(seed % 2) as usize];
    let mirrored = Coupled::mirrored().losing_zones_by(zone_loss);
    let reflection = |name, topology| Reflection::new(name, topology, SimConfig::shuffled(seed));
    vec![
        reflection("coupled", of_coupled(&Coupled::local(), schema, seed)),
        reflection("coupled-mirrored", of_coupled(&mirrored, schema, seed)),
        reflection("decoupled", of_decoupled(schema, seed)),
    ]
}

/// What an engine's database node did.
#[derive(Debug, Default)]
struct Work {
    splits: u64,
    merges: u64,
    evictions: u64,
    rows_scanned: u64,
}

/// `SEXTANT_MIRROR` transactions in all.
#[test]
fn serial_transactions_get_the_models_replies_from_every_engine() {
    let all = number("SEXTANT_MIRROR", 400);
    let (mut committed, mut rolled_back, mut replies) = (0, 0, 0);
    let mut work: BTreeMap<&str, Work> = BTreeMap::new();
    let (mut left, mut seed) = (all, 1);
    while left > 0 {
        let workload = Mixed::new(2, KEYS, 24, Distribution::Uniform, seed);
        let fail = |what: String| -> Mirror { panic!("seed {seed}: {what}") };
        let mut mirror = Mirror::new(engines(&workload.schema(), seed), &workload, seed).unwrap_or_else(fail);
        let count = left.min(CHUNK);
        let mirrored = mirror.run(count).and_then(|mirrored| mirror.compare_tables().map(|()| mirrored));
        let mirrored = mirrored.unwrap_or_else(|what| panic!("seed {seed}: {what}"));
        committed += mirrored.committed;
        rolled_back += mirrored.rolled_back;
        replies += mirrored.replies;
        for engine in mirror.engines() {
            let stats = database::stats(&engine.sim).expect("it runs");
            let sum = work.entry(engine.name).or_default();
            sum.splits += stats.splits;
            sum.merges += stats.merges;
            sum.evictions += stats.evictions;
            sum.rows_scanned += stats.rows_scanned;
        }
        (left, seed) = (left - count, seed + 1);
    }
    println!(
        "mirror: {all} transactions, {committed} committed, {rolled_back} rolled back, {replies} replies; {work:?}"
    );
    assert!(committed > all * 3 / 4 && work.len() == 3, "{committed} of {all} committed");
    for (name, Work { splits, merges, evictions, rows_scanned }) in &work {
        let enough = *splits > 0 && *merges > 0 && *evictions > all && *rows_scanned > all;
        assert!(enough, "{name}: {splits} splits, {merges} merges, {evictions} evictions, {rows_scanned} rows");
    }
}
