//! Opening: make a database, or bring one back from whatever a crash left.
//!
//! # Mechanism
//!
//! 1. List the directory. Without a whole superblock and with a log in which no block ever started, make the files
//!    (`create`).
//! 2. Read the four superblock copies, more than once while none is whole; refuse what is not ours.
//! 3. Open every file and *sync* it: what a killed process had written is visible without being durable, and is
//!    about to be believed.
//! 4. Restore pages torn in place from the double-write buffer (`restore`).
//! 5. Read the log from the checkpoint and decide where it ends (`log`).
//! 6. Redo, partitioned by page: each page is read once, what it lacks is applied, and all of them go out in batches
//!    through the double-write buffer (`redo`). Groups that nothing proves durable are first written again (`replay`).
//! 7. With a binlog, find its end: at or above that of the redo, or it is damaged. Entries above are void from now on.
//! 8. Write the superblock: the next incarnation, with the checkpoint at the log's end.
//!
//! # Invariants
//!
//! - Every step may be cut short and run again from the top, any number of times: restoring and redoing bring a page to
//!   a state that depends on the log alone, and of the log only what lies behind its end is touched.
//! - The double-write buffer is not overwritten while it may hold the only whole copy of a page: where it could not be read
//!   whole, redo is rehearsed before anything is written.
//! - Nothing is taken for durable because it can be read: neither the pages that the log from the checkpoint on could rebuild,
//!   nor the log itself.
//! - A failed write or sync halts. A damaged page or log that nothing can vouch for or rebuild halts.

mod create;
mod log;
mod redo;
mod repeat;
mod replay;
mod restore;
mod superblock_write;

use std::collections::BTreeMap;

use compute::Lsn;
use node::{DiskOp, DiskReply, DiskResult, FileId, FileName, IoClass};

use crate::binlog::BinlogEntry;
use crate::checkpoint::Checkpoint;
use crate::config::{Config, LogConfig};
use crate::copies::{self, CopyWriter, Standing};
use crate::error::CoupledError;
use crate::ids::LogKind;
use crate::io::{DOUBLE_WRITE, Io, Kind, PAGES, SUPERBLOCK, log_file, name_of};
use crate::superblock::{self, Superblock};
use crate::wal::{BlockHeader, Entry, Redo, Tail};

use create::Create;
use log::LogReader;
use replay::{Found, Replay};
use restore::Restore;
use superblock_write::copy_written;

pub use superblock_write::write_copies;

/// How often a place that does not hold what it should is read. When one read in five goes astray, all of them do once in 10^11
/// times.
const LOOKS: u32 = 16;

/// What recovery did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Log blocks read back.
    pub blocks: u64,
    /// Redo records of complete groups among them.
    pub records: u64,
    /// Pages those records belong to.
    pub pages: u64,
    /// Pages that lacked some of them. The others are written too: being whole in place is no proof of being durable.
    pub pages_redone: u64,
    /// Pages torn in place and restored from the double-write buffer.
    pub pages_restored: u64,
    /// Whether something that never became durable was cut off the log's end.
    pub tail_cut: bool,
    /// Binlog entries above the end of the redo, void from now on.
    pub binlog_void: u64,
}

/// An opened database.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The superblock as it stands.
    pub superblock: Superblock,
    /// Its writer.
    pub writer: CopyWriter,
    /// The page file's length.
    pub page_file_bytes: u64,
    /// What was done.
    pub report: RecoveryReport,
}

/// The state machine of one opening.
#[derive(Clone, Debug)]
pub struct Recovery {
    config: Config,
    phase: Phase,
    /// The superblock found.
    superblock: Option<(Standing, Superblock)>,
    page_file_bytes: u64,
    report: RecoveryReport,
}

