//! `index.csv` beside the run directories: one row for each run and engine, all factors and headline figures.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::row::columns;
use crate::schema::{Phase, Summary};
use crate::stats::{median, spread_ratio};
use crate::writer::csv_error;
use crate::{Key, LatencyKind, RecordError, RunInfo};

/// The file's name.
pub const FILE: &str = "index.csv";

columns! {
    /// One engine in one run. Figures are medians over the repeats of the measured window.
    pub struct IndexRow {
        /// The run, and its directory's name.
        pub run_id: String,
        /// The engine's name.
        pub engine: String,
        /// The workload's name.
        pub workload: String,
        /// How many repeats the medians are over.
        pub repeats: u32,
        /// Version of layout and columns.
        pub schema_version: u32,
        /// When the run began, UTC.
        pub start_utc: String,
        /// How it ended: `ok`, `saturated`, `aborted`, `invalid`.
        pub status: String,
        /// What the checks found for this engine.
        pub verdict: Option<String>,
        /// The subcommand.
        pub command: String,
        /// Commit of the source tree.
        pub git_sha: Option<String>,
        /// Whether the tree had uncommitted changes.
        pub git_dirty: Option<bool>,
        /// A bug planted on purpose, or `none`.
        pub mutant: String,
        /// Seed.
        pub seed: u64,
        /// `real` or `sim`.
        pub runtime: String,
        /// Latency and disk profile.
        pub profile: String,
        /// Fault script.
        pub fault: String,
        /// Key distribution with its parameters.
        pub distribution: String,
        /// `closed`, `poisson` or `constant`.
        pub arrival: String,
        /// Sessions.
        pub sessions: Option<u32>,
        /// Offered rate.
        pub rate_per_s: Option<f64>,
        /// Length of the measured window.
        pub duration_s: Option<f64>,
        /// Length of the warm-up.
        pub warmup_s: Option<f64>,
        /// Tables.
        pub tables: Option<u32>,
        /// Rows of each table.
        pub rows: Option<u64>,
        /// Cache of the database node.
        pub cache_bytes: Option<u64>,
        /// What an acknowledged commit survives.
        pub durability_class: Option<String>,
        /// Throughput in a closed loop.
        pub capacity_per_s: Option<f64>,
        /// Throughput of the measured window.
        pub throughput_per_s: Option<f64>,
        /// How far the repeats' throughputs lie apart: (largest - smallest) / median.
        pub throughput_spread_ratio: Option<f64>,
        /// Median service time.
        pub service_p50_ns: Option<f64>,
        /// 99th percentile of service time.
        pub service_p99_ns: Option<f64>,
        /// Median response time.
        pub response_p50_ns: Option<f64>,
        /// 99th percentile of response time.
        pub response_p99_ns: Option<f64>,
        /// How far the repeats' 99th percentiles of response time lie apart.
        pub response_p99_spread_ratio: Option<f64>,
        /// Network I/Os of the database site per transaction.
        pub net_ios_per_txn: Option<f64>,
        /// Bytes of those.
        pub net_bytes_per_txn: Option<f64>,
        /// Disk writes per transaction.
        pub storage_writes_per_txn: Option<f64>,
        /// Bytes of those.
        pub storage_write_bytes_per_txn: Option<f64>,
        /// Durability points per transaction.
        pub storage_syncs_per_txn: Option<f64>,
        /// CPU seconds of the database site per transaction.
        pub cpu_database_s_per_txn: Option<f64>,
        /// CPU seconds of the storage site per transaction.
        pub cpu_storage_s_per_txn: Option<f64>,
        /// Worst interval after the first fault over the median before it.
        pub dip_ratio: Option<f64>,
        /// From the first fault until throughput was back.
        pub t_recover95_s: Option<f64>,
        /// From reopening after the crash to the first commit.
        pub recovery_s: Option<f64>,
    }
}

/// The rows of a run: one for each engine and workload that was summarised.
pub fn rows(info: &RunInfo, summary: &[(Key, Summary)]) -> Vec<IndexRow> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (key, _) in summary {
        let pair = (key.engine.as_str(), key.workload.as_str());
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    pairs.into_iter().map(|(engine, workload)| row(info, &Headline::new(summary, engine, workload))).collect()
}

