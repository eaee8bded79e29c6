//! Redo, partitioned by page.
//!
//! Records of different pages commute, so each page is brought up to date on its own: read it, apply everything, write
//! through the double-write buffer. Reads of a batch are in flight together, up to the configured number. A page that came
//! damaged is read again before that is believed: the device may have returned another.
//!
//! Every page is written, whether it lacked records or not. One that is whole in place may not be durable there: where a
//! sync failed, its writes stay visible, and later syncs need not make them durable.
//!
//! A batch overwrites the double-write buffer. A rehearsal reads and applies everything without a write, to find a page beyond
//! repair first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use compute::{Lsn, Page, PageId, Planted, Record, RedoOp};
use node::{Block, DiskReply, DiskResult, IoClass, Work};

use crate::batch::{Batch, PageCopy};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::doublewrite::SlotFile;
use crate::error::CoupledError;
use crate::ids::LogKind;
use crate::io::{Io, Kind, PAGES};
use crate::planted::Bug;
use crate::recovery::{LOOKS, read};
use crate::wal::Redo;

/// What is to be redone.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// Redo of complete groups, in order.
    pub records: Vec<Redo>,
    /// The log's end; no page may be newer.
    pub head: Checkpoint,
    /// The log is durable up to here, and the records lie below.
    pub durable: Lsn,
    /// Pages that later redo makes from nothing: damage to them is none.
    pub made_later: BTreeSet<PageId>,
    /// Whether nothing is written.
    pub rehearsal: bool,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct RedoPages {
    slots: SlotFile,
    planted: Planted<Bug>,
    page_file_bytes: u64,
    reads_max: usize,
    head: Checkpoint,
    durable: Lsn,
    made_later: BTreeSet<PageId>,
    rehearsal: bool,
    to_read: VecDeque<(PageId, Vec<Redo>)>,
    /// With how often each was asked for.
    reading: BTreeMap<PageId, (Vec<Redo>, u32)>,
    /// Copies for the next batch.
    ready: Vec<PageCopy>,
    writing: Option<Batch>,
    redone: BTreeSet<PageId>,
}

impl RedoPages {
    /// Starts reading pages.
    pub fn start(
        io: &mut Io<'_>,
        config: &Config,
        page_file_bytes: u64,
        stretch: Stretch,
    ) -> Result<RedoPages, CoupledError> {
        let mut by_page: BTreeMap<PageId, Vec<Redo>> = BTreeMap::new();
        for record in stretch.records {
            by_page.entry(record.page).or_default().push(record);
        }
        let mut redo = RedoPages {
            slots: config.slot_file(),
            planted: config.planted,
            page_file_bytes,
            reads_max: config.recovery.reads_max as usize,
            head: stretch.head,
            durable: stretch.durable,
            made_later: stretch.made_later,
            rehearsal: stretch.rehearsal,
            to_read: by_page.into_iter().collect(),
            reading: BTreeMap::new(),
            ready: Vec::new(),
            writing: None,
            redone: BTreeSet::new(),
        };
        redo.advance(io)?;
        Ok(redo)
    }

    /// Takes a completion up. `true` when every page is up to date and durable.
    pub fn completed(
        &mut self,
        io: &mut Io<'_>,
        kind: Kind,
        detail: u64,
        result: DiskResult,
    ) -> Result<bool, CoupledError> {
        if kind == Kind::Batch {
            if let Some(batch) = &mut self.writing
                && batch.completed(io, result)?
            {
                self.writing = None;
            }
        } else {
            let page = PageId(detail);
            let (records, reads) = self.reading.remove(&page).expect("one answer to each read");
            match self.bring_up_to_date(io, page, &records, result) {
                Ok((page, lacked)) => {
                    self.ready.push((page.id(), page.lsn(), page.sealed()));
                    if lacked {
                        self.redone.insert(page.id());
                    }
                }
                Err(CoupledError::PageCorrupt { .. }) if reads < LOOKS => self.read_page(io, page, records, reads + 1),
                Err(CoupledError::PageCorrupt { .. }) if self.made_later.contains(&page) => {}
                Err(error) => return Err(error),
            }
        }
        self.advance(io)?;
        Ok(self.is_done())
    }

