//! The one writer and reader of run directories.
//!
//! A *run* is one invocation of the command line. It leaves one directory, and every figure Sextant ever shows is
//! read back from such a directory: the terminal's table, `report.html`, the notebooks and the regression checks
//! all start from the same rows. The files and their columns are described for their readers in
//! `results/README.md`; a test compares that page with the headers this crate writes.
//!
//! # Mechanism
//!
//! - [`RunWriter`] creates the directory and writes as the run goes. The unit inside a run is a *segment*: one
//!   engine under one workload, once (`run_id, engine, workload, repeat`, the four columns every CSV begins with).
//! - Latencies are recorded in HdrHistograms (1 ns to 1 h, three digits) that are swapped every interval
//!   ([`LatencyBook`]). Whole windows are *merged* histograms; percentiles are never averaged (Tene, "How NOT to
//!   measure latency").
//! - [`Run`] reads a directory back, [`check()`] verifies that its files agree with each other, [`table`] prints it.
//! - [`validity`] says whether the figures may be used.
//! - [`stats`] holds what comparisons need: bootstrap intervals, Mann-Whitney U, effective sample size.
//!
//! # Example
//!
//! ```
//! use record::{IntervalInput, LatencyBook, LatencyKind, Phase, RunPlan, RunWriter, Span};
//! # let parent = tempfile::tempdir()?;
//! let mut run = RunWriter::create(parent.path(), RunPlan { command: "bench".into(), ..RunPlan::default() })?;
//! let origin_ns = run.now_ns();
//! let segment = run.segment("coupled", "bank", 1, origin_ns);
//!
//! // Wherever operations complete:
//! let mut book = LatencyBook::new(&[LatencyKind::Service, LatencyKind::Response]);
//! let transfer = book.op("transfer");
//! book.complete(transfer, true, 210_000, 230_000);
//!
//! // At the end of every interval, on the runtime's own clock:
//! let ops = book.swap();
//! run.interval(segment, &IntervalInput {
//!     phase: Phase::Measure,
//!     span: Span { start_ns: 0, len_ns: 250_000_000 },
//!     offered_per_s: Some(4.0),
//!     in_flight_mean: None,
//!     sched_lag: None,
//!     ops: &ops,
//! })?;
//! book.recycle(ops);
//!
//! // At the end of the engine's turn, after `run.io` and `run.fault`; then at the end of the run:
//! run.close(segment)?;
//! run.metrics_mut(segment, Phase::Measure).hit_ratio = Some(0.99);
//! let validity = run.validity();
//! let dir = run.finish(validity.status, None, validity.reasons)?;
//! assert_eq!(record::check(&dir), []);
//! record::report::render(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//!
//! - A directory says `aborted` from its first moment until [`RunWriter::finish`] replaces that, so that a killed
//!   run never looks complete.
//! - Rows are flushed to the operating system at the end of every interval.
//! - A field that was not measured is empty, never zero.
//! - Service time (send to done) and response time (intended start to done) are separate rows, always.
//!
//! # Caveats
//!
//! - Rows are flushed, not synced: they outlive the process, not a power loss.
//! - Two values within 0.1 % of each other may fall in one histogram bucket; `max_ns` and `min_ns` carry that
//!   rounding too.

mod row;

pub mod bench;
pub mod check;
pub mod conclusions;
pub mod error;
pub mod figures;
pub mod hgrm;
pub mod hlog;
pub mod host;
pub mod impact;
pub mod index;
pub mod info;
pub mod latency;
pub mod reader;
pub mod report;
pub mod schema;
pub mod stats;
pub mod table;
pub mod validity;
pub mod writer;

pub use check::{Inconsistency, check};
pub use error::RecordError;
pub use host::Host;
pub use info::{EngineInfo, Factors, Floor, LinkDelay, RunInfo, Status, Verdict};
pub use latency::{Latencies, LatencyBook, LatencyKind, OpCounts, OpInterval, OpSlot};
pub use reader::Run;
pub use row::{Key, Keyed, Row};
pub use schema::{Event, Fault, HistogramCell, Interval, Io, Metrics, Percentile, Phase, Recovery, Resource, Summary};
pub use validity::Validity;
pub use writer::{IntervalInput, RunPlan, RunWriter, SegmentId, Span};

/// The version of the layout and columns of run directories, written to `run.json` and `index.csv`. It grows when a
/// column changes its meaning or goes away; added columns leave it.
pub const SCHEMA_VERSION: u32 = 1;

/// Nanoseconds as seconds, rounded to the microsecond so that CSV cells stay short.
pub fn seconds(ns: u64) -> f64 {
    (ns as f64 / 1e3).round() / 1e6
}
