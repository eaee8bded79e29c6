//! Registered memory for small transfers, so that the kernel need not pin pages for each of them.

use node::Block;

/// Fixed-size slots in one registered buffer.
#[derive(Debug)]
pub(crate) struct Slab {
    memory: Memory,
    slot_bytes: usize,
    free: Vec<u32>,
}

/// The slots' memory, reached only through `base` so that the kernel's writes race with no Rust reference.
#[derive(Debug)]
struct Memory {
    base: *mut u8,
    len_bytes: usize,
    _owner: Block,
}

// SAFETY: the memory is owned by the slab alone and moves between threads only as a whole, with its owner.
unsafe impl Send for Memory {}

impl Slab {
    /// `None` when the configuration wants no slab.
    pub(crate) fn new(slots: u32, slot_bytes: usize) -> Option<Slab> {
        let slot_bytes = slot_bytes.next_multiple_of(node::block::ALIGN_BYTES);
        let len_bytes = slots as usize * slot_bytes;
        if len_bytes == 0 {
            return None;
        }
        let mut owner = Block::zeroed(len_bytes);
        let base = owner.as_mut_ptr();
        let memory = Memory { base, len_bytes, _owner: owner };
        Some(Slab { memory, slot_bytes, free: (0..slots).rev().collect() })
    }

    pub(crate) fn iovec(&self) -> libc::iovec {
        libc::iovec { iov_base: self.memory.base.cast(), iov_len: self.memory.len_bytes }
    }

    pub(crate) fn len_bytes(&self) -> usize {
        self.memory.len_bytes
    }

    /// A free slot for `len_bytes`, if they fit and one is free.
    pub(crate) fn take(&mut self, len_bytes: usize) -> Option<u32> {
        if len_bytes <= self.slot_bytes { self.free.pop() } else { None }
    }

    /// A free slot holding a copy of `data`.
    pub(crate) fn take_with(&mut self, data: &[u8]) -> Option<u32> {
        let slot = self.take(data.len())?;
        // SAFETY: the slot is ours alone until it is given back, and `take` checked that `data` fits into it.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), self.at(slot, 0), data.len()) };
        Some(slot)
    }

    /// Where byte `from` of the slot is.
    pub(crate) fn at(&self, slot: u32, from: usize) -> *mut u8 {
        let offset = slot as usize * self.slot_bytes + from;
        assert!(offset < self.memory.len_bytes, "slot {slot} + {from} lies outside the slab");
        // SAFETY: the offset was just checked to lie inside the allocation.
        unsafe { self.memory.base.add(offset) }
    }

    /// Copies the start of a slot whose transfer is over.
    pub(crate) fn copy_out(&self, slot: u32, to: &mut [u8]) {
        assert!(to.len() <= self.slot_bytes, "a slot has {} bytes", self.slot_bytes);
        // SAFETY: the kernel is done with the slot, which is as long as `to` and does not overlap it.
        unsafe { std::ptr::copy_nonoverlapping(self.at(slot, 0), to.as_mut_ptr(), to.len()) };
    }

    /// Frees a slot whose transfer is over.
    pub(crate) fn give_back(&mut self, slot: u32) {
        self.free.push(slot);
    }
}
