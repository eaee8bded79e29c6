use super::*;
use crate::schema::{Metrics, Spread};
use crate::{LatencyKind, Phase};

fn window(offered_per_s: Option<f64>, completed: u64) -> Interval {
    Interval {
        phase: Phase::Measure,
        op: "ALL".into(),
        latency_kind: LatencyKind::Service,
        t_start_s: 0.0,
        t_len_s: 10.0,
        offered_per_s,
        completed,
        ok: completed,
        errors: 0,
        late: None,
        dropped: None,
        throughput_per_s: completed as f64 / 10.0,
        goodput_per_s: None,
        min_ns: Some(1_000_000),
        mean_ns: Some(2_000_000),
        p50_ns: Some(2_000_000),
        p90_ns: None,
        p95_ns: None,
        p99_ns: None,
        p999_ns: None,
        p9999_ns: None,
        max_ns: None,
        in_flight_mean: Some(completed as f64 / 10.0 * 2e-3),
        sched_lag_p99_ns: Some(60_000),
    }
}

fn judged(window: Interval) -> Validity {
    let key = Key { run_id: "r".into(), engine: "coupled".into(), workload: "bank".into(), repeat: 1 };
    judge(&Host::default(), &[(key, Summary { window, spread: Spread::default(), metrics: Metrics::default() })])
}

#[test]
fn a_sound_run_passes_and_the_scatter_of_arrivals_does_not_fail_it() {
    assert_eq!(
        judged(window(Some(1_000.0), 10_000)),
        Validity { status: Status::Ok, reasons: vec![], notices: vec![] }
    );
    assert_eq!(judged(window(Some(1_000.0), 9_800)).status, Status::Ok, "two standard deviations of 10,000 arrivals");
    assert_eq!(judged(window(None, 100)).status, Status::Ok, "a closed loop offers what it achieves");
}

#[test]
fn an_offered_rate_that_is_not_reached_is_saturation() {
    let found = judged(window(Some(1_000.0), 9_500));
    assert_eq!(found.status, Status::Saturated);
    assert!(found.reasons[0].starts_with("coupled repeat 1, measure: offered 1,000/s, finished 950/s"), "{found:?}");
}

#[test]
fn wrong_latencies_make_a_run_invalid() {
    let found = judged(Interval { in_flight_mean: Some(3.0), ..window(Some(1_000.0), 10_000) });
    assert_eq!(found.status, Status::Invalid);
    assert!(found.reasons[0].contains("3.00 in flight, but rate times mean service time is 2.00"), "{found:?}");
    let failing = Interval { in_flight_mean: Some(3.0), ok: 9_000, errors: 1_000, ..window(None, 10_000) };
    assert_eq!(judged(failing).status, Status::Ok, "operations that failed have no times to multiply");
    let short = Interval { in_flight_mean: Some(64.0), ..window(None, 2_000) };
    assert_eq!(judged(short).status, Status::Ok, "31 operations for each in flight are too few to tell");
}

/// A disk that stalls for a seventh of a second at the end of two leaves 64 operations unfinished, 7 % of all the time in
/// flight. That run was called wrong, and it only was short.
#[test]
fn a_stall_at_the_edge_of_a_short_window_is_no_wrong_latency() {
    let short = Interval { t_len_s: 2.0, in_flight_mean: Some(63.9), ..window(None, 40_000) };
    let mean_ns = Some((59.5 * 2.0 / 40_000.0 * 1e9) as u64);
    let stalled = Interval { mean_ns, max_ns: Some(140_000_000), ..short.clone() };
    assert_eq!(judged(stalled).status, Status::Ok);
    let steady = Interval { mean_ns, max_ns: Some(5_000_000), ..short };
    assert_eq!(judged(steady).status, Status::Invalid);
}

#[test]
fn a_late_generator_and_a_disturbed_machine_are_mentioned() {
    let found = judged(Interval { sched_lag_p99_ns: Some(500_000), ..window(Some(1_000.0), 10_000) });
    assert_eq!((found.status, found.notices.len()), (Status::Ok, 1));
    assert!(found.notices[0].contains("500 µs late (p99), 25.0 % of"), "{found:?}");
    let busy =
        Host { cores: Some(2), loadavg_start: Some("3.1 2 1".into()), steal_ratio: Some(0.1), ..Host::default() };
    assert_eq!(judge(&busy, &[]).notices.len(), 2);
}
