//! Making the files. The superblock is written last, so a database without one was never used.

use node::{DiskOp, DiskResult, FileId, IoClass};

use crate::config::Config;
use crate::copies;
use crate::error::CoupledError;
use crate::io::{DOUBLE_WRITE, Io, Kind, PAGES, SUPERBLOCK, log_file, name_of};

/// Creates all files, then makes their names durable.
#[derive(Debug)]
pub struct Create {
    left: usize,
    naming: bool,
}

impl Create {
    /// Submits every creation.
    pub fn start(io: &mut Io<'_>, config: &Config) -> Create {
        let logs = (0..config.log.segments).map(|segment| (log_file(segment), config.log.segment_bytes));
        let rest = [
            (DOUBLE_WRITE, config.slot_file().file_bytes()),
            (PAGES, config.page_file_chunk_bytes),
            (SUPERBLOCK, copies::FILE_BYTES),
        ];
        let files: Vec<(FileId, u64)> = logs.chain(rest).collect();
        for (file, len_bytes) in &files {
            let op = DiskOp::Create { file: *file, name: name_of(*file), len_bytes: *len_bytes };
            io.submit(Kind::Recovery, u64::from(file.0), op, IoClass::Metadata);
        }
        Create { left: files.len(), naming: false }
    }

    /// One operation is done. `true` when all names are durable.
    pub fn completed(&mut self, io: &mut Io<'_>, result: DiskResult) -> Result<bool, CoupledError> {
        result.map_err(CoupledError::device("creating the database's files"))?;
        if self.naming {
            return Ok(true);
        }
        self.left -= 1;
        if self.left == 0 {
            self.naming = true;
            io.submit(Kind::Recovery, 0, DiskOp::SyncDir, IoClass::Metadata);
        }
        Ok(false)
    }
}
