//! The opened database: log, flusher and checkpoint at work.
//!
//! # Mechanism
//!
//! A group goes into the log's buffer (`logs`; through the binlog, where there is one) and its pages into the dirty
//! table. Log writes are durable writes; their
//! completions raise the durable LSN. The flusher takes the oldest dirty pages, *copies* them, waits until the log is
//! durable up to the last CPL among the copies, and sends the copies out as a [`Batch`]: a hot page changes on while its
//! copy is written. When a batch is durable in place, the dirty table lets go of the copies' recLSNs; the oldest recLSN
//! left is where a checkpoint may stand, and once the superblock that says so is durable the log before it is free.
//!
//! # Invariants
//!
//! - No page copy is written, not even to the double-write buffer, before the log is durable up to its group's CPL.
//! - One batch at a time, so the double-write slots are reused only after the data sync.
//! - With a binlog, no group enters the redo log before its entry there is durable.
//! - Log is overwritten only behind a durable checkpoint.
//! - The ring has room for what is not durable twice: a recovery that finds it writes it again.
//! - A failed write or sync halts the node.

mod fetch;
mod logs;
mod pressure;

use std::cell::Cell;

use compute::pool::Pool;
use compute::{Lsn, PageId, Upcall, Upcalls};
use hashbrown::HashMap;
use node::{Digest, DiskError, DiskOp, DiskResult, IoClass, Nanos, Work};
use rustc_hash::FxBuildHasher;

use crate::batch::{Batch, PageCopy};
use crate::binlog::Binlog;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::copies::{CopyWriter, Progress};
use crate::dirty::DirtyTable;
use crate::error::CoupledError;
use crate::ids::{BlockSeq, LogKind};
use crate::io::{FLUSH_TIMER, Io, Kind, PAGES, SPACE_TIMER};
use crate::planted::Bug;
use crate::recovery::{Recovered, RecoveryReport, write_copies};
use crate::superblock::Superblock;
use crate::wal::{Appender, AppenderConfig};

use fetch::Fetch;
use pressure::{Choice, Debts, choose};

/// How long to wait before asking again for space that was refused.
const SPACE_RETRY: Nanos = Nanos::from_millis(500);

/// Counters and positions for whoever watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// The last LSN appended.
    pub appended: Lsn,
    /// The last durable LSN.
    pub durable: Lsn,
    /// Pages newer in memory than in the page file: deferred work.
    pub dirty_pages: u64,
    /// Log between the checkpoint and the end: what a recovery would read.
    pub log_bytes_since_checkpoint: u64,
    /// Log blocks written.
    pub log_writes: u64,
    /// Binlog blocks written.
    pub binlog_writes: u64,
    /// Groups appended.
    pub groups: u64,
    /// Page copies written in place.
    pub pages_flushed: u64,
    /// Damaged pages put right from a partner's copy.
    pub pages_mended: u64,
    /// Batches completed.
    pub batches: u64,
    /// Checkpoints completed.
    pub checkpoints: u64,
    /// Times a commit was refused for lack of log.
    pub throttled: u64,
    /// Whether the page file cannot grow for lack of space: commits that need a new page are refused.
    pub page_file_full: bool,
    /// What the last opening did.
    pub recovery: RecoveryReport,
}

/// The batch on its way.
#[derive(Clone, Debug)]
enum Flush {
    Idle,
    /// Copies wait for the log to be durable up to the LSN.
    Copied(Lsn, Vec<PageCopy>),
    Writing(Batch),
    /// Until the timer.
    Pausing,
}

/// The page file's end, and its growth.
#[derive(Clone, Debug)]
struct PageFile {
    len_bytes: u64,
    /// The length asked for, while an extension is under way.
    growing: Option<u64>,
    /// Whether the last extension was refused for lack of space.
    full: bool,
    /// Whether growth waits for the space timer.
    starved: bool,
    wanted: Option<PageId>,
}

/// The machine of an opened database.
#[derive(Clone, Debug)]
pub struct Engine {
    config: Config,
    appender: Appender,
    binlog: Option<Binlog>,
    dirty: DirtyTable,
    flush: Flush,
    batch_started: Nanos,
    batch_took: Nanos,
    timer_armed: bool,
    /// The end of the appended log when the timer last fired: unchanged means idle.
    seen: Lsn,
    superblock: Superblock,
    writer: CopyWriter,
    /// The checkpoint being written.
    pending: Option<Checkpoint>,
    pages: PageFile,
    /// Fetches in flight. Never iterated.
    fetches: HashMap<PageId, Fetch, FxBuildHasher>,
    /// A group did not fit the log; a checkpoint makes room.
    refused: bool,
    /// A group waits until more of the log is durable.
    crowded: bool,
    /// A page could not be evicted because it is dirty.
    hungry: Cell<bool>,
    settling: bool,
    probe: Probe,
}

