//! One engine's turn: what accumulates while it runs, and what its end makes of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::IntervalInput;
use crate::impact;
use crate::info::EngineInfo;
use crate::latency::{Latencies, Quantiles, coarse_buckets, new_histogram, percentile_curve};
use crate::schema::{Fault, HistogramCell, Interval, Io, Metrics, Percentile, Phase, Recovery, Site, Spread, Summary};
use crate::stats::{self, Batch};
use crate::{Key, LatencyKind, OpCounts, OpInterval, seconds};

/// The operation type that stands for all of them.
pub(super) const ALL: &str = "ALL";

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) key: Key,
    pub(super) origin_ns: u64,
    pub(super) io: Vec<Io>,
    pub(super) faults: Vec<Fault>,
    pub(super) metrics: BTreeMap<Phase, Metrics>,
    windows: BTreeMap<Phase, Window>,
    summary: Vec<Summary>,
    closed: bool,
}

/// What closing a segment leaves to be written.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) percentiles: Vec<Percentile>,
    pub(super) recovery: Vec<Recovery>,
    pub(super) measured: Vec<(String, LatencyKind, Histogram<u64>)>,
}

/// One phase so far.
#[derive(Debug)]
struct Window {
    start_ns: u64,
    end_ns: u64,
    offered: TimeMean,
    in_flight: TimeMean,
    sched_lag: Histogram<u64>,
    counts: BTreeMap<String, OpCounts>,
    series: BTreeMap<(String, LatencyKind), Series>,
}

/// One operation type and latency kind over a phase.
#[derive(Debug)]
struct Series {
    merged: Histogram<u64>,
    batches: Vec<Batch>,
    /// For `ALL` only: each interval's row, and its latencies as (latency, count).
    rows: Vec<Interval>,
    sparse: Vec<Vec<(u64, u64)>>,
}

/// A mean over time of something not measured in every interval.
#[derive(Debug, Default)]
struct TimeMean {
    sum: f64,
    weight_ns: u64,
}

impl TimeMean {
    fn add(&mut self, value: Option<f64>, len_ns: u64) {
        if let Some(value) = value {
            self.sum += value * len_ns as f64;
            self.weight_ns += len_ns;
        }
    }

    fn mean(&self) -> Option<f64> {
        (self.weight_ns > 0).then(|| self.sum / self.weight_ns as f64)
    }
}

impl Segment {
    pub(super) fn new(key: Key, origin_ns: u64) -> Segment {
        let (io, faults, summary) = (Vec::new(), Vec::new(), Vec::new());
        let (metrics, windows) = (BTreeMap::new(), BTreeMap::new());
        Segment { key, origin_ns, io, faults, metrics, windows, summary, closed: false }
    }