#[derive(Clone, Debug)]
enum Phase {
    Listing,
    /// No whole superblock: was anything ever logged? The text says what is wrong if so.
    Probing {
        reading: bool,
        otherwise: &'static str,
    },
    Creating(Create),
    /// Opening, then reading, the superblock file.
    Superblock {
        names: Vec<(FileName, u64)>,
        reads: u32,
    },
    Opening {
        left: u32,
    },
    Syncing {
        left: u32,
    },
    Restoring(Restore),
    /// With what the double-write buffer says.
    Log(Box<LogReader<Redo>>, Doubled),
    Replaying(Box<Replay>),
    /// With the end of the redo, and the superblock to come.
    Binlog(Box<LogReader<BinlogEntry>>, Checkpoint, CopyWriter, Superblock),
    /// The last superblock write of this opening.
    Finishing(CopyWriter, Superblock),
}

/// What the double-write buffer says.
#[derive(Clone, Copy, Debug)]
struct Doubled {
    /// An LSN that was durable.
    durable: Lsn,
    /// Whether all of its last batch could be read.
    whole: bool,
}

impl Recovery {
    /// Starts.
    pub fn start(config: Config, io: &mut Io<'_>) -> Recovery {
        io.submit(Kind::Recovery, 0, DiskOp::List, IoClass::Metadata);
        Recovery {
            config,
            phase: Phase::Listing,
            superblock: None,
            page_file_bytes: 0,
            report: RecoveryReport::default(),
        }
    }

    /// Takes a completion up. The database is open when it gives one.
    pub fn completed(
        &mut self,
        io: &mut Io<'_>,
        kind: Kind,
        detail: u64,
        result: DiskResult,
    ) -> Result<Option<Recovered>, CoupledError> {
        match &mut self.phase {
            Phase::Listing => self.listed(io, result),
            Phase::Probing { .. } => self.probed(io, result),
            Phase::Creating(create) => {
                if create.completed(io, result)? {
                    let writer = CopyWriter::new(superblock::KIND, Standing::default());
                    self.finish(io, writer, Superblock::first(&self.config));
                }
                Ok(None)
            }
            Phase::Superblock { .. } => self.superblock_came(io, result),
            Phase::Opening { .. } => self.opened(io, detail, result),
            Phase::Syncing { .. } => self.synced(io, result),
            Phase::Restoring(restore) => {
                if restore.completed(io, kind, detail, result)? {
                    self.report.pages_restored = restore.restored();
                    let doubled = Doubled { durable: restore.durable(), whole: restore.is_whole() };
                    self.read_log(io, doubled);
                }
                Ok(None)
            }
            Phase::Log(reader, _) => {
                if reader.completed(io, detail, result) {
                    self.log_read(io)?;
                }
                Ok(None)
            }
            Phase::Replaying(replay) => {
                if replay.completed(io, &self.config, kind, detail, result)? {
                    self.replayed(io);
                }
                Ok(None)
            }
            Phase::Binlog(reader, ..) => {
                if reader.completed(io, detail, result) {
                    self.binlog_read(io)?;
                }
                Ok(None)
            }
            Phase::Finishing(..) => self.superblock_written(io, result),
        }
    }

    fn listed(&mut self, io: &mut Io<'_>, result: DiskResult) -> Result<Option<Recovered>, CoupledError> {
        let DiskReply::Names(names) = result.map_err(CoupledError::device("listing the directory"))? else {
            unreachable!("a listing is answered by names")
        };
        let has = |file: FileId| names.iter().any(|(name, _)| *name == name_of(file));
        if has(SUPERBLOCK) {
            self.phase = Phase::Superblock { names, reads: 0 };
            open(io, SUPERBLOCK);
        } else {
            self.probe(io, has(log_file(LogKind::Redo, 0)), "the superblock is missing")?;
        }
        Ok(None)
    }

