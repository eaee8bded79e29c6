//! What can go wrong while a record is written or read.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the record crate. Every variant names the file, so that a person can look at it.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The operating system refused a file operation: space, permission, a missing directory.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, as a verb phrase.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A CSV file has other columns than this version writes, or a cell that is not of its column's type.
    #[error("{}: {what}; this version reads schema {}", path.display(), crate::SCHEMA_VERSION)]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
}

impl RecordError {
    pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> RecordError {
        let path = path.to_path_buf();
        move |source| RecordError::Io { path, doing, source }
    }

    pub(crate) fn malformed(path: &Path, what: impl Into<String>) -> RecordError {
        RecordError::Malformed { path: path.to_path_buf(), what: what.into() }
    }

    /// Whether the cause lies in the file's contents rather than in reaching it.
    pub fn is_malformed(&self) -> bool {
        matches!(self, RecordError::Malformed { .. })
    }
}
