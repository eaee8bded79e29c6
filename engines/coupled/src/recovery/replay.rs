//! From the log that was found to pages that hold it, without a moment at which anything relies on log that a power loss
//! could still take.
//!
//! # Mechanism
//!
//! A log block can be read without being durable: its write failed, or the process died before the answer, and whether the
//! sync of an opening reaches what a failed one left behind is not known (Rebello et al., "Can Applications Recover from
//! fsync Failures?", USENIX ATC 2020). The chain says up to where it is *proven* durable. The groups above are
//! *doubtful*: acknowledged or not, they must stay, and no page may have them before they are durable.
//!
//! 1. Redo what is proven.
//! 2. The superblock: recovery starts at the doubtful groups, in a new incarnation. What was before is free.
//! 3. Write the doubtful groups again, behind the log, in blocks of the new incarnation.
//! 4. The superblock: recovery starts at the copy.
//! 5. Redo the doubtful groups.
//!
//! Without doubtful groups, the first step is all. Where the double-write buffer could not be read whole, it may hold the only
//! whole copy of a torn page, for an opening with better luck: everything is rehearsed before anything is written.
//!
//! # Invariants
//!
//! - The doubtful groups are not written in place: a crash may garble a sector in flight, and they may be durable and
//!   acknowledged.
//! - Until step 4 is complete, the copy counts for nothing: a scan that comes to it ends before it.
//! - Only the chain and the double-write buffer prove. What the superblock found knows may be reachable from that
//!   superblock alone, which itself may not be durable.

use std::collections::BTreeSet;

use compute::{Lsn, PageId, Record, RedoOp};
use node::DiskResult;

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::copies::CopyWriter;
use crate::error::CoupledError;
use crate::io::{Io, Kind};
use crate::recovery::redo::{RedoPages, Stretch};
use crate::recovery::repeat::Repeat;
use crate::recovery::{copy_written, write_copies};
use crate::superblock::Superblock;
use crate::wal::Redo;

/// The log as found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Redo of the complete groups from the checkpoint on.
    pub records: Vec<Redo>,
    /// Its end.
    pub head: Checkpoint,
    /// Up to here it is durable.
    pub proven: Lsn,
    /// The block at which the first group above starts.
    pub doubtful_from: Checkpoint,
    /// Whether the double-write buffer could be read whole.
    pub doubled: bool,
    /// The length of the page file.
    pub page_file_bytes: u64,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Replay {
    page_file_bytes: u64,
    /// The log's end, as found and then of the copy.
    head: Checkpoint,
    proven: Lsn,
    doubtful_from: Checkpoint,
    sure: Vec<Redo>,
    doubtful: Vec<Redo>,
    superblock: Superblock,
    writer: CopyWriter,
    step: Step,
    pages: BTreeSet<PageId>,
    redone: BTreeSet<PageId>,
}

#[derive(Clone, Debug)]
enum Step {
    Rehearsing(RedoPages),
    Sure(RedoPages),
    Turning,
    Repeating(Repeat),
    Moving,
    Doubtful(RedoPages),
    Done,
}

impl Replay {
    /// Starts. `superblock` is of the new incarnation, and `writer` writes it.
    pub fn start(
        io: &mut Io<'_>,
        config: &Config,
        mut found: Found,
        superblock: Superblock,
        writer: CopyWriter,
    ) -> Result<Replay, CoupledError> {
        let pages = found.records.iter().map(|record| record.page).collect();
        let doubtful = found.records.split_off(found.records.partition_point(|record| record.lsn <= found.proven));
        let mut replay = Replay {
            page_file_bytes: found.page_file_bytes,
            head: found.head,
            proven: found.proven,
            doubtful_from: found.doubtful_from,
            sure: found.records,
            doubtful,
            superblock,
            writer,
            step: Step::Done,
            pages,
            redone: BTreeSet::new(),
        };
        if found.doubled {
            replay.redo_sure(io, config)?;
        } else {
            replay.rehearse(io, config)?;
        }
        Ok(replay)
    }

