//! Changing a page's cells. Only [`apply`](crate::apply::apply) calls these; an edit that does not fit says why and
//! leaves the page as it was.

use super::cells::{CELL_HEADER_BYTES, SLOT_BYTES, cell_bounds, footprint_bytes};
use super::{
    GARBAGE_AT, HEAP_AT, KIND_AT, LEVEL_AT, LSN_AT, PAGE_HEADER_BYTES, Page, PageKind, RIGHT_AT, SLOTS_AT, TREE_AT,
};
use crate::{Lsn, PageId, TreeId};

/// The outcome of an edit; the text says why it does not fit.
pub(crate) type Edit = Result<(), &'static str>;

const NO_SUCH_KEY: &str = "the key is not on the page";
const NO_ROOM: &str = "the cell does not fit the page";
const NOT_A_CHILD: &str = "an inner page holds page ids of eight bytes";

impl Page {
    pub(crate) fn set_lsn(&mut self, lsn: Lsn) {
        self.put_u64(LSN_AT, lsn.0);
    }

    /// Forgets everything but the page's id, so that equal records give equal bytes whatever was there.
    pub(crate) fn format(&mut self, kind: PageKind, level: u8, tree: TreeId) {
        let (id, size) = (self.id(), self.size_bytes());
        self.block.fill(0);
        self.put_u64(super::ID_AT, id.0);
        self.block[KIND_AT] = kind as u8;
        self.block[LEVEL_AT] = level;
        self.put_u16(TREE_AT, tree.0);
        self.put_u16(HEAP_AT, size as u16);
    }

    pub(crate) fn set_right(&mut self, right: PageId) {
        self.put_u64(RIGHT_AT, right.0);
    }

    pub(crate) fn insert(&mut self, key: &[u8], value: &[u8]) -> Edit {
        let Err(index) = self.search(key) else { return Err("the key is already on the page") };
        self.check_value(value)?;
        if footprint_bytes(key, value) > self.room_bytes() {
            return Err(NO_ROOM);
        }
        self.put_cell(index, key, value);
        Ok(())
    }

    pub(crate) fn replace(&mut self, key: &[u8], value: &[u8]) -> Edit {
        let Ok(index) = self.search(key) else { return Err(NO_SUCH_KEY) };
        self.check_value(value)?;
        let at = self.slot(index);
        let (_, value_at, end) = self.cell_bounds(at);
        let (old_bytes, new_bytes) = (end - value_at, value.len());
        if new_bytes <= old_bytes {
            self.block[value_at..value_at + new_bytes].copy_from_slice(value);
            self.put_u16(at + 2, new_bytes as u16);
            self.add_garbage(old_bytes - new_bytes);
            return Ok(());
        }
        if new_bytes - old_bytes > self.room_bytes() {
            return Err(NO_ROOM);
        }
        self.remove_cell(index);
        self.put_cell(index, key, value);
        Ok(())
    }

    pub(crate) fn patch(&mut self, key: &[u8], offset: usize, new: &[u8]) -> Edit {
        let Ok(index) = self.search(key) else { return Err(NO_SUCH_KEY) };
        let (_, value_at, end) = self.cell_bounds(self.slot(index));
        if offset + new.len() > end - value_at {
            return Err("the patch ends outside the value");
        }
        self.block[value_at + offset..value_at + offset + new.len()].copy_from_slice(new);
        Ok(())
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Edit {
        let Ok(index) = self.search(key) else { return Err(NO_SUCH_KEY) };
        self.remove_cell(index);
        Ok(())
    }

    pub(crate) fn truncate(&mut self, key: &[u8]) {
        let keep = self.search(key).unwrap_or_else(|above| above);
        let mut dropped = 0;
        for index in keep..self.count() {
            let at = self.slot(index);
            dropped += self.cell_bounds(at).2 - at;
        }
        self.put_u16(SLOTS_AT, keep as u16);
        self.add_garbage(dropped);
        self.reset_if_empty();
    }

    pub(crate) fn append(&mut self, cells: &[u8]) -> Edit {
        let added = self.check_cells(cells)?;
        if cells.len() + SLOT_BYTES * added > self.room_bytes() {
            return Err("the cells do not fit the page");
        }
        if cells.len() + SLOT_BYTES * added > self.gap_bytes() {
            self.compact();
        }
        let heap = self.heap_start() - cells.len();
        self.block[heap..heap + cells.len()].copy_from_slice(cells);
        self.put_u16(HEAP_AT, heap as u16);
        let (mut at, count) = (heap, self.count());
        for index in count..count + added {
            self.put_u16(PAGE_HEADER_BYTES + SLOT_BYTES * index, at as u16);
            at = self.cell_bounds(at).2;
        }
        self.put_u16(SLOTS_AT, (count + added) as u16);
        Ok(())
    }

    /// How many cells `cells` holds, if they are whole, in order and above those on the page.
    fn check_cells(&self, cells: &[u8]) -> Result<usize, &'static str> {
        let mut last = self.count().checked_sub(1).map(|index| self.key(index));
        let (mut rest, mut added) = (cells, 0);
        while !rest.is_empty() {
            let (key, value, tail) = split_cell(rest).ok_or("the appended cells end early")?;
            if last.is_some_and(|last| last >= key) {
                return Err("the appended cells are not in order above those on the page");
            }
            self.check_value(value)?;
            (last, rest, added) = (Some(key), tail, added + 1);
        }
        Ok(added)
    }

