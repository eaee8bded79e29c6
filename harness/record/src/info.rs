//! `run.json`: what a run was, on what, and how it ended.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Host, RecordError};

/// The file's name.
pub const FILE: &str = "run.json";

/// How a run ended, as a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its figures stand.
    Ok,
    /// The offered rate was not reached: response times grow with the length of the run.
    Saturated,
    /// It did not reach its end. What was measured until then is kept.
    Aborted,
    /// Something makes its figures worthless; the reasons say what.
    Invalid,
}

/// What the checks found: correctness and promises kept, never speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every check passed.
    Ok,
    /// A check failed.
    Violation,
    /// The checks could not decide.
    Unknown,
    /// Correct as far as it went, but it did not make the progress it owed.
    Liveness,
}

macro_rules! named {
    ($name:ident { $($variant:ident => $text:literal,)* }) => {
        impl $name {
            /// The name in records.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

named!(Status { Ok => "ok", Saturated => "saturated", Aborted => "aborted", Invalid => "invalid", });
named!(Verdict { Ok => "ok", Violation => "violation", Unknown => "unknown", Liveness => "liveness", });

/// The factors of a run: what an experimenter varies. They are columns of `index.csv`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Factors {
    /// `real` or `sim`.
    pub runtime: String,
    /// The latency and disk profile's name.
    pub profile: String,
    /// The fault script's name, `none` when there is none.
    pub fault: String,
    /// Key distribution with its parameters, never "default".
    pub distribution: String,
    /// `closed`, `poisson` or `constant`.
    pub arrival: String,
    /// Sessions of the load generator.
    pub sessions: Option<u32>,
    /// Offered rate of the measured window.
    pub rate_per_s: Option<f64>,
    /// Length of the measured window.
    pub duration_s: Option<f64>,
    /// Length of the warm-up before it.
    pub warmup_s: Option<f64>,
    /// Tables of the data set.
    pub tables: Option<u32>,
    /// Rows of each table.
    pub rows: Option<u64>,
    /// Cache of the database node; equal for all engines.
    pub cache_bytes: Option<u64>,
}

/// An engine as it was configured for the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// Its name, one token.
    pub name: String,
    /// What an acknowledged commit survives.
    pub durability_class: String,
    /// How it fares when a zone is lost: `masked`, `degraded`, `not protected`.
    pub protection: String,
    /// How many copies lie on how many devices, e.g. `6 copies, one device`.
    #[serde(default)]
    pub placement: String,
    /// Which floor of `floors` its commit is held against, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<String>,
    /// Its full resolved parameters.
    pub params: Value,
}

/// What a durable write costs without any engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// What was written, e.g. `durable write, one copy`.
    pub name: String,
    /// How: `io_uring`, or `pwritev2` where that is refused.
    pub method: String,
    /// Writes or records measured.
    pub samples: u64,
    /// Median.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// Writes or records a second.
    pub per_s: f64,
    /// Whether O_DIRECT was refused, so that writes went through the page cache.
    pub buffered: bool,
}

/// The delay added between two zones in one engine's turns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkDelay {
    /// The engine.
    pub engine: String,
    /// From where.
    pub from: String,
    /// To where.
    pub to: String,
    /// Frames delayed.
    pub frames: u64,
    /// Median of what the profile asked for.
    pub intended_p50_ns: u64,
    /// Median of what it came to, from sending to delivery.
    pub realised_p50_ns: u64,
}

impl LinkDelay {
    /// How much later than asked, as a share of what was asked: 0.5 is half as long again. `None` where no delay was asked for.
    pub fn late_ratio(&self) -> Option<f64> {
        (self.intended_p50_ns > 0).then(|| self.realised_p50_ns as f64 / self.intended_p50_ns as f64 - 1.0)
    }
}

/// The source the binary was built from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// Version of the workspace.
    pub version: String,
    /// Commit of the source tree, when git can tell.
    pub git_sha: Option<String>,
    /// Whether the source tree had uncommitted changes.
    pub git_dirty: Option<bool>,
    /// The compiler.
    pub rustc: String,
    /// Build profile: `debug` or `release`.
    pub profile: String,
    /// Target triple.
    pub target: String,
}

/// The whole of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Version of layout and columns.
    pub schema_version: u32,
    /// The run, as in the directory's name.
    pub run_id: String,
    /// How it ended.
    pub status: Status,
    /// Why it ended so; empty when `ok`.
    pub reasons: Vec<String>,
    /// What the checks found; absent until they ran.
    pub verdict: Option<Verdict>,
    /// The subcommand, e.g. `compare`.
    pub command: String,
    /// The whole command line.
    pub argv: Vec<String>,
    /// The command that runs it again.
    pub reproduce: String,
    /// Seed of everything random.
    pub seed: u64,
    /// A bug planted on purpose; `none` in every measurement.
    pub mutant: String,
    /// When it began, UTC.
    pub start_utc: String,
    /// When it ended, UTC; absent until it has.
    pub end_utc: Option<String>,
    /// How long it took.
    pub elapsed_s: Option<f64>,
    /// What was varied.
    pub factors: Factors,
    /// The engines, in the order of their first turn.
    pub engines: Vec<EngineInfo>,
    /// Full resolved configuration.
    pub config: Value,
    /// The floors measured on this machine's disk just before, without any engine.
    #[serde(default)]
    pub floors: Vec<Floor>,
    /// The links as they were asked for and as they came to be, by pair of zones.
    #[serde(default)]
    pub links: Vec<LinkDelay>,
    /// What a reader must know to read the figures rightly.
    pub limits: Vec<String>,
    /// What differed from what was asked, e.g. a thread-pool disk where io_uring was refused.
    pub notices: Vec<String>,
    /// The code.
    pub code: Code,
    /// The machine.
    pub host: Host,
}

impl RunInfo {
    /// Reads `run.json` of a run directory.
    pub fn read(dir: &Path) -> Result<RunInfo, RecordError> {
        let path = dir.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(RecordError::io(&path, "read it"))?;
        serde_json::from_str(&text).map_err(|error| RecordError::malformed(&path, error.to_string()))
    }

    /// Replaces `run.json` in one step, so that a reader never sees half of it.
    pub fn write(&self, dir: &Path) -> Result<(), RecordError> {
        let path = dir.join(FILE);
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| RecordError::malformed(&path, format!("cannot be encoded: {error}")))?;
        text.push('\n');
        crate::writer::replace(&path, text.as_bytes())
    }
}
