//! Memory of dropped blocks, kept for the next block of the same size on the same thread.
//!
//! Blocks up to 64 KiB have the size of their length, longer ones up to 256 KiB that of the next power of two. Still longer ones
//! are rare, and go back to the allocator.

use std::cell::RefCell;

use super::memory::Memory;
use super::{ALIGN_BYTES, SECTOR_BYTES};

/// A thread keeps at most this much of each size.
const KEPT_BYTES_MAX: usize = 512 << 10;

/// How many sizes of whole sectors there are, then of whole alignments, then of powers of two.
const SHORT: usize = ALIGN_BYTES / SECTOR_BYTES - 1;
const LONG: usize = (64 << 10) / ALIGN_BYTES;
const ROUNDED: usize = 2;
const SIZES: usize = SHORT + LONG + ROUNDED;

thread_local! {
    /// By number of the size.
    static SPARE: RefCell<[Vec<Memory>; SIZES]> = const { RefCell::new([const { Vec::new() }; SIZES]) };
}

/// Memory for a block of `len_bytes`: what a dropped one left, with whatever is in it, or else zeroes.
pub(super) fn take(len_bytes: usize) -> Taken {
    let (number, size_bytes) = size(len_bytes);
    match SPARE.try_with(|spare| spare.borrow_mut().get_mut(number)?.pop()).ok().flatten() {
        Some(memory) => Taken::Used(memory),
        None => Taken::Zeroed(Memory::zeroed(size_bytes)),
    }
}

/// Memory, and what is known of its bytes.
pub(super) enum Taken {
    /// They are anything.
    Used(Memory),
    /// They are zero.
    Zeroed(Memory),
}

/// Keeps `memory` of a block of `len_bytes`, or lets it go.
pub(super) fn give(memory: Memory, len_bytes: usize) {
    let (number, size_bytes) = size(len_bytes);
    // A thread that ends has no use for it.
    let _ = SPARE.try_with(|spare| {
        if let Some(kept) = spare.borrow_mut().get_mut(number)
            && (kept.len() + 1) * size_bytes <= KEPT_BYTES_MAX
        {
            kept.push(memory);
        }
    });
}

/// The number of the size that a block of `len_bytes` has, and its bytes; beyond the last number it is the length.
fn size(len_bytes: usize) -> (usize, usize) {
    const EXACT_MAX: usize = LONG * ALIGN_BYTES;
    if len_bytes < ALIGN_BYTES {
        return (len_bytes.div_ceil(SECTOR_BYTES) - 1, len_bytes);
    }
    if len_bytes <= EXACT_MAX {
        return (SHORT + len_bytes.div_ceil(ALIGN_BYTES) - 1, len_bytes);
    }
    let rounded = len_bytes.next_power_of_two();
    match (rounded / EXACT_MAX).ilog2() as usize {
        doublings if doublings <= ROUNDED => (SHORT + LONG + doublings - 1, rounded),
        _ => (SIZES, len_bytes),
    }
}
