//! Events of the simulator with real engines on it: how many a core delivers a second while every node of an engine, and the
//! load, does what it does on real disks.
//!
//! An event is one delivered to a node: a frame, a completion, a timer. Most of its time is the node's own, so each engine is
//! measured in two worlds, both in a closed loop of sysbench write-only on pages of 16 KiB: `small` has 8 sessions on 4,000
//! rows, which stay in the processor's caches, `large` 64 sessions on 100,000 rows, where an event of a storage node carries the
//! records of many transactions. Campaigns of faults run in worlds that are smaller still.
//!
//! Under `cargo test` each case runs once, and twice over it must commit, reach every node, and give the same digest.

mod at_work;

use std::path::Path;
use std::time::{Duration, Instant};

use at_work::{ENGINES, Size, at_work, is_measured, stop};
use criterion::{Criterion, Throughput};
use harness::rig::{Rig, RuntimeKind};
use node::Digest;
use record::bench::Session;

/// Virtual time between two looks at the count.
const LOOK: Duration = Duration::from_micros(200);

/// A world's name, its rows, its sessions.
type World = (&'static str, Size, u32);

fn worlds() -> Vec<World> {
    if is_measured() {
        vec![("small", Size { tables: 4, rows: 1_000 }, 8), ("large", Size { tables: 4, rows: 25_000 }, 64)]
    } else {
        vec![("small", Size { tables: 1, rows: 200 }, 4)]
    }
}

fn started(engine: &str, (_, size, sessions): World) -> Rig {
    at_work(engine, "oltp_write_only", size, sessions, RuntimeKind::Sim, Path::new("unused"))
}

fn events(rig: &Rig) -> u64 {
    rig.host().events().expect("a simulated world counts its events")
}

/// Delivers at least `count` events; gives how many it were.
fn deliver(rig: &mut Rig, count: u64) -> u64 {
    let before = events(rig);
    while events(rig) - before < count {
        rig.sleep(LOOK);
    }
    events(rig) - before
}

/// What is measured is an engine that commits, and the same run every time.
fn check(engine: &str, world: World) {
    let run = || -> (Digest, u64) {
        let mut rig = started(engine, world);
        let before = rig.usage().expect("counts");
        deliver(&mut rig, 5_000);
        let after = rig.usage().expect("counts");
        for (before, after) in before.nodes.iter().zip(&after.nodes) {
            let idle = before.ledger == after.ledger && rig.engine_nodes().any(|info| info.id == before.node);
            assert!(!idle, "{engine}: {:?} did nothing", before.node);
        }
        let ok = rig.load(|core| core.interval().all().ok).expect("a load");
        assert!(ok > 100, "{engine}: {ok} transactions");
        (rig.host().digest().expect("a simulated world has a digest"), events(&rig))
    };
    assert_eq!(run(), run(), "{engine}");
}

fn sim_events(criterion: &mut Criterion) {
    for engine in ENGINES {
        let mut group = criterion.benchmark_group(format!("sim_events/{engine}"));
        group.sample_size(10);
        group.throughput(Throughput::Elements(1));
        for world in worlds() {
            let mut rig = None;
            group.bench_function(world.0, |bencher| {
                let rig = rig.get_or_insert_with(|| {
                    check(engine, world);
                    started(engine, world)
                });
                bencher.iter_custom(|count| {
                    let began = Instant::now();
                    let delivered = deliver(rig, count);
                    began.elapsed().mul_f64(count as f64 / delivered as f64)
                });
            });
            stop(rig);
        }
        group.finish();
    }
}

fn main() {
    let session = Session::start("sim_events");
    let mut criterion = Criterion::default().configure_from_args();
    sim_events(&mut criterion);
    criterion.final_summary();
    session.finish().expect("the table beside criterion's files");
}