/// The `ALL` rows of one engine and workload.
pub(crate) struct Headline<'a> {
    engine: &'a str,
    workload: &'a str,
    rows: Vec<&'a Summary>,
    repeats: Vec<u32>,
}

impl<'a> Headline<'a> {
    pub(crate) fn new(summary: &'a [(Key, Summary)], engine: &'a str, workload: &'a str) -> Headline<'a> {
        let of_pair = || summary.iter().filter(|(key, _)| key.engine == engine && key.workload == workload);
        let mut repeats: Vec<u32> =
            of_pair().filter(|(_, row)| row.window.phase == Phase::Measure).map(|(key, _)| key.repeat).collect();
        repeats.sort_unstable();
        repeats.dedup();
        let rows = of_pair().map(|(_, row)| row).filter(|row| row.window.op == "ALL").collect();
        Headline { engine, workload, rows, repeats }
    }

    pub(crate) fn repeats(&self) -> usize {
        self.repeats.len()
    }

    /// One figure of every repeat.
    pub(crate) fn values(&self, phase: Phase, kind: LatencyKind, figure: impl Fn(&Summary) -> Option<f64>) -> Vec<f64> {
        let rows = self.rows.iter().filter(|row| row.window.phase == phase && row.window.latency_kind == kind);
        rows.filter_map(|row| figure(row)).collect()
    }

    /// The median over repeats of an engine-level figure of the measured window.
    pub(crate) fn metric(&self, figure: impl Fn(&Summary) -> Option<f64>) -> Option<f64> {
        median(&self.metric_values(figure))
    }

    /// An engine-level figure of the measured window, of every repeat.
    pub(crate) fn metric_values(&self, figure: impl Fn(&Summary) -> Option<f64>) -> Vec<f64> {
        // Every ALL row carries them; one kind is enough.
        self.values(Phase::Measure, self.engine_level_kind(Phase::Measure), figure)
    }

    /// The throughput of every closed loop: of the probes, or of the measured window where that was one.
    pub(crate) fn capacities(&self) -> Vec<f64> {
        let kind = self.engine_level_kind(Phase::Capacity);
        let probed = self.values(Phase::Capacity, kind, |row| Some(row.window.throughput_per_s));
        if !probed.is_empty() {
            return probed;
        }
        self.metric_values(|row| row.window.offered_per_s.is_none().then_some(row.window.throughput_per_s))
    }

    /// The engine's name.
    pub(crate) fn engine(&self) -> &str {
        self.engine
    }

    /// A text metric of the measured window, of the first repeat that has it.
    pub(crate) fn text(&self, figure: impl Fn(&Summary) -> Option<String>) -> Option<String> {
        self.rows.iter().filter(|row| row.window.phase == Phase::Measure).find_map(|row| figure(row))
    }

    /// The distinct values of a text metric over the repeats of a phase.
    pub(crate) fn texts(&self, phase: Phase, figure: impl Fn(&Summary) -> Option<String>) -> Vec<String> {
        let mut texts: Vec<String> =
            self.rows.iter().filter(|row| row.window.phase == phase).filter_map(|row| figure(row)).collect();
        texts.sort();
        texts.dedup();
        texts
    }

    fn engine_level_kind(&self, phase: Phase) -> LatencyKind {
        let kinds = self.rows.iter().filter(|row| row.window.phase == phase).map(|row| row.window.latency_kind);
        kinds.min().unwrap_or(LatencyKind::Service)
    }
}

fn row(info: &RunInfo, of: &Headline<'_>) -> IndexRow {
    let factors = info.factors.clone();
    let latency = |kind, figure: fn(&Summary) -> Option<u64>| {
        of.values(Phase::Measure, kind, |row| figure(row).map(|ns| ns as f64))
    };
    let (service, response) = (LatencyKind::Service, LatencyKind::Response);
    let throughputs = of.metric_values(|row| Some(row.window.throughput_per_s));
    let response_p99 = latency(response, |row| row.window.p99_ns);
    IndexRow {
        run_id: info.run_id.clone(),
        engine: of.engine.to_owned(),
        workload: of.workload.to_owned(),
        repeats: of.repeats() as u32,
        schema_version: info.schema_version,
        start_utc: info.start_utc.clone(),
        status: info.status.to_string(),
        verdict: of
            .texts(Phase::Measure, |row| row.metrics.verdict.map(|verdict| verdict.to_string()))
            .into_iter()
            .reduce(|a, b| a + ", " + &b),
        command: info.command.clone(),
        git_sha: info.code.git_sha.clone(),
        git_dirty: info.code.git_dirty,
        mutant: info.mutant.clone(),
        seed: info.seed,
        runtime: factors.runtime,
        profile: factors.profile,
        fault: factors.fault,
        distribution: factors.distribution,
        arrival: factors.arrival,
        sessions: factors.sessions,
        rate_per_s: factors.rate_per_s,
        duration_s: factors.duration_s,
        warmup_s: factors.warmup_s,
        tables: factors.tables,
        rows: factors.rows,
        cache_bytes: factors.cache_bytes,
        durability_class: of.text(|row| row.metrics.durability_class.clone()),
        capacity_per_s: median(&of.capacities()),
        throughput_per_s: median(&throughputs),
        throughput_spread_ratio: spread_ratio(&throughputs),
        service_p50_ns: median(&latency(service, |row| row.window.p50_ns)),
        service_p99_ns: median(&latency(service, |row| row.window.p99_ns)),
        response_p50_ns: median(&latency(response, |row| row.window.p50_ns)),
        response_p99_ns: median(&response_p99),
        response_p99_spread_ratio: spread_ratio(&response_p99),
        net_ios_per_txn: of.metric(|row| row.metrics.net_ios_per_txn),
        net_bytes_per_txn: of.metric(|row| row.metrics.net_bytes_per_txn),
        storage_writes_per_txn: of.metric(|row| row.metrics.storage_writes_per_txn),
        storage_write_bytes_per_txn: of.metric(|row| row.metrics.storage_write_bytes_per_txn),
        storage_syncs_per_txn: of.metric(|row| row.metrics.storage_syncs_per_txn),
        cpu_database_s_per_txn: of.metric(|row| row.metrics.cpu_database_s_per_txn),
        cpu_storage_s_per_txn: of.metric(|row| row.metrics.cpu_storage_s_per_txn),
        dip_ratio: of.metric(|row| row.metrics.dip_ratio),
        t_recover95_s: of.metric(|row| row.metrics.t_recover95_s),
        recovery_s: of.metric(|row| row.metrics.recovery_s),
    }
}

/// Appends rows to the index of `parent`, in one write, so that runs ending at the same time do not mix. An index of
/// other columns is set aside under another name, never mixed with.
pub fn append(parent: &Path, rows: &[IndexRow]) -> Result<(), RecordError> {
    let path = parent.join(FILE);
    let header = IndexRow::COLUMNS.join(",");
    let first_line = fs::read_to_string(&path).ok().and_then(|text| text.lines().next().map(str::to_owned));
    if first_line.as_ref().is_some_and(|line| *line != header) {
        let aside = free_name(parent);
        fs::rename(&path, &aside).map_err(RecordError::io(&aside, "set the old index aside"))?;
    }
    let is_new = first_line.is_none_or(|line| line != header);
    let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    if is_new {
        csv.write_record(IndexRow::COLUMNS).map_err(csv_error(&path))?;
    }
    for row in rows {
        csv.serialize(row).map_err(csv_error(&path))?;
    }
    let bytes = csv.into_inner().map_err(|error| RecordError::malformed(&path, error.to_string()))?;
    let mut file =
        OpenOptions::new().append(true).create(true).open(&path).map_err(RecordError::io(&path, "open it"))?;
    file.write_all(&bytes).map_err(RecordError::io(&path, "append rows"))
}

fn free_name(parent: &Path) -> std::path::PathBuf {
    let names = (1u32..).map(|number| parent.join(format!("index.old-{number}.csv")));
    names.into_iter().find(|name| !name.exists()).expect("the range of numbers does not end")
}
