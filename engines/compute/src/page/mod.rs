//! Slotted pages.
//!
//! Layout, little-endian; all offsets in bytes from the page's start:
//!
//! | offset | field |
//! |---|---|
//! | 0 | CRC-32C `u32` over the rest of the page; right only in a sealed page |
//! | 4 | kind `u8`, level `u8`, tree `u16` |
//! | 8 | page id `u64` |
//! | 16 | page LSN `u64` |
//! | 24 | right sibling `u64`, 0 for none |
//! | 32 | slot count `u16`, heap start `u16`, garbage bytes `u16`, zero `u16` |
//! | 40 | slots: cell offsets `u16`, in rising order of key |
//! | heap start | cells: key length `u16`, value length `u16`, key, value |
//!
//! Leaves hold rows; inner pages hold children: the cell's key is the child's lowest key (the first cell's key is
//! empty) and its value the child's page id, `u64`.
//!
//! # Invariants
//!
//! - A [`Page`] in memory is always well formed: [`Page::open`] takes nothing else, and no edit leaves anything else.
//!   Nothing below panics for what a page holds.
//! - Pages are a function of their records: the same records give the same bytes, unused bytes included. A storage
//!   node's page is compared with the writer's byte for byte.
//! - The checksum field of a page in memory is zero, so that equal pages compare equal.
//! - Heap bytes are cells or garbage: `size = heap start + garbage + sum of cells`.
//!
//! # Caveats
//!
//! - Garbage is reclaimed by rewriting the heap when an insert needs it, not cell by cell.

mod cells;
mod edit;
mod search;

use std::fmt;

pub(crate) use cells::{CELL_OVERHEAD_BYTES, footprint_bytes};
use node::Block;
use search::Hint;
use thiserror::Error;

use crate::{Lsn, PageId, TreeId};

/// Bytes before the first slot.
pub const PAGE_HEADER_BYTES: usize = 40;
/// The smallest page, for tests that split early.
pub const PAGE_BYTES_MIN: usize = 512;
/// The largest page.
pub const PAGE_BYTES_MAX: usize = 32 << 10;

const KIND_AT: usize = 4;
const LEVEL_AT: usize = 5;
const TREE_AT: usize = 6;
const ID_AT: usize = 8;
const LSN_AT: usize = 16;
const RIGHT_AT: usize = 24;
const SLOTS_AT: usize = 32;
const HEAP_AT: usize = 34;
const GARBAGE_AT: usize = 36;

/// What a page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PageKind {
    /// In no tree: on the free list, or never used.
    Free = 0,
    /// Rows or index entries.
    Leaf = 1,
    /// Children.
    Inner = 2,
    /// The catalog: page allocation and the trees' roots, as cells.
    Catalog = 3,
}

impl PageKind {
    /// The kind of a stored code.
    pub fn from_code(code: u8) -> Option<PageKind> {
        match code {
            0 => Some(PageKind::Free),
            1 => Some(PageKind::Leaf),
            2 => Some(PageKind::Inner),
            3 => Some(PageKind::Catalog),
            _ => None,
        }
    }
}

/// Why bytes are not the page asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PageError {
    /// The checksum does not match: torn or rotten.
    #[error("page {page} is damaged: its checksum does not match")]
    Checksum {
        /// The page asked for.
        page: PageId,
    },
    /// A whole page, but another one: a misdirected read or write.
    #[error("page {page} was asked for and page {found} was there")]
    Identity {
        /// The page asked for.
        page: PageId,
        /// The page found.
        found: PageId,
    },
    /// The header contradicts itself although the checksum matches.
    #[error("page {page} has an impossible layout")]
    Layout {
        /// The page asked for.
        page: PageId,
    },
}

/// A page in memory.
#[derive(Clone)]
pub struct Page {
    block: Block,
    hint: Hint,
}

/// Pages are equal when their bytes are.
impl PartialEq for Page {
    fn eq(&self, other: &Page) -> bool {
        self.block == other.block
    }
}

impl Eq for Page {}

impl Page {
    /// A page of kind [`PageKind::Free`] at LSN 0. Panics unless `size_bytes` is a multiple of the sector within bounds.
    pub fn empty(id: PageId, size_bytes: usize) -> Page {
        assert!(
            (PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&size_bytes),
            "pages of {size_bytes} bytes are not supported"
        );
        let mut page = Page { block: Block::zeroed(size_bytes), hint: Hint::default() };
        page.put_u64(ID_AT, id.0);
        page.put_u16(HEAP_AT, size_bytes as u16);
        page
    }

    /// Takes bytes from disk or network: checksum, identity, layout.
    pub fn open(block: Block, id: PageId) -> Result<Page, PageError> {
        let mut page = Page { block, hint: Hint::default() };
        if !(PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&page.size_bytes()) {
            return Err(PageError::Layout { page: id });
        }
        if crc32c::crc32c(&page.block[4..]) != u32::from_le_bytes(page.block[0..4].try_into().expect("four bytes")) {
            return Err(PageError::Checksum { page: id });
        }
        if page.id() != id {
            return Err(PageError::Identity { page: id, found: page.id() });
        }
        if !page.is_well_formed() {
            return Err(PageError::Layout { page: id });
        }
        page.block[..4].fill(0);
        Ok(page)
    }

    /// A copy fit to leave memory: with its checksum.
    pub fn sealed(&self) -> Block {
        let mut block = self.block.clone();
        let crc = crc32c::crc32c(&block[4..]);
        block[0..4].copy_from_slice(&crc.to_le_bytes());
        block
    }

    /// Which page this is.
    pub fn id(&self) -> PageId {
        PageId(self.get_u64(ID_AT))
    }

    /// The LSN of the last record applied.
    pub fn lsn(&self) -> Lsn {
        Lsn(self.get_u64(LSN_AT))
    }

    /// The page's size in bytes.
    pub fn size_bytes(&self) -> usize {
        self.block.len()
    }

    /// What the page is for.
    #[inline]
    pub fn kind(&self) -> PageKind {
        PageKind::from_code(self.block[KIND_AT]).expect("checked when the page was opened, and set by kind since")
    }

    /// The level above the leaves.
    pub fn level(&self) -> u8 {
        self.block[LEVEL_AT]
    }

    /// The tree it belongs to.
    pub fn tree(&self) -> TreeId {
        TreeId(self.get_u16(TREE_AT))
    }

    /// The right sibling on the same level.
    pub fn right(&self) -> Option<PageId> {
        Some(PageId(self.get_u64(RIGHT_AT))).filter(|right| right.0 != 0)
    }

    #[inline]
    fn get_u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.block[at..at + 2].try_into().expect("two bytes"))
    }

    #[inline]
    fn get_u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.block[at..at + 8].try_into().expect("eight bytes"))
    }

    fn put_u16(&mut self, at: usize, value: u16) {
        self.block[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    fn put_u64(&mut self, at: usize, value: u64) {
        self.block[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}@{} {:?} level {} of {:?}", self.id(), self.lsn(), self.kind(), self.level(), self.tree())
    }
}

#[cfg(test)]
mod tests;
