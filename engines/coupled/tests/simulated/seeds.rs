//! Many seeds, each with crashes where the schedule puts them.

use node::fault::Fault;
use node::{Nanos, Rng};
use sim::{Sim, SimConfig, Stop};

use crate::crash::{config, local};
use crate::store::{self, CLIENT, STORE, Store, audit};

#[derive(Debug, Default)]
struct Substance {
    groups: u64,
    crashes: u64,
    tails_cut: u64,
    pages_restored: u64,
    checkpoints: u64,
    flushed: u64,
    throttled: u64,
    evictions_refused: u64,
}

fn run(seed: u64, groups: u64, substance: &mut Substance) -> u128 {
    let mut config = config(seed);
    // Some seeds flush late, so that the log fills up, and write the log with more or less in flight.
    if seed % 2 == 1 {
        (config.flush.log_low, config.flush.log_high, config.flush.slots) = (0.8, 0.95, 1);
    }
    // Others hold every page, so that commits come fast and share log blocks.
    if !seed.is_multiple_of(3) {
        config.compute.cache_bytes = 64 * 512;
    }
    config.log.writes_max = 1 + (seed % 4) as u32;
    let mut sim = local(&config, groups, SimConfig::shuffled(seed));
    let mut rng = Rng::new(seed).fork("crashes", 0);
    let crashes = rng.between(2, 6);
    for _ in 0..crashes {
        let span = Nanos::from_micros(rng.between(50, 5_000));
        if sim.run_until(span, store::finished) == Stop::Reached {
            break;
        }
        observe(&sim, substance);
        sim.apply(&Fault::Crash { node: STORE, power: rng.chance(0.7) });
        sim.apply(&Fault::Restart { node: STORE });
        substance.crashes += 1;
    }
    let stop = sim.run_until(Nanos::from_secs(60), store::finished);
    assert_eq!(stop, Stop::Reached, "seed {seed}: halts {:?}", sim.halts());
    assert_eq!(audit(&mut sim, seed), Ok(groups), "seed {seed}");
    observe(&sim, substance);
    substance.groups += groups;
    assert_eq!(sim.run_until_idle(Nanos::from_secs(100)), Stop::Idle, "seed {seed}: the flusher comes to rest");
    assert!(sim.node::<Store>(STORE).is_some_and(Store::is_settled), "seed {seed}: settled when idle");
    sim.digest().0
}

fn observe(sim: &Sim, substance: &mut Substance) {
    let Some(store) = sim.node::<Store>(STORE) else { return };
    substance.evictions_refused += store.evictions_refused;
    let Some(probe) = store.probe() else { return };
    substance.tails_cut += u64::from(probe.recovery.tail_cut);
    substance.pages_restored += probe.recovery.pages_restored;
    substance.checkpoints += probe.checkpoints;
    substance.flushed += probe.pages_flushed;
    substance.throttled += probe.throttled;
}

#[test]
fn seeds_with_crashes_lose_nothing_acknowledged() {
    let mut substance = Substance::default();
    for seed in 0..100 * crate::campaign() {
        run(seed, 150, &mut substance);
    }
    println!("{substance:?}");
    assert!(substance.crashes > 40 && substance.tails_cut > 4 && substance.checkpoints > 40, "{substance:?}");
    assert!(substance.throttled > 0 && substance.pages_restored > 0 && substance.flushed > 100, "{substance:?}");
}

#[test]
fn a_seed_gives_the_same_run_twice() {
    let mut substance = Substance::default();
    let first = run(5, 80, &mut substance);
    assert_eq!(first, run(5, 80, &mut substance));
    assert_ne!(first, run(6, 80, &mut substance));
}

#[test]
fn a_settle_frame_works_off_what_was_deferred() {
    let mut config = config(7);
    config.compute.cache_bytes = 64 * 512;
    config.log.segments = 32;
    (config.flush.log_low, config.flush.log_high, config.flush.dirty_high) = (0.9, 0.95, 1.0);
    config.flush.interval = Nanos::from_secs(60);
    let mut sim = local(&config, 60, SimConfig::shuffled(7));
    assert_eq!(sim.run_until(Nanos::from_secs(5), store::finished), Stop::Reached);
    let deferred = sim.node::<Store>(STORE).and_then(Store::probe).expect("open");
    assert!(deferred.dirty_pages > 5 && deferred.log_bytes_since_checkpoint > 4096, "{deferred:?}");
    sim.inject(CLIENT, STORE, coupled::settle_frame(true));
    let settled = |sim: &Sim| sim.node::<Store>(STORE).is_some_and(Store::is_settled);
    assert_eq!(sim.run_until(Nanos::from_millis(100), settled), Stop::Reached);
    assert_eq!(audit(&mut sim, 7), Ok(60));
}