    fn check_value(&self, value: &[u8]) -> Edit {
        if self.kind() == PageKind::Inner && value.len() != 8 { Err(NOT_A_CHILD) } else { Ok(()) }
    }

    /// Adds a cell as number `index`. The caller has checked that there is room.
    fn put_cell(&mut self, index: usize, key: &[u8], value: &[u8]) {
        if footprint_bytes(key, value) > self.gap_bytes() {
            self.compact();
        }
        let at = self.heap_start() - (CELL_HEADER_BYTES + key.len() + value.len());
        self.put_u16(at, key.len() as u16);
        self.put_u16(at + 2, value.len() as u16);
        let value_at = at + CELL_HEADER_BYTES + key.len();
        self.block[at + CELL_HEADER_BYTES..value_at].copy_from_slice(key);
        self.block[value_at..value_at + value.len()].copy_from_slice(value);
        self.put_u16(HEAP_AT, at as u16);
        let slot_at = PAGE_HEADER_BYTES + SLOT_BYTES * index;
        let slots_end = self.slots_end();
        self.block.copy_within(slot_at..slots_end, slot_at + SLOT_BYTES);
        self.put_u16(slot_at, at as u16);
        self.put_u16(SLOTS_AT, self.count() as u16 + 1);
    }

    fn remove_cell(&mut self, index: usize) {
        let at = self.slot(index);
        let cell_bytes = self.cell_bounds(at).2 - at;
        let slot_at = PAGE_HEADER_BYTES + SLOT_BYTES * index;
        let slots_end = self.slots_end();
        self.block.copy_within(slot_at + SLOT_BYTES..slots_end, slot_at);
        self.put_u16(SLOTS_AT, self.count() as u16 - 1);
        self.add_garbage(cell_bytes);
        self.reset_if_empty();
    }

    fn add_garbage(&mut self, bytes: usize) {
        let garbage = self.garbage_bytes() + bytes;
        self.put_u16(GARBAGE_AT, garbage as u16);
    }

    fn reset_if_empty(&mut self) {
        if self.count() == 0 {
            self.put_u16(HEAP_AT, self.size_bytes() as u16);
            self.put_u16(GARBAGE_AT, 0);
        }
    }

    /// Rewrites the heap without garbage, cells in order of key, and zeroes what becomes unused.
    fn compact(&mut self) {
        let old = self.block.clone();
        let mut heap = self.size_bytes();
        for index in (0..self.count()).rev() {
            let at = self.slot(index);
            let cell_bytes = cell_bounds(&old, at).2 - at;
            heap -= cell_bytes;
            self.block[heap..heap + cell_bytes].copy_from_slice(&old[at..at + cell_bytes]);
            self.put_u16(PAGE_HEADER_BYTES + SLOT_BYTES * index, heap as u16);
        }
        let slots_end = self.slots_end();
        self.block[slots_end..heap].fill(0);
        self.put_u16(HEAP_AT, heap as u16);
        self.put_u16(GARBAGE_AT, 0);
    }
}

/// The first cell of encoded cells, its key and value, and what follows it.
fn split_cell(cells: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (header, rest) = cells.split_first_chunk::<CELL_HEADER_BYTES>()?;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([header[0], header[1]])))?;
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([header[2], header[3]])))?;
    Some((key, value, rest))
}
