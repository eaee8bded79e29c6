//! The comparison's figures, once, for the terminal's table and the report alike.
//!
//! Each cell is the median over repeats; with two or more repeats it carries their range. A percentile is shown only
//! when at least ten samples lie above it.

pub mod format;

use crate::index::Headline;
use crate::schema::{Phase, Summary};
use crate::stats::{self, median};
use crate::{Key, LatencyKind, RunInfo};
use format::{bytes, count, duration_ns, percent, seconds_text, significant};

/// What is shown where nothing was measured.
pub const NOT_MEASURED: &str = "–";

/// Metrics by engines.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Column heads: engine names, with the workload when there are several.
    pub engines: Vec<String>,
    /// Rows in groups.
    pub groups: Vec<Group>,
    /// What must be read with the table.
    pub notes: Vec<String>,
}

/// Rows under one heading.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The heading.
    pub title: String,
    /// The rows.
    pub rows: Vec<FigureRow>,
}

/// One metric of every engine.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureRow {
    /// The metric's name, with its unit where the cells have none.
    pub label: String,
    /// One cell for each engine.
    pub cells: Vec<Figure>,
}

/// One metric of one engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figure {
    /// The median over repeats, `None` when it was not measured.
    pub value: Option<String>,
    /// The lowest and highest repeat.
    pub range: Option<String>,
}

impl Figure {
    /// The cell as one text.
    pub fn text(&self) -> String {
        match (&self.value, &self.range) {
            (Some(value), Some(range)) => format!("{value} ({range})"),
            (Some(value), None) => value.clone(),
            (None, _) => NOT_MEASURED.to_owned(),
        }
    }

    fn of(values: &[f64], show: impl Fn(f64) -> String) -> Figure {
        let Some(middle) = median(values) else { return Figure::default() };
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (value, low, high) = (show(middle), show(low), show(high));
        let range = (values.len() > 1 && low != high).then(|| {
            let unit = value.find(' ').map_or("", |at| &value[at..]);
            match (low.strip_suffix(unit), high.strip_suffix(unit)) {
                (Some(low), Some(high)) => format!("{low}–{high}"),
                _ => format!("{low} – {high}"),
            }
        });
        Figure { value: Some(value), range }
    }

    fn from_text(value: Option<String>) -> Figure {
        Figure { value: value.filter(|text| !text.is_empty()), range: None }
    }
}

impl Figures {
    /// The figures of a run.
    pub fn of(info: &RunInfo, summary: &[(Key, Summary)]) -> Figures {
        let pairs = pairs(info, summary);
        let has_workloads = pairs.iter().any(|(_, workload)| *workload != pairs[0].1);
        let name = |(engine, workload): &(&str, &str)| match has_workloads {
            true => format!("{engine} / {workload}"),
            false => (*engine).to_owned(),
        };
        let engines: Vec<String> = pairs.iter().map(name).collect();
        let headlines: Vec<Headline<'_>> =
            pairs.iter().map(|(engine, workload)| Headline::new(summary, engine, workload)).collect();
        let mut groups = vec![standing(info, &pairs, &headlines)];
        groups.extend(measured(info, &headlines));
        groups.retain(|group| group.rows.iter().any(|row| row.cells.iter().any(|cell| cell.value.is_some())));
        Figures { engines, groups, notes: notes(info, &headlines) }
    }
}

/// The ratios of headline figures between each other engine and the first, in the columns of [`Figures::of`] without
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

fn pairs<'a>(info: &'a RunInfo, summary: &'a [(Key, Summary)]) -> Vec<(&'a str, &'a str)> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (key, _) in summary {
        let pair = (key.engine.as_str(), key.workload.as_str());
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    let place = |engine: &str| info.engines.iter().position(|known| known.name == engine).unwrap_or(usize::MAX);
    pairs.sort_by_key(|(engine, _)| place(engine));
    pairs
}

