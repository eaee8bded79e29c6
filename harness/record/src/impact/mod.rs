//! What a fault cost, read off the intervals around it.
//!
//! The baseline is the median of the measured intervals that ended before the fault. An interval counts as *down*
//! when it lies below 95 % of the baseline, below every interval before the fault, and more than four standard
//! deviations below the baseline (by median absolute deviation, and at least that of random arrivals): a short interval
//! falls below 95 % by chance alone.
//!
//! **Caveat.** Times are as coarse as the intervals.

use crate::schema::{Fault, Interval, Metrics, Recovery};
use crate::stats::median;

/// Back to this share of the baseline counts as recovered.
const RECOVERED_RATIO: f64 = 0.95;

/// The standard deviation of a normal distribution over its median absolute deviation.
const SIGMA_PER_MAD: f64 = 1.4826;
const NOISE_SIGMAS: f64 = 4.0;

/// The metric's name in `recovery.csv`.
pub const THROUGHPUT: &str = "throughput_per_s";

/// The metric's name in `recovery.csv`.
pub const P99: &str = "p99_ns";

/// The rows of `recovery.csv` for faults inside the window that `rows` cover (`ALL`, one latency kind, in order of
/// time). A fault without an interval before it has no baseline and no rows.
pub fn of_faults(rows: &[Interval], faults: &[Fault]) -> Vec<Recovery> {
    faults.iter().filter_map(|fault| of_fault(rows, fault)).flatten().collect()
}

/// Fills in the columns about the first fault.
pub(crate) fn into_metrics(metrics: &mut Metrics, recovery: &[Recovery]) {
    let Some(first) = recovery.iter().find(|row| row.metric == THROUGHPUT) else { return };
    metrics.dip_ratio = first.worst.zip(first.baseline).map(|(worst, baseline)| worst / baseline);
    metrics.fault_errors = first.errors;
    metrics.t_recover95_s = first.t_recover95_s;
}

fn of_fault(rows: &[Interval], fault: &Fault) -> Option<[Recovery; 2]> {
    let rows = without_stumps(rows);
    let from = rows.iter().position(|row| row.t_start_s + row.t_len_s > fault.t_inject_s)?;
    let (before, after) = rows.split_at(from);
    let throughputs: Vec<f64> = before.iter().map(|row| row.throughput_per_s).collect();
    let baseline = median(&throughputs).filter(|baseline| *baseline > 0.0)?;
    let threshold = threshold(before, baseline);
    let is_down = |row: &&Interval| row.throughput_per_s < threshold;
    let first_down = after.iter().position(|row| is_down(&row));
    let back = first_down.and_then(|down| {
        let pairs = after[down..].windows(2);
        pairs.into_iter().position(|pair| pair.iter().all(|row| !is_down(&row))).map(|offset| down + offset)
    });
    let lost_until = back.unwrap_or(after.len());
    let lost = |row: &&Interval| (baseline - row.throughput_per_s).max(0.0) * row.t_len_s;
    let throughput = Recovery {
        fault_id: fault.fault_id.clone(),
        metric: THROUGHPUT.to_owned(),
        baseline: Some(baseline),
        worst: after.iter().map(|row| row.throughput_per_s).min_by(f64::total_cmp),
        t_detect_s: first_down.map(|down| after[down].t_start_s + after[down].t_len_s - fault.t_inject_s).map(tidy),
        t_recover95_s: match first_down {
            None => Some(0.0),
            Some(_) => back.map(|back| tidy((after[back].t_start_s - fault.t_inject_s).max(0.0))),
        },
        area_lost_ops: first_down.map(|down| after[down..lost_until].iter().map(|row| lost(&row)).sum::<f64>().round()),
        errors: Some(after.iter().map(|row| row.errors).sum()),
    };
    let p99_of = |rows: &[Interval]| rows.iter().filter_map(|row| row.p99_ns).map(|ns| ns as f64).collect::<Vec<_>>();
    let p99 = Recovery {
        metric: P99.to_owned(),
        baseline: median(&p99_of(before)),
        worst: p99_of(after).into_iter().max_by(f64::total_cmp),
        t_detect_s: None,
        t_recover95_s: None,
        area_lost_ops: None,
        errors: None,
        ..throughput.clone()
    };
    Some([throughput, p99])
}

/// Below this an interval is down.
fn threshold(before: &[Interval], baseline: f64) -> f64 {
    let deviations: Vec<f64> = before.iter().map(|row| (row.throughput_per_s - baseline).abs()).collect();
    let len_s = median(&before.iter().map(|row| row.t_len_s).collect::<Vec<_>>()).unwrap_or(1.0);
    let sigma_of_arrivals = (baseline / len_s).sqrt();
    let sigma = (median(&deviations).unwrap_or_default() * SIGMA_PER_MAD).max(sigma_of_arrivals);
    let lowest = before.iter().map(|row| row.throughput_per_s).fold(baseline * RECOVERED_RATIO, f64::min);
    lowest.min(baseline - NOISE_SIGMAS * sigma)
}

/// Without a last interval cut so short that its rate is noise.
fn without_stumps(rows: &[Interval]) -> &[Interval] {
    let typical_s = median(&rows.iter().map(|row| row.t_len_s).collect::<Vec<_>>()).unwrap_or_default();
    match rows.split_last() {
        Some((last, rest)) if last.t_len_s < typical_s / 2.0 => rest,
        _ => rows,
    }
}

fn tidy(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests;
