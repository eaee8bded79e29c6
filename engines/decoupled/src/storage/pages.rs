//! The page store: materialised pages in slots, never rewritten in place.
//!
//! A batch of pages goes to free slots, the slots are synced, the index takes the batch, and only then are the pages'
//! former slots free (P17, section 3.2: materialisation is an optimisation; the log stays until it is safe).
//!
//! # Invariants
//!
//! - One batch at a time; its order is write, sync, index.
//! - A slot that the durable index names, or that a read is on its way to, is never written.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use compute::{Lsn, Page, PageId, Planted};
use node::{DiskError, DiskOp, DiskResult, Effects, FileId, FileName, IoClass, SECTOR_BYTES, Token};

use super::index::{self, Entry, Index, NO_SLOT, Slot};
use super::{Owner, Trouble};
use crate::planted::Bug;

/// The file of slots.
pub const PAGES_FILE: FileId = FileId(1);
/// Its name.
pub const PAGES_NAME: &str = "pages";
/// The two index files.
pub const INDEX_FILES: [FileId; 2] = [FileId(2), FileId(3)];
/// Their names.
pub const INDEX_NAMES: [&str; 2] = ["index-0", "index-1"];

/// What a batch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Pages made from log.
    Coalesce,
    /// Pages brought by a peer.
    Repair,
}

/// A batch that became durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number.
    pub id: u64,
    /// What it was for.
    pub purpose: Purpose,
    /// Its pages and their LSNs. Removed pages are not listed.
    pub pages: Vec<(PageId, Lsn)>,
}

#[derive(Clone, Debug)]
struct Batch {
    id: u64,
    purpose: Purpose,
    pages: Vec<Page>,
    removed: Vec<PageId>,
    entries: Vec<Entry>,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Waits for the file to grow.
    Growing,
    /// Waits for so many slot writes.
    Writing(usize),
    Syncing,
    /// Waits for the other index file: made, its name synced, its snapshot written.
    Making,
    Naming,
    Snapshotting,
    Indexing,
    /// A full disk refused; tried again by [`PageStore::retry`].
    Refused,
}

/// The slots and their index.
#[derive(Clone, Debug)]
pub struct PageStore {
    page_bytes: usize,
    grow_bytes: u64,
    index_log_bytes: u64,
    len_bytes: u64,
    index: Index,
    index_len_bytes: u64,
    next_index_len_bytes: u64,
    /// Positions that the next snapshot leaves out.
    skipped: u64,
    file: usize,
    free: BTreeSet<u32>,
    slots: u32,
    reading: BTreeMap<u32, usize>,
    batch: Option<Batch>,
    queue: VecDeque<Batch>,
    batches: u64,
    operation: u64,
    refused: bool,
    /// A bug, for the chaos command.
    pub planted: Planted<Bug>,
}

impl PageStore {
    /// The store as found: the page file's length, the index, which of the two files it is in, and that file's length.
    pub fn new(len_bytes: u64, index: Index, file: usize, index_len_bytes: u64, sizes: (u64, u64)) -> PageStore {
        PageStore {
            page_bytes: 0,
            grow_bytes: sizes.0,
            index_log_bytes: sizes.1,
            len_bytes,
            index,
            index_len_bytes,
            next_index_len_bytes: 0,
            skipped: 0,
            file,
            free: BTreeSet::new(),
            slots: 0,
            reading: BTreeMap::new(),
            batch: None,
            queue: VecDeque::new(),
            batches: 0,
            operation: 0,
            refused: false,
            planted: Planted::NONE,
        }
    }

    /// The index file takes no batch any more. It may hold some behind its end that could not be read, one in a sector at the
    /// most: their positions are not given out again, so that no superblock vouches for any of them.
    pub fn end_index_file(&mut self) {
        self.skipped = self.index_len_bytes.saturating_sub(self.index.end_bytes) / SECTOR_BYTES as u64;
        self.index_len_bytes = self.index.end_bytes;
    }

    /// Tells the page size, known from the register on.
    pub fn set_page_bytes(&mut self, page_bytes: usize) {
        if self.page_bytes == 0 {
            self.page_bytes = page_bytes;
            self.take_up_length();
            let used: BTreeSet<u32> = self.index.slots.values().map(|slot| slot.slot).collect();
            self.free = (0..self.slots).filter(|slot| !used.contains(slot)).collect();
        }
    }

    /// The page size; zero before it is known.
    pub fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// Where a page is.
    pub fn slot(&self, page: PageId) -> Option<Slot> {
        self.index.slots.get(&page).copied()
    }

