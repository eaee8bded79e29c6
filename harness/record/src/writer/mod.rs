//! Writes a run directory while the run goes.
//!
//! # Order of calls
//!
//! [`RunWriter::create`] makes the directory; [`RunWriter::segment`] opens one engine's turn; then, as often as
//! needed, [`RunWriter::interval`], [`RunWriter::resources`], [`RunWriter::io`], [`RunWriter::fault`],
//! [`RunWriter::event`]; [`RunWriter::close`] ends the turn and writes its summary; [`RunWriter::metrics_mut`] may
//! still fill in what is known only later (recovery, verdict); [`RunWriter::finish`] ends the run.
//!
//! # Invariants
//!
//! - `ALL` rows are made here, by merging the operation types, so that they cannot disagree with them.
//! - `percentiles.csv`, `histogram.csv`, `latency.hlog` and `hgrm/` cover the phase `measure` and nothing else.
//! - A writer dropped before [`RunWriter::finish`] closes its open segments; the run stays `aborted`.

mod rows;
mod segment;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hdrhistogram::Histogram;
use jiff::Timestamp;
use serde_json::Value;

use crate::hlog::HlogWriter;
use crate::host::{self, CpuTimes};
use crate::info::{Code, EngineInfo, Factors, Floor, RunInfo, Status, Verdict};
use crate::schema::{
    Event, Fault, HistogramCell, Interval, Io, Metrics, Percentile, Phase, Recovery, Resource, Summary,
};
use crate::validity::{self, Validity};
use crate::{Host, Key, LatencyKind, OpInterval, RecordError, Row, SCHEMA_VERSION, hgrm, index, seconds};

use rows::{Lines, Table};
pub(crate) use rows::{csv_error, replace};
use segment::Segment;
pub(crate) use segment::io_per_txn;

/// What is known of a run before it starts.
#[derive(Clone, Debug, Default)]
pub struct RunPlan {
    /// The subcommand, e.g. `compare`.
    pub command: String,
    /// The command that runs it again; the command line when empty.
    pub reproduce: String,
    /// Seed of everything random.
    pub seed: u64,
    /// A bug planted on purpose, if there is one.
    pub mutant: Option<String>,
    /// What is varied.
    pub factors: Factors,
    /// The engines, in the order of their first turn.
    pub engines: Vec<EngineInfo>,
    /// Full resolved configuration.
    pub config: Value,
    /// Where the engines' data lies.
    pub data_dir: Option<PathBuf>,
    /// The floors measured on the spot, if they were.
    pub floors: Vec<Floor>,
    /// What a reader must know to read the figures rightly.
    pub limits: Vec<String>,
}

/// One engine's turn in a run. Valid for the writer that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentId(usize);

/// A stretch of a segment's own clock, in nanoseconds from the segment's origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it starts.
    pub start_ns: u64,
    /// How long it is.
    pub len_ns: u64,
}

/// One interval of one segment.
#[derive(Debug)]
pub struct IntervalInput<'a> {
    /// What the segment was doing.
    pub phase: Phase,
    /// When.
    pub span: Span,
    /// Arrivals asked of the generator; `None` in a closed loop.
    pub offered_per_s: Option<f64>,
    /// Operations of this phase in flight (sent in it, not finished), averaged over the interval.
    pub in_flight_mean: Option<f64>,
    /// The generator's own delays, intended start to actual send.
    pub sched_lag: Option<&'a Histogram<u64>>,
    /// What each operation type did; empty as long as none of any type has ended.
    pub ops: &'a [OpInterval],
}

/// The one writer of a run directory.
#[derive(Debug)]
pub struct RunWriter {
    dir: PathBuf,
    info: RunInfo,
    started: Instant,
    cpu_start: Option<CpuTimes>,
    finished: bool,
    segments: Vec<Segment>,
    pooled: BTreeMap<(String, String, String, LatencyKind), Histogram<u64>>,
    intervals: Table<Interval>,
    percentiles: Table<Percentile>,
    histogram: Table<HistogramCell>,
    resources: Table<Resource>,
    faults: Table<Fault>,
    recovery: Table<Recovery>,
    io: Table<Io>,
    events: Lines,
    hlog: HlogWriter,
}

