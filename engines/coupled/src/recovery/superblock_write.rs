//! The superblock on its way to the disk, copy by copy.

use node::{DiskResult, IoClass};

use crate::copies::{CopyWriter, CopyWrites, Progress};
use crate::error::CoupledError;
use crate::io::{Io, Kind, SUPERBLOCK};

/// Submits superblock copies.
pub fn write_copies(io: &mut Io<'_>, writes: CopyWrites) {
    for (offset, block) in writes {
        io.write(Kind::Superblock, offset, SUPERBLOCK, offset, block, IoClass::Metadata);
    }
}

/// One superblock copy is written. `true` when all are.
pub(super) fn copy_written(io: &mut Io<'_>, writer: &mut CopyWriter, result: DiskResult) -> Result<bool, CoupledError> {
    result.map_err(CoupledError::device("writing the superblock"))?;
    match writer.completed() {
        Progress::Wait => Ok(false),
        Progress::Write(writes) => {
            write_copies(io, writes);
            Ok(false)
        }
        Progress::Complete => Ok(true),
    }
}
