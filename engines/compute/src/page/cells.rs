//! Reading a page's cells.

use super::{GARBAGE_AT, HEAP_AT, KIND_AT, PAGE_BYTES_MAX, PAGE_HEADER_BYTES, Page, PageKind, SLOTS_AT};

/// Bytes of a slot.
pub(super) const SLOT_BYTES: usize = 2;
/// Bytes of a cell before its key.
pub(super) const CELL_HEADER_BYTES: usize = 4;

/// What a cell takes on a page beside its key and value.
pub(crate) const CELL_OVERHEAD_BYTES: usize = SLOT_BYTES + CELL_HEADER_BYTES;

/// What a cell with this key and value takes on a page, slot included.
pub(crate) const fn footprint_bytes(key: &[u8], value: &[u8]) -> usize {
    CELL_OVERHEAD_BYTES + key.len() + value.len()
}

impl Page {
    /// How many cells there are.
    #[inline]
    pub fn count(&self) -> usize {
        usize::from(self.get_u16(SLOTS_AT))
    }

    /// Cell number `index` in order of key: its key and value. Panics unless `index` is below [`Page::count`].
    #[inline]
    pub fn cell(&self, index: usize) -> (&[u8], &[u8]) {
        assert!(index < self.count(), "cell {index} of {} on {self:?}", self.count());
        let (key, value, end) = self.cell_bounds(self.slot(index));
        let bytes = self.bytes();
        (&bytes[key..value], &bytes[value..end])
    }

    /// The key of cell number `index`. Panics unless `index` is below [`Page::count`].
    #[inline]
    pub fn key(&self, index: usize) -> &[u8] {
        self.cell(index).0
    }

    /// All cells in order of key.
    pub fn cells(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> + ExactSizeIterator {
        (0..self.count()).map(|index| self.cell(index))
    }

    /// The value under `key`.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.search(key).ok().map(|index| self.cell(index).1)
    }

    /// Bytes that cells and slots may take on a page of this size.
    #[inline]
    pub fn capacity_bytes(&self) -> usize {
        self.size_bytes() - PAGE_HEADER_BYTES
    }

    /// Bytes cells and slots take now.
    #[inline]
    pub fn used_bytes(&self) -> usize {
        self.capacity_bytes() - self.room_bytes()
    }

    /// Bytes an insert may use, garbage included.
    #[inline]
    pub fn room_bytes(&self) -> usize {
        self.gap_bytes() + self.garbage_bytes()
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.block
    }

    #[inline]
    pub(super) fn slot(&self, index: usize) -> usize {
        slot(self.bytes(), index)
    }

    /// Where the key, the value and the end of the cell at `at` are.
    #[inline]
    pub(super) fn cell_bounds(&self, at: usize) -> (usize, usize, usize) {
        cell_bounds(self.bytes(), at)
    }

    #[inline]
    pub(super) fn heap_start(&self) -> usize {
        usize::from(self.get_u16(HEAP_AT))
    }

    #[inline]
    pub(super) fn garbage_bytes(&self) -> usize {
        usize::from(self.get_u16(GARBAGE_AT))
    }

    #[inline]
    pub(super) fn slots_end(&self) -> usize {
        PAGE_HEADER_BYTES + SLOT_BYTES * self.count()
    }

    /// Bytes between the slots and the heap.
    #[inline]
    pub(super) fn gap_bytes(&self) -> usize {
        self.heap_start() - self.slots_end()
    }

    /// Whether slots, cells and garbage add up, cells lie apart in the heap, and keys rise.
    pub(super) fn is_well_formed(&self) -> bool {
        let Some(kind) = PageKind::from_code(self.block[KIND_AT]) else { return false };
        let (size, heap) = (self.size_bytes(), self.heap_start());
        if self.slots_end() > heap || heap > size {
            return false;
        }
        // Most pages are no larger than this, and clearing room for the largest would take longer than looking at a small one.
        let (mut small, mut any);
        let taken: &mut [u64] = if size <= 4096 {
            small = [0; 4096 / 64];
            &mut small
        } else {
            any = [0; PAGE_BYTES_MAX / 64];
            &mut any
        };
        let mut live = 0;
        let mut last: Option<&[u8]> = None;
        for index in 0..self.count() {
            let at = self.slot(index);
            if at < heap || at + CELL_HEADER_BYTES > size {
                return false;
            }
            let (key_at, value_at, end) = self.cell_bounds(at);
            if end > size || (kind == PageKind::Inner && end - value_at != 8) {
                return false;
            }
            let key = &self.bytes()[key_at..value_at];
            if last.is_some_and(|last| last >= key) || !take(taken, at, end) {
                return false;
            }
            last = Some(key);
            live += end - at;
        }
        heap + self.garbage_bytes() + live == size
    }
}

/// Takes the bytes `from..to` of a page, at least one, in `taken`, which has a bit for each byte; `false` when one of them is taken
/// already.
fn take(taken: &mut [u64], from: usize, to: usize) -> bool {
    let (first, last) = (from / 64, (to - 1) / 64);
    let mut free = true;
    for (at, word) in taken[first..=last].iter_mut().enumerate() {
        let low = if at == 0 { u64::MAX << (from % 64) } else { u64::MAX };
        let high = if first + at == last { u64::MAX >> (63 - (to - 1) % 64) } else { u64::MAX };
        free &= *word & low & high == 0;
        *word |= low & high;
    }
    free
}

#[inline]
pub(super) fn slot(bytes: &[u8], index: usize) -> usize {
    let at = PAGE_HEADER_BYTES + SLOT_BYTES * index;
    usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes")))
}

#[inline]
pub(super) fn cell_bounds(bytes: &[u8], at: usize) -> (usize, usize, usize) {
    let lengths: [u8; 4] = bytes[at..at + 4].try_into().expect("four bytes");
    let key_at = at + CELL_HEADER_BYTES;
    let value_at = key_at + usize::from(u16::from_le_bytes([lengths[0], lengths[1]]));
    (key_at, value_at, value_at + usize::from(u16::from_le_bytes([lengths[2], lengths[3]])))
}
