//! How large keys and cells may be.

use crate::page::PAGE_HEADER_BYTES;

/// The longest key on pages of this size, in bytes: an eighth of the page.
pub const fn key_bytes_max(page_bytes: usize) -> usize {
    page_bytes / 8
}

/// The most bytes key and value of a cell may have together: four of the largest cells fit a page, so that a split always
/// makes room.
pub const fn cell_bytes_max(page_bytes: usize) -> usize {
    (page_bytes - PAGE_HEADER_BYTES) / 4 - crate::page::CELL_OVERHEAD_BYTES
}
