//! `bench.csv`: what `cargo bench` measured, as one table beside criterion's own files.
//!
//! Every bench target ends with [`Session::finish`]. It reads back what criterion has just written for that target, adds the figures
//! the target measured by itself, and replaces those rows in the table; rows of other targets, and of cases that did not
//! run this time, stay as they are, each with the commit it was measured at.
//!
//! # Invariants
//!
//! - A row is written only for a case that ran to its end in this process.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::RecordError;
use crate::info::Code;

/// The table's name.
pub const FILE: &str = "bench.csv";

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The bench target.
    pub bench: String,
    /// What was measured, as criterion names it: group, function, parameter.
    pub case: String,
    /// The mean of the samples, unless the case says what else it is.
    pub value: f64,
    /// `ns` for one iteration, or `per_s`.
    pub unit: String,
    /// How many samples it rests on.
    pub samples: u64,
    /// The commit, with `+` when the source tree had changes.
    pub commit: String,
}

#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
    throughput: Option<BTreeMap<String, u64>>,
}

#[derive(Deserialize)]
struct Estimates {
    mean: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

#[derive(Deserialize)]
struct Samples {
    times: Vec<f64>,
}

/// What a bench target does at its start and its end.
#[derive(Debug)]
pub struct Session {
    bench: String,
    started: SystemTime,
    commit: String,
    own: Vec<Figure>,
}

impl Session {
    /// Begins the session of the bench target `bench`.
    pub fn start(bench: &str) -> Session {
        let code = Code::capture();
        let sha = code.git_sha.map_or_else(String::new, |sha| sha.chars().take(12).collect());
        let commit = if code.git_dirty == Some(true) { sha + "+" } else { sha };
        Session { bench: bench.to_owned(), started: SystemTime::now(), commit, own: Vec::new() }
    }

    /// Adds a figure that criterion does not know of.
    pub fn note(&mut self, case: &str, value: f64, unit: &str, samples: u64) {
        let figure = self.figure(case.to_owned(), value, unit, samples);
        self.own.retain(|known| known.case != case);
        self.own.push(figure);
    }

    /// Writes the table beside criterion's files. Without any figure, as under `cargo test`, nothing is written.
    ///
    /// # Errors
    ///
    /// The table or criterion's files cannot be read or written.
    pub fn finish(self) -> Result<(), RecordError> {
        self.finish_in(&criterion_dir())
    }

    fn finish_in(self, dir: &Path) -> Result<(), RecordError> {
        let mut figures = self.own.clone();
        if dir.is_dir() {
            self.collect(dir, &mut figures)?;
        }
        if figures.is_empty() {
            return Ok(());
        }
        let path = dir.join(FILE);
        fs::create_dir_all(dir).map_err(RecordError::io(dir, "create it"))?;
        let mut rows: BTreeMap<(String, String), Figure> = BTreeMap::new();
        for figure in read(&path)?.into_iter().chain(figures) {
            rows.insert((figure.bench.clone(), figure.case.clone()), figure);
        }
        let mut csv = csv::Writer::from_writer(Vec::new());
        for figure in rows.values() {
            csv.serialize(figure).map_err(|error| RecordError::malformed(&path, error.to_string()))?;
        }
        let bytes = csv.into_inner().map_err(|error| RecordError::malformed(&path, error.to_string()))?;
        fs::write(&path, bytes).map_err(RecordError::io(&path, "write it"))
    }

    fn figure(&self, case: String, value: f64, unit: &str, samples: u64) -> Figure {
        let (bench, unit, commit) = (self.bench.clone(), unit.to_owned(), self.commit.clone());
        Figure { bench, case, value, unit, samples, commit }
    }

    /// Looks through criterion's folders for cases measured since the start. A case's folder holds `new/`.
    fn collect(&self, dir: &Path, figures: &mut Vec<Figure>) -> Result<(), RecordError> {
        let entries = fs::read_dir(dir).map_err(RecordError::io(dir, "list it"))?;
        let mut folders: Vec<PathBuf> =
            entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        folders.sort();
        for folder in folders {
            if folder.file_name().is_some_and(|name| name == "new") {
                self.collect_case(&folder, figures)?;
            } else {
                self.collect(&folder, figures)?;
            }
        }
        Ok(())
    }

