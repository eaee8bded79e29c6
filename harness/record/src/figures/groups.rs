//! The rows of the table, in groups.

use super::format::{bytes, count, duration_ns, percent, seconds_text, significant};
use super::{Figure, FigureRow, Group};
use crate::index::Headline;
use crate::schema::{Metrics, Phase, Summary};
use crate::stats::median;
use crate::{EngineInfo, Floor, LatencyKind, RunInfo};

/// A column of the summary.
pub(super) type Pick = fn(&Summary) -> Option<f64>;

/// Fewer samples than this above a percentile make it an anecdote.
const SAMPLES_BEYOND_MIN: f64 = 10.0;

/// A label, the share of samples above it, and the column.
const PERCENTILES: [(&str, f64, Pick); 6] = [
    ("p50", 0.5, |row| row.window.p50_ns.map(|ns| ns as f64)),
    ("p95", 0.05, |row| row.window.p95_ns.map(|ns| ns as f64)),
    ("p99", 0.01, |row| row.window.p99_ns.map(|ns| ns as f64)),
    ("p99.9", 0.001, |row| row.window.p999_ns.map(|ns| ns as f64)),
    ("p99.99", 0.0001, |row| row.window.p9999_ns.map(|ns| ns as f64)),
    ("max", 0.0, |row| row.window.max_ns.map(|ns| ns as f64)),
];

/// A measure of deferred work: at the start of the window, at its end, after settling.
type Debt = [fn(&Metrics) -> Option<u64>; 3];

/// One table being filled: a run and its engines' rows.
struct Rows<'a> {
    info: &'a RunInfo,
    engines: Vec<Option<&'a EngineInfo>>,
    headlines: &'a [Headline<'a>],
}

