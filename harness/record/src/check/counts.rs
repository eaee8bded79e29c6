//! Keys, and sums of counts.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use crate::schema::{Interval, Phase};
use crate::{Key, LatencyKind, Row, Run, Summary};

/// Every row belongs to this run and to a segment that has intervals.
pub(super) fn keys(run: &Run, findings: &mut Findings) {
    let run_id = &run.info.run_id;
    let segments: BTreeSet<&Key> = run.intervals.iter().map(|(key, _)| key).collect();
    let mut of_file = |file: &str, keys: Vec<&Key>| {
        for key in keys.into_iter().collect::<BTreeSet<_>>() {
            findings.demand(key.run_id == *run_id, file, || format!("a row is of run {}, not {run_id}", key.run_id));
            findings.demand(segments.contains(key), file, || {
                format!("{} {} repeat {} has no intervals", key.engine, key.workload, key.repeat)
            });
        }
    };
    fn keys_of<R>(rows: &[(Key, R)]) -> Vec<&Key> {
        rows.iter().map(|(key, _)| key).collect()
    }
    of_file(Interval::FILE, keys_of(&run.intervals));
    of_file(Summary::FILE, keys_of(&run.summary));
    of_file(crate::Percentile::FILE, keys_of(&run.percentiles));
    of_file(crate::HistogramCell::FILE, keys_of(&run.histogram));
    of_file(crate::Io::FILE, keys_of(&run.io));
    of_file(crate::Fault::FILE, keys_of(&run.faults));
    of_file(crate::Recovery::FILE, keys_of(&run.recovery));
}

type RowId<'a> = (&'a Key, Phase, &'a str, LatencyKind);

#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    completed: u64,
    ok: u64,
    errors: u64,
}

impl Sums {
    fn add(&mut self, row: &Interval) {
        self.completed += row.completed;
        self.ok += row.ok;
        self.errors += row.errors;
    }

    fn of(row: &Interval) -> Sums {
        let mut sums = Sums::default();
        sums.add(row);
        sums
    }
}

/// Intervals add up to the summary, outcomes to `completed`, operation types to `ALL`.
pub(super) fn sums(run: &Run, findings: &mut Findings) {
    let mut by_row: BTreeMap<RowId<'_>, Sums> = BTreeMap::new();
    let mut by_op: BTreeMap<(&Key, u64, LatencyKind), (u64, u64)> = BTreeMap::new();
    for (key, row) in &run.intervals {
        findings.demand(row.completed == row.ok + row.errors, Interval::FILE, || {
            format!(
                "{} at {} s: {} completed, but {} ok and {} errors",
                key.engine, row.t_start_s, row.completed, row.ok, row.errors
            )
        });
        by_row.entry((key, row.phase, &row.op, row.latency_kind)).or_default().add(row);
        let at = (key, (row.t_start_s * 1e6).round() as u64, row.latency_kind);
        let (all, ops) = by_op.entry(at).or_default();
        *(if row.op == "ALL" { all } else { ops }) += row.completed;
    }
    for ((key, at_us, kind), (all, ops)) in by_op {
        findings.demand(all == ops, Interval::FILE, || {
            format!("{} {kind} at {} s: ALL has {all}, the operation types {ops}", key.engine, at_us as f64 / 1e6)
        });
    }
    for (key, row) in &run.summary {
        let window = &row.window;
        let sums = by_row.remove(&(key, window.phase, window.op.as_str(), window.latency_kind)).unwrap_or_default();
        findings.demand(sums == Sums::of(window), Summary::FILE, || {
            let name =
                format!("{} repeat {} {} {} {}", key.engine, key.repeat, window.phase, window.op, window.latency_kind);
            format!("{name}: intervals add up to {sums:?}, the summary says {:?}", Sums::of(window))
        });
        let counts_operations = matches!(window.latency_kind, LatencyKind::Service | LatencyKind::Response);
        // A failed operation may have no latency worth keeping; every other has one.
        let counted = (window.ok..=window.completed).contains(&row.spread.n);
        findings.demand(!counts_operations || counted, Summary::FILE, || {
            format!(
                "{} {} {}: {} latencies for {} operations",
                key.engine, window.op, window.latency_kind, row.spread.n, window.completed
            )
        });
    }
    let is_whole = run.info.end_utc.is_some();
    for ((key, phase, op, kind), _) in by_row {
        findings.demand(!is_whole || !phase.is_summarised(), Summary::FILE, || {
            format!("{} repeat {} {phase} {op} {kind} has intervals and no summary", key.engine, key.repeat)
        });
    }
}
