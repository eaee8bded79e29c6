//! Figures that follow from other figures.

use super::Findings;
use crate::schema::{Metrics, Summary};
use crate::{LatencyKind, Row, Run, writer};

/// The I/O per transaction in the summary follows from `io.csv`.
pub(super) fn io_per_txn(run: &Run, findings: &mut Findings) {
    for (key, row) in run.summary.iter().filter(|(_, row)| row.window.op == "ALL") {
        let mut derived = Metrics::default();
        let of_phase = run.io.iter().filter(|(io_key, io)| io_key == key && io.phase == row.window.phase);
        writer::io_per_txn(&mut derived, of_phase.map(|(_, io)| io), row.window.ok);
        for (column, written, derived) in [
            ("net_ios_per_txn", row.metrics.net_ios_per_txn, derived.net_ios_per_txn),
            ("net_bytes_per_txn", row.metrics.net_bytes_per_txn, derived.net_bytes_per_txn),
            ("storage_writes_per_txn", row.metrics.storage_writes_per_txn, derived.storage_writes_per_txn),
            (
                "storage_write_bytes_per_txn",
                row.metrics.storage_write_bytes_per_txn,
                derived.storage_write_bytes_per_txn,
            ),
            ("storage_syncs_per_txn", row.metrics.storage_syncs_per_txn, derived.storage_syncs_per_txn),
            ("read_ios_per_txn", row.metrics.read_ios_per_txn, derived.read_ios_per_txn),
        ] {
            findings.demand(agree(written, derived), Summary::FILE, || {
                format!("{} repeat {}: {column} is {written:?}, io.csv gives {derived:?}", key.engine, key.repeat)
            });
        }
    }
}

fn agree(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        (a, b) => a == b,
    }
}

/// Below this many operations for each one in flight, those that began or ended outside the window matter.
const OPERATIONS_PER_IN_FLIGHT_MIN: f64 = 100.0;
const OPERATIONS_MIN: u64 = 1_000;
const DEVIATION_RATIO_MAX: f64 = 0.05;

/// Little's law: operations in flight = rate × time each spends there. Both sides are measured independently, so a
/// generator that records the wrong times, or drops some, fails here.
pub(super) fn littles_law(run: &Run, findings: &mut Findings) {
    for (key, row) in &run.summary {
        let window = &row.window;
        if window.op != "ALL" || window.latency_kind != LatencyKind::Service {
            continue;
        }
        let (Some(in_flight), Some(mean_ns)) = (window.in_flight_mean, window.mean_ns) else { continue };
        let is_short = (window.completed as f64) < in_flight * OPERATIONS_PER_IN_FLIGHT_MIN;
        if in_flight <= 0.0 || window.completed < OPERATIONS_MIN || is_short {
            continue;
        }
        let expected = window.completed as f64 / window.t_len_s * mean_ns as f64 / 1e9;
        let deviation_ratio = (in_flight - expected).abs() / in_flight;
        findings.demand(deviation_ratio <= DEVIATION_RATIO_MAX, Summary::FILE, || {
            format!(
                "{} repeat {} {}: Little's law: {in_flight:.2} in flight, but rate times mean service time is {expected:.2}",
                key.engine, key.repeat, window.phase
            )
        });
    }
}