    fn collect_case(&self, folder: &Path, figures: &mut Vec<Figure>) -> Result<(), RecordError> {
        let file = folder.join("estimates.json");
        let Ok(written) = fs::metadata(&file).and_then(|about| about.modified()) else { return Ok(()) };
        if written < self.started {
            return Ok(());
        }
        let benchmark: Benchmark = parse(&folder.join("benchmark.json"))?;
        let estimates: Estimates = parse(&file)?;
        let samples: Samples = parse(&folder.join("sample.json"))?;
        let (mean_ns, count) = (estimates.mean.point_estimate, samples.times.len() as u64);
        if let Some((what, amount)) = benchmark.throughput.iter().flatten().next() {
            let case = format!("{} ({})", benchmark.full_id, what.to_lowercase());
            figures.push(self.figure(case, *amount as f64 * 1e9 / mean_ns, "per_s", count));
        }
        figures.push(self.figure(benchmark.full_id, mean_ns, "ns", count));
        Ok(())
    }
}

/// The figures of a table; none when there is no such file.
///
/// # Errors
///
/// It cannot be read, or is no such table.
pub fn read(path: &Path) -> Result<Vec<Figure>, RecordError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bytes = fs::read(path).map_err(RecordError::io(path, "read it"))?;
    let rows = csv::Reader::from_reader(&bytes[..]).into_deserialize();
    rows.collect::<Result<_, _>>().map_err(|error: csv::Error| RecordError::malformed(path, error.to_string()))
}

fn parse<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, RecordError> {
    let bytes = fs::read(path).map_err(RecordError::io(path, "read it"))?;
    serde_json::from_slice(&bytes).map_err(|error| RecordError::malformed(path, error.to_string()))
}

/// Where criterion keeps its files: where it was told to, else in the build's target directory.
fn criterion_dir() -> PathBuf {
    if let Some(home) = std::env::var_os("CRITERION_HOME") {
        return home.into();
    }
    if let Some(target) = std::env::var_os("CARGO_TARGET_DIR") {
        return PathBuf::from(target).join("criterion");
    }
    // The executable lies in `target/<profile>/deps`.
    let exe = std::env::current_exe().unwrap_or_default();
    exe.ancestors().nth(3).unwrap_or(Path::new("target")).join("criterion")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(dir: &Path, case: &str, mean_ns: f64) {
        let folder = dir.join(case.replace('/', "_")).join("new");
        fs::create_dir_all(&folder).expect("a folder");
        let write = |name: &str, text: String| fs::write(folder.join(name), text).expect("a file");
        write("benchmark.json", format!(r#"{{"full_id":"{case}","throughput":{{"Elements":10}}}}"#));
        write("estimates.json", format!(r#"{{"mean":{{"point_estimate":{mean_ns}}}}}"#));
        write("sample.json", r#"{"iters":[1.0,2.0],"times":[5.0,9.0]}"#.to_owned());
    }

    #[test]
    fn each_case_keeps_its_last_figure_and_the_commit_it_was_measured_at() {
        let dir = tempfile::tempdir().expect("a directory");
        let session = |bench: &str, commit: &str| Session { commit: commit.to_owned(), ..Session::start(bench) };
        session("idle", "1").finish_in(dir.path()).expect("nothing to write");
        assert!(!dir.path().join(FILE).exists());

        let mut first = session("commit", "1");
        // A file's time comes from a coarser clock.
        first.started -= std::time::Duration::from_secs(1);
        measured(dir.path(), "commit/coupled", 500.0);
        first.finish_in(dir.path()).expect("written");
        let mut second = session("pages", "2");
        second.started += std::time::Duration::from_secs(3600);
        second.note("apply p50", 7.5, "ns", 3);
        second.finish_in(dir.path()).expect("written");

        let figures = read(&dir.path().join(FILE)).expect("a table");
        let seen: Vec<_> = figures
            .iter()
            .map(|figure| (&*figure.bench, &*figure.case, figure.value, &*figure.unit, &*figure.commit))
            .collect();
        assert_eq!(
            seen,
            [
                ("commit", "commit/coupled", 500.0, "ns", "1"),
                ("commit", "commit/coupled (elements)", 2e7, "per_s", "1"),
                ("pages", "apply p50", 7.5, "ns", "2"),
            ]
        );
        let text = fs::read_to_string(dir.path().join(FILE)).expect("a table");
        assert!(text.starts_with("bench,case,value,unit,samples,commit\n"), "{text}");
    }
}
