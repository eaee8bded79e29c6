//! Making the files. The superblock is written last, so a database without one was never used.

use node::{DiskOp, DiskResult, FileId, IoClass};

use crate::config::Config;
use crate::copies;
use crate::error::CoupledError;
use crate::io::{DOUBLE_WRITE, Io, Kind, PAGES, SUPERBLOCK, log_file, name_of};

/// Removes a superblock that an earlier attempt may have left, creates the other files, and then the superblock's. A
/// step starts when the names of the step before are durable: whoever finds a superblock file finds all the others whole.
#[derive(Clone, Debug)]
pub struct Create {
    files: [Vec<(FileId, u64)>; 2],
    left: usize,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Removing,
    Filling,
    Superblock,
}

impl Create {
    /// Starts.
    pub fn start(io: &mut Io<'_>, config: &Config) -> Create {
        let logs = config
            .logs()
            .flat_map(|(kind, log)| (0..log.segments).map(move |segment| (log_file(kind, segment), log.segment_bytes)));
        let rest = [(DOUBLE_WRITE, config.slot_file().file_bytes()), (PAGES, config.page_file_chunk_bytes)];
        let files = [logs.chain(rest).collect(), vec![(SUPERBLOCK, copies::FILE_BYTES)]];
        io.submit(Kind::Recovery, 0, DiskOp::Remove { name: name_of(SUPERBLOCK) }, IoClass::Metadata);
        Create { files, left: 1, step: Step::Removing }
    }

    fn create(&mut self, io: &mut Io<'_>, files: usize) {
        for (file, len_bytes) in &self.files[files] {
            let op = DiskOp::Create { file: *file, name: name_of(*file), len_bytes: *len_bytes };
            io.submit(Kind::Recovery, u64::from(file.0), op, IoClass::Metadata);
        }
        self.left = self.files[files].len();
    }

    /// One operation is done. `true` when all names are durable.
    pub fn completed(&mut self, io: &mut Io<'_>, result: DiskResult) -> Result<bool, CoupledError> {
        result.map_err(CoupledError::device("creating the database's files"))?;
        if self.left > 0 {
            self.left -= 1;
            if self.left == 0 {
                io.submit(Kind::Recovery, 0, DiskOp::SyncDir, IoClass::Metadata);
            }
            return Ok(false);
        }
        match self.step {
            Step::Removing => self.create(io, 0),
            Step::Filling => self.create(io, 1),
            Step::Superblock => return Ok(true),
        }
        self.step = if self.step == Step::Removing { Step::Filling } else { Step::Superblock };
        Ok(false)
    }
}
