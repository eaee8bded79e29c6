//! Chaos scripts from seed to verdict: how many a core draws, plays and judges a second.
//!
//! An element of `chaos/<engine>/scripts` is a script of the suite `swarm`, faults and all, with 500 transactions instead of some
//! number of them. `events` takes the same scripts again and counts what was delivered to nodes, so that a script that became
//! slower is told from one that became longer. Scripts differ much from one another: one iteration is the same handful of
//! them, on one thread.
//!
//! Under `cargo test` each engine takes a small script twice, which must come out well and alike.

mod at_work;

use std::time::Instant;

use at_work::is_measured;
use criterion::{Criterion, Throughput};
use harness::chaos::play::Playing;
use harness::chaos::{Suite, author, play};
use nemesis::EngineClass;
use record::bench::Session;

/// Scripts, and the transactions of each.
fn size() -> (u64, u64) {
    if is_measured() { (20, 500) } else { (1, 20) }
}

fn suite(transactions: u64) -> Suite {
    Suite { operations: [transactions; 2], ..Suite::find("swarm").expect("it is built in") }
}

/// From the seed to the verdict, which must be a good one; gives the events, and the hash over them.
fn judged(suite: &Suite, class: EngineClass, seed: u64) -> (u64, Option<u128>) {
    let script = author(suite, class, seed).expect("a script");
    assert_eq!(script.operations.len() as u64, suite.operations[0], "{} {seed}", class.name());
    let played = play(&script, &Playing::default());
    assert_eq!(played.seen.failure(), None, "{} {seed}", class.name());
    (played.events, played.digest)
}

/// All scripts of an engine; gives their events.
fn all(suite: &Suite, class: EngineClass, scripts: u64) -> u64 {
    let events = |seed| {
        let once = judged(suite, class, seed);
        assert!(is_measured() || once == judged(suite, class, seed), "{} {seed}", class.name());
        once.0
    };
    (1..=scripts).map(events).sum()
}

fn chaos(criterion: &mut Criterion) {
    let (scripts, transactions) = size();
    let suite = suite(transactions);
    for class in EngineClass::ALL {
        let mut group = criterion.benchmark_group(format!("chaos/{}", class.name()));
        group.sample_size(10);
        group.throughput(Throughput::Elements(scripts));
        group.bench_function("scripts", |bencher| bencher.iter(|| all(&suite, class, scripts)));
        group.throughput(Throughput::Elements(1));
        group.bench_function("events", |bencher| {
            bencher.iter_custom(|count| {
                let (began, mut delivered) = (Instant::now(), 0);
                while delivered < count {
                    delivered += all(&suite, class, scripts);
                }
                began.elapsed().mul_f64(count as f64 / delivered as f64)
            });
        });
        group.finish();
    }
}

fn main() {
    let session = Session::start("chaos");
    let mut criterion = Criterion::default().configure_from_args();
    chaos(&mut criterion);
    criterion.final_summary();
    session.finish().expect("the table beside criterion's files");
}