    /// Adds an interval to its phase and gives its rows, `ALL` first, each with its latencies.
    pub(super) fn take_interval<'a>(
        &mut self,
        input: &'a IntervalInput<'_>,
    ) -> Vec<(Interval, Cow<'a, Histogram<u64>>)> {
        let all = all_of(input);
        let start_ns = self.origin_ns + input.span.start_ns;
        let mut rows = Vec::new();
        for (kind, histogram) in all.latencies {
            rows.push((row(input, start_ns, ALL, &all.counts, kind, &histogram), Cow::Owned(histogram)));
        }
        for op in input.ops {
            for (kind, histogram) in &op.latencies {
                rows.push((row(input, start_ns, &op.op, &op.counts, *kind, histogram), Cow::Borrowed(histogram)));
            }
        }
        if input.phase.is_summarised() {
            let window = self.windows.entry(input.phase).or_insert_with(|| Window::new(start_ns));
            window.add(input, start_ns, &all.counts, &rows);
        }
        rows
    }

    /// Summarises every phase. `None` when that was done before.
    pub(super) fn close(&mut self, engines: &[EngineInfo]) -> Option<Closed> {
        if std::mem::replace(&mut self.closed, true) {
            return None;
        }
        let mut closed = Closed { percentiles: Vec::new(), recovery: Vec::new(), measured: Vec::new() };
        for (phase, window) in std::mem::take(&mut self.windows) {
            self.summary.extend(window.summary(phase));
            let ok = window.counts.get(ALL).map_or(0, |counts| counts.ok);
            let metrics = self.metrics.entry(phase).or_default();
            io_per_txn(metrics, self.io.iter().filter(|row| row.phase == phase), ok);
            let engine = engines.iter().find(|engine| engine.name == self.key.engine);
            if let (None, Some(engine)) = (&metrics.durability_class, engine) {
                metrics.durability_class = Some(engine.durability_class.clone());
            }
            if phase == Phase::Measure {
                closed.recovery = impact::of_faults(window.response_rows(), &self.faults);
                impact::into_metrics(metrics, &closed.recovery);
                for ((op, kind), series) in window.series {
                    closed.percentiles.extend(percentiles(&op, kind, &series.merged));
                    closed.measured.push((op, kind, series.merged));
                }
            }
        }
        Some(closed)
    }

    /// The rows of `summary.csv`, with the metrics as they stand now.
    pub(super) fn summary_rows(&self) -> impl Iterator<Item = Summary> + '_ {
        self.summary.iter().map(|row| {
            let metrics = self.metrics.get(&row.window.phase).filter(|_| row.window.op == ALL);
            Summary { metrics: metrics.cloned().unwrap_or_default(), ..row.clone() }
        })
    }
}

impl Window {
    fn new(start_ns: u64) -> Window {
        Window {
            start_ns,
            end_ns: start_ns,
            offered: TimeMean::default(),
            in_flight: TimeMean::default(),
            sched_lag: new_histogram(),
            counts: BTreeMap::new(),
            series: BTreeMap::new(),
        }
    }

