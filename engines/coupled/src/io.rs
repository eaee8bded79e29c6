//! How the engine's machines reach the volume, and how its completions find them again.

use node::{Block, DiskOp, Effects, FileId, FileName, IoClass, Nanos, TimerId, Token, Work};

use crate::ids::LogKind;
use crate::volume::Volume;
use crate::wal::LogWrite;

/// The storage's owner byte in tokens and timers.
pub const OWNER: u8 = 1;
/// The timer that wakes the flusher.
pub const FLUSH_TIMER: TimerId = TimerId::new(OWNER, 1);
/// The timer of the local disk's watchdog.
pub const WATCHDOG_TIMER: TimerId = TimerId::new(OWNER, 2);
/// The timer that retries an extension refused for lack of space.
pub const SPACE_TIMER: TimerId = TimerId::new(OWNER, 3);
/// The first of the mirrored volume's timers.
pub const MIRROR_TIMER: TimerId = TimerId::new(OWNER, 16);

const KIND_SHIFT: u32 = 48;

/// Which machine a completion belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A superblock copy.
    Superblock = 1,
    /// A log block; the detail is the low bits of its number.
    Log = 2,
    /// A step of a page batch.
    Batch = 3,
    /// A page fetch; the detail is the page.
    Fetch = 4,
    /// Growth of the page file.
    Extend = 5,
    /// Recovery; the detail is the phase's own.
    Recovery = 6,
    /// A binlog block; the detail is the low bits of its number.
    Binlog = 7,
    /// A read of a partner's copy of a page; the detail is the page.
    Partner = 8,
    /// A damaged page written anew; the detail is the page.
    Mend = 9,
}

impl Kind {
    fn from_code(code: u8) -> Option<Kind> {
        [
            Kind::Superblock,
            Kind::Log,
            Kind::Batch,
            Kind::Fetch,
            Kind::Extend,
            Kind::Recovery,
            Kind::Binlog,
            Kind::Partner,
            Kind::Mend,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == code)
    }
}

/// The token of `kind` with 48 bits of detail.
pub fn token(kind: Kind, detail: u64) -> Token {
    Token::new(OWNER, u64::from(kind as u8) << KIND_SHIFT | detail & DETAIL_MASK)
}

/// The bits of a token's detail.
pub const DETAIL_MASK: u64 = (1 << KIND_SHIFT) - 1;

/// Takes a token apart; `None` when it is not the storage's.
pub fn parse(token: Token) -> Option<(Kind, u64)> {
    let kind = Kind::from_code((token.own() >> KIND_SHIFT) as u8)?;
    (token.owner() == OWNER).then_some((kind, token.own() & DETAIL_MASK))
}

/// What a machine needs to issue operations.
pub struct Io<'a> {
    /// The time.
    pub now: Nanos,
    /// The volume.
    pub volume: &'a mut dyn Volume,
    /// Where effects go.
    pub out: &'a mut Effects,
}

impl Io<'_> {
    /// Submits `op` for `kind`.
    pub fn submit(&mut self, kind: Kind, detail: u64, op: DiskOp, class: IoClass) {
        self.volume.submit(self.now, token(kind, detail), op, class, self.out);
    }

    /// Submits a read of a partner's copy; says whether there is that partner.
    pub fn read_partner(&mut self, detail: u64, partner: u32, op: DiskOp) -> bool {
        self.volume.read_partner(self.now, token(Kind::Partner, detail), partner, op, self.out)
    }

    /// Submits a write that puts right a damaged page in place.
    pub fn mend(&mut self, detail: u64, file: FileId, offset: u64, data: Block) {
        let op = DiskOp::Write { file, offset, data, durable: true };
        self.volume.mend(self.now, token(Kind::Mend, detail), op, self.out);
    }

    /// Submits a write.
    pub fn write(&mut self, kind: Kind, detail: u64, file: FileId, offset: u64, data: Block, class: IoClass) {
        let durable = class != IoClass::DataPage;
        self.submit(kind, detail, DiskOp::Write { file, offset, data, durable }, class);
    }

    /// Submits a block of a log; its completion names the block's number.
    pub fn write_log(&mut self, kind: Kind, log: LogKind, write: LogWrite, durable: bool) {
        self.out.charge(Work::Kilobyte, write.block.len() as u64 / 1024);
        let detail = write.sequence.0 & DETAIL_MASK;
        let op = DiskOp::Write { file: log_file(log, write.segment), offset: write.offset, data: write.block, durable };
        self.submit(kind, detail, op, log_class(log));
    }
}

/// The superblock's file.
pub const SUPERBLOCK: FileId = FileId(1);
/// The double-write buffer's file.
pub const DOUBLE_WRITE: FileId = FileId(2);
/// The page file.
pub const PAGES: FileId = FileId(3);

const LOG_FILES: u32 = 16;
const BINLOG_FILES: u32 = 1 << 16;

/// The file of a log's segment.
pub fn log_file(kind: LogKind, segment: u32) -> FileId {
    match kind {
        LogKind::Redo => FileId(LOG_FILES + segment),
        LogKind::Binlog => FileId(BINLOG_FILES + segment),
    }
}

/// The class of a log's I/O.
pub const fn log_class(kind: LogKind) -> IoClass {
    match kind {
        LogKind::Redo => IoClass::Redo,
        LogKind::Binlog => IoClass::Binlog,
    }
}

/// A file's name.
pub fn name_of(file: FileId) -> FileName {
    match file {
        SUPERBLOCK => FileName::new("superblock"),
        DOUBLE_WRITE => FileName::new("double-write"),
        PAGES => FileName::new("pages"),
        FileId(log) if log < BINLOG_FILES => FileName::new(format!("log-{:03}", log - LOG_FILES)),
        FileId(binlog) => FileName::new(format!("binlog-{:03}", binlog - BINLOG_FILES)),
    }
}
