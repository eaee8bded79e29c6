//! The double-write buffer: each batch of pages is made durable here before it is written in place, so that a page torn
//! by a crash has a whole copy.
//!
//! The file is one header and a fixed number of slots. A batch overwrites header and slots in one durable write.
//! The next batch comes only after the in-place writes of this one are synced, so a batch that a crash tore was
//! not yet followed by any in-place write, and the batch before it was done.
//!
//! Header, little-endian: magic `u32`, format version `u16`, zero `u16`, volume `u64`, durable LSN `u64`, count `u32`,
//! CRC-32C `u32` over the rest; then for each slot page id `u64` and page LSN `u64`.
//!
//! # Invariants
//!
//! - A slot is believed only when the header is whole and the slot's page has the id and the LSN the header names. A
//!   slot of an older batch never replaces a page: redo from the checkpoint might not reach back to it.

use compute::{Lsn, Page, PageId};
use node::Block;

use crate::ids::VolumeId;

const MAGIC: u32 = 0x4257_4453;
const VERSION: u16 = 1;
const FIXED_BYTES: usize = 32;
const ENTRY_BYTES: usize = 16;

/// The shape of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotFile {
    /// Whose it is.
    pub volume: VolumeId,
    /// Pages in a batch at most.
    pub slots: u32,
    /// Bytes of a page.
    pub page_bytes: usize,
}

/// The last batch, as found.
#[derive(Clone, Debug)]
pub struct LastBatch {
    /// The durable LSN known when it was written.
    pub durable: Lsn,
    /// Its whole pages.
    pub pages: Vec<Page>,
    /// Whether those are all of its pages.
    pub whole: bool,
}

impl SlotFile {
    /// Bytes before the first slot.
    pub fn header_bytes(&self) -> usize {
        (FIXED_BYTES + ENTRY_BYTES * self.slots as usize).next_multiple_of(4096)
    }

    /// The file's length.
    pub fn file_bytes(&self) -> u64 {
        (self.header_bytes() + self.slots as usize * self.page_bytes).next_multiple_of(4096) as u64
    }

    /// The bytes of a batch, to be written at offset 0. Panics when there are more pages than slots.
    pub fn encode(&self, durable: Lsn, pages: &[(PageId, Lsn, Block)]) -> Block {
        assert!(pages.len() <= self.slots as usize, "a batch fits the slots");
        let header_bytes = self.header_bytes();
        let mut block = Block::zeroed(header_bytes + pages.len() * self.page_bytes);
        block[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        block[4..6].copy_from_slice(&VERSION.to_le_bytes());
        block[8..16].copy_from_slice(&self.volume.0.to_le_bytes());
        block[16..24].copy_from_slice(&durable.0.to_le_bytes());
        block[24..28].copy_from_slice(&(pages.len() as u32).to_le_bytes());
        for (index, (page, lsn, bytes)) in pages.iter().enumerate() {
            let at = FIXED_BYTES + ENTRY_BYTES * index;
            block[at..at + 8].copy_from_slice(&page.0.to_le_bytes());
            block[at + 8..at + 16].copy_from_slice(&lsn.0.to_le_bytes());
            let at = header_bytes + index * self.page_bytes;
            block[at..at + self.page_bytes].copy_from_slice(bytes);
        }
        let crc = checksum(&block, pages.len());
        block[28..32].copy_from_slice(&crc.to_le_bytes());
        block
    }

    /// Reads the file; `None` when its header is blank, torn or another volume's.
    pub fn decode(&self, file: &[u8]) -> Option<LastBatch> {
        let u64_at = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().expect("eight bytes"));
        let u32_at = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
        if file.len() < self.header_bytes() || u32_at(0) != MAGIC || u64_at(8) != self.volume.0 {
            return None;
        }
        let count = Some(u32_at(24)).filter(|count| *count <= self.slots)? as usize;
        if u32_at(28) != checksum(file, count) {
            return None;
        }
        let slot = |index: usize| {
            let at = FIXED_BYTES + ENTRY_BYTES * index;
            let (id, lsn) = (PageId(u64_at(at)), Lsn(u64_at(at + 8)));
            let at = self.header_bytes() + index * self.page_bytes;
            let bytes = Block::padded(file.get(at..at + self.page_bytes)?);
            Page::open(bytes, id).ok().filter(|page| page.lsn() == lsn)
        };
        let pages: Vec<Page> = (0..count).filter_map(slot).collect();
        Some(LastBatch { durable: Lsn(u64_at(16)), whole: pages.len() == count, pages })
    }
}

fn checksum(block: &[u8], count: usize) -> u32 {
    let entries = &block[FIXED_BYTES..FIXED_BYTES + ENTRY_BYTES * count];
    crc32c::crc32c_append(crc32c::crc32c(&block[..28]), entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slots_of_the_last_whole_batch_are_believed() {
        let slots = SlotFile { volume: VolumeId(3), slots: 4, page_bytes: 512 };
        let page = |id: u64| (PageId(id), Lsn::ZERO, Page::empty(PageId(id), 512).sealed());
        let mut file = vec![0u8; slots.file_bytes() as usize];
        assert!(slots.decode(&file).is_none());
        let batch = slots.encode(Lsn(9), &[page(5), page(6)]);
        file[..batch.len()].copy_from_slice(&batch);
        let last = slots.decode(&file).expect("whole");
        assert_eq!((last.durable, last.whole), (Lsn(9), true));
        assert_eq!(last.pages.iter().map(Page::id).collect::<Vec<_>>(), [PageId(5), PageId(6)]);
        file[slots.header_bytes() + 512 + 100] ^= 1;
        let last = slots.decode(&file).expect("whole");
        assert_eq!((last.pages.len(), last.whole), (1, false));
        file[40] ^= 1;
        assert!(slots.decode(&file).is_none(), "a torn header vouches for nothing");
        let other = SlotFile { volume: VolumeId(4), ..slots };
        assert!(other.decode(&file).is_none());
    }
}