impl RunWriter {
    /// Makes the directory `parent/<run id>` with every file and its header, and a `run.json` that says `aborted`
    /// until the run has ended.
    pub fn create(parent: &Path, plan: RunPlan) -> Result<RunWriter, RecordError> {
        let start = Timestamp::now();
        let (run_id, dir) = new_run_dir(parent, start)?;
        let info = run_info(plan, run_id, start);
        info.write(&dir)?;
        Table::<Summary>::create(&dir)?;
        let hgrm_dir = dir.join(hgrm::DIR);
        fs::create_dir(&hgrm_dir).map_err(RecordError::io(&hgrm_dir, "create the folder"))?;
        Ok(RunWriter {
            started: Instant::now(),
            cpu_start: CpuTimes::now(),
            finished: false,
            segments: Vec::new(),
            pooled: BTreeMap::new(),
            intervals: Table::create(&dir)?,
            percentiles: Table::create(&dir)?,
            histogram: Table::create(&dir)?,
            resources: Table::create(&dir)?,
            faults: Table::create(&dir)?,
            recovery: Table::create(&dir)?,
            io: Table::create(&dir)?,
            events: Lines::create(&dir.join("events.jsonl"))?,
            hlog: HlogWriter::create(&dir, start)?,
            dir,
            info,
        })
    }

    /// The run's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The run's id.
    pub fn run_id(&self) -> &str {
        &self.info.run_id
    }

