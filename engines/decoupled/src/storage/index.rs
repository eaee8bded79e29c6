//! The page index on disk: which slot holds which page, at which LSN.
//!
//! Slots identify themselves (a page carries its id, LSN and checksum), so the index could be rebuilt by reading them all;
//! it is kept for two reasons. Opening does not read the data, and a slot that lost its last write, or rotted, is told from
//! one that is simply older.
//!
//! Two files take turns. A file starts with a snapshot of the whole index and goes on with batches of changes; when it is
//! full the other one is made with a new snapshot. Both kinds of block start with magic `u32`, CRC-32C `u32` over what
//! follows, length `u32` in bytes, count of entries `u32`, generation `u64` of the file, position `u64`; an entry is page
//! `u64`, slot `u32` ([`NO_SLOT`] removes the page), LSN `u64`. Positions rise by one with each batch, across files; the first snapshot
//! after a start leaves out those that batches behind the end of what was found may have.
//!
//! # Invariants
//!
//! - A batch is appended only after the slots it names are durable; a slot is used again only after the batch that
//!   frees it is durable.
//! - A file counts only with a whole snapshot; of two, the one of the higher generation.
//!
//! # Caveats
//!
//! - A batch that rots at the very end looks like a torn one. The log it covered is collected only under a superblock that
//!   names its position, so nothing is lost unnoticed.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes};
use compute::{Lsn, PageId};
use node::{Block, SECTOR_BYTES};

/// In an entry: the page is in no slot any more.
pub const NO_SLOT: u32 = u32::MAX;

const MAGIC: u32 = 0x5844_4e49;
const HEADER_BYTES: usize = 32;
const ENTRY_BYTES: usize = 20;

/// Where a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The slot's number.
    pub slot: u32,
    /// The page's LSN there.
    pub lsn: Lsn,
}

/// One change.
pub type Entry = (PageId, Slot);

/// The bytes on disk of a block with so many entries.
pub fn block_bytes(entries: usize) -> usize {
    (HEADER_BYTES + entries * ENTRY_BYTES).next_multiple_of(SECTOR_BYTES)
}

/// Encodes a snapshot or a batch.
pub fn encode(generation: u64, position: u64, entries: &[Entry]) -> Block {
    let mut block = Block::zeroed(block_bytes(entries.len()));
    let len_bytes = block.len() as u32;
    let mut out = &mut block[..];
    out.put_u32_le(MAGIC);
    out.put_u32_le(0);
    out.put_u32_le(len_bytes);
    out.put_u32_le(entries.len() as u32);
    out.put_u64_le(generation);
    out.put_u64_le(position);
    for (page, slot) in entries {
        out.put_u64_le(page.0);
        out.put_u32_le(slot.slot);
        out.put_u64_le(slot.lsn.0);
    }
    let crc = crc32c::crc32c(&block[8..]);
    block[4..8].copy_from_slice(&crc.to_le_bytes());
    block
}

struct IndexBlock {
    generation: u64,
    position: u64,
    len_bytes: usize,
    entries: Vec<Entry>,
}

fn decode(bytes: &[u8]) -> Option<IndexBlock> {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    if bytes.len() < SECTOR_BYTES || word(0) != MAGIC {
        return None;
    }
    let (len_bytes, count) = (word(8) as usize, word(12) as usize);
    let fits = len_bytes <= bytes.len() && count.checked_mul(ENTRY_BYTES)?.checked_add(HEADER_BYTES)? <= len_bytes;
    if !fits || crc32c::crc32c(&bytes[8..len_bytes]) != word(4) {
        return None;
    }
    let entry = |index: usize| {
        let at = HEADER_BYTES + index * ENTRY_BYTES;
        (PageId(long(at)), Slot { slot: word(at + 8), lsn: Lsn(long(at + 12)) })
    };
    let entries = (0..count).map(entry).collect();
    Some(IndexBlock { generation: long(16), position: long(24), len_bytes, entries })
}

/// An index read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// The file's generation.
    pub generation: u64,
    /// The position of its last batch.
    pub position: u64,
    /// Where the last block begins, in bytes: the snapshot, or the last batch.
    pub last_bytes: u64,
    /// Where the next batch goes, in bytes.
    pub end_bytes: u64,
    /// The pages.
    pub slots: BTreeMap<PageId, Slot>,
}

impl Index {
    /// The index that a file's bytes hold; nothing without a whole snapshot.
    pub fn read(bytes: &Bytes) -> Option<Index> {
        let snapshot = decode(bytes)?;
        let mut index = Index {
            generation: snapshot.generation,
            position: snapshot.position,
            last_bytes: 0,
            end_bytes: snapshot.len_bytes as u64,
            slots: BTreeMap::new(),
        };
        index.apply(&snapshot.entries);
        while let Some(batch) = bytes.get(index.end_bytes as usize..).and_then(decode) {
            if (batch.generation, batch.position) != (index.generation, index.position + 1) {
                break;
            }
            index.position = batch.position;
            index.last_bytes = index.end_bytes;
            index.end_bytes += batch.len_bytes as u64;
            index.apply(&batch.entries);
        }
        Some(index)
    }

    fn apply(&mut self, entries: &[Entry]) {
        for &(page, slot) in entries {
            if slot.slot == NO_SLOT {
                self.slots.remove(&page);
            } else {
                self.slots.insert(page, slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(page: u64, slot: u32, lsn: u64) -> Entry {
        (PageId(page), Slot { slot, lsn: Lsn(lsn) })
    }

    fn file() -> Vec<u8> {
        let snapshot: Vec<Entry> = (0..40).map(|page| entry(page, page as u32, page)).collect();
        let blocks = [
            encode(3, 10, &snapshot),
            encode(3, 11, &[entry(1, 50, 60), entry(2, NO_SLOT, 0)]),
            encode(3, 12, &[entry(70, 2, 61)]),
        ];
        blocks.iter().flat_map(|block| block.iter().copied()).chain([0; 2048]).collect()
    }

    #[test]
    fn a_snapshot_and_its_batches_give_the_index() {
        let index = Index::read(&file().into()).expect("whole");
        assert_eq!((index.generation, index.position, index.slots.len()), (3, 12, 40));
        assert_eq!(index.slots.get(&PageId(1)), Some(&Slot { slot: 50, lsn: Lsn(60) }));
        assert_eq!(index.slots.get(&PageId(2)), None);
    }

    #[test]
    fn a_torn_batch_ends_the_index_before_it_and_a_torn_snapshot_voids_the_file() {
        let mut bytes = file();
        let last = block_bytes(40) + block_bytes(2);
        bytes[last + 40] ^= 1;
        let index = Index::read(&bytes.clone().into()).expect("whole");
        assert_eq!((index.position, index.end_bytes), (11, last as u64));
        bytes[600] ^= 1;
        assert_eq!(Index::read(&bytes.into()), None);
    }

    #[test]
    fn leftovers_of_an_earlier_generation_do_not_count() {
        let mut bytes: Vec<u8> = encode(4, 20, &[]).to_vec();
        bytes.extend_from_slice(&encode(3, 21, &[entry(1, 1, 1)]));
        assert_eq!(Index::read(&bytes.into()).expect("whole").position, 20);
    }
}
