//! Reading a file whole at a start, part by part, around what cannot be read.
//!
//! A node may share its thread, and its disk, with nodes that serve: a part is no longer than they may be kept waiting for.
//!
//! An error says nothing about the other sectors of the same operation, and often nothing about the sector either: a range
//! that fails is read again by halves, down to one sector, and that one [`SECTOR_READS`] times. What still fails stays zero, and
//! checksums tell; or it is made [unlike anything written](WholeRead::finish_marked), where zeroes mean that nothing was.

use bytes::Bytes;
use node::{Block, DiskOp, DiskReply, DiskResult, FileId, SECTOR_BYTES};

/// One file being read.
#[derive(Clone, Debug, Default)]
pub(super) struct WholeRead {
    len: usize,
    /// The file, when one read gave all of it.
    whole: Option<Block>,
    /// Otherwise what was read, up to the end of the last part.
    bytes: Vec<u8>,
    /// What is still to be read, the lowest last: start and length.
    ranges: Vec<(usize, usize)>,
    reading: (usize, usize),
    /// How often the sector being read failed.
    failed: usize,
    /// Where sectors begin that cannot be read.
    unreadable: Vec<usize>,
}

/// Bytes of one read.
const PART_BYTES: usize = 256 << 10;

/// Reads of one sector before it is given up. What a start does not find it takes for never written, or for lost, and a disk
/// that fails now and then must not bring it to that.
const SECTOR_READS: usize = 16;

/// What stands where a sector cannot be read and zeroes would say that it was never written.
const UNREADABLE: u8 = 0xee;

impl WholeRead {
    /// Of a file of so many bytes, in whole sectors.
    pub(super) fn new(len_bytes: u64) -> WholeRead {
        let len = len_bytes as usize;
        let parts = (0..len).step_by(PART_BYTES).map(|start| (start, PART_BYTES.min(len - start)));
        WholeRead { len, ranges: parts.rev().collect(), ..WholeRead::default() }
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
            Ok(DiskReply::Data(data)) if data.len() == self.len => self.whole = Some(data),
            Ok(DiskReply::Data(data)) => {
                self.bytes.reserve_exact(self.len - self.bytes.len());
                // What could not be read in between stays zero.
                self.bytes.resize(start, 0);
                self.bytes.extend_from_slice(&data);
                self.failed = 0;
            }
            _ if len > SECTOR_BYTES => {
                let half = (len / 2).next_multiple_of(SECTOR_BYTES);
                self.ranges.push((start + half, len - half));
                self.ranges.push((start, half));
            }
            _ if self.failed + 1 < SECTOR_READS => {
                self.failed += 1;
                self.ranges.push((start, len));
            }
            _ => {
                self.unreadable.push(start);
                self.failed = 0;
            }
        }
    }

    /// The file's bytes, each sector that cannot be read full of a value that no writer leaves there.
    pub(super) fn finish_marked(mut self) -> Bytes {
        if self.whole.is_none() {
            self.bytes.resize(self.len, 0);
            for &start in &self.unreadable {
                self.bytes[start..start + SECTOR_BYTES].fill(UNREADABLE);
            }
        }
        self.finish()
    }

    /// The file's bytes, zero where it cannot be read.
    pub(super) fn finish(mut self) -> Bytes {
        match self.whole {
            Some(block) => Bytes::from_owner(block),
            None => {
                self.bytes.resize(self.len, 0);
                Bytes::from(self.bytes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use node::{Block, DiskError};

    use super::*;

    const SECTORS: usize = 9;

    /// Reads a file of sectors that are full of their numbers, each of which fails so many times.
    fn read(failures: &mut [usize; SECTORS]) -> WholeRead {
        let mut whole = WholeRead::new((SECTORS * SECTOR_BYTES) as u64);
        while let Some(op) = whole.next(FileId(3)) {
            let DiskOp::Read { offset, len_bytes, .. } = op else { panic!("it only reads") };
            let first = offset as usize / SECTOR_BYTES;
            let sectors = first..first + len_bytes / SECTOR_BYTES;
            let failing = sectors.clone().find(|&sector| failures[sector] > 0);
            whole.take(match failing {
                Some(sector) => {
                    failures[sector] -= 1;
                    Err(DiskError::EIO)
                }
                None => {
                    let bytes: Vec<u8> = sectors.flat_map(|sector| [sector as u8 + 1; SECTOR_BYTES]).collect();
                    Ok(DiskReply::Data(Block::padded(&bytes)))
                }
            });
        }
        whole
    }

    /// A read of a whole extent kept the thread of a node that started, and the five others on it, for 10 ms.
    #[test]
    fn a_long_file_is_read_in_parts() {
        let len_bytes = 2 * PART_BYTES + SECTOR_BYTES;
        let mut whole = WholeRead::new(len_bytes as u64);
        let (mut parts, mut fails_once) = (Vec::new(), true);
        while let Some(op) = whole.next(FileId(3)) {
            let DiskOp::Read { offset, len_bytes, .. } = op else { panic!("it only reads") };
            if offset as usize == PART_BYTES && std::mem::take(&mut fails_once) {
                whole.take(Err(DiskError::EIO));
                continue;
            }
            parts.push((offset as usize, len_bytes));
            let number = (offset as usize / PART_BYTES) as u8 + 1;
            whole.take(Ok(DiskReply::Data(Block::padded(&vec![number; len_bytes]))));
        }
        let half = PART_BYTES / 2;
        let [first, last] = [(0, PART_BYTES), (2 * PART_BYTES, SECTOR_BYTES)];
        assert_eq!(parts, [first, (PART_BYTES, half), (PART_BYTES + half, half), last]);
        let bytes = whole.finish();
        assert_eq!(bytes.len(), len_bytes);
        assert!(bytes.iter().enumerate().all(|(at, &byte)| usize::from(byte) == at / PART_BYTES + 1));
    }

    fn sectors(bytes: &[u8]) -> Vec<u8> {
        bytes.chunks(SECTOR_BYTES).map(|sector| sector[0]).collect()
    }

    /// A disk that failed one read of five cost a node every fifth sector of its log, for good where that left an extent with no
    /// block: one error at the smallest range was taken for the sector's end.
    #[test]
    fn a_sector_that_fails_now_and_then_is_read() {
        let whole = read(&mut [0, SECTOR_READS - 1, 0, 2, 2, 0, 0, 0, 7]);
        assert_eq!(sectors(&whole.finish()), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_sector_that_always_fails_hides_no_other() {
        let always = usize::MAX;
        let whole = read(&mut [0, always, 0, 0, 0, 0, always, always, 3]);
        assert_eq!(sectors(&whole.clone().finish()), [1, 0, 3, 4, 5, 6, 0, 0, 9]);
        assert_eq!(sectors(&whole.finish_marked()), [1, UNREADABLE, 3, 4, 5, 6, UNREADABLE, UNREADABLE, 9]);
    }
}
