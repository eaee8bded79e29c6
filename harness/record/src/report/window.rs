//! The measured window of each segment, and the faults in it, on a clock of its own that starts at zero.

use std::collections::BTreeMap;

use crate::schema::{Fault, Interval, Phase};
use crate::{Key, LatencyKind, Run};

/// One segment's measured window.
#[derive(Debug)]
pub(super) struct Window<'a> {
    pub(super) key: &'a Key,
    pub(super) start_s: f64,
    pub(super) end_s: f64,
    /// `ALL`, response time; service time where nothing else was recorded. In order of time.
    pub(super) rows: Vec<&'a Interval>,
    pub(super) faults: Vec<&'a Fault>,
}

impl Window<'_> {
    /// When the fault began and ended, in seconds of the window, cut to it. `None` when it lies outside.
    pub(super) fn shade(&self, fault: &Fault) -> Option<(f64, f64)> {
        let from = fault.t_inject_s.max(self.start_s);
        let to = fault.t_heal_s.unwrap_or(self.end_s).min(self.end_s);
        (to > from).then_some((from - self.start_s, to - self.start_s))
    }
}

/// The windows of a run by engine as configured, workload, repeat.
pub(super) fn measured(run: &Run) -> Vec<Window<'_>> {
    let mut rows: BTreeMap<&Key, Vec<&Interval>> = BTreeMap::new();
    for (key, row) in run.intervals.iter().filter(|(_, row)| row.phase == Phase::Measure && row.op == "ALL") {
        rows.entry(key).or_default().push(row);
    }
    let mut windows: Vec<Window<'_>> = rows.into_iter().filter_map(|(key, rows)| window(run, key, rows)).collect();
    let engines = run.engines();
    let place = |engine: &str| engines.iter().position(|name| *name == engine);
    windows.sort_by_key(|window| (place(&window.key.engine), window.key.workload.clone(), window.key.repeat));
    windows
}

fn window<'a>(run: &'a Run, key: &'a Key, all: Vec<&'a Interval>) -> Option<Window<'a>> {
    let of_kind = |kind| -> Vec<&'a Interval> { all.iter().copied().filter(|row| row.latency_kind == kind).collect() };
    let mut rows = of_kind(LatencyKind::Response);
    if rows.is_empty() {
        rows = of_kind(LatencyKind::Service);
    }
    rows.sort_by(|a, b| a.t_start_s.total_cmp(&b.t_start_s));
    let start_s = rows.first()?.t_start_s;
    let end_s = rows.iter().map(|row| row.t_start_s + row.t_len_s).fold(start_s, f64::max);
    let faults = run.faults.iter().filter(|(of, _)| of == key).map(|(_, fault)| fault).collect();
    Some(Window { key, start_s, end_s, rows, faults })
}
