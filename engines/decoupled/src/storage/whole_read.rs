//! Reading a file whole at a start, around what cannot be read.
//!
//! An error says nothing about the other sectors of the same operation, and often nothing about the sector either: a range
//! that fails is read again by halves, down to one sector. What still fails stays zero, and checksums tell; or it is made
//! [unlike anything written](WholeRead::finish_marked), where zeroes mean that nothing was.

use node::{DiskOp, DiskReply, DiskResult, FileId, SECTOR_BYTES};

/// One file being read.
#[derive(Clone, Debug, Default)]
pub(super) struct WholeRead {
    bytes: Vec<u8>,
    /// What is still to be read: start and length.
    ranges: Vec<(usize, usize)>,
    reading: (usize, usize),
    /// Where sectors begin that cannot be read.
    unreadable: Vec<usize>,
}

/// What stands where a sector cannot be read and zeroes would say that it was never written.
const UNREADABLE: u8 = 0xee;

impl WholeRead {
    /// Of a file of so many bytes, in whole sectors.
    pub(super) fn new(len_bytes: u64) -> WholeRead {
        let len = len_bytes as usize;
        let ranges = if len == 0 { Vec::new() } else { vec![(0, len)] };
        WholeRead { bytes: vec![0; len], ranges, ..WholeRead::default() }
    }

    /// The next read; nothing when there is none left.
    pub(super) fn next(&mut self, file: FileId) -> Option<DiskOp> {
        self.reading = self.ranges.pop()?;
        let (start, len_bytes) = self.reading;
        Some(DiskOp::Read { file, offset: start as u64, len_bytes })
    }

    /// Takes the completion of the read given last.
    pub(super) fn take(&mut self, result: DiskResult) {
        let (start, len) = self.reading;
        match result {
            Ok(DiskReply::Data(data)) => self.bytes[start..start + len].copy_from_slice(&data),
            _ if len > SECTOR_BYTES => {
                let half = (len / 2).next_multiple_of(SECTOR_BYTES);
                self.ranges.push((start + half, len - half));
                self.ranges.push((start, half));
            }
            _ => self.unreadable.push(start),
        }
    }

    /// The file's bytes, each sector that cannot be read full of a value that no writer leaves there.
    pub(super) fn finish_marked(mut self) -> Vec<u8> {
        for start in self.unreadable {
            self.bytes[start..start + SECTOR_BYTES].fill(UNREADABLE);
        }
        self.bytes
    }

    /// The file's bytes, zero where it cannot be read.
    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
