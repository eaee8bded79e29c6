use super::*;
use crate::{LatencyKind, Phase};

fn interval(start_s: f64, throughput_per_s: f64, errors: u64) -> Interval {
    let ok = throughput_per_s as u64;
    Interval {
        phase: Phase::Measure,
        op: "ALL".into(),
        latency_kind: LatencyKind::Response,
        t_start_s: start_s,
        t_len_s: 1.0,
        offered_per_s: None,
        completed: ok + errors,
        ok,
        errors,
        late: None,
        dropped: None,
        throughput_per_s,
        goodput_per_s: None,
        min_ns: None,
        mean_ns: None,
        p50_ns: None,
        p90_ns: None,
        p95_ns: None,
        p99_ns: Some(throughput_per_s as u64),
        p999_ns: None,
        p9999_ns: None,
        max_ns: None,
        in_flight_mean: None,
        sched_lag_p99_ns: None,
    }
}

fn series(throughputs: &[f64]) -> Vec<Interval> {
    throughputs
        .iter()
        .enumerate()
        .map(|(second, rate)| interval(second as f64, *rate, u64::from(*rate < 50.0)))
        .collect()
}

fn fault_at(t_inject_s: f64) -> Fault {
    Fault {
        fault_id: "f1".into(),
        kind: "az-loss".into(),
        target: "az-b".into(),
        az: None,
        t_inject_s,
        t_effective_s: None,
        t_heal_s: None,
        params_json: "{}".into(),
        expected: "masked".into(),
    }
}

#[test]
fn a_dip_has_a_depth_a_length_and_an_area() {
    let rows = series(&[100.0, 101.0, 99.0, 100.0, 20.0, 40.0, 99.0, 40.0, 100.0, 98.0]);
    let recovery = of_faults(&rows, &[fault_at(4.0)]);
    let throughput = &recovery[0];
    assert_eq!((throughput.baseline, throughput.worst), (Some(100.0), Some(20.0)));
    assert_eq!(
        (throughput.t_detect_s, throughput.t_recover95_s),
        (Some(1.0), Some(4.0)),
        "one good interval is no recovery"
    );
    assert_eq!(throughput.area_lost_ops, Some(80.0 + 60.0 + 1.0 + 60.0));
    assert_eq!(throughput.errors, Some(3));
    assert_eq!((recovery[1].metric.as_str(), recovery[1].worst), (P99, Some(100.0)));
}

#[test]
fn a_masked_fault_costs_no_time_and_a_lasting_one_has_no_end() {
    let masked = &of_faults(&series(&[100.0, 99.0, 101.0, 98.0, 100.0]), &[fault_at(3.0)])[0];
    assert_eq!((masked.t_detect_s, masked.t_recover95_s, masked.area_lost_ops), (None, Some(0.0), None));
    let lasting = &of_faults(&series(&[100.0, 99.0, 101.0, 0.0, 0.0]), &[fault_at(3.0)])[0];
    assert_eq!((lasting.t_detect_s, lasting.t_recover95_s, lasting.area_lost_ops), (Some(1.0), None, Some(200.0)));
}

#[test]
fn scatter_from_before_the_fault_is_not_blamed_on_it() {
    let rows = series(&[100.0, 80.0, 120.0, 90.0, 110.0, 82.0, 115.0, 79.0, 100.0, 60.0]);
    let recovery = &of_faults(&rows, &[fault_at(6.0)])[0];
    assert_eq!(recovery.t_recover95_s, Some(0.0));
}

#[test]
fn without_a_window_before_the_fault_nothing_is_claimed() {
    assert!(of_faults(&series(&[100.0, 100.0]), &[fault_at(0.5), fault_at(9.0)]).is_empty());
    assert!(of_faults(&[], &[fault_at(0.0)]).is_empty());
}

#[test]
fn a_stump_of_an_interval_is_no_dip() {
    let mut rows = series(&[100.0, 100.0, 100.0, 100.0]);
    rows.push(Interval { t_len_s: 0.01, throughput_per_s: 0.0, ..interval(4.0, 0.0, 0) });
    assert_eq!(of_faults(&rows, &[fault_at(2.0)])[0].t_recover95_s, Some(0.0));
}
