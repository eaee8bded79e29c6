//! The storage node: keeps one segment of every protection group, and makes pages from log.
//!
//! P17, section 3.3 and figure 4. Of its work only two steps are in the foreground, receiving records and making them
//! durable; everything else happens behind.
//!
//! # Where to look
//!
//! | step | module |
//! |---|---|
//! | who the node is, what it promised | [`superblock`], [`keeper`], [`fence`] |
//! | start | [`open`] |
//! | 1, 2: receive, persist, acknowledge | [`block`], [`hotlog`], [`acks`] |
//! | 3: order, find gaps | [`segment`] |
//! | 4: gossip | [`peers`], `gossip` |
//! | 5: coalesce | [`pages`], [`index`], `coalesce` |
//! | 7: collect garbage | `collect` |
//! | 8: scrub, repair | `scrub`, `rebuild` |
//! | all of it together | [`StorageNode`] |
//!
//! # Invariants
//!
//! - An acknowledgement says what is durable, of a segment that counts, under an epoch that is promised and held.
//! - A record is checked once, when it enters, and indexed from then on.
//! - After a failed write or sync the node halts. It never tries again and acknowledges. A full disk is not a failure: what
//!   it refused was never acknowledged and is written again, elsewhere, once there is room.
//!
//! # Caveats
//!
//! - The last block of the log is vouched for only by the next one, which follows within a tick even when the log is idle.
//!   Until then its rot looks like a torn tail: a known limit, within the budget for undetectable lies.
//! - A page that is rebuilt is believed by its checksum, identity and version, from one clean peer. Two peers that coalesced
//!   at different points cannot be compared without making both pages at one version.
//! - The truncation table grows by one entry with each recovery, and is bounded by `superblock_bytes`.
//! - A wiped node is rebuilt to what three clean peers offer. Offers that were on their way since before it was wiped may
//!   lack what it acknowledged in between; nothing on its disk tells it that it owes more.
//! - A wiped node to which the messages that created the volume are replayed takes itself for a new one. It is wiped and
//!   deceived at once; nothing on its disk could tell.

pub mod acks;
mod batch;
pub mod block;
pub mod config;
pub mod fence;
pub mod hotlog;
pub mod index;
pub mod keeper;
pub mod open;
mod open_pages;
pub mod pages;
pub mod peers;
pub mod segment;
pub mod superblock;

mod chains;
mod coalesce;
mod collect;
mod entries;
mod gossip;
mod node;
mod probe;
mod reads;
mod rebuild;
mod records;
mod recovery;
mod restoring;
mod scrub;
mod server;
mod topology;
mod whole_read;
mod writes;

pub use config::StorageConfig;
pub use node::StorageNode;
pub use probe::{SegmentProbe, StorageProbe};
pub use topology::storage_members;

#[cfg(test)]
mod tests;

/// The machines of a node, as owners of tokens and timers.
struct Owner;

impl Owner {
    const OPEN: u8 = 1;
    const KEEPER: u8 = 2;
    const LOG: u8 = 3;
    const EXTENT: u8 = 4;
    const TICK: u8 = 5;
    const PAGES: u8 = 6;
    const SLOT: u8 = 7;
    const GOSSIP: u8 = 8;
    const SCRUB: u8 = 9;
    const RESTORE: u8 = 10;
    const RIPE: u8 = 11;
    const WATCHDOG: u8 = 12;
    const SUPERBLOCK: u8 = 13;
}

/// Why a machine cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The node stops, for this reason.
    Halt(String),
}