impl Engine {
    /// Goes on from what recovery found.
    pub fn new(config: Config, recovered: Recovered) -> Engine {
        let Recovered { superblock, writer, page_file_bytes, report } = recovered;
        Engine {
            appender: Appender::new(
                AppenderConfig::of(&config.log),
                config.log_id(LogKind::Redo),
                superblock.checkpoint,
            ),
            binlog: config.binlog.as_ref().map(|log| Binlog::new(&config, log, superblock.binlog)),
            config,
            dirty: DirtyTable::default(),
            flush: Flush::Idle,
            batch_started: Nanos::ZERO,
            batch_took: Nanos::ZERO,
            timer_armed: false,
            seen: Lsn::ZERO,
            superblock,
            writer,
            pending: None,
            pages: PageFile { len_bytes: page_file_bytes, growing: None, full: false, starved: false, wanted: None },
            fetches: HashMap::default(),
            refused: false,
            crowded: false,
            hungry: Cell::new(false),
            settling: false,
            probe: Probe { recovery: report, ..Probe::default() },
        }
    }

    /// Takes a completion up.
    pub fn completed(
        &mut self,
        io: &mut Io<'_>,
        pool: &Pool,
        up: &mut Upcalls,
        kind: Kind,
        detail: u64,
        result: DiskResult,
    ) -> Result<(), CoupledError> {
        match kind {
            Kind::Log => self.log_written(io, up, BlockSeq(detail), result)?,
            Kind::Binlog => self.binlog_written(io, BlockSeq(detail), result)?,
            Kind::Fetch => self.fetched(io, up, PageId(detail), result),
            Kind::Partner => self.partner_read(io, up, PageId(detail), result),
            Kind::Mend => self.mended(up, PageId(detail), result)?,
            Kind::Batch => self.batch_step(io, up, result)?,
            Kind::Superblock => self.superblock_step(io, up, result)?,
            Kind::Extend => self.extended(io, up, result)?,
            Kind::Recovery => {}
        }
        self.work(io, pool);
        Ok(())
    }

    /// Starts whatever is due: a batch whose log is durable, the next batch, a checkpoint.
    fn work(&mut self, io: &mut Io<'_>, pool: &Pool) {
        match std::mem::replace(&mut self.flush, Flush::Idle) {
            Flush::Copied(need, copies) if need <= self.appender.durable() => {
                let batch = self.write_batch(io, copies);
                self.flush = Flush::Writing(batch);
            }
            other => self.flush = other,
        }
        let waited_for = self.hungry.get() || self.refused || self.settling;
        if matches!(self.flush, Flush::Idle) || (waited_for && matches!(self.flush, Flush::Pausing)) {
            self.consider_flush(io, pool, false);
        }
        self.consider_checkpoint(io, false);
    }

    fn debts(&mut self) -> Debts {
        let ring = self.config.layout().capacity_bytes();
        let log = match self.dirty.oldest() {
            Some(lsn) => self.appender.head().0.saturating_sub(self.appender.checkpoint_at(lsn).position.0),
            None => 0,
        };
        Debts {
            log: log as f64 / ring as f64,
            dirty: self.dirty.len() as f64 / self.config.cache_pages().max(1) as f64,
            waited_for: self.hungry.get() || self.refused || self.settling,
        }
    }

    /// Starts a batch if there is reason to. `idle`: nothing else has happened for a while, so work ahead.
    fn consider_flush(&mut self, io: &mut Io<'_>, pool: &Pool, idle: bool) {
        if self.dirty.is_empty() {
            return;
        }
        let mut debts = self.debts();
        debts.waited_for |= idle;
        match choose(&self.config.flush, &debts, self.batch_took) {
            Choice::Rest => {}
            Choice::Flush { pause } if pause > Nanos::ZERO && self.batch_took > Nanos::ZERO => {
                self.batch_took = Nanos::ZERO;
                self.flush = Flush::Pausing;
                self.timer_armed = true;
                io.out.set_timer(FLUSH_TIMER, Nanos(pause.0.min(self.config.flush.interval.0)));
            }
            Choice::Flush { .. } => self.start_batch(io, pool),
        }
    }

