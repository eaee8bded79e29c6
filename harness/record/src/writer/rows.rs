//! Files that grow by rows, and files that are replaced whole.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Key, RecordError, Row};

/// A CSV file of rows `R`, open for appending.
#[derive(Debug)]
pub(super) struct Table<R> {
    path: PathBuf,
    csv: csv::Writer<BufWriter<File>>,
    rows: PhantomData<R>,
}

impl<R: Row> Table<R> {
    /// Creates the file with its header.
    pub(super) fn create(dir: &Path) -> Result<Table<R>, RecordError> {
        let path = dir.join(R::FILE);
        let file = File::create(&path).map_err(RecordError::io(&path, "create it"))?;
        let mut csv = headless(BufWriter::new(file));
        csv.write_record(R::header()).map_err(csv_error(&path))?;
        let mut table = Table { path, csv, rows: PhantomData };
        table.flush()?;
        Ok(table)
    }

    pub(super) fn append(&mut self, key: &Key, row: &R) -> Result<(), RecordError> {
        self.csv.serialize((key, row)).map_err(csv_error(&self.path))
    }

    /// Hands everything to the operating system.
    pub(super) fn flush(&mut self) -> Result<(), RecordError> {
        self.csv.flush().map_err(RecordError::io(&self.path, "append rows"))
    }
}

/// A whole CSV file in memory.
pub(super) fn encode<R: Row>(rows: &[(Key, R)]) -> Result<Vec<u8>, RecordError> {
    let path = Path::new(R::FILE);
    let mut csv = headless(Vec::new());
    csv.write_record(R::header()).map_err(csv_error(path))?;
    for row in rows {
        csv.serialize(row).map_err(csv_error(path))?;
    }
    csv.into_inner().map_err(|error| RecordError::malformed(path, format!("cannot be encoded: {error}")))
}

/// A file of JSON lines, open for appending.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    pub(super) fn create(path: &Path) -> Result<Lines, RecordError> {
        let file = File::create(path).map_err(RecordError::io(path, "create it"))?;
        Ok(Lines { path: path.to_path_buf(), file })
    }

    pub(super) fn append(&mut self, line: &impl Serialize) -> Result<(), RecordError> {
        let mut text = serde_json::to_string(line)
            .map_err(|error| RecordError::malformed(&self.path, format!("cannot be encoded: {error}")))?;
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(RecordError::io(&self.path, "append a line"))
    }
}

/// Replaces a file in one step: whoever reads it sees the old contents or the new.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> Result<(), RecordError> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".tmp");
    let draft = PathBuf::from(draft);
    fs::write(&draft, contents).map_err(RecordError::io(&draft, "write it"))?;
    fs::rename(&draft, path).map_err(RecordError::io(path, "replace it"))
}

/// The header is written from the row's columns: nested rows have none that the CSV library could derive.
fn headless<W: Write>(to: W) -> csv::Writer<W> {
    csv::WriterBuilder::new().has_headers(false).from_writer(to)
}

pub(crate) fn csv_error(path: &Path) -> impl FnOnce(csv::Error) -> RecordError {
    let path = path.to_path_buf();
    move |error| match error.into_kind() {
        csv::ErrorKind::Io(source) => RecordError::Io { path, doing: "read or write rows", source },
        other => RecordError::Malformed { path, what: format!("{other:?}") },
    }
}
