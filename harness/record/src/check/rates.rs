//! Figures that follow from other figures.

use super::Findings;
use crate::info::Status;
use crate::schema::{Metrics, Summary};
use crate::{LatencyKind, Row, Run, validity, writer};

/// The I/O per transaction in the summary follows from `io.csv`.
pub(super) fn io_per_txn(run: &Run, findings: &mut Findings) {
    for (key, row) in run.summary.iter().filter(|(_, row)| row.window.op == "ALL") {
        let user_bytes_per_txn = row.metrics.user_bytes_per_txn;
        let mut derived = Metrics { user_bytes_per_txn, ..Metrics::default() };
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
            ("write_amp_ratio", row.metrics.write_amp_ratio, derived.write_amp_ratio),
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

/// Little's law, as [`crate::validity`] judges it. A run that was broken off says nothing: what was in flight at its end, perhaps
/// for long, never came back to be counted.
pub(super) fn littles_law(run: &Run, findings: &mut Findings) {
    if run.info.status == Status::Aborted {
        return;
    }
    let service = |row: &Summary| row.window.op == "ALL" && row.window.latency_kind == LatencyKind::Service;
    for (key, row) in run.summary.iter().filter(|(_, row)| service(row)) {
        if let Some(disagreement) = validity::in_flight_disagrees(key, &row.window) {
            findings.add(Summary::FILE, disagreement);
        }
    }
}