    /// Without a superblock a log that holds anything must not be overwritten. A log in which no block ever started is
    /// that of a database whose making was cut short.
    fn probe(&mut self, io: &mut Io<'_>, has_log: bool, otherwise: &'static str) -> Result<(), CoupledError> {
        if !self.config.create {
            return Err(CoupledError::Refused(format!("{otherwise}: there is no database here; restore from a copy")));
        }
        if has_log {
            self.phase = Phase::Probing { reading: false, otherwise };
            open(io, log_file(LogKind::Redo, 0));
        } else {
            self.phase = Phase::Creating(Create::start(io, &self.config));
        }
        Ok(())
    }

    fn probed(&mut self, io: &mut Io<'_>, result: DiskResult) -> Result<Option<Recovered>, CoupledError> {
        let unit = self.config.log.align_bytes as usize;
        let Phase::Probing { reading, otherwise } = &mut self.phase else { unreachable!("the phase is probing") };
        let logged = match result.map_err(CoupledError::device("reading the log's start"))? {
            DiskReply::Opened { len_bytes } if len_bytes >= unit as u64 && !*reading => {
                *reading = true;
                read(io, 0, log_file(LogKind::Redo, 0), 0, unit, IoClass::Metadata);
                return Ok(None);
            }
            DiskReply::Data(block) => !matches!(
                BlockHeader::peek(&block, self.config.log_id(LogKind::Redo)),
                Err(crate::wal::BlockError::Magic)
            ),
            _ => false,
        };
        if logged {
            return Err(CoupledError::Refused(format!("{otherwise}, yet the log holds data; restore from a copy")));
        }
        self.phase = Phase::Creating(Create::start(io, &self.config));
        Ok(None)
    }

    fn superblock_came(&mut self, io: &mut Io<'_>, result: DiskResult) -> Result<Option<Recovered>, CoupledError> {
        let Phase::Superblock { names, reads } = &mut self.phase else { unreachable!("the phase is superblock") };
        let file = match result.map_err(CoupledError::device("reading the superblock"))? {
            DiskReply::Opened { len_bytes } if len_bytes >= copies::FILE_BYTES => {
                *reads = 1;
                read(io, 0, SUPERBLOCK, 0, copies::FILE_BYTES as usize, IoClass::Metadata);
                return Ok(None);
            }
            DiskReply::Data(block) => block.to_vec(),
            _ => vec![0; copies::FILE_BYTES as usize],
        };
        let geometry = self.config.geometry();
        let Some(found) = Superblock::open(&file, self.config.volume, &geometry)? else {
            if (1..LOOKS).contains(reads) {
                *reads += 1;
                read(io, 0, SUPERBLOCK, 0, copies::FILE_BYTES as usize, IoClass::Metadata);
                return Ok(None);
            }
            let has_log = names.iter().any(|(name, _)| *name == name_of(log_file(LogKind::Redo, 0)));
            self.probe(io, has_log, "no copy of the superblock is whole")?;
            return Ok(None);
        };
        let files: Vec<FileId> = [DOUBLE_WRITE, PAGES].into_iter().chain(log_files(&self.config).into_keys()).collect();
        for file in &files {
            let name = name_of(*file);
            if !names.iter().any(|(listed, _)| *listed == name) {
                return Err(CoupledError::Refused(format!(
                    "the file {} is missing; restore from a copy",
                    name.as_str()
                )));
            }
            open(io, *file);
        }
        self.superblock = Some(found);
        self.phase = Phase::Opening { left: files.len() as u32 };
        Ok(None)
    }