    fn start_batch(&mut self, io: &mut Io<'_>, pool: &Pool) {
        let taken = self.dirty.take_oldest(self.config.flush.slots as usize);
        self.flush = Flush::Idle;
        if taken.is_empty() {
            return;
        }
        let need = taken.iter().map(|(_, cpl)| *cpl).max().unwrap_or_default();
        let copy = |(page, _): (PageId, Lsn)| -> PageCopy {
            let page = pool.peek(page).expect("a dirty page stays in the pool");
            (page.id(), page.lsn(), page.sealed())
        };
        let copies: Vec<PageCopy> = taken.into_iter().map(copy).collect();
        io.out.charge(Work::Kilobyte, (copies.len() * self.config.compute.page_bytes) as u64 / 1024);
        self.batch_started = io.now;
        if self.config.planted.is(Bug::StalePage) {
            copies.iter().for_each(|copy| self.dirty.flushed(copy.0));
        }
        if need <= self.appender.durable() || self.config.planted.is(Bug::PageBeforeLog) {
            let batch = self.write_batch(io, copies);
            self.flush = Flush::Writing(batch);
        } else {
            self.flush = Flush::Copied(need, copies);
        }
    }

    fn write_batch(&self, io: &mut Io<'_>, copies: Vec<PageCopy>) -> Batch {
        Batch::start(io, &self.config.slot_file(), self.config.planted, self.appender.durable(), copies)
    }

    fn batch_step(&mut self, io: &mut Io<'_>, up: &mut Upcalls, result: DiskResult) -> Result<(), CoupledError> {
        let Flush::Writing(batch) = &mut self.flush else { unreachable!("completions come for a batch in flight") };
        if !batch.completed(io, result)? {
            return Ok(());
        }
        for page in batch.pages() {
            self.dirty.flushed(*page);
        }
        self.probe.batches += 1;
        self.probe.pages_flushed += batch.pages().len() as u64;
        self.flush = Flush::Idle;
        self.batch_took = io.now.saturating_sub(self.batch_started);
        self.hungry.set(false);
        up.push(Upcall::Evictable);
        Ok(())
    }

    /// Writes a checkpoint when enough log would be freed, or any when somebody waits for it.
    fn consider_checkpoint(&mut self, io: &mut Io<'_>, idle: bool) {
        if self.pending.is_some() || self.writer.is_busy() {
            return;
        }
        let oldest = self.dirty.oldest().filter(|_| !self.config.planted.is(Bug::CheckpointAhead));
        let oldest = oldest.unwrap_or(self.appender.appended().next());
        let checkpoint = self.appender.checkpoint_at(oldest);
        let freed = checkpoint.position.0 - self.superblock.checkpoint.position.0;
        let worth = self.config.layout().capacity_bytes() / 16;
        let eager = self.refused || self.settling || idle;
        let binlog = self.freed_binlog();
        if freed >= worth || binlog.is_worth || (eager && freed + binlog.bytes > 0) {
            self.superblock.checkpoint = checkpoint;
            self.superblock.binlog = binlog.checkpoint;
            self.superblock.durable = self.appender.durable();
            self.pending = Some(checkpoint);
            let writes = self.writer.begin(self.superblock.encode());
            write_copies(io, writes);
        }
    }

    fn superblock_step(&mut self, io: &mut Io<'_>, up: &mut Upcalls, result: DiskResult) -> Result<(), CoupledError> {
        result.map_err(CoupledError::device("a superblock write"))?;
        match self.writer.completed() {
            Progress::Wait => {}
            Progress::Write(writes) => write_copies(io, writes),
            Progress::Complete => {
                let checkpoint = self.pending.take().expect("a checkpoint was being written");
                self.appender.release(&checkpoint);
                if let Some(binlog) = &mut self.binlog {
                    binlog.release(&self.superblock.binlog);
                }
                self.probe.checkpoints += 1;
                if std::mem::take(&mut self.refused) {
                    up.push(Upcall::Admits);
                }
            }
        }
        Ok(())
    }

    /// Whether the log has room for a group of `bytes`.
    pub fn admits(&mut self, bytes: usize) -> bool {
        let promised = self.binlog.as_ref().map_or(0, |binlog| binlog.promised_bytes(&self.appender));
        let fits = self.appender.admits(promised, bytes) && self.binlog.as_ref().is_none_or(Binlog::admits);
        let can_repeat = self.appender.can_repeat(promised, bytes);
        if !fits {
            self.refused = true;
        } else if !can_repeat {
            self.crowded = true;
        }
        self.probe.throttled += u64::from(!fits || !can_repeat);
        fits && can_repeat
    }

