//! Reads a run directory back.

use std::path::{Path, PathBuf};

use crate::schema::{Event, Fault, HistogramCell, Interval, Io, Percentile, Recovery, Resource, Summary};
use crate::writer::csv_error;
use crate::{Key, RecordError, Row, RunInfo};

/// Everything in a run directory but the interval log.
#[derive(Debug)]
pub struct Run {
    /// The directory.
    pub dir: PathBuf,
    /// `run.json`.
    pub info: RunInfo,
    /// `summary.csv`.
    pub summary: Vec<(Key, Summary)>,
    /// `intervals.csv`.
    pub intervals: Vec<(Key, Interval)>,
    /// `percentiles.csv`.
    pub percentiles: Vec<(Key, Percentile)>,
    /// `histogram.csv`.
    pub histogram: Vec<(Key, HistogramCell)>,
    /// `resources.csv`.
    pub resources: Vec<(Key, Resource)>,
    /// `io.csv`.
    pub io: Vec<(Key, Io)>,
    /// `faults.csv`.
    pub faults: Vec<(Key, Fault)>,
    /// `recovery.csv`.
    pub recovery: Vec<(Key, Recovery)>,
    /// `events.jsonl`.
    pub events: Vec<Event>,
}

impl Run {
    /// Reads a directory. Fails on the first file that is missing, has other columns, or a cell of the wrong type; a
    /// last line cut short by a crash is left out.
    pub fn open(dir: &Path) -> Result<Run, RecordError> {
        Ok(Run {
            dir: dir.to_path_buf(),
            info: RunInfo::read(dir)?,
            summary: read_rows(dir)?,
            intervals: read_rows(dir)?,
            percentiles: read_rows(dir)?,
            histogram: read_rows(dir)?,
            resources: read_rows(dir)?,
            io: read_rows(dir)?,
            faults: read_rows(dir)?,
            recovery: read_rows(dir)?,
            events: read_events(&dir.join("events.jsonl"))?,
        })
    }

    /// The names of the engines, in the order they are configured, then any others in the order they appear.
    pub fn engines(&self) -> Vec<&str> {
        let configured = self.info.engines.iter().map(|engine| engine.name.as_str());
        let mut names: Vec<&str> = Vec::new();
        for name in configured.chain(self.intervals.iter().map(|(key, _)| key.engine.as_str())) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The names of the workloads, in the order they appear.
    pub fn workloads(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (key, _) in &self.intervals {
            if !names.contains(&key.workload.as_str()) {
                names.push(&key.workload);
            }
        }
        names
    }
}

/// The rows of one file of a run directory. Columns are only ever added at the end: last ones that an older version did
/// not write count as not measured, and those that a newer one added are ignored.
pub fn read_rows<R: Row>(dir: &Path) -> Result<Vec<(Key, R)>, RecordError> {
    let path = dir.join(R::FILE);
    let text = std::fs::read_to_string(&path).map_err(RecordError::io(&path, "read it"))?;
    let whole_lines = text.rfind('\n').map_or(0, |end| end + 1);
    let mut csv = csv::ReaderBuilder::new().has_headers(false).from_reader(&text.as_bytes()[..whole_lines]);
    let mut records = csv.records();
    let header = records.next().transpose().map_err(csv_error(&path))?.unwrap_or_default();
    let columns = R::header();
    if !header.iter().zip(&columns).all(|(found, column)| found == *column) || header.len() < Key::COLUMNS.len() {
        let found = header.iter().collect::<Vec<_>>().join(",");
        return Err(RecordError::malformed(&path, format!("its columns are {found}")));
    }
    let rows = records.map(|record| {
        let mut record = record.map_err(csv_error(&path))?;
        (record.len()..columns.len()).for_each(|_| record.push_field(""));
        record.deserialize(None).map_err(csv_error(&path))
    });
    rows.collect()
}

fn read_events(path: &Path) -> Result<Vec<Event>, RecordError> {
    let text = std::fs::read_to_string(path).map_err(RecordError::io(path, "read it"))?;
    let whole_lines = text.rfind('\n').map_or("", |end| &text[..end]);
    let events = whole_lines.lines().enumerate().map(|(number, line)| {
        serde_json::from_str(line)
            .map_err(|error| RecordError::malformed(path, format!("line {}: {error}", number + 1)))
    });
    events.collect()
}
