//! One batch of pages on its way to the page file: double-write, in place, sync.

use compute::{Lsn, PageId, Planted};
use node::{Block, DiskOp, DiskResult, IoClass};

use crate::doublewrite::SlotFile;
use crate::error::CoupledError;
use crate::io::{DOUBLE_WRITE, Io, Kind, PAGES};
use crate::planted::Bug;

/// A page's copy: its id, the LSN of its last record, its sealed bytes.
pub type PageCopy = (PageId, Lsn, Block);

/// The batch in flight. Slots are reused only after [`Batch::completed`] has said that the data sync is done.
#[derive(Clone, Debug)]
pub struct Batch {
    step: Step,
    pages: Vec<PageId>,
    planted: Planted<Bug>,
}

#[derive(Clone, Debug)]
enum Step {
    Doubling(Vec<PageCopy>),
    Writing(usize),
    Syncing,
}

impl Batch {
    /// Starts with the double-write. `durable` is the durable LSN, at or above every copy's.
    pub fn start(
        io: &mut Io<'_>,
        slots: &SlotFile,
        planted: Planted<Bug>,
        durable: Lsn,
        copies: Vec<PageCopy>,
    ) -> Batch {
        if planted.is(Bug::DoubleWriteSkipped) {
            return Batch { planted, ..Batch::restore(io, copies) };
        }
        let block = slots.encode(durable, &copies);
        io.out.charge(node::Work::Kilobyte, block.len() as u64 / 1024);
        io.write(Kind::Batch, 0, DOUBLE_WRITE, 0, block, IoClass::DoubleWrite);
        Batch { pages: copies.iter().map(|copy| copy.0).collect(), step: Step::Doubling(copies), planted }
    }

    /// Starts with the in-place writes: the double-write buffer already holds these pages.
    pub fn restore(io: &mut Io<'_>, copies: Vec<PageCopy>) -> Batch {
        let pages = copies.iter().map(|copy| copy.0).collect();
        Batch { pages, step: Batch::write_in_place(io, copies), planted: Planted::NONE }
    }

    fn write_in_place(io: &mut Io<'_>, copies: Vec<PageCopy>) -> Step {
        let count = copies.len();
        for (page, _, block) in copies {
            let offset = page.0 * block.len() as u64;
            io.write(Kind::Batch, 1 + page.0, PAGES, offset, block, IoClass::DataPage);
        }
        Step::Writing(count)
    }

    /// One operation of the batch has completed. `true` when the whole batch is durable in place.
    pub fn completed(&mut self, io: &mut Io<'_>, result: DiskResult) -> Result<bool, CoupledError> {
        let during = match self.step {
            Step::Doubling(_) => "a double-write",
            Step::Writing(_) => "a page write",
            Step::Syncing => "the page file's sync",
        };
        if result.is_err() && matches!(self.step, Step::Syncing) && self.planted.is(Bug::SyncRetried) {
            io.submit(Kind::Batch, 0, DiskOp::Sync { file: PAGES }, IoClass::DataPage);
            return Ok(false);
        }
        result.map_err(CoupledError::device(during))?;
        match &mut self.step {
            Step::Doubling(copies) => {
                let copies = std::mem::take(copies);
                self.step = Batch::write_in_place(io, copies);
            }
            Step::Writing(left) => {
                *left -= 1;
                if *left == 0 && self.planted.is(Bug::SlotBeforeSync) {
                    return Ok(true);
                }
                if *left == 0 {
                    io.submit(Kind::Batch, 0, DiskOp::Sync { file: PAGES }, IoClass::DataPage);
                    self.step = Step::Syncing;
                }
            }
            Step::Syncing => return Ok(true),
        }
        Ok(false)
    }

    /// The pages of the batch.
    pub fn pages(&self) -> &[PageId] {
        &self.pages
    }
}