pub(super) fn all(info: &RunInfo, pairs: &[(&str, &str)], headlines: &[Headline<'_>]) -> Vec<Group> {
    let engine = |(name, _): &(&str, &str)| info.engines.iter().find(|engine| engine.name == *name);
    let rows = Rows { info, engines: pairs.iter().map(engine).collect(), headlines };
    let rate = match info.factors.rate_per_s {
        Some(rate) => format!("at {} txn/s", count(rate)),
        None => "closed loop".to_owned(),
    };
    vec![
        rows.standing(),
        rows.throughput(),
        rows.latencies(&format!("Response time, {rate}"), LatencyKind::Response),
        rows.latencies(&format!("Service time, {rate}"), LatencyKind::Service),
        rows.floor(),
        rows.network(),
        rows.storage(),
        rows.processor(),
        rows.fault(),
        group(
            "Crash, reopened cold",
            vec![rows.metric("until the first commit", |row| row.metrics.recovery_s, seconds_text)],
        ),
        rows.deferred(),
    ]
}

fn group(title: &str, rows: Vec<FigureRow>) -> Group {
    Group { title: title.to_owned(), rows }
}

impl Rows<'_> {
    fn each(&self, label: &str, figure: impl Fn(&Headline<'_>) -> Figure) -> FigureRow {
        FigureRow { label: label.to_owned(), cells: self.headlines.iter().map(figure).collect() }
    }

    fn metric(&self, label: &str, pick: Pick, show: fn(f64) -> String) -> FigureRow {
        self.each(label, |of| Figure::of(&of.metric_values(pick), show))
    }

    fn text(&self, label: &str, phase: Phase, figure: fn(&Summary) -> Option<String>) -> FigureRow {
        self.each(label, |of| Figure::from_text(Some(of.texts(phase, figure).join(", "))))
    }

    /// A text of each engine's configuration.
    fn configured(&self, label: &str, text: impl Fn(&EngineInfo) -> Option<String>) -> FigureRow {
        let cell = |engine: &Option<&EngineInfo>| Figure::from_text(engine.and_then(&text));
        FigureRow { label: label.to_owned(), cells: self.engines.iter().map(cell).collect() }
    }

    /// What the figures below are figures of: correctness, durability, protection.
    fn standing(&self) -> Group {
        let measure = Phase::Measure;
        group(
            "Correctness and durability",
            vec![
                self.text("verdict", measure, |row| row.metrics.verdict.map(|verdict| verdict.to_string())),
                self.text("durability class", measure, |row| row.metrics.durability_class.clone()),
                self.text("weakest in the window", measure, |row| row.metrics.degraded_class.clone()),
                self.configured("copies, devices", |engine| Some(engine.placement.clone())),
                self.configured("loss of a zone", |engine| Some(engine.protection.clone())),
            ],
        )
    }

    fn throughput(&self) -> Group {
        group(
            "Throughput, txn/s",
            vec![
                self.each("capacity, closed loop", |of| Figure::of(&of.capacities(), count)),
                self.text("  limited by", Phase::Capacity, |row| row.metrics.bottleneck.clone()),
                self.metric("offered", |row| row.window.offered_per_s, count),
                self.metric("achieved", |row| Some(row.window.throughput_per_s), count),
                self.text("  limited by", Phase::Measure, |row| row.metrics.bottleneck.clone()),
                self.metric("errors", |row| Some(row.window.errors as f64), count),
                self.metric("aborts", |row| row.metrics.aborts.map(|aborts| aborts as f64), count),
                self.metric("retries", |row| row.metrics.retries.map(|retries| retries as f64), count),
            ],
        )
    }

    fn latencies(&self, title: &str, kind: LatencyKind) -> Group {
        let rows = PERCENTILES.iter().map(|(label, beyond_ratio, pick)| {
            self.each(label, |of| {
                let enough =
                    |row: &Summary| row.spread.n as f64 * beyond_ratio >= SAMPLES_BEYOND_MIN || *beyond_ratio == 0.0;
                Figure::of(&of.values(Phase::Measure, kind, |row| pick(row).filter(|_| enough(row))), duration_ns)
            })
        });
        group(title, rows.collect())
    }

    /// Each engine's commit against a durable write without any engine.
    fn floor(&self) -> Group {
        let floor_of = |engine: &EngineInfo| self.floor_of(engine);
        let p50 = |row: &Summary| row.window.p50_ns.map(|ns| ns as f64);
        let times = |(of, engine): (&Headline<'_>, &Option<&EngineInfo>)| {
            let floor_ns = engine.and_then(floor_of).map(|floor| floor.p50_ns as f64);
            let service = of.values(Phase::Measure, LatencyKind::Service, p50);
            let values = floor_ns.map(|floor_ns| service.iter().map(|ns| ns / floor_ns).collect::<Vec<_>>());
            Figure::of(&values.unwrap_or_default(), |ratio| format!("{} ×", significant(ratio)))
        };
        group(
            "Against the disk's floor",
            vec![
                self.configured("floor of its kind", |engine| Some(floor_of(engine)?.name.clone())),
                self.configured("  p50", |engine| Some(duration_ns(floor_of(engine)?.p50_ns as f64))),
                FigureRow {
                    label: "service p50 ÷ floor p50".to_owned(),
                    cells: self.headlines.iter().zip(&self.engines).map(times).collect(),
                },
            ],
        )
    }

    fn floor_of(&self, engine: &EngineInfo) -> Option<&Floor> {
        let name = engine.floor.as_ref()?;
        self.info.floors.iter().find(|floor| floor.name == *name)
    }

    fn network(&self) -> Group {
        group(
            "Network per txn, database node",
            vec![
                self.metric("network I/Os", |row| row.metrics.net_ios_per_txn, significant),
                self.metric("bytes", |row| row.metrics.net_bytes_per_txn, bytes),
            ],
        )
    }

    fn storage(&self) -> Group {
        group(
            "Storage per txn, all copies",
            vec![
                self.metric("writes", |row| row.metrics.storage_writes_per_txn, significant),
                self.metric("bytes written", |row| row.metrics.storage_write_bytes_per_txn, bytes),
                self.metric("syncs", |row| row.metrics.storage_syncs_per_txn, significant),
                self.metric("reads", |row| row.metrics.read_ios_per_txn, significant),
                self.metric("user bytes changed", |row| row.metrics.user_bytes_per_txn, bytes),
                self.metric("write amplification", |row| row.metrics.write_amp_ratio, significant),
            ],
        )
    }

    fn processor(&self) -> Group {
        group(
            "CPU, cache, device",
            vec![
                self.metric("CPU per txn, database", |row| row.metrics.cpu_database_s_per_txn, seconds_text),
                self.metric("CPU per txn, storage", |row| row.metrics.cpu_storage_s_per_txn, seconds_text),
                self.metric("CPU per txn, load", |row| row.metrics.cpu_load_s_per_txn, seconds_text),
                self.metric("machine's CPU in use", |row| row.metrics.cpu_busy_ratio, percent),
                self.metric("  by other programs", |row| row.metrics.cpu_others_ratio, percent),
                self.metric("busiest thread", |row| row.metrics.thread_busy_ratio, percent),
                self.metric("device busy", |row| row.metrics.device_busy_ratio, percent),
                self.metric("cache hit ratio", |row| row.metrics.hit_ratio, percent),
            ],
        )
    }

    fn fault(&self) -> Group {
        group(
            &format!("Fault: {}", self.info.factors.fault),
            vec![
                self.metric("worst interval, of before", |row| row.metrics.dip_ratio, percent),
                self.metric("errors from the fault on", |row| row.metrics.fault_errors.map(|n| n as f64), count),
                self.each("time to 95 % of before", |of| {
                    let struck = of.metric_values(|row| row.metrics.dip_ratio).len();
                    let back = of.metric_values(|row| row.metrics.t_recover95_s);
                    match struck - back.len().min(struck) {
                        0 => Figure::of(&back, seconds_text),
                        lost => Figure::from_text(Some(format!("not in the window, {lost} of {struck}"))),
                    }
                }),
            ],
        )
    }

    fn deferred(&self) -> Group {
        let debt = |label: &str, of_debt: Debt, show: fn(f64) -> String| {
            self.each(label, |of| {
                let median_of = |pick: fn(&Metrics) -> Option<u64>| {
                    median(&of.metric_values(|row| pick(&row.metrics).map(|count| count as f64)))
                };
                let shown: Option<Vec<String>> = of_debt.iter().map(|pick| median_of(*pick).map(show)).collect();
                Figure::from_text(shown.map(|shown| shown.join(" → ")))
            })
        };
        group(
            "Deferred work: start → end → settled",
            vec![
                debt("dirty pages", DIRTY_PAGES, count),
                debt("records not applied", RECORDS, count),
                debt("log held", LOG_BYTES, bytes),
                self.metric("time given to settle", |row| row.metrics.settle_s, seconds_text),
            ],
        )
    }
}

const DIRTY_PAGES: Debt = [
    |metrics| metrics.deferred_dirty_pages_start,
    |metrics| metrics.deferred_dirty_pages_end,
    |metrics| metrics.deferred_dirty_pages,
];
const RECORDS: Debt = [
    |metrics| metrics.deferred_records_start,
    |metrics| metrics.deferred_records_end,
    |metrics| metrics.deferred_records,
];
const LOG_BYTES: Debt = [
    |metrics| metrics.deferred_log_bytes_start,
    |metrics| metrics.deferred_log_bytes_end,
    |metrics| metrics.deferred_log_bytes,
];
