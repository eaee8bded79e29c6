//! Owned, aligned buffers for direct I/O.

mod memory;
mod spare;

use std::fmt;
use std::ops::{Deref, DerefMut};

use memory::Memory;
use spare::Taken;

/// The atomic unit of a disk: a sector persists as a whole or not at all (unless it was in flight at power loss).
pub const SECTOR_BYTES: usize = 512;

/// Memory of blocks of at least this length is aligned to this many bytes, which satisfies O_DIRECT on every common device.
pub const ALIGN_BYTES: usize = 4096;

/// An owned buffer, aligned for direct I/O, whose length is a multiple of [`SECTOR_BYTES`].
///
/// A block is given away with a write and comes back with a read, so no completion can touch memory that a node
/// has meanwhile used for something else. Memory of dropped blocks is used again on the same thread, up to a bound: nodes
/// make and drop blocks of the same few sizes all the time, and aligned memory is what allocators are slowest at.
pub struct Block {
    memory: Memory,
    len_bytes: usize,
}

impl Block {
    /// A zeroed block. Panics unless `len_bytes` is a positive multiple of [`SECTOR_BYTES`].
    pub fn zeroed(len_bytes: usize) -> Block {
        assert!(
            len_bytes > 0 && len_bytes.is_multiple_of(SECTOR_BYTES),
            "a block is whole sectors, not {len_bytes} bytes"
        );
        match spare::take(len_bytes) {
            Taken::Used(memory) => {
                let mut block = Block { memory, len_bytes };
                block.fill(0);
                block
            }
            Taken::Zeroed(memory) => Block { memory, len_bytes },
        }
    }

    /// A block that starts with `bytes`, padded with zeroes to whole sectors. Panics when `bytes` is empty.
    pub fn padded(bytes: &[u8]) -> Block {
        Block::written(bytes.len().next_multiple_of(SECTOR_BYTES), |block| {
            block[..bytes.len()].copy_from_slice(bytes);
            bytes.len()
        })
    }

    /// A block whose start `write` writes, padded with zeroes: it is given memory that holds anything, and says how many bytes
    /// it wrote. Panics unless `len_bytes` is a positive multiple of [`SECTOR_BYTES`].
    pub fn written(len_bytes: usize, write: impl FnOnce(&mut [u8]) -> usize) -> Block {
        assert!(
            len_bytes > 0 && len_bytes.is_multiple_of(SECTOR_BYTES),
            "a block is whole sectors, not {len_bytes} bytes"
        );
        let mut block = Block::any(len_bytes);
        let written_bytes = write(&mut block);
        block[written_bytes..].fill(0);
        block
    }

    /// A block that holds anything.
    fn any(len_bytes: usize) -> Block {
        let (Taken::Used(memory) | Taken::Zeroed(memory)) = spare::take(len_bytes);
        Block { memory, len_bytes }
    }
}

impl Clone for Block {
    fn clone(&self) -> Block {
        let mut block = Block::any(self.len_bytes);
        block.copy_from_slice(self);
        block
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        spare::give(std::mem::take(&mut self.memory), self.len_bytes);
    }
}

impl Deref for Block {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        &self.memory.bytes()[..self.len_bytes]
    }
}

impl DerefMut for Block {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory.bytes_mut()[..self.len_bytes]
    }
}

impl AsRef<[u8]> for Block {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Block {
    #[inline]
    fn eq(&self, other: &Block) -> bool {
        **self == **other
    }
}

impl Eq for Block {}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} bytes)", self.len_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_memory_is_never_seen_again() {
        for len_bytes in [SECTOR_BYTES, 3 << 10, ALIGN_BYTES, ALIGN_BYTES + SECTOR_BYTES, 16 << 10, 80 << 10, 1 << 20] {
            let mut used = Block::zeroed(len_bytes);
            used.fill(0xaa);
            drop(used);
            assert!(Block::zeroed(len_bytes).iter().all(|&byte| byte == 0), "{len_bytes}");
            let padded = Block::padded(&vec![7; len_bytes - 100]);
            assert_eq!(padded.len(), len_bytes);
            assert!(padded[..len_bytes - 100].iter().all(|&byte| byte == 7));
            assert!(padded[len_bytes - 100..].iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn memory_is_aligned_as_the_length_asks_for() {
        // Several of each at once, so that one does not lie well by chance.
        let blocks: Vec<Block> = (1..=600).map(|sectors| Block::zeroed(sectors * SECTOR_BYTES)).collect();
        for block in &blocks {
            let align_bytes = if block.len() < ALIGN_BYTES { SECTOR_BYTES } else { ALIGN_BYTES };
            assert!(block.as_ptr().addr().is_multiple_of(align_bytes), "{block:?}");
        }
    }

    #[test]
    fn a_clone_has_its_own_memory() {
        let mut block = Block::padded(b"first");
        let clone = block.clone();
        block[..5].copy_from_slice(b"other");
        assert_eq!(clone, Block::padded(b"first"));
        drop(block);
        let next = Block::zeroed(SECTOR_BYTES);
        assert_eq!((&clone[..5], &next[..5]), (&b"first"[..], &[0; 5][..]));
    }
}
