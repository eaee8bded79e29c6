//! Names of log positions, blocks, incarnations and volumes.

use std::fmt;

/// Identity of one database's files. Bytes of another volume are never taken for this one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId(pub u64);

/// Which of a volume's logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum LogKind {
    /// The write-ahead log.
    Redo = 0,
    /// The log of row changes.
    Binlog = 1,
}

impl fmt::Display for LogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogKind::Redo => "log",
            LogKind::Binlog => "binlog",
        })
    }
}

/// One log of one volume. Bytes of another are never taken for this one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogId {
    /// Whose log it is.
    pub volume: VolumeId,
    /// Which of its logs.
    pub kind: LogKind,
}

/// Counts the openings of a volume, from 1. Each block says which opening wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

impl Incarnation {
    /// The incarnation after this one.
    pub const fn next(self) -> Incarnation {
        Incarnation(self.0 + 1)
    }
}

/// A byte position in the endless log. The ring of segment files holds the newest stretch of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPos(pub u64);

impl LogPos {
    /// The position `bytes` further on.
    pub const fn plus(self, bytes: u64) -> LogPos {
        LogPos(self.0 + bytes)
    }
}

/// Counts log blocks, from 0, across incarnations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockSeq(pub u64);

impl BlockSeq {
    /// The block after this one.
    pub const fn next(self) -> BlockSeq {
        BlockSeq(self.0 + 1)
    }
}

/// The hash of a whole log block, which the next block repeats.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockHash(pub u64);

impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
