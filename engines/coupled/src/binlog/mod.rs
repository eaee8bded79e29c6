//! The binary log: what each commit did to rows, for replication and for restoring to a point in time.
//!
//! Optional, as the statement log of mirrored MySQL is in Verbitski et al. (SIGMOD 2017, section 3.1 and figure 2): one
//! more synchronous write on the path of every commit.
//!
//! # Mechanism
//!
//! Each committed group has one [`BinlogEntry`]: the LSNs of the group, the last being the commit LSN, and the rows as the
//! commit left them. Entries go through the same appender, blocks and scan as the redo log ([`crate::wal`]), in a ring
//! of pre-written files of their own.
//!
//! The binlog is written *first*: a group enters the redo log when its entry is durable, and is answered when the redo
//! is. So a commit costs two sequential durable writes, each shared by all commits that wait, as with MySQL's
//! `sync_binlog = 1` and `innodb_flush_log_at_trx_commit = 1`. After a crash, the binlog reaches at least as far as the
//! redo; what it holds beyond is void, and the next incarnation's first block says so to whoever reads it ([`crate::wal::scan`]).
//!
//! # Invariants
//!
//! - Every group in the redo log has a durable entry. A binlog that ends below the recovered redo is damaged, and the
//!   opening halts.
//! - The entries that are not void are the commits of the database, in order, each once.
//! - Its blocks are overwritten only behind a durable checkpoint, which for the binlog is the end of what was durable.
//!
//! # Caveats
//!
//! - The ring holds the newest stretch. An older segment is written over when its turn comes; it is not archived elsewhere.
//! - Rows are logged, not statements: full images after the change, like MySQL's `binlog_row_image = full` without the
//!   images before.
//! - An opening verifies the binlog from its checkpoint on. Damage further back is found by who reads it.

mod entry;
mod read;

use std::collections::VecDeque;

use compute::{Group, RowChanges};

use crate::checkpoint::Checkpoint;
use crate::config::{Config, LogConfig};
use crate::ids::{BlockSeq, LogKind};
use crate::wal::{Appender, AppenderConfig, LogWrite};

pub use entry::{BinlogEntry, ENTRY_HEADER_BYTES};
pub use read::read;

/// The end of the binlog, and the groups whose entries are not durable yet.
#[derive(Clone, Debug)]
pub struct Binlog {
    appender: Appender,
    waiting: VecDeque<Group>,
    /// The longest entry a commit can have.
    entry_bytes_max: usize,
}

impl Binlog {
    /// The binlog of `config`, written as `log` says, that ends just before `head`.
    pub fn new(config: &Config, log: &LogConfig, head: Checkpoint) -> Binlog {
        Binlog {
            appender: Appender::new(AppenderConfig::of(log), config.log_id(LogKind::Binlog), head),
            waiting: VecDeque::new(),
            entry_bytes_max: config.binlog_entry_bytes_max(),
        }
    }

    /// Whether the entry of any commit fits the ring now.
    pub fn admits(&self) -> bool {
        self.appender.admits(0, self.entry_bytes_max)
    }

    /// Takes a group and what it did to rows. The group comes back from [`Binlog::next_durable`].
    pub fn append(&mut self, group: Group, changes: &RowChanges) {
        let header = entry::header(group.first(), group.last(), changes);
        self.appender.append(group.first(), group.last(), &[&header, changes.encoded()]);
        self.waiting.push_back(group);
    }

    /// The next block to write, if one is due.
    pub fn next_write(&mut self) -> Option<LogWrite> {
        self.appender.next_write()
    }

    /// A block's write has completed.
    pub fn completed(&mut self, sequence: BlockSeq) {
        self.appender.completed(sequence);
    }

    /// The next group whose entry is durable: the redo log may have it.
    pub fn next_durable(&mut self) -> Option<Group> {
        let durable = self.appender.durable();
        self.waiting.front().filter(|group| group.last() <= durable)?;
        self.waiting.pop_front()
    }

    /// Ring bytes that the waiting groups will need of `redo`, however it is cut.
    pub fn promised_bytes(&self, redo: &Appender) -> u64 {
        self.waiting.iter().map(|group| redo.blocks_bytes(group.bytes().len())).sum()
    }

    /// From where an opening has to look for the binlog's end.
    pub fn checkpoint(&self) -> Checkpoint {
        self.appender.checkpoint_at(self.appender.durable().next())
    }

    /// A durable superblock has passed the blocks before `checkpoint`.
    pub fn release(&mut self, checkpoint: &Checkpoint) {
        self.appender.release(checkpoint);
    }

    /// Bytes between the checkpoint and the end.
    pub fn since_checkpoint_bytes(&self) -> u64 {
        self.appender.since_checkpoint_bytes()
    }
}