    /// Reads while there is room in the next batch, and writes a batch when it is full or the last.
    fn advance(&mut self, io: &mut Io<'_>) -> Result<(), CoupledError> {
        let slots = self.slots.slots as usize;
        while self.reading.len() < self.reads_max && self.reading.len() + self.ready.len() < slots {
            let Some((page, records)) = self.to_read.pop_front() else { break };
            let offset = page.0 * self.slots.page_bytes as u64;
            if offset + self.slots.page_bytes as u64 > self.page_file_bytes {
                let reason = "the log changes it, but the page file ends before it".into();
                return Err(CoupledError::PageCorrupt { page, reason });
            }
            self.read_page(io, page, records, 1);
        }
        let full = self.ready.len() == slots || (self.to_read.is_empty() && self.reading.is_empty());
        if full && !self.ready.is_empty() && self.rehearsal {
            self.ready.clear();
            return self.advance(io);
        }
        if self.writing.is_none() && full && !self.ready.is_empty() {
            let copies = std::mem::take(&mut self.ready);
            // A page in place that is newer proves that its log was durable.
            let durable = copies.iter().map(|copy| copy.1).max().unwrap_or_default().max(self.durable);
            self.writing = Some(Batch::start(io, &self.slots, self.planted, durable, copies));
            return self.advance(io);
        }
        Ok(())
    }

    fn read_page(&mut self, io: &mut Io<'_>, page: PageId, records: Vec<Redo>, reads: u32) {
        let page_bytes = self.slots.page_bytes;
        read(io, page.0, PAGES, page.0 * page_bytes as u64, page_bytes, IoClass::DataPage);
        self.reading.insert(page, (records, reads));
    }

    /// Gives the page with all its records, and whether it lacked any.
    fn bring_up_to_date(
        &self,
        io: &mut Io<'_>,
        id: PageId,
        records: &[Redo],
        result: DiskResult,
    ) -> Result<(Page, bool), CoupledError> {
        let corrupt = |reason: String| CoupledError::PageCorrupt { page: id, reason };
        let decoded = records.iter().map(|redo| Record::decode(&redo.bytes).map(|(record, _)| record));
        let decoded: Vec<Record<'_>> = decoded.collect::<Result<_, _>>().map_err(|error| corrupt(error.to_string()))?;
        let (mut page, from) = match starting_page(id, result) {
            Ok(page) => (page, 0),
            Err(damage) => {
                let format = decoded.iter().rposition(|record| matches!(record.op, RedoOp::Format { .. }));
                let from = format.ok_or_else(|| {
                    corrupt(format!(
                        "{damage}; neither the double-write buffer nor the log from the checkpoint rebuilds it"
                    ))
                })?;
                (Page::empty(id, self.slots.page_bytes), from)
            }
        };
        if page.lsn() > self.head.before {
            return Err(CoupledError::LogCorrupt {
                log: LogKind::Redo,
                lsn: self.head.before.next(),
                position: self.head.position.0,
                witness: format!("page {id} carries LSN {}", page.lsn()),
            });
        }
        let mut applied = 0;
        for record in &decoded[from..] {
            let changed = compute::apply::apply(&mut page, record).map_err(|error| corrupt(error.to_string()))?;
            applied += u64::from(changed);
        }
        io.out.charge(Work::Apply, applied);
        let lacked = applied > 0 || from > 0;
        Ok((page, lacked))
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.to_read.is_empty() && self.reading.is_empty() && self.ready.is_empty() && self.writing.is_none()
    }

    /// The pages that lacked some of their records.
    pub fn redone(&self) -> &BTreeSet<PageId> {
        &self.redone
    }
}

/// The page in place; a place never written is an empty page.
fn starting_page(id: PageId, result: DiskResult) -> Result<Page, String> {
    match result {
        Ok(DiskReply::Data(block)) if is_blank(&block) => Ok(Page::empty(id, block.len())),
        Ok(DiskReply::Data(block)) => Page::open(block, id).map_err(|error| error.to_string()),
        Ok(_) => unreachable!("a read is answered by data"),
        Err(error) => Err(format!("the device cannot read it: {error}")),
    }
}

fn is_blank(block: &Block) -> bool {
    block.iter().all(|byte| *byte == 0)
}
