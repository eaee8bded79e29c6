//! Verifies that the files of a run directory agree with each other.
//!
//! What is checked: every file is there with its columns; every row belongs to the run; interval counts add up to the
//! summary, operation types to `ALL`, heat map cells to the latencies recorded; the interval log merged gives
//! `percentiles.csv` and the summary's percentiles; I/O per transaction follows from `io.csv`; faults lie inside the
//! run; and Little's law holds where operations in flight were measured.
//!
//! A run that was killed has no summary for what was under way; what it has is still held against the rest.

mod counts;
mod faults;
mod histograms;
mod rates;

use std::fmt;
use std::path::Path;

use crate::info::{self, Status};
use crate::{RecordError, Run, SCHEMA_VERSION, hlog};

/// Two statements of a run directory that cannot both be true, or one that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inconsistency {
    /// The file where it shows.
    pub file: String,
    /// What is wrong, with the figures.
    pub what: String,
}

impl fmt::Display for Inconsistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}

/// Every file of a finished run directory, besides `report.html` and the `hgrm` folder.
pub const FILES: [&str; 11] = [
    info::FILE,
    "intervals.csv",
    "summary.csv",
    "percentiles.csv",
    "histogram.csv",
    hlog::FILE,
    "resources.csv",
    "faults.csv",
    "recovery.csv",
    "io.csv",
    "events.jsonl",
];

/// Collects findings.
#[derive(Debug, Default)]
struct Findings(Vec<Inconsistency>);

impl Findings {
    fn add(&mut self, file: &str, what: impl Into<String>) {
        self.0.push(Inconsistency { file: file.to_owned(), what: what.into() });
    }

    /// Adds a finding when `holds` is false.
    fn demand(&mut self, holds: bool, file: &str, what: impl FnOnce() -> String) {
        if !holds {
            self.add(file, what());
        }
    }
}

/// Checks a run directory. Empty means that everything agrees.
pub fn check(dir: &Path) -> Vec<Inconsistency> {
    let mut findings = Findings::default();
    for file in FILES {
        findings.demand(dir.join(file).is_file(), file, || "it is missing".to_owned());
    }
    if !findings.0.is_empty() {
        return findings.0;
    }
    let read = Run::open(dir).and_then(|run| Ok((run, hlog::read(&dir.join(hlog::FILE))?)));
    match read {
        Ok((run, log)) => {
            run_info(&run, &mut findings);
            counts::keys(&run, &mut findings);
            counts::sums(&run, &mut findings);
            histograms::check(&run, &log, &mut findings);
            rates::io_per_txn(&run, &mut findings);
            rates::littles_law(&run, &mut findings);
            faults::check(&run, &mut findings);
        }
        Err(RecordError::Malformed { path, what }) => findings.add(&name_of(&path), what),
        Err(error @ RecordError::Io { .. }) => findings.add("", error.to_string()),
    }
    findings.0
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn run_info(run: &Run, findings: &mut Findings) {
    let info = &run.info;
    findings.demand(info.schema_version == SCHEMA_VERSION, info::FILE, || {
        format!("schema_version is {}, this version knows {SCHEMA_VERSION}", info.schema_version)
    });
    let is_ended = info.end_utc.is_some() && info.elapsed_s.is_some();
    findings.demand(is_ended || info.status == Status::Aborted, info::FILE, || {
        format!("status is {} but there is no end", info.status)
    });
    findings.demand(info.status == Status::Ok || !info.reasons.is_empty(), info::FILE, || {
        format!("status is {} without a reason", info.status)
    });
}

#[cfg(test)]
mod tests;
