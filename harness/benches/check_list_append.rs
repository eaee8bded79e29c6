//! The list-append checker on transactions of up to four parts, of 64 clients on ten lists at a time, each given up after some 30
//! appends.
//!
//! An element is a transaction. `valid` is a history without a cycle; in `stale reads` one transaction in a thousand has an older
//! reply of another, so that cycles are looked for and explained.
//!
//! Under `cargo test` each case runs once on a small history, and must judge it right.

mod at_work;

use at_work::is_measured;
use checker::history::{History, Kind, Op};
use checker::simulated::Plan;
use checker::{Report, Verdict, list_append};
use criterion::{Criterion, Throughput};
use record::bench::Session;

fn judge(history: &History) -> Report {
    list_append::check(history).expect("list-append transactions")
}

/// Gives one reply in `every` the value of the client's reply before the last.
fn spoilt(mut ops: Vec<Op>, every: usize) -> Vec<Op> {
    let reads: Vec<usize> = (0..ops.len())
        .filter(|at| ops[*at].kind == Kind::Ok)
        .filter(|at| {
            let parts = ops[*at].value.as_list().unwrap_or_default();
            parts.iter().all(|part| part.as_list().is_some_and(|part| part[2].as_list().is_some()))
        })
        .collect();
    for pair in reads.windows(every).step_by(every) {
        ops[pair[every - 1]].value = ops[pair[0]].value.clone();
    }
    ops
}

fn lists(criterion: &mut Criterion) {
    let calls = if is_measured() { 300_000 } else { 2_000 };
    let plan = Plan { clients: 64, calls, lost_per_mille: 5, refused_per_mille: 5, seed: 7 };
    let mut group = criterion.benchmark_group("check_list_append");
    group.sample_size(10);
    group.throughput(Throughput::Elements(calls));
    for (name, is_valid) in [("valid", true), ("stale reads", false)] {
        let mut history = None;
        group.bench_function(name, |bencher| {
            let history = history.get_or_insert_with(|| {
                let ops = plan.lists(10, 4, 30);
                let ops = if is_valid { ops } else { spoilt(ops, 250) };
                let history = History::of(ops).expect("a history");
                let report = judge(&history);
                assert_eq!(report.verdict == Verdict::Valid, is_valid, "{:?}", report.found);
                history
            });
            bencher.iter(|| judge(history));
        });
    }
    group.finish();
}

fn main() {
    let session = Session::start("check_list_append");
    let mut criterion = Criterion::default().configure_from_args();
    lists(&mut criterion);
    criterion.final_summary();
    session.finish().expect("the table beside criterion's files");
}