    /// Nanoseconds since the start of the run: the origin to give a segment whose runtime's clock starts now.
    pub fn now_ns(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    /// What `run.json` will say. Changes reach the file with [`Self::save_info`] and at the end.
    pub fn info_mut(&mut self) -> &mut RunInfo {
        &mut self.info
    }

    /// Writes `run.json` as it stands; it still says `aborted`.
    pub fn save_info(&self) -> Result<(), RecordError> {
        self.info.write(&self.dir)
    }

    /// Adds something that differed from what was asked, for everyone to see.
    pub fn notice(&mut self, notice: impl Into<String>) -> Result<(), RecordError> {
        let notice = notice.into();
        if self.info.notices.contains(&notice) {
            return Ok(());
        }
        self.info.notices.push(notice);
        self.save_info()
    }

    /// Opens an engine's turn. `origin_ns` places the segment's own clock (the runtime's, which starts at zero) on
    /// the run's; all later times of the segment are on its own clock.
    pub fn segment(&mut self, engine: &str, workload: &str, repeat: u32, origin_ns: u64) -> SegmentId {
        let run_id = self.info.run_id.clone();
        let key = Key { run_id, engine: engine.to_owned(), workload: workload.to_owned(), repeat };
        self.segments.push(Segment::new(key, origin_ns));
        SegmentId(self.segments.len() - 1)
    }

    /// Records one interval: rows for each operation type and for `ALL`, and in the measured window the histograms
    /// too. Everything is with the operating system when this returns. It takes some milliseconds of CPU (about 0.3 for
    /// each operation type and kind), so call it from a thread that is not being measured.
    pub fn interval(&mut self, id: SegmentId, input: &IntervalInput<'_>) -> Result<(), RecordError> {
        let segment = &mut self.segments[id.0];
        let start_ns = segment.origin_ns + input.span.start_ns;
        for (row, histogram) in segment.take_interval(input) {
            self.intervals.append(&segment.key, &row)?;
            if row.phase == Phase::Measure {
                let tag = crate::hlog::tag(&segment.key.engine, &row.op, row.latency_kind);
                self.hlog.append(&tag, start_ns, input.span.len_ns, &histogram)?;
                for cell in segment::cells(&row, &histogram) {
                    self.histogram.append(&segment.key, &cell)?;
                }
            }
        }
        self.intervals.flush()?;
        self.histogram.flush()
    }

    /// Records what nodes had used at one moment of the segment's clock. `t_s` of the rows is overwritten with it.
    pub fn resources(&mut self, id: SegmentId, at_ns: u64, rows: Vec<Resource>) -> Result<(), RecordError> {
        let segment = &self.segments[id.0];
        for mut row in rows {
            row.t_s = seconds(segment.origin_ns + at_ns);
            self.resources.append(&segment.key, &row)?;
        }
        self.resources.flush()
    }

    /// Records the I/O of a whole phase, by node and class. Call it once a phase, before [`Self::close`].
    pub fn io(&mut self, id: SegmentId, rows: Vec<Io>) -> Result<(), RecordError> {
        let segment = &mut self.segments[id.0];
        for row in &rows {
            self.io.append(&segment.key, row)?;
        }
        segment.io.extend(rows);
        self.io.flush()
    }

    /// Records a fault. Times are seconds on the run's clock; see [`Self::seconds_of`]. Give it before
    /// [`Self::close`], when its heal time is known.
    pub fn fault(&mut self, id: SegmentId, fault: Fault) -> Result<(), RecordError> {
        let segment = &mut self.segments[id.0];
        self.faults.append(&segment.key, &fault)?;
        segment.faults.push(fault);
        self.faults.flush()
    }

    /// Records what a fault cost where the intervals cannot tell, e.g. `reopen_s` after a crash.
    pub fn recovery(&mut self, id: SegmentId, recovery: &Recovery) -> Result<(), RecordError> {
        self.recovery.append(&self.segments[id.0].key, recovery)?;
        self.recovery.flush()
    }

    /// Records anything else, at a moment of the segment's clock.
    pub fn event(&mut self, id: SegmentId, at_ns: u64, event: &str, detail: Value) -> Result<(), RecordError> {
        let segment = &self.segments[id.0];
        let key = segment.key.clone();
        let t_s = seconds(segment.origin_ns + at_ns);
        let (engine, workload, repeat) = (Some(key.engine), Some(key.workload), Some(key.repeat));
        self.events.append(&Event {
            run_id: key.run_id,
            t_s,
            engine,
            workload,
            repeat,
            event: event.to_owned(),
            detail,
        })
    }

    /// Records anything that belongs to no engine, now.
    pub fn run_event(&mut self, event: &str, detail: Value) -> Result<(), RecordError> {
        let t_s = seconds(self.now_ns());
        let run_id = self.info.run_id.clone();
        let (engine, workload, repeat) = (None, None, None);
        self.events.append(&Event { run_id, t_s, engine, workload, repeat, event: event.to_owned(), detail })
    }

    /// A moment of the segment's clock in seconds on the run's.
    pub fn seconds_of(&self, id: SegmentId, at_ns: u64) -> f64 {
        seconds(self.segments[id.0].origin_ns + at_ns)
    }

    /// The engine-level metrics of a segment's phase, to fill in until [`Self::finish`]. What the writer computes
    /// itself (I/O per transaction, the faults' cost) is set at [`Self::close`].
    pub fn metrics_mut(&mut self, id: SegmentId, phase: Phase) -> &mut Metrics {
        self.segments[id.0].metrics.entry(phase).or_default()
    }

    /// Ends a segment: writes its percentiles, summary and recovery rows. Closing twice does nothing.
    pub fn close(&mut self, id: SegmentId) -> Result<(), RecordError> {
        let segment = &mut self.segments[id.0];
        let Some(closed) = segment.close(&self.info.engines) else { return Ok(()) };
        for row in &closed.percentiles {
            self.percentiles.append(&segment.key, row)?;
        }
        for row in &closed.recovery {
            self.recovery.append(&segment.key, row)?;
        }
        self.percentiles.flush()?;
        self.recovery.flush()?;
        for (op, kind, histogram) in closed.measured {
            let key = &segment.key;
            let name = hgrm::file_name(&key.engine, &key.workload, &op, kind);
            let pooled_key = (key.engine.clone(), key.workload.clone(), op, kind);
            let pooled = self.pooled.entry(pooled_key).or_insert_with(crate::latency::new_histogram);
            segment::merge(pooled, &histogram);
            replace(&self.dir.join(hgrm::DIR).join(name), hgrm::render(pooled).as_bytes())?;
        }
        self.write_summary()
    }

    /// What the figures so far say of themselves, with the share of CPU time stolen until now. Close the segments
    /// first; pass its notices to [`Self::notice`], and its status and reasons to [`Self::finish`].
    pub fn validity(&self) -> Validity {
        let host = Host { steal_ratio: self.steal_ratio(), ..self.info.host.clone() };
        validity::judge(&host, &self.summary())
    }

    /// The rows of `summary.csv` as they stand: those of closed segments, with their metrics.
    pub fn summary(&self) -> Vec<(Key, Summary)> {
        let rows =
            |segment: &'_ Segment| segment.summary_rows().map(|row| (segment.key.clone(), row)).collect::<Vec<_>>();
        self.segments.iter().flat_map(rows).collect()
    }

    /// What `run.json` will say.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// Ends the run: closes what is open, writes the summary with the metrics as they stand, `run.json`, and the
    /// run's rows in `index.csv` of the parent. Returns the directory.
    pub fn finish(
        mut self,
        status: Status,
        verdict: Option<Verdict>,
        reasons: Vec<String>,
    ) -> Result<PathBuf, RecordError> {
        self.info.status = status;
        self.info.verdict = verdict;
        self.info.reasons = reasons;
        self.end()?;
        Ok(self.dir.clone())
    }

    fn end(&mut self) -> Result<(), RecordError> {
        self.finished = true;
        for index in 0..self.segments.len() {
            self.close(SegmentId(index))?;
        }
        self.write_summary()?;
        self.info.end_utc = Some(Timestamp::now().to_string());
        self.info.elapsed_s = Some(seconds(self.now_ns()));
        self.info.host.loadavg_end = host::loadavg();
        self.info.host.steal_ratio = self.steal_ratio();
        self.info.write(&self.dir)?;
        let parent = self.dir.parent().unwrap_or(Path::new("."));
        index::append(parent, &index::rows(&self.info, &self.summary()))
    }

    fn steal_ratio(&self) -> Option<f64> {
        self.cpu_start.zip(CpuTimes::now()).and_then(|(start, end)| end.steal_ratio_since(start))
    }

    fn write_summary(&self) -> Result<(), RecordError> {
        let rows = self.summary();
        replace(&self.dir.join(Summary::FILE), &rows::encode(&rows)?)
    }
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        if !self.finished {
            // Nobody is left to tell: the rows written so far stand, and run.json says aborted already.
            let _ = self.end();
        }
    }
}

