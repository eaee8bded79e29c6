//! Ratios between engines.

use super::groups::Pick;
use super::{Figure, FigureRow, pairs};
use crate::index::Headline;
use crate::schema::{Phase, Summary};
use crate::{Key, LatencyKind, RunInfo, stats};

/// The ratios of headline figures between each other engine and the first, in the columns of [`Figures::of`](super::Figures::of) without
/// the first. Empty with one engine.
pub fn ratios_to_first(info: &RunInfo, summary: &[(Key, Summary)]) -> Vec<FigureRow> {
    let headlines: Vec<Headline<'_>> =
        pairs(info, summary).iter().map(|(engine, workload)| Headline::new(summary, engine, workload)).collect();
    let Some((first, others)) = headlines.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Vec::new();
    };
    let row = |label: &str, values: &dyn Fn(&Headline<'_>) -> Vec<f64>| FigureRow {
        label: label.to_owned(),
        cells: others
            .iter()
            .map(|other| {
                Figure::from_text(stats::compare(&values(other), &values(first)).map(|found| found.to_string()))
            })
            .collect(),
    };
    let response = |pick: Pick| move |of: &Headline<'_>| of.values(Phase::Measure, LatencyKind::Response, pick);
    let metric = |pick: Pick| move |of: &Headline<'_>| of.metric_values(pick);
    let rows = vec![
        row("capacity, closed loop", &|of| of.capacities()),
        row("response p50", &response(|row| row.window.p50_ns.map(|ns| ns as f64))),
        row("response p99", &response(|row| row.window.p99_ns.map(|ns| ns as f64))),
        row("network bytes per txn", &metric(|row| row.metrics.net_bytes_per_txn)),
        row("storage writes per txn", &metric(|row| row.metrics.storage_writes_per_txn)),
        row("storage bytes per txn", &metric(|row| row.metrics.storage_write_bytes_per_txn)),
        row("CPU per txn, database", &metric(|row| row.metrics.cpu_database_s_per_txn)),
        row("recovery after the crash", &metric(|row| row.metrics.recovery_s)),
    ];
    rows.into_iter().filter(|row| row.cells.iter().any(|cell| cell.value.is_some())).collect()
}