    fn add(
        &mut self,
        input: &IntervalInput<'_>,
        start_ns: u64,
        all: &OpCounts,
        rows: &[(Interval, Cow<'_, Histogram<u64>>)],
    ) {
        let len_ns = input.span.len_ns;
        self.start_ns = self.start_ns.min(start_ns);
        self.end_ns = self.end_ns.max(start_ns + len_ns);
        self.offered.add(input.offered_per_s, len_ns);
        self.in_flight.add(input.in_flight_mean, len_ns);
        if let Some(lag) = input.sched_lag {
            merge(&mut self.sched_lag, lag);
        }
        add_counts(&mut self.counts, ALL, all);
        input.ops.iter().for_each(|op| add_counts(&mut self.counts, &op.op, &op.counts));
        for (row, histogram) in rows {
            let series = self.series.entry((row.op.clone(), row.latency_kind)).or_insert_with(|| Series {
                merged: new_histogram(),
                batches: Vec::new(),
                rows: Vec::new(),
                sparse: Vec::new(),
            });
            merge(&mut series.merged, histogram);
            series.batches.push(Batch { count: histogram.len(), mean: row.mean_ns.unwrap_or_default() as f64 });
            if row.op == ALL {
                series.rows.push(row.clone());
                let recorded = histogram.iter_recorded();
                series.sparse.push(recorded.map(|step| (step.value_iterated_to(), step.count_at_value())).collect());
            }
        }
    }

    fn response_rows(&self) -> &[Interval] {
        let rows = |kind| self.series.get(&(ALL.to_owned(), kind)).map(|series| series.rows.as_slice());
        rows(LatencyKind::Response).or_else(|| rows(LatencyKind::Service)).unwrap_or(&[])
    }

    fn summary(&self, phase: Phase) -> Vec<Summary> {
        let rows = self.series.iter().map(|((op, kind), series)| {
            let counts = self.counts.get(op).copied().unwrap_or_default();
            let len_ns = self.end_ns - self.start_ns;
            let common = Common { phase, start_ns: self.start_ns, len_ns };
            let mut window = interval_row(common, op, &counts, *kind, &series.merged);
            if op == ALL {
                window.offered_per_s = self.offered.mean();
                window.in_flight_mean = self.in_flight.mean();
                window.sched_lag_p99_ns = Quantiles::of(&self.sched_lag).p99_ns;
            }
            Summary { window, spread: series.spread(), metrics: Metrics::default() }
        });
        rows.collect()
    }
}

impl Series {
    fn spread(&self) -> Spread {
        let merged = &self.merged;
        let throughput: Vec<f64> = self.rows.iter().map(|row| row.throughput_per_s).collect();
        let throughput = stats::mean_interval(&throughput);
        let quantiles = stats::quantile_intervals(&self.sparse, [0.5, 0.99]);
        let ns = |value: f64| value.round() as u64;
        Spread {
            stddev_ns: (!merged.is_empty()).then(|| ns(merged.stdev())),
            n: merged.len(),
            ess: stats::effective_sample_size(&self.batches, merged.stdev().powi(2)).map(f64::round),
            throughput_ci_low_per_s: throughput.map(|interval| interval.low),
            throughput_ci_high_per_s: throughput.map(|interval| interval.high),
            p50_ci_low_ns: quantiles.map(|[p50, _]| ns(p50.low)),
            p50_ci_high_ns: quantiles.map(|[p50, _]| ns(p50.high)),
            p99_ci_low_ns: quantiles.map(|[_, p99]| ns(p99.low)),
            p99_ci_high_ns: quantiles.map(|[_, p99]| ns(p99.high)),
        }
    }
}

/// Adds one histogram to another of the same bounds.
pub(super) fn merge(into: &mut Histogram<u64>, from: &Histogram<u64>) {
    if into.add(from).is_err() {
        // Only a histogram of wider bounds than ours gets here; its values beyond an hour count as one hour.
        from.iter_recorded().for_each(|step| into.saturating_record_n(step.value_iterated_to(), step.count_at_value()));
    }
}

/// The cells of the heat map for one row of the measured window.
pub(super) fn cells<'a>(row: &'a Interval, histogram: &'a Histogram<u64>) -> impl Iterator<Item = HistogramCell> + 'a {
    coarse_buckets(histogram).into_iter().map(|bucket| HistogramCell {
        op: row.op.clone(),
        latency_kind: row.latency_kind,
        t_start_s: row.t_start_s,
        bucket_low_ns: bucket.low_ns,
        bucket_high_ns: bucket.high_ns,
        count: bucket.count,
    })
}

/// All operation types together. Before any operation has ended there is none, and nothing is what they did.
fn all_of(input: &IntervalInput<'_>) -> OpInterval {
    let mut counts: Option<OpCounts> = None;
    let mut latencies: Latencies = Vec::new();
    if input.ops.is_empty() {
        let none = input.offered_per_s.map(|_| 0);
        counts = Some(OpCounts { late: none, dropped: none, ..OpCounts::default() });
        latencies = [LatencyKind::Service, LatencyKind::Response].map(|kind| (kind, new_histogram())).into();
    }
    for op in input.ops {
        match &mut counts {
            Some(counts) => counts.add(&op.counts),
            None => counts = Some(op.counts),
        }
        for (kind, histogram) in &op.latencies {
            match latencies.iter_mut().find(|(known, _)| known == kind) {
                Some((_, all)) => merge(all, histogram),
                None => latencies.push((*kind, histogram.clone())),
            }
        }
    }
    OpInterval { op: ALL.to_owned(), counts: counts.unwrap_or_default(), latencies }
}

fn add_counts(counts: &mut BTreeMap<String, OpCounts>, op: &str, more: &OpCounts) {
    match counts.get_mut(op) {
        Some(known) => known.add(more),
        None => drop(counts.insert(op.to_owned(), *more)),
    }
}

struct Common {
    phase: Phase,
    start_ns: u64,
    len_ns: u64,
}

fn row(
    input: &IntervalInput<'_>,
    start_ns: u64,
    op: &str,
    counts: &OpCounts,
    kind: LatencyKind,
    histogram: &Histogram<u64>,
) -> Interval {
    let common = Common { phase: input.phase, start_ns, len_ns: input.span.len_ns };
    let mut row = interval_row(common, op, counts, kind, histogram);
    if op == ALL {
        row.offered_per_s = input.offered_per_s;
        row.in_flight_mean = input.in_flight_mean;
        row.sched_lag_p99_ns = input.sched_lag.and_then(|lag| Quantiles::of(lag).p99_ns);
    }
    row
}

fn interval_row(
    common: Common,
    op: &str,
    counts: &OpCounts,
    kind: LatencyKind,
    histogram: &Histogram<u64>,
) -> Interval {
    let at = Quantiles::of(histogram);
    let per_s = |count: u64| if common.len_ns == 0 { 0.0 } else { count as f64 * 1e9 / common.len_ns as f64 };
    Interval {
        phase: common.phase,
        op: op.to_owned(),
        latency_kind: kind,
        t_start_s: seconds(common.start_ns),
        t_len_s: seconds(common.len_ns),
        offered_per_s: None,
        completed: counts.completed(),
        ok: counts.ok,
        errors: counts.errors,
        late: counts.late,
        dropped: counts.dropped,
        throughput_per_s: per_s(counts.ok),
        goodput_per_s: counts.good.map(per_s),
        min_ns: at.min_ns,
        mean_ns: at.mean_ns,
        p50_ns: at.p50_ns,
        p90_ns: at.p90_ns,
        p95_ns: at.p95_ns,
        p99_ns: at.p99_ns,
        p999_ns: at.p999_ns,
        p9999_ns: at.p9999_ns,
        max_ns: at.max_ns,
        in_flight_mean: None,
        sched_lag_p99_ns: None,
    }
}

fn percentiles(op: &str, kind: LatencyKind, histogram: &Histogram<u64>) -> Vec<Percentile> {
    let curve = percentile_curve(histogram).into_iter().map(|point| Percentile {
        op: op.to_owned(),
        latency_kind: kind,
        percentile: point.percentile,
        value_ns: point.value_ns,
        total_count: point.total_count,
        inv_1_minus_p: 1.0 / (1.0 - point.percentile),
    });
    curve.collect()
}

/// Client traffic crosses the network in every architecture and says nothing about storage.
const CLIENT_CLASS: &str = "client";

/// Divides a phase's I/O by its successful operations. Leaves everything unmeasured when no I/O was recorded.
pub(crate) fn io_per_txn<'a>(metrics: &mut Metrics, rows: impl Iterator<Item = &'a Io>, ok: u64) {
    let rows: Vec<&Io> = rows.filter(|row| row.site != Site::Load).collect();
    if rows.is_empty() || ok == 0 {
        return;
    }
    let per_txn = |count: fn(&Io) -> u64| Some(rows.iter().map(|row| count(row)).sum::<u64>() as f64 / ok as f64);
    metrics.net_ios_per_txn = per_txn(|row| if is_network(row) { row.sends } else { 0 });
    metrics.net_bytes_per_txn = per_txn(|row| if is_network(row) { row.send_bytes } else { 0 });
    metrics.storage_writes_per_txn = per_txn(|row| row.writes);
    metrics.storage_write_bytes_per_txn = per_txn(|row| row.write_bytes);
    metrics.storage_syncs_per_txn = per_txn(|row| row.syncs);
    metrics.read_ios_per_txn = per_txn(|row| row.reads);
    let changed = metrics.user_bytes_per_txn.filter(|bytes| *bytes > 0.0);
    metrics.write_amp_ratio =
        metrics.storage_write_bytes_per_txn.zip(changed).map(|(written, changed)| written / changed);
}

fn is_network(row: &Io) -> bool {
    row.site == Site::Database && row.class != CLIENT_CLASS
}
