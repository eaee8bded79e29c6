//! Owned, aligned buffers for direct I/O.

use std::fmt;
use std::ops::{Deref, DerefMut};

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// The atomic unit of a disk: a sector persists as a whole or not at all (unless it was in flight at power loss).
pub const SECTOR_BYTES: usize = 512;

/// Memory is aligned to this many bytes, which satisfies O_DIRECT on every common device.
pub const ALIGN_BYTES: usize = 4096;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
struct Aligned([u8; ALIGN_BYTES]);

/// An owned buffer, aligned for direct I/O, whose length is a multiple of [`SECTOR_BYTES`].
///
/// A block is given away with a write and comes back with a read, so no completion can touch memory that a node
/// has meanwhile used for something else.
#[derive(Clone)]
pub struct Block {
    memory: Box<[Aligned]>,
    len_bytes: usize,
}

impl Block {
    /// A zeroed block. Panics unless `len_bytes` is a positive multiple of [`SECTOR_BYTES`].
    pub fn zeroed(len_bytes: usize) -> Block {
        assert!(
            len_bytes > 0 && len_bytes.is_multiple_of(SECTOR_BYTES),
            "a block is whole sectors, not {len_bytes} bytes"
        );
        let count = len_bytes.div_ceil(ALIGN_BYTES);
        let memory = <[Aligned]>::new_box_zeroed_with_elems(count).expect("memory for a block");
        Block { memory, len_bytes }
    }

    /// A block that starts with `bytes`, padded with zeroes to whole sectors. Panics when `bytes` is empty.
    pub fn padded(bytes: &[u8]) -> Block {
        let mut block = Block::zeroed(bytes.len().next_multiple_of(SECTOR_BYTES));
        block[..bytes.len()].copy_from_slice(bytes);
        block
    }
}

impl Deref for Block {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.memory.as_bytes()[..self.len_bytes]
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory.as_mut_bytes()[..self.len_bytes]
    }
}

impl PartialEq for Block {
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