    /// Pages from `first` on, in order, with their slots.
    pub fn from(&self, first: PageId) -> impl Iterator<Item = (PageId, Slot)> + '_ {
        self.index.slots.range(first..).map(|(&page, &slot)| (page, slot))
    }

    /// How many pages are in slots.
    pub fn count(&self) -> usize {
        self.index.slots.len()
    }

    /// The position of the last durable batch.
    pub fn position(&self) -> u64 {
        self.index.position
    }

    /// Whether nothing is being stored.
    pub fn is_idle(&self) -> bool {
        self.batch.is_none() && self.page_bytes > 0
    }

    /// The read of a slot; [`PageStore::read_done`] must follow.
    pub fn read(&mut self, slot: u32) -> DiskOp {
        *self.reading.entry(slot).or_default() += 1;
        let offset = u64::from(slot) * self.page_bytes as u64;
        DiskOp::Read { file: PAGES_FILE, offset, len_bytes: self.page_bytes }
    }

    /// A read of a slot is over.
    pub fn read_done(&mut self, slot: u32) {
        if let Some(count) = self.reading.get_mut(&slot) {
            *count -= 1;
            if *count == 0 {
                self.reading.remove(&slot);
            }
        }
    }

    /// Stores pages and removes others, as one batch, after those before it; gives its number. Pages are of the store's size,
    /// and none comes twice.
    pub fn store(&mut self, purpose: Purpose, pages: Vec<Page>, removed: Vec<PageId>, out: &mut Effects) -> u64 {
        self.batches += 1;
        let id = self.batches;
        self.queue.push_back(Batch { id, purpose, pages, removed, entries: Vec::new(), step: Step::Growing });
        self.next_batch(out);
        id
    }

    fn next_batch(&mut self, out: &mut Effects) {
        if self.batch.is_none() {
            self.batch = self.queue.pop_front();
            self.write_slots(out);
        }
    }

    fn write_slots(&mut self, out: &mut Effects) {
        let Some(batch) = &mut self.batch else { return };
        let usable = self.free.iter().filter(|slot| !self.reading.contains_key(slot));
        let slots: Vec<u32> = usable.take(batch.pages.len()).copied().collect();
        if slots.len() < batch.pages.len() {
            let missing = ((batch.pages.len() - slots.len()) * self.page_bytes) as u64;
            let len_bytes = self.len_bytes + missing.next_multiple_of(self.grow_bytes);
            batch.step = Step::Growing;
            self.operation += 1;
            let op = DiskOp::Extend { file: PAGES_FILE, len_bytes };
            out.disk(Token::new(Owner::PAGES, self.operation), op, IoClass::CoalescedPage);
            self.len_bytes = len_bytes;
            return;
        }
        batch.step = Step::Writing(slots.len());
        batch.entries = batch.removed.iter().map(|&page| (page, Slot { slot: NO_SLOT, lsn: Lsn::ZERO })).collect();
        self.operation += 1;
        let class = match batch.purpose {
            Purpose::Coalesce => IoClass::CoalescedPage,
            Purpose::Repair => IoClass::Repair,
        };
        for (page, slot) in batch.pages.iter().zip(slots) {
            self.free.remove(&slot);
            batch.entries.push((page.id(), Slot { slot, lsn: page.lsn() }));
            let offset = u64::from(slot) * self.page_bytes as u64;
            let op = DiskOp::Write { file: PAGES_FILE, offset, data: page.sealed(), durable: false };
            out.disk(Token::new(Owner::PAGES, self.operation), op, class);
        }
        if batch.pages.is_empty() {
            self.write_index(out);
        }
    }

    /// Takes a completion; gives the batch when it is durable.
    pub fn handle(&mut self, token: Token, result: DiskResult, out: &mut Effects) -> Result<Option<Stored>, Trouble> {
        let Some(batch) = self.batch.as_mut().filter(|_| token.own() == self.operation) else { return Ok(None) };
        match result {
            Ok(_) => {}
            Err(DiskError::NoSpace) => self.refused = true,
            Err(error) => {
                return Err(Trouble::Halt(format!("cannot write the page store ({:?}): {error}", batch.step)));
            }
        }
        if let Step::Writing(left) = &mut batch.step {
            *left -= 1;
            if *left > 0 {
                return Ok(None);
            }
        }
        if std::mem::take(&mut self.refused) {
            self.give_back();
            return Ok(None);
        }
        match batch.step {
            Step::Growing => {
                self.take_up_length();
                self.write_slots(out);
            }
            Step::Writing(_) if self.planted.is(Bug::IndexBeforeSync) => self.write_index(out),
            Step::Writing(_) => self.go(Step::Syncing, DiskOp::Sync { file: PAGES_FILE }, IoClass::CoalescedPage, out),
            Step::Syncing => self.write_index(out),
            Step::Making => self.go(Step::Naming, DiskOp::SyncDir, IoClass::Metadata, out),
            Step::Naming => self.write_snapshot(out),
            Step::Snapshotting => {
                self.file = 1 - self.file;
                self.index.generation += 1;
                self.index.position += std::mem::take(&mut self.skipped);
                self.index.end_bytes = index::block_bytes(self.index.slots.len()) as u64;
                self.index_len_bytes = self.next_index_len_bytes;
                self.write_index(out);
            }
            Step::Indexing => {
                let stored = self.finish();
                self.next_batch(out);
                return Ok(Some(stored));
            }
            Step::Refused => {}
        }
        Ok(None)
    }

    /// Tries again what a full disk refused, from the start: nothing of the batch counts yet.
    pub fn retry(&mut self, out: &mut Effects) {
        if self.batch.as_ref().is_some_and(|batch| batch.step == Step::Refused) {
            self.write_slots(out);
        }
    }

    fn give_back(&mut self) {
        let Some(batch) = &mut self.batch else { return };
        let slots = batch.entries.drain(..).filter(|(_, slot)| slot.slot != NO_SLOT);
        self.free.extend(slots.map(|(_, slot)| slot.slot));
        if batch.step == Step::Growing {
            // How far the file grew is unknown; slots are counted up to the length that is sure.
            self.len_bytes = u64::from(self.slots) * self.page_bytes as u64;
        }
        batch.step = Step::Refused;
    }

    fn take_up_length(&mut self) {
        let slots = (self.len_bytes / self.page_bytes as u64) as u32;
        // A file that lost its name was longer once: the index may name slots that are to come.
        let used = self.index.slots.values().map(|slot| slot.slot).filter(|&slot| slot >= self.slots);
        let used: BTreeSet<u32> = used.collect();
        self.free.extend((self.slots..slots).filter(|slot| !used.contains(slot)));
        self.slots = slots;
    }

    fn go(&mut self, step: Step, op: DiskOp, class: IoClass, out: &mut Effects) {
        if let Some(batch) = &mut self.batch {
            batch.step = step;
        }
        self.operation += 1;
        out.disk(Token::new(Owner::PAGES, self.operation), op, class);
    }

    fn index_file_bytes(&self) -> u64 {
        2 * index::block_bytes(self.index.slots.len()) as u64 + self.index_log_bytes
    }

    fn write_index(&mut self, out: &mut Effects) {
        let Some(batch) = &self.batch else { return };
        let need = index::block_bytes(batch.entries.len()) as u64;
        if self.index.end_bytes + need > self.index_len_bytes {
            let (file, name) = (INDEX_FILES[1 - self.file], FileName::new(INDEX_NAMES[1 - self.file]));
            let len_bytes = self.index_file_bytes().max(need + index::block_bytes(self.index.slots.len()) as u64);
            self.next_index_len_bytes = len_bytes;
            self.go(Step::Making, DiskOp::Create { file, name, len_bytes }, IoClass::Metadata, out);
            return;
        }
        let data = index::encode(self.index.generation, self.index.position + 1, &batch.entries);
        let op = DiskOp::Write { file: INDEX_FILES[self.file], offset: self.index.end_bytes, data, durable: true };
        self.go(Step::Indexing, op, IoClass::Metadata, out);
    }

    fn write_snapshot(&mut self, out: &mut Effects) {
        let entries: Vec<Entry> = self.index.slots.iter().map(|(&page, &slot)| (page, slot)).collect();
        let data = index::encode(self.index.generation + 1, self.index.position + self.skipped, &entries);
        let op = DiskOp::Write { file: INDEX_FILES[1 - self.file], offset: 0, data, durable: true };
        self.go(Step::Snapshotting, op, IoClass::Metadata, out);
    }

    fn finish(&mut self) -> Stored {
        let batch = self.batch.take().expect("a batch was indexed");
        self.index.position += 1;
        self.index.end_bytes += index::block_bytes(batch.entries.len()) as u64;
        let mut pages = Vec::with_capacity(batch.entries.len());
        for (page, slot) in batch.entries {
            let former = if slot.slot == NO_SLOT {
                self.index.slots.remove(&page)
            } else {
                pages.push((page, slot.lsn));
                self.index.slots.insert(page, slot)
            };
            self.free.extend(former.map(|former| former.slot));
        }
        Stored { id: batch.id, purpose: batch.purpose, pages }
    }
}