    /// Takes a completion up. `true` when every page is up to date and durable.
    pub fn completed(
        &mut self,
        io: &mut Io<'_>,
        config: &Config,
        kind: Kind,
        detail: u64,
        result: DiskResult,
    ) -> Result<bool, CoupledError> {
        match &mut self.step {
            Step::Rehearsing(redo) => {
                if redo.completed(io, kind, detail, result)? {
                    self.redo_sure(io, config)?;
                }
            }
            Step::Sure(redo) => {
                if redo.completed(io, kind, detail, result)? {
                    self.sure_redone(io);
                }
            }
            Step::Turning => {
                if copy_written(io, &mut self.writer, result)? {
                    let head = self.copy_start();
                    self.step = Step::Repeating(Repeat::start(io, config, head, self.doubtful_from, &self.doubtful)?);
                }
            }
            Step::Repeating(repeat) => {
                if let Some(end) = repeat.completed(io, detail, result)? {
                    self.move_on(io, end);
                }
            }
            Step::Moving => {
                if copy_written(io, &mut self.writer, result)? {
                    self.redo_doubtful(io, config)?;
                }
            }
            Step::Doubtful(redo) => {
                if redo.completed(io, kind, detail, result)? {
                    self.doubtful_redone();
                }
            }
            Step::Done => unreachable!("nothing is in flight after the end"),
        }
        Ok(self.is_done())
    }

    /// Everything at once, without a write.
    fn rehearse(&mut self, io: &mut Io<'_>, config: &Config) -> Result<(), CoupledError> {
        let stretch = Stretch {
            records: self.sure.iter().chain(&self.doubtful).cloned().collect(),
            head: self.head,
            durable: self.proven,
            made_later: BTreeSet::new(),
            rehearsal: true,
        };
        let redo = RedoPages::start(io, config, self.page_file_bytes, stretch)?;
        if redo.is_done() {
            return self.redo_sure(io, config);
        }
        self.step = Step::Rehearsing(redo);
        Ok(())
    }

    fn redo_sure(&mut self, io: &mut Io<'_>, config: &Config) -> Result<(), CoupledError> {
        let stretch = Stretch {
            records: std::mem::take(&mut self.sure),
            head: self.head,
            durable: self.proven,
            made_later: self.doubtful.iter().filter(|record| makes(record)).map(|record| record.page).collect(),
            rehearsal: false,
        };
        let redo = RedoPages::start(io, config, self.page_file_bytes, stretch)?;
        let done = redo.is_done();
        self.step = Step::Sure(redo);
        if done {
            self.sure_redone(io);
        }
        Ok(())
    }

    fn sure_redone(&mut self, io: &mut Io<'_>) {
        if let Step::Sure(redo) = &self.step {
            self.redone.extend(redo.redone());
        }
        if self.doubtful.is_empty() {
            self.step = Step::Done;
            return;
        }
        self.superblock.checkpoint = self.doubtful_from;
        self.superblock.durable = self.superblock.durable.max(self.proven);
        self.write_superblock(io);
        self.step = Step::Turning;
    }

    /// Where the copy starts.
    fn copy_start(&self) -> Checkpoint {
        Checkpoint { incarnation: self.superblock.incarnation, before: self.proven, ..self.head }
    }

    fn move_on(&mut self, io: &mut Io<'_>, end: Checkpoint) {
        self.superblock.checkpoint = self.copy_start();
        self.superblock.durable = end.before;
        self.head = end;
        self.write_superblock(io);
        self.step = Step::Moving;
    }

    fn redo_doubtful(&mut self, io: &mut Io<'_>, config: &Config) -> Result<(), CoupledError> {
        let stretch = Stretch {
            records: std::mem::take(&mut self.doubtful),
            head: self.head,
            durable: self.head.before,
            made_later: BTreeSet::new(),
            rehearsal: false,
        };
        self.step = Step::Doubtful(RedoPages::start(io, config, self.page_file_bytes, stretch)?);
        Ok(())
    }

    fn doubtful_redone(&mut self) {
        if let Step::Doubtful(redo) = &self.step {
            self.redone.extend(redo.redone());
        }
        self.step = Step::Done;
    }

    fn write_superblock(&mut self, io: &mut Io<'_>) {
        let writes = self.writer.begin(self.superblock.encode());
        write_copies(io, writes);
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        matches!(self.step, Step::Done)
    }

    /// The log's end.
    pub fn head(&self) -> Checkpoint {
        self.head
    }

    /// Pages with records, and pages that lacked some of them.
    pub fn counts(&self) -> (u64, u64) {
        (self.pages.len() as u64, self.redone.len() as u64)
    }

    /// The superblock as it stands, and its writer.
    pub fn into_superblock(self) -> (Superblock, CopyWriter) {
        (self.superblock, self.writer)
    }
}

/// Whether the record makes its page from nothing.
fn makes(redo: &Redo) -> bool {
    Record::decode(&redo.bytes).is_ok_and(|(record, _)| matches!(record.op, RedoOp::Format { .. }))
}