/// What the figures below are figures of: correctness, durability, protection.
fn standing(info: &RunInfo, pairs: &[(&str, &str)], headlines: &[Headline<'_>]) -> Group {
    let engine = |name: &str| info.engines.iter().find(|engine| engine.name == name);
    let text = |label: &str, figure: fn(&Summary) -> Option<String>| FigureRow {
        label: label.to_owned(),
        cells: headlines.iter().map(|of| Figure::from_text(Some(of.texts(figure).join(", ")))).collect(),
    };
    let protection =
        pairs.iter().map(|(name, _)| Figure::from_text(engine(name).map(|engine| engine.protection.clone())));
    let rows = vec![
        text("verdict", |row| row.metrics.verdict.map(|verdict| verdict.to_string())),
        text("durability class", |row| row.metrics.durability_class.clone()),
        FigureRow { label: "loss of a zone".to_owned(), cells: protection.collect() },
        text("bottleneck", |row| row.metrics.bottleneck.clone()),
    ];
    Group { title: "Correctness and durability".to_owned(), rows }
}

type Pick = fn(&Summary) -> Option<f64>;

fn measured(info: &RunInfo, headlines: &[Headline<'_>]) -> Vec<Group> {
    let each = |label: &str, figure: &dyn Fn(&Headline<'_>) -> Figure| FigureRow {
        label: label.to_owned(),
        cells: headlines.iter().map(figure).collect(),
    };
    let metric =
        |label: &str, pick: Pick, show: fn(f64) -> String| each(label, &|of| Figure::of(&of.metric_values(pick), show));
    let group = |title: &str, rows: Vec<FigureRow>| Group { title: title.to_owned(), rows };
    let latencies = |title: &str, kind: LatencyKind| {
        let rows = PERCENTILES.iter().map(|(label, beyond_ratio, pick)| {
            each(label, &|of| {
                let enough =
                    |row: &Summary| row.spread.n as f64 * beyond_ratio >= SAMPLES_BEYOND_MIN || *beyond_ratio == 0.0;
                Figure::of(&of.values(Phase::Measure, kind, |row| pick(row).filter(|_| enough(row))), duration_ns)
            })
        });
        group(title, rows.collect())
    };
    let rate = match info.factors.rate_per_s {
        Some(rate) => format!("at {} txn/s", count(rate)),
        None => "closed loop".to_owned(),
    };
    vec![
        group(
            "Throughput, txn/s",
            vec![
                each("capacity, closed loop", &|of| Figure::of(&of.capacities(), count)),
                metric("offered", |row| row.window.offered_per_s, count),
                metric("achieved", |row| Some(row.window.throughput_per_s), count),
                metric("errors", |row| Some(row.window.errors as f64), count),
                metric("aborts", |row| row.metrics.aborts.map(|aborts| aborts as f64), count),
                metric("retries", |row| row.metrics.retries.map(|retries| retries as f64), count),
            ],
        ),
        latencies(&format!("Response time, {rate}"), LatencyKind::Response),
        latencies(&format!("Service time, {rate}"), LatencyKind::Service),
        group(
            "Network per txn, database node",
            vec![
                metric("network I/Os", |row| row.metrics.net_ios_per_txn, significant),
                metric("bytes", |row| row.metrics.net_bytes_per_txn, bytes),
            ],
        ),
        group(
            "Storage per txn, all copies",
            vec![
                metric("writes", |row| row.metrics.storage_writes_per_txn, significant),
                metric("bytes written", |row| row.metrics.storage_write_bytes_per_txn, bytes),
                metric("syncs", |row| row.metrics.storage_syncs_per_txn, significant),
                metric("reads", |row| row.metrics.read_ios_per_txn, significant),
                metric("write amplification", |row| row.metrics.write_amp_ratio, significant),
            ],
        ),
        group(
            "CPU and cache",
            vec![
                metric("CPU per txn, database", |row| row.metrics.cpu_database_s_per_txn, seconds_text),
                metric("CPU per txn, storage", |row| row.metrics.cpu_storage_s_per_txn, seconds_text),
                metric("CPU per txn, load", |row| row.metrics.cpu_load_s_per_txn, seconds_text),
                metric("cache hit ratio", |row| row.metrics.hit_ratio, percent),
            ],
        ),
        group(
            &format!("Fault: {}", info.factors.fault),
            vec![
                metric("worst interval, of before", |row| row.metrics.dip_ratio, percent),
                metric("errors from the fault on", |row| row.metrics.fault_errors.map(|errors| errors as f64), count),
                metric("time to 95 % of before", |row| row.metrics.t_recover95_s, seconds_text),
            ],
        ),
        group(
            "Crash, reopened cold",
            vec![metric("until the first commit", |row| row.metrics.recovery_s, seconds_text)],
        ),
        group(
            "Deferred work left",
            vec![
                metric("dirty pages", |row| row.metrics.deferred_dirty_pages.map(|pages| pages as f64), count),
                metric("records not applied", |row| row.metrics.deferred_records.map(|records| records as f64), count),
                metric("log held", |row| row.metrics.deferred_log_bytes.map(|held| held as f64), bytes),
            ],
        ),
    ]
}

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

fn notes(info: &RunInfo, headlines: &[Headline<'_>]) -> Vec<String> {
    let repeats = headlines.iter().map(Headline::repeats).max().unwrap_or_default();
    let mut notes =
        vec!["Response time runs from the intended start to the reply, service time from the actual send.".to_owned()];
    if info.factors.rate_per_s.is_none() {
        notes.push("Closed loop: a session that waits sends nothing, so its latencies leave out what others would have waited.".to_owned());
    }
    notes.push(match repeats {
        0 | 1 => "One repeat: nothing here says how far another would lie from it.".to_owned(),
        many => format!("Medians of {many} repeats (lowest–highest). – is not measured, or too few samples."),
    });
    let p99 = |of: &Headline<'_>| {
        of.values(Phase::Measure, LatencyKind::Response, |row| row.window.p99_ns.map(|ns| ns as f64))
    };
    if let Some(spread) = headlines.iter().filter_map(|of| stats::spread_ratio(&p99(of))).max_by(f64::total_cmp) {
        notes.push(format!(
            "Repeats of one engine lie up to {} apart in response p99; smaller differences mean nothing.",
            percent(spread)
        ));
    }
    notes
}

#[cfg(test)]
mod tests;