    /// Whether the page file reaches past `page`; if not, it grows.
    pub fn reserve(&mut self, io: &mut Io<'_>, page: PageId) -> bool {
        let needed = (page.0 + 1) * self.config.compute.page_bytes as u64;
        if needed <= self.pages.len_bytes {
            return true;
        }
        self.pages.wanted = self.pages.wanted.max(Some(page));
        self.grow(io);
        false
    }

    fn grow(&mut self, io: &mut Io<'_>) {
        let Some(page) = self.pages.wanted.filter(|_| self.pages.growing.is_none() && !self.pages.starved) else {
            return;
        };
        let needed = (page.0 + 1) * self.config.compute.page_bytes as u64;
        let len_bytes = needed.next_multiple_of(self.config.page_file_chunk_bytes);
        self.pages.growing = Some(len_bytes);
        io.submit(Kind::Extend, 0, DiskOp::Extend { file: PAGES, len_bytes }, IoClass::DataPage);
    }

    fn extended(&mut self, io: &mut Io<'_>, up: &mut Upcalls, result: DiskResult) -> Result<(), CoupledError> {
        let len_bytes = self.pages.growing.take().expect("an extension was under way");
        match result {
            Ok(_) => {
                self.pages.len_bytes = len_bytes;
                self.pages.full = false;
                let last = PageId(len_bytes / self.config.compute.page_bytes as u64 - 1);
                if self.pages.wanted.is_some_and(|wanted| wanted <= last) {
                    self.pages.wanted = None;
                }
                up.push(Upcall::Reserved(last));
                self.grow(io);
            }
            Err(DiskError::NoSpace) => {
                self.pages.full = true;
                self.pages.starved = true;
                up.push(Upcall::Full);
                io.out.set_timer(SPACE_TIMER, SPACE_RETRY);
            }
            Err(error) => return Err(CoupledError::Device { during: "growing the page file", error }),
        }
        Ok(())
    }

    /// Whether the pool may drop the page.
    pub fn evictable(&self, page: PageId, page_lsn: Lsn) -> bool {
        let dirty = self.dirty.contains(page);
        if dirty {
            self.hungry.set(true);
        }
        !dirty && page_lsn <= self.appender.durable()
    }

    fn arm_timer(&mut self, io: &mut Io<'_>) {
        if !self.timer_armed {
            self.timer_armed = true;
            io.out.set_timer(FLUSH_TIMER, self.config.flush.interval);
        }
    }

    /// A timer is due.
    pub fn timer(&mut self, io: &mut Io<'_>, pool: &Pool, timer: node::TimerId) {
        if timer == SPACE_TIMER {
            self.pages.starved = false;
            self.grow(io);
        } else if timer == FLUSH_TIMER {
            self.timer_armed = false;
            self.tick(io, pool);
        }
    }

    fn tick(&mut self, io: &mut Io<'_>, pool: &Pool) {
        let idle = self.seen == self.appender.appended();
        self.seen = self.appender.appended();
        if matches!(self.flush, Flush::Pausing) {
            self.flush = Flush::Idle;
            self.start_batch(io, pool);
        } else if matches!(self.flush, Flush::Idle) {
            self.consider_flush(io, pool, idle);
        }
        self.consider_checkpoint(io, idle);
        // With nothing dirty and the checkpoint at the log's end there is nothing to come back for.
        if !self.dirty.is_empty() || self.since_checkpoint_bytes() > 0 {
            self.arm_timer(io);
        }
    }

    /// From now on, or no longer, works off all deferred work without a pause.
    pub fn settle(&mut self, io: &mut Io<'_>, pool: &Pool, on: bool) {
        self.settling = on;
        self.work(io, pool);
    }

    /// Whether the deferred work is done: nothing dirty, the checkpoint at the end of every log, and the page file as long as was
    /// asked for.
    pub fn is_settled(&self) -> bool {
        let grown = self.pages.wanted.is_none() && self.pages.growing.is_none();
        grown && self.dirty.is_empty() && self.since_checkpoint_bytes() == 0 && !self.writer.is_busy()
    }

    /// The last durable LSN.
    pub fn durable(&self) -> Lsn {
        self.appender.durable()
    }

    /// The counters.
    pub fn probe(&self) -> Probe {
        Probe {
            appended: self.appender.appended(),
            durable: self.appender.durable(),
            dirty_pages: self.dirty.len() as u64,
            log_bytes_since_checkpoint: self.appender.since_checkpoint_bytes(),
            page_file_full: self.pages.full,
            ..self.probe
        }
    }

    /// Chains a fingerprint.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(self.appender.appended().0);
        digest.word(self.appender.durable().0);
        digest.word(self.appender.head().0);
        digest.word(self.dirty.len() as u64 ^ self.probe.batches << 32);
    }
}