fn run_info(plan: RunPlan, run_id: String, start: Timestamp) -> RunInfo {
    let argv: Vec<String> = std::env::args().collect();
    let reproduce = if plan.reproduce.is_empty() { argv.join(" ") } else { plan.reproduce };
    RunInfo {
        schema_version: SCHEMA_VERSION,
        run_id,
        status: Status::Aborted,
        reasons: vec!["the run did not reach its end".to_owned()],
        verdict: None,
        command: plan.command,
        argv,
        reproduce,
        seed: plan.seed,
        mutant: plan.mutant.unwrap_or_else(|| "none".to_owned()),
        start_utc: start.to_string(),
        end_utc: None,
        elapsed_s: None,
        factors: plan.factors,
        engines: plan.engines,
        config: plan.config,
        floors: plan.floors,
        links: Vec::new(),
        limits: plan.limits,
        notices: Vec::new(),
        code: Code::capture(),
        host: Host::capture(plan.data_dir.as_deref()),
    }
}

/// Makes a directory no other run has: a UTC time stamp, and a suffix that differs between processes and attempts.
fn new_run_dir(parent: &Path, start: Timestamp) -> Result<(String, PathBuf), RecordError> {
    fs::create_dir_all(parent).map_err(RecordError::io(parent, "create the folder for runs"))?;
    let stamp = start.strftime("%Y%m%dT%H%M%SZ");
    for attempt in 0u32.. {
        let salt =
            (start.subsec_nanosecond() as u32) ^ std::process::id().rotate_left(12) ^ attempt.wrapping_mul(0x9e37_79b9);
        let run_id = format!("{stamp}-{:04x}", (salt ^ (salt >> 16)) & 0xffff);
        let dir = parent.join(&run_id);
        match fs::create_dir(&dir) {
            Ok(()) => return Ok((run_id, dir)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && attempt < 1_000 => {}
            Err(source) => return Err(RecordError::Io { path: dir, doing: "create the run's directory", source }),
        }
    }
    unreachable!("the loop ends by returning")
}
