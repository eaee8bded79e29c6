//! Whatever is recorded, the files agree with each other.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use record::{IntervalInput, LatencyBook, LatencyKind, Phase, Run, RunPlan, RunWriter, Span, Status};

/// Operation type, outcome, service time, and how much longer the response took.
type Operation = (usize, bool, u64, u64);

/// A latency of any magnitude the histograms hold, zero included.
fn latency_ns() -> impl Strategy<Value = u64> {
    (0u32..42, 0u64..1_000).prop_map(|(shift, rest)| (1u64 << shift >> 1) + rest % (1 << shift.min(9)))
}

fn interval() -> impl Strategy<Value = Vec<Operation>> {
    vec((0usize..3, any::<bool>(), latency_ns(), latency_ns()), 0..60)
}

/// Engine, repeat, warm-up intervals, and the intervals.
fn segment() -> impl Strategy<Value = (usize, u32, usize, Vec<Vec<Operation>>)> {
    (0usize..2, 1u32..3, 0usize..3, vec(interval(), 1..6))
}

proptest! {
    #![proptest_config(Config { cases: 24, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_run_is_consistent(segments in vec(segment(), 1..4)) {
        let parent = tempfile::tempdir().unwrap();
        let mut run = RunWriter::create(parent.path(), RunPlan::default()).unwrap();
        let mut recorded = 0;
        for (turn, (engine, repeat, warmups, intervals)) in segments.iter().enumerate() {
            let engine = ["coupled", "decoupled"][*engine];
            // A turn of its own, also when the same engine and repeat were drawn twice.
            let id = run.segment(engine, &format!("workload-{turn}"), *repeat, turn as u64 * 10_000_000_000);
            let mut book = LatencyBook::new(&[LatencyKind::Service, LatencyKind::Response]);
            let slots = ["read", "write", "scan"].map(|op| book.op(op));
            for (index, operations) in intervals.iter().enumerate() {
                for (op, ok, service_ns, waited_ns) in operations {
                    book.complete(slots[*op], *ok, *service_ns, service_ns + waited_ns);
                }
                let phase = if index < *warmups { Phase::Warmup } else { Phase::Measure };
                recorded += if phase == Phase::Measure { operations.len() as u64 } else { 0 };
                let ops = book.swap();
                let span = Span { start_ns: index as u64 * 333_333_333, len_ns: 333_333_333 };
                let input = IntervalInput { phase, span, offered_per_s: None, in_flight_mean: None, sched_lag: None, ops: &ops };
                run.interval(id, &input).unwrap();
                book.recycle(ops);
            }
            run.close(id).unwrap();
        }
        let dir = run.finish(Status::Ok, None, Vec::new()).unwrap();
        prop_assert_eq!(record::check(&dir), vec![]);
        let run = Run::open(&dir).unwrap();
        let all = run.summary.iter().filter(|(_, row)| row.window.op == "ALL" && row.window.latency_kind == LatencyKind::Response);
        prop_assert_eq!(all.map(|(_, row)| row.spread.n).sum::<u64>(), recorded);
        prop_assert!(record::report::html(&run).ends_with("</html>\n"));
    }
}
