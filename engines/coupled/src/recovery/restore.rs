//! Torn pages: whatever the last double-write batch holds and the page file does not is put back.

use std::collections::VecDeque;

use compute::{Lsn, Page, PageId};
use node::{DiskReply, DiskResult, IoClass};

use crate::batch::{Batch, PageCopy};
use crate::config::Config;
use crate::doublewrite::SlotFile;
use crate::error::CoupledError;
use crate::io::{DOUBLE_WRITE, Io, Kind, PAGES};
use crate::recovery::read;

/// Reads the buffer, then each of its pages in place, then restores the damaged ones.
#[derive(Clone, Debug)]
pub struct Restore {
    slots: SlotFile,
    page_file_bytes: u64,
    reads_max: usize,
    durable: Lsn,
    /// Whether the buffer gave every page of its last batch.
    whole: bool,
    to_read: VecDeque<Page>,
    reading: Vec<Page>,
    damaged: Vec<PageCopy>,
    restored: u64,
    step: Step,
}

#[derive(Clone, Debug)]
enum Step {
    Buffer,
    Pages,
    Writing(Batch),
}

impl Restore {
    /// Starts by reading the buffer.
    pub fn start(io: &mut Io<'_>, config: &Config, page_file_bytes: u64) -> Restore {
        let slots = config.slot_file();
        read(io, 0, DOUBLE_WRITE, 0, slots.file_bytes() as usize, IoClass::DoubleWrite);
        Restore {
            slots,
            page_file_bytes,
            reads_max: config.recovery.reads_max as usize,
            durable: Lsn::ZERO,
            whole: false,
            to_read: VecDeque::new(),
            reading: Vec::new(),
            damaged: Vec::new(),
            restored: 0,
            step: Step::Buffer,
        }
    }

    /// Takes a completion up. `true` when no torn page of the last batch is left.
    pub fn completed(
        &mut self,
        io: &mut Io<'_>,
        kind: Kind,
        detail: u64,
        result: DiskResult,
    ) -> Result<bool, CoupledError> {
        match &mut self.step {
            Step::Buffer => {
                // An unreadable buffer is an empty one: a batch that was needed shows as damaged pages later, and until
                // then the buffer is left as it is ([`Restore::is_whole`]).
                if let Ok(DiskReply::Data(block)) = result
                    && let Some(last) = self.slots.decode(&block)
                {
                    (self.durable, self.whole) = (last.durable, last.whole);
                    self.to_read = last.pages.into();
                }
                self.step = Step::Pages;
            }
            Step::Pages => self.page_came(PageId(detail), result),
            Step::Writing(batch) => {
                debug_assert_eq!(kind, Kind::Batch, "nothing else is in flight");
                return batch.completed(io, result);
            }
        }
        self.read_more(io);
        if !self.reading.is_empty() {
            return Ok(false);
        }
        let damaged = std::mem::take(&mut self.damaged);
        self.restored = damaged.len() as u64;
        if damaged.is_empty() {
            return Ok(true);
        }
        self.step = Step::Writing(Batch::restore(io, damaged));
        Ok(false)
    }

    fn page_came(&mut self, page: PageId, result: DiskResult) {
        let Some(index) = self.reading.iter().position(|copy| copy.id() == page) else { return };
        let copy = self.reading.swap_remove(index);
        let whole = match result {
            Ok(DiskReply::Data(block)) => Page::open(block, page).is_ok(),
            _ => false,
        };
        if !whole {
            self.damaged.push((page, copy.lsn(), copy.sealed()));
        }
    }

    fn read_more(&mut self, io: &mut Io<'_>) {
        while self.reading.len() < self.reads_max {
            let Some(copy) = self.to_read.pop_front() else { break };
            let offset = copy.id().0 * self.slots.page_bytes as u64;
            if offset + self.slots.page_bytes as u64 <= self.page_file_bytes {
                read(io, copy.id().0, PAGES, offset, self.slots.page_bytes, IoClass::DataPage);
                self.reading.push(copy);
            }
        }
    }

    /// An LSN that the buffer proves was durable.
    pub fn durable(&self) -> Lsn {
        self.durable
    }

    /// Whether the buffer gave every page of its last batch. If not, it may still hold the only whole copy of a page: the
    /// next opening may read what this one could not.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// How many pages were torn.
    pub fn restored(&self) -> u64 {
        self.restored
    }
}
