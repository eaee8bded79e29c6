//! The disk contract: what a node may ask of its directory, and what it may believe afterwards.
//!
//! # Contract
//!
//! - A disk is one directory of files. A node names a file once ([`DiskOp::Open`] or [`DiskOp::Create`]) and uses
//!   the [`FileId`] it chose from then on. A crash forgets the ids and keeps the files.
//! - An operation on a number that names no open file fails with [`DiskError::BAD_FILE`]. A node uses a number only
//!   after the completion that opened it.
//! - Operations submitted together may complete in any order. The runtime finishes short reads and writes; a node
//!   sees the whole or an error.
//! - Offsets and lengths are multiples of [`SECTOR_BYTES`](crate::SECTOR_BYTES). Reading past the end of the file
//!   is [`DiskError::OutOfRange`].
//! - A write is visible to reads submitted after its completion. Two overlapping writes in flight together have no
//!   defined order, and a read in flight together with an overlapping write gives any mixture of old and new bytes:
//!   devices promise sectors at most, and the page cache, which buffered reads do not lock, not even those.
//! - A write is *durable* only after a sync submitted after its completion succeeds, or at its own completion when
//!   it was submitted as durable.
//! - A created or removed name is durable only after [`DiskOp::SyncDir`], submitted after the completion, succeeds.
//!   [`DiskOp::Create`] and [`DiskOp::Extend`] write zeroes over the whole new length and make the bytes and the
//!   length durable before they complete, so that later durable writes inside it move no metadata.
//! - On power loss any subset of the sectors not yet durable survives, and a sector in flight may be garbled. A node
//!   therefore never rewrites a durable block in place unless a torn result is acceptable or repairable.
//! - An operation in flight when the node crashes may have taken place, or not, or in part: a file being created may
//!   exist with less than its length, one being extended may have grown less far, a name being replaced may be absent.
//! - A failed write or sync leaves durability unknown. A node that sees one halts and recovers; it never retries and
//!   acknowledges.

use thiserror::Error;

use crate::Block;

/// A node's own number for one of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A file's name inside the node's directory: lower-case letters, digits, `-`, `.`; at most 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

impl FileName {
    /// The name `name`. Panics on a character outside the alphabet or a length outside 1..=64.
    pub fn new(name: impl Into<String>) -> FileName {
        let name = name.into();
        assert!(FileName::is_valid(&name), "{name:?} is not a file name");
        FileName(name)
    }

    /// Whether `name` is one a node may use. Runtimes skip other names when they list a directory.
    pub fn is_valid(name: &str) -> bool {
        (1..=64).contains(&name.len())
            && !name.starts_with('.')
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One request to the node's disk.
#[derive(Clone, Debug)]
pub enum DiskOp {
    /// Lists the directory. Answered by [`DiskReply::Names`].
    List,
    /// Opens an existing file. Answered by [`DiskReply::Opened`] or [`DiskError::NotFound`].
    Open {
        /// The number the node gives the file.
        file: FileId,
        /// Its name.
        name: FileName,
    },
    /// Creates a file of `len_bytes` zeroes, replacing any file of that name, and opens it. Answered by
    /// [`DiskReply::Opened`]. The name is durable after [`DiskOp::SyncDir`].
    Create {
        /// The number the node gives the file.
        file: FileId,
        /// Its name.
        name: FileName,
        /// Its length, a multiple of the sector.
        len_bytes: u64,
    },
    /// Grows an open file with durable zeroes to `len_bytes`. A file at least that long is left as it is.
    Extend {
        /// The file.
        file: FileId,
        /// The new length, a multiple of the sector.
        len_bytes: u64,
    },
    /// Reads `len_bytes` at `offset`. Answered by [`DiskReply::Data`].
    Read {
        /// The file.
        file: FileId,
        /// Where, in bytes, a multiple of the sector.
        offset: u64,
        /// How much, a multiple of the sector.
        len_bytes: usize,
    },
    /// Writes a block at `offset`, inside the file's length.
    Write {
        /// The file.
        file: FileId,
        /// Where, in bytes, a multiple of the sector.
        offset: u64,
        /// What.
        data: Block,
        /// Whether the write must be durable when it completes (RWF_DSYNC).
        durable: bool,
    },
    /// Makes every write to `file` that has completed so far durable (fdatasync).
    Sync {
        /// The file.
        file: FileId,
    },
    /// Makes every creation and removal that has completed so far durable.
    SyncDir,
    /// Removes a file by name and forgets its id if it is open. Not an error when the name does not exist.
    Remove {
        /// The name.
        name: FileName,
    },
}

/// A successful completion.
#[derive(Clone, Debug)]
pub enum DiskReply {
    /// The file is open.
    Opened {
        /// Its length.
        len_bytes: u64,
    },
    /// What was read: exactly the length asked for.
    Data(Block),
    /// The operation is done.
    Done,
    /// The files of the directory with their lengths, sorted by name.
    Names(Vec<(FileName, u64)>),
}

/// A failed completion.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DiskError {
    /// The name does not exist.
    #[error("no such file")]
    NotFound,
    /// The device or the file system is full. Nothing is promised about the write's bytes.
    #[error("no space left on the device")]
    NoSpace,
    /// The operation reached past the end of the file.
    #[error("beyond the end of the file ({len_bytes} bytes)")]
    OutOfRange {
        /// The file's length.
        len_bytes: u64,
    },
    /// The device or the kernel refused; `errno` says how. After a write or a sync, durability is unknown.
    #[error("I/O error (errno {errno})")]
    Io {
        /// The operating system's number.
        errno: i32,
    },
}

impl DiskError {
    /// An unreadable or unwritable medium.
    pub const EIO: DiskError = DiskError::Io { errno: 5 };
    /// The number names no open file.
    pub const BAD_FILE: DiskError = DiskError::Io { errno: 9 };
}

/// A completion.
pub type DiskResult = Result<DiskReply, DiskError>;
