//! Memory of dropped blocks, kept for the next block of the same size on the same thread.

use std::cell::RefCell;

use super::{ALIGN_BYTES, Aligned};

/// Larger blocks are rare, and go back to the allocator.
const COUNT_MAX: usize = 16;
/// A thread keeps at most this much of each size.
const KEPT_BYTES_MAX: usize = 512 << 10;

thread_local! {
    /// By size in units of the alignment, less one.
    static SPARE: RefCell<[Vec<Box<[Aligned]>>; COUNT_MAX]> = const { RefCell::new([const { Vec::new() }; COUNT_MAX]) };
}

/// Memory of `count` units, with whatever it held last.
pub(super) fn take(count: usize) -> Option<Box<[Aligned]>> {
    SPARE.try_with(|spare| spare.borrow_mut().get_mut(count - 1)?.pop()).ok()?
}

/// Keeps `memory`, or lets it go.
pub(super) fn give(memory: Box<[Aligned]>) {
    let count = memory.len();
    // A thread that ends has no use for it.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if let Some(kept) = count.checked_sub(1).and_then(|at| spare.get_mut(at))
            && (kept.len() + 1) * count * ALIGN_BYTES <= KEPT_BYTES_MAX
        {
            kept.push(memory);
        }
    });
}
