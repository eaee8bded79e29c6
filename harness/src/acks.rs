//! The journal of acknowledgements: in memory for the run's own check, and in a file for `sextant verify`.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use contract::acks::{marks, read_journal};
use contract::{Ack, CommitPosition, Effect, Key, Row, SessionId, TableId, TxnSeq, Write};

use crate::exit::Failure;

/// Acknowledgements as they came.
#[derive(Debug, Default)]
pub struct Journal {
    bytes: Vec<u8>,
    count: u64,
    file: Option<(PathBuf, File)>,
}

impl Journal {
    /// A journal in memory only.
    pub fn in_memory() -> Journal {
        Journal::default()
    }

    /// A journal that is also written to `path`, which must not exist.
    pub fn create(path: &Path) -> Result<Journal, Failure> {
        let file = File::options().write(true).create_new(true).open(path);
        let file = file.map_err(|error| Failure::io(format!("acknowledgement journal {}: {error}", path.display())))?;
        Ok(Journal { file: Some((path.to_owned(), file)), ..Journal::default() })
    }

    /// Adds acknowledgements. They are with the operating system when this returns, so they outlive the process.
    pub fn append(&mut self, acks: &[Ack]) -> Result<(), Failure> {
        let start = self.bytes.len();
        for ack in acks {
            ack.write_to(&mut self.bytes);
        }
        self.count += acks.len() as u64;
        if let Some((path, file)) = &mut self.file {
            let written = file.write_all(&self.bytes[start..]);
            written.map_err(|error| Failure::io(format!("acknowledgement journal {}: {error}", path.display())))?;
        }
        Ok(())
    }

    /// How many acknowledgements there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them, in the order they came.
    pub fn read(&self) -> Vec<Ack> {
        read_journal(Bytes::copy_from_slice(&self.bytes)).0
    }
}

/// An acknowledgement that says: this row is there, before anything else.
pub fn present(table: TableId, key: Key, row: &Row) -> Ack {
    let write = Write { table, key, effect: Effect::Row(marks(row)) };
    Ack { session: SessionId(0), txn: TxnSeq(0), position: Some(CommitPosition(0)), writes: vec![write] }
}

/// Reads a journal file; the flag says whether it ends in part of a record, as when its writer was killed.
pub fn read_file(path: &Path) -> Result<(Vec<Ack>, bool), Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::io(format!("acknowledgement journal {}: {error}", path.display())))?;
    let (acks, rest) = read_journal(Bytes::from(bytes));
    Ok((acks, rest > 0))
}
