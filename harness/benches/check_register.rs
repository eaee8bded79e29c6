//! The register checker on one contended key of 64 clients, and the readers of histories.
//!
//! An element is an operation from its beginning to its end. `check_register/one key, 64 clients` judges a history in memory that
//! is valid, which is the slow case; `updates` has transactions that read and write among them. `read_history` is what comes
//! before, from text.
//!
//! Under `cargo test` each case runs once on a small history, and must judge it right, a spoilt one too.

mod at_work;

use at_work::is_measured;
use checker::history::{Format, History, Kind, Op, Reader};
use checker::register::Register;
use checker::simulated::Plan;
use checker::{Report, Verdict};
use criterion::{BatchSize, Criterion, Throughput};
use record::bench::Session;

fn judge(history: &History) -> Report {
    Register::default().check(history).expect("registers")
}

/// Valid as it is, and invalid once its last read finds what was there first.
fn check(ops: &[Op]) {
    let history = History::of(ops.iter().cloned()).expect("a history");
    assert_eq!(judge(&history).verdict, Verdict::Valid);
    let mut spoilt = ops.to_vec();
    let last = spoilt.iter().rposition(|op| op.kind == Kind::Ok && &*op.f == "read").expect("a read");
    let first = spoilt.iter().find(|op| op.kind == Kind::Ok && &*op.f == "write").expect("a write").value.clone();
    spoilt[last].value = first;
    let report = judge(&History::of(spoilt).expect("a history"));
    assert!(report.anomalies.iter().any(|anomaly| anomaly.ops.contains(&last)), "{report:?}");
}

fn registers(criterion: &mut Criterion) {
    let calls = if is_measured() { 1_000_000 } else { 2_000 };
    let plan = Plan { clients: 64, calls, lost_per_mille: 5, refused_per_mille: 5, seed: 7 };
    let mut group = criterion.benchmark_group("check_register");
    group.sample_size(10);
    group.throughput(Throughput::Elements(calls));
    for (name, update_every) in [("one key, 64 clients", 0), ("one key, 64 clients, updates", 4)] {
        let mut history = None;
        group.bench_function(name, |bencher| {
            let history = history.get_or_insert_with(|| {
                let ops = plan.registers(1, update_every);
                check(&ops);
                History::of(ops).expect("a history")
            });
            bencher.iter(|| judge(history));
        });
    }
    group.finish();
}

fn readers(criterion: &mut Criterion) {
    let calls = if is_measured() { 200_000 } else { 500 };
    let plan = Plan { clients: 64, calls, lost_per_mille: 5, refused_per_mille: 5, seed: 7 };
    let mut group = criterion.benchmark_group("read_history");
    group.sample_size(10);
    group.throughput(Throughput::Elements(calls));
    let history = History::of(plan.registers(1, 0)).expect("a history");
    for (name, format) in [("jsonl", Format::Jsonl), ("edn", Format::Edn)] {
        let text = format.text(&history);
        group.bench_function(name, |bencher| {
            let read = || Reader::new(text.as_bytes(), format).history(|_| true).expect("a history");
            assert_eq!(read().ops(), history.ops());
            // What was read is dropped outside the measurement.
            bencher.iter_batched(|| (), |()| read(), BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn main() {
    let session = Session::start("check_register");
    let mut criterion = Criterion::default().configure_from_args();
    registers(&mut criterion);
    readers(&mut criterion);
    criterion.final_summary();
    session.finish().expect("the table beside criterion's files");
}