    fn opened(&mut self, io: &mut Io<'_>, detail: u64, result: DiskResult) -> Result<Option<Recovered>, CoupledError> {
        let DiskReply::Opened { len_bytes } = result.map_err(CoupledError::device("opening a file"))? else {
            unreachable!("an open is answered by a length")
        };
        let file = FileId(detail as u32);
        let expected = match file {
            PAGES => len_bytes,
            DOUBLE_WRITE => self.config.slot_file().file_bytes(),
            log => log_files(&self.config)[&log],
        };
        if len_bytes != expected {
            let name = name_of(file);
            return Err(CoupledError::Refused(format!(
                "the file {} has {len_bytes} bytes instead of {expected}; restore from a copy",
                name.as_str()
            )));
        }
        if file == PAGES {
            self.page_file_bytes = len_bytes;
        }
        let Phase::Opening { left } = &mut self.phase else { unreachable!("the phase is opening") };
        *left -= 1;
        if *left == 0 {
            let logs = log_files(&self.config).into_keys();
            let files: Vec<FileId> = [SUPERBLOCK, DOUBLE_WRITE, PAGES].into_iter().chain(logs).collect();
            for file in &files {
                io.submit(Kind::Recovery, u64::from(file.0), DiskOp::Sync { file: *file }, IoClass::Metadata);
            }
            self.phase = Phase::Syncing { left: files.len() as u32 };
        }
        Ok(None)
    }

    fn synced(&mut self, io: &mut Io<'_>, result: DiskResult) -> Result<Option<Recovered>, CoupledError> {
        result.map_err(CoupledError::device("syncing what was found"))?;
        let Phase::Syncing { left } = &mut self.phase else { unreachable!("the phase is syncing") };
        *left -= 1;
        if *left == 0 {
            self.phase = Phase::Restoring(Restore::start(io, &self.config, self.page_file_bytes));
        }
        Ok(None)
    }

    fn read_log(&mut self, io: &mut Io<'_>, doubled: Doubled) {
        let checkpoint = self.superblock.as_ref().expect("read before").1.checkpoint;
        let reader = LogReader::start(io, &self.config, LogKind::Redo, self.config.layout(), checkpoint);
        self.phase = Phase::Log(Box::new(reader), doubled);
    }

    fn log_read(&mut self, io: &mut Io<'_>) -> Result<(), CoupledError> {
        let (standing, mut superblock) = *self.superblock.as_ref().expect("read before");
        let Phase::Log(reader, doubled) = std::mem::replace(&mut self.phase, Phase::Listing) else {
            unreachable!("the phase is log")
        };
        let scan = reader.into_scan();
        self.report.blocks = scan.blocks();
        let (vouched, witness) = if doubled.durable > superblock.durable {
            (doubled.durable, "the double-write buffer")
        } else {
            (superblock.durable, "the superblock")
        };
        let proven = scan.proven(doubled.durable);
        let doubtful_from = scan.start_of(proven.next()).unwrap_or(superblock.checkpoint);
        match scan.finish(vouched, witness) {
            (Tail::Corrupt { lsn, position, witness }, _) => {
                Err(CoupledError::LogCorrupt { log: LogKind::Redo, lsn, position: position.0, witness })
            }
            (Tail::Cut { head, torn }, records) => {
                self.report.tail_cut = torn;
                self.report.records = records.len() as u64;
                let (page_file_bytes, doubled) = (self.page_file_bytes, doubled.whole);
                let found = Found { records, head, proven, doubtful_from, doubled, page_file_bytes };
                superblock.incarnation = superblock.incarnation.next();
                let writer = CopyWriter::new(superblock::KIND, standing);
                let replay = Replay::start(io, &self.config, found, superblock, writer)?;
                let done = replay.is_done();
                self.phase = Phase::Replaying(Box::new(replay));
                if done {
                    self.replayed(io);
                }
                Ok(())
            }
        }
    }

    fn replayed(&mut self, io: &mut Io<'_>) {
        let Phase::Replaying(replay) = std::mem::replace(&mut self.phase, Phase::Listing) else {
            unreachable!("the phase is replaying")
        };
        (self.report.pages, self.report.pages_redone) = replay.counts();
        let head = replay.head();
        let (superblock, writer) = replay.into_superblock();
        match self.config.geometry().binlog {
            Some(layout) => {
                let reader = LogReader::start(io, &self.config, LogKind::Binlog, layout, superblock.binlog);
                self.phase = Phase::Binlog(Box::new(reader), head, writer, superblock);
            }
            None => self.open_next(io, writer, superblock, head, Checkpoint::default()),
        }
    }

