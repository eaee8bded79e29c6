//! Whether a run's figures may be used, as far as the figures themselves can tell.
//!
//! This is about the measurement, not about the engines: a saturated or disturbed run may have found every engine
//! correct. Late links do not make figures invalid; the conclusions name them.
//!
//! # Rules
//!
//! - **saturated** when fewer operations finished than were offered, by more than 1 % and more than chance: the queue
//!   grew, and response time is a function of how long the run lasted.
//! - **invalid** when operations in flight disagree with rate × service time (Little's law) by more than 5 % and what the
//!   window's edges can explain: some latencies are wrong or missing.
//! - a **notice** when the generator's own delay at p99 exceeds 5 % of the median service time, when the hypervisor
//!   took more than 2 % of the CPU time, or when the machine was busy before the run began.

use crate::figures::format;
use crate::schema::{Interval, Summary};
use crate::{Host, Key, LatencyKind, Status};

const ACHIEVED_RATIO_MIN: f64 = 0.99;
const LAG_RATIO_MAX: f64 = 0.05;
const STEAL_RATIO_MAX: f64 = 0.02;
/// Other programs with more of the machine than this disturb what is measured.
pub(crate) const OTHERS_RATIO_MAX: f64 = 0.1;
/// Counts of random arrivals scatter by their square root; three of those are no evidence.
const CHANCE_SIGMAS: f64 = 3.0;

/// What the figures say of themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// `Ok`, `Saturated` or `Invalid`.
    pub status: Status,
    /// Why it is not `Ok`.
    pub reasons: Vec<String>,
    /// What a reader should know all the same.
    pub notices: Vec<String>,
}

/// Judges the summary of a run made on `host`.
pub fn judge(host: &Host, summary: &[(Key, Summary)]) -> Validity {
    let service = || summary.iter().filter(|(_, row)| is_headline(&row.window));
    let wrong: Vec<String> = service().filter_map(|(key, row)| in_flight_disagrees(key, &row.window)).collect();
    let saturated: Vec<String> = service().filter_map(|(key, row)| is_saturated(key, &row.window)).collect();
    let late = service().filter_map(|(key, row)| generator_is_late(key, &row.window));
    let notices = late.chain(machine(host)).collect();
    let status = match (wrong.is_empty(), saturated.is_empty()) {
        (false, _) => Status::Invalid,
        (true, false) => Status::Saturated,
        (true, true) => Status::Ok,
    };
    Validity { status, reasons: [wrong, saturated].concat(), notices }
}

fn is_headline(window: &Interval) -> bool {
    window.op == "ALL" && window.latency_kind == LatencyKind::Service
}

fn name(key: &Key, window: &Interval) -> String {
    format!("{} repeat {}, {}", key.engine, key.repeat, window.phase)
}

fn is_saturated(key: &Key, window: &Interval) -> Option<String> {
    let offered_per_s = window.offered_per_s?;
    let offered = offered_per_s * window.t_len_s;
    let missing = offered - window.completed as f64;
    let is_short = missing > offered * (1.0 - ACHIEVED_RATIO_MIN) && missing > CHANCE_SIGMAS * offered.sqrt();
    is_short.then(|| {
        format!(
            "{}: offered {}/s, finished {}/s: the queue grew, and response time depends on how long the run lasted",
            name(key, window),
            format::count(offered_per_s),
            format::count(window.completed as f64 / window.t_len_s)
        )
    })
}

fn generator_is_late(key: &Key, window: &Interval) -> Option<String> {
    let (lag_ns, p50_ns) = (window.sched_lag_p99_ns? as f64, window.p50_ns? as f64);
    (lag_ns > p50_ns * LAG_RATIO_MAX).then(|| {
        format!(
            "{}: the generator sent up to {} late (p99), {} of the median service time; response time includes it",
            name(key, window),
            format::duration_ns(lag_ns),
            format::percent(lag_ns / p50_ns)
        )
    })
}

fn machine(host: &Host) -> Vec<String> {
    let mut notices = Vec::new();
    if let Some(steal_ratio) = host.steal_ratio.filter(|ratio| *ratio > STEAL_RATIO_MAX) {
        notices.push(format!("the hypervisor took {} of the CPU time", format::percent(steal_ratio)));
    }
    let load: Option<f64> = host.loadavg_start.as_ref().and_then(|text| text.split(' ').next()?.parse().ok());
    if let Some((load, cores)) = load.zip(host.cores).filter(|(load, cores)| *load > *cores as f64 / 2.0) {
        notices.push(format!("the machine was busy when the run began: load average {load} on {cores} cores"));
    }
    notices
}

/// Below this many operations for each one in flight, those that began or ended outside the window matter.
const OPERATIONS_PER_IN_FLIGHT_MIN: f64 = 100.0;
const OPERATIONS_MIN: u64 = 1_000;
/// Failed operations are in flight like others, but their times need not be recorded: with more of them than this the two sides
/// are not of the same operations.
const ERRORS_RATIO_MAX: f64 = 0.01;
const DEVIATION_RATIO_MAX: f64 = 0.05;

/// Little's law: operations in flight = rate × time each spends there. Both sides are measured independently, so a
/// generator that records the wrong times, or drops some, fails here. `None` when they agree, or the window is too
/// short to tell.
pub fn in_flight_disagrees(key: &Key, window: &Interval) -> Option<String> {
    let (in_flight, mean_ns) = (window.in_flight_mean?, window.mean_ns?);
    let is_short = (window.completed as f64) < in_flight * OPERATIONS_PER_IN_FLIGHT_MIN;
    let has_failures = window.errors as f64 > window.completed as f64 * ERRORS_RATIO_MAX;
    if in_flight <= 0.0 || window.completed < OPERATIONS_MIN || is_short || has_failures {
        return None;
    }
    let expected = window.completed as f64 / window.t_len_s * mean_ns as f64 / 1e9;
    let deviation_ratio = (in_flight - expected).abs() / in_flight;
    // What the end of the window cut off was in flight and left no time. It is taken to be no longer than the longest that ended: a
    // stall at the end of a short window moves the two sides apart by this much.
    let edge_ratio = window.max_ns.map_or(0.0, |max_ns| max_ns as f64 / 1e9 / window.t_len_s);
    (deviation_ratio > DEVIATION_RATIO_MAX + edge_ratio).then(|| {
        format!(
            "{}: Little's law: {in_flight:.2} in flight, but rate times mean service time is {expected:.2}",
            name(key, window)
        )
    })
}

#[cfg(test)]
mod tests;