    fn binlog_read(&mut self, io: &mut Io<'_>) -> Result<(), CoupledError> {
        let Phase::Binlog(reader, redo, writer, superblock) = std::mem::replace(&mut self.phase, Phase::Listing) else {
            unreachable!("the phase is binlog")
        };
        match reader.into_scan().finish(redo.before, "the write-ahead log") {
            (Tail::Corrupt { lsn, position, witness }, _) => {
                Err(CoupledError::LogCorrupt { log: LogKind::Binlog, lsn, position: position.0, witness })
            }
            (Tail::Cut { head, .. }, entries) => {
                self.report.binlog_void = entries.iter().filter(|entry| entry.last() > redo.before).count() as u64;
                // Void entries stay where they are: they may share a durable block with others. The next block is of
                // a new incarnation and starts with the LSN after the redo's end.
                self.open_next(io, writer, superblock, redo, Checkpoint { before: redo.before, ..head });
                Ok(())
            }
        }
    }

    /// Begins the incarnation of `superblock`, with these ends of the logs.
    fn open_next(
        &mut self,
        io: &mut Io<'_>,
        writer: CopyWriter,
        mut superblock: Superblock,
        mut checkpoint: Checkpoint,
        mut binlog: Checkpoint,
    ) {
        checkpoint.incarnation = superblock.incarnation;
        binlog.incarnation = superblock.incarnation;
        superblock.durable = checkpoint.before;
        superblock.checkpoint = checkpoint;
        superblock.binlog = binlog;
        self.finish(io, writer, superblock);
    }

    fn finish(&mut self, io: &mut Io<'_>, mut writer: CopyWriter, superblock: Superblock) {
        write_copies(io, writer.begin(superblock.encode()));
        self.phase = Phase::Finishing(writer, superblock);
    }

    fn superblock_written(&mut self, io: &mut Io<'_>, result: DiskResult) -> Result<Option<Recovered>, CoupledError> {
        let Phase::Finishing(writer, superblock) = &mut self.phase else { unreachable!("the phase is finishing") };
        if !copy_written(io, writer, result)? {
            return Ok(None);
        }
        let writer = std::mem::replace(writer, CopyWriter::new(superblock::KIND, Standing::default()));
        let page_file_bytes = match self.superblock {
            Some(_) => self.page_file_bytes,
            None => self.config.page_file_chunk_bytes,
        };
        Ok(Some(Recovered { superblock: *superblock, writer, page_file_bytes, report: self.report }))
    }

    /// A number for the phase, for fingerprints.
    pub fn phase(&self) -> u64 {
        match &self.phase {
            Phase::Listing => 0,
            Phase::Probing { .. } => 1,
            Phase::Creating(_) => 2,
            Phase::Superblock { .. } => 3,
            Phase::Opening { .. } => 4,
            Phase::Syncing { .. } => 5,
            Phase::Restoring(_) => 6,
            Phase::Log(..) => 7,
            Phase::Replaying(_) => 8,
            Phase::Finishing(..) => 9,
            Phase::Binlog(..) => 10,
        }
    }
}

/// The files of all logs, with the length each must have.
fn log_files(config: &Config) -> BTreeMap<FileId, u64> {
    let files_of = |(kind, log): (LogKind, &LogConfig)| {
        let len_bytes = log.segment_bytes;
        (0..log.segments).map(move |segment| (log_file(kind, segment), len_bytes))
    };
    config.logs().flat_map(files_of).collect()
}

fn open(io: &mut Io<'_>, file: FileId) {
    let op = DiskOp::Open { file, name: name_of(file) };
    io.submit(Kind::Recovery, u64::from(file.0), op, IoClass::Metadata);
}

fn read(io: &mut Io<'_>, detail: u64, file: FileId, offset: u64, len_bytes: usize, class: IoClass) {
    io.submit(Kind::Recovery, detail, DiskOp::Read { file, offset, len_bytes }, class);
}
