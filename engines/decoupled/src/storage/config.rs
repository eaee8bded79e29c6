//! Sizes and periods of a storage node.

use compute::Planted;
use node::{Nanos, NodeId, SECTOR_BYTES};

use crate::planted::Bug;
use crate::{VolumeId, quorum::MEMBERS};

/// The most log blocks that a node may have on their way at once.
pub const WRITES_IN_FLIGHT_MAX: usize = 8;

/// Everything a storage node is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// The volume.
    pub volume: VolumeId,
    /// The six storage nodes, by member index.
    pub members: [NodeId; MEMBERS],
    /// Seed for jitter and for the choice of peers.
    pub seed: u64,
    /// How long an append or heartbeat lets its writer believe that no other writer serves. At least the writer's own
    /// figure.
    pub lease: Nanos,
    /// Bytes of one copy of the superblock; bounds how many protection groups and recoveries a volume may have.
    pub superblock_bytes: usize,
    /// Bytes of one extent of the hot log.
    pub extent_bytes: u64,
    /// Bytes of records that share one block of the hot log.
    pub block_bytes_max: usize,
    /// Blocks on their way to the disk at once.
    pub writes_in_flight: usize,
    /// Bytes of records received and not yet durable beyond which appends are dropped unanswered.
    pub intake_bytes_max: usize,
    /// Bytes of hot log beyond which its oldest extent is coalesced and collected.
    pub log_bytes_target: u64,
    /// Bytes of hot log beyond which records are collected although a member lacks them. It is then rebuilt from pages.
    pub log_bytes_max: u64,
    /// Records on one page that make it worth coalescing.
    pub coalesce_chain: usize,
    /// Pages coalesced under one sync.
    pub coalesce_pages_max: usize,
    /// Bytes by which the page file grows.
    pub pages_grow_bytes: u64,
    /// Bytes of the page index's log before it starts over with a checkpoint.
    pub index_log_bytes: u64,
    /// Period of background work: claims of an idle log, coalescing, collection.
    pub tick: Nanos,
    /// Period of gossip: each time one peer is told what this node holds.
    pub gossip_every: Nanos,
    /// Period of gossip while a segment is known to lack records that its peers hold.
    pub catch_up_every: Nanos,
    /// Bytes of records in one answer to a peer.
    pub push_bytes_max: usize,
    /// Period of the scrubber's steps, each one page slot.
    pub scrub_every: Nanos,
    /// Bytes of log that a start takes up in one event.
    pub restore_bytes: usize,
    /// Records in one inventory.
    pub inventory_records_max: usize,
    /// A disk operation that takes longer halts the node, which the volume then goes on without; 30 s by default.
    pub io_timeout: Nanos,
    /// A bug, for the chaos command.
    pub planted: Planted<Bug>,
}

impl StorageConfig {
    /// The defaults for a node on a local disk.
    pub fn new(volume: VolumeId, members: [NodeId; MEMBERS], seed: u64) -> StorageConfig {
        StorageConfig {
            volume,
            members,
            seed,
            lease: Nanos::from_secs(1),
            superblock_bytes: 64 << 10,
            extent_bytes: 4 << 20,
            block_bytes_max: 256 << 10,
            writes_in_flight: 2,
            intake_bytes_max: 16 << 20,
            log_bytes_target: 64 << 20,
            log_bytes_max: 192 << 20,
            coalesce_chain: 512,
            coalesce_pages_max: 24,
            pages_grow_bytes: 8 << 20,
            index_log_bytes: 4 << 20,
            tick: Nanos::from_millis(20),
            gossip_every: Nanos::from_millis(50),
            catch_up_every: Nanos::from_millis(5),
            push_bytes_max: 128 << 10,
            scrub_every: Nanos::from_millis(100),
            restore_bytes: 64 << 10,
            inventory_records_max: 8192,
            io_timeout: Nanos::from_secs(30),
            planted: Planted::NONE,
        }
    }

    /// Sizes so small that a few records fill an extent, coalesce, and are collected: for simulation and tests.
    pub fn small(volume: VolumeId, members: [NodeId; MEMBERS], seed: u64) -> StorageConfig {
        StorageConfig {
            superblock_bytes: 16 << 10,
            extent_bytes: 16 << 10,
            block_bytes_max: 4 << 10,
            intake_bytes_max: 256 << 10,
            log_bytes_target: 48 << 10,
            log_bytes_max: 192 << 10,
            coalesce_chain: 8,
            coalesce_pages_max: 8,
            pages_grow_bytes: 16 << 10,
            index_log_bytes: 8 << 10,
            push_bytes_max: 8 << 10,
            restore_bytes: 4 << 10,
            inventory_records_max: 64,
            ..StorageConfig::new(volume, members, seed)
        }
    }

    /// What is wrong with the values, for a person.
    pub fn check(&self) -> Result<(), String> {
        let sector = SECTOR_BYTES as u64;
        let rules = [
            (self.superblock_bytes >= 2048, "superblock_bytes must be at least 2048"),
            (self.superblock_bytes.is_multiple_of(SECTOR_BYTES), "superblock_bytes must be whole sectors"),
            (self.extent_bytes.is_multiple_of(sector), "extent_bytes must be whole sectors"),
            (self.pages_grow_bytes.is_multiple_of(sector), "pages_grow_bytes must be whole sectors"),
            (self.pages_grow_bytes > 0, "pages_grow_bytes must be at least a sector"),
            (self.index_log_bytes.is_multiple_of(sector), "index_log_bytes must be whole sectors"),
            (self.block_bytes_max >= 1024, "block_bytes_max must be at least 1024"),
            (self.block_bytes_max as u64 * 2 <= self.extent_bytes, "an extent must hold two blocks of block_bytes_max"),
            ((1..=WRITES_IN_FLIGHT_MAX).contains(&self.writes_in_flight), "writes_in_flight must be 1 to 8"),
            (self.log_bytes_target >= 2 * self.extent_bytes, "log_bytes_target must be at least two extents"),
            (self.log_bytes_max >= 2 * self.log_bytes_target, "log_bytes_max must be at least twice log_bytes_target"),
            (self.coalesce_chain > 0 && self.coalesce_pages_max > 0, "coalescing needs at least one record and page"),
            (self.push_bytes_max < node::frame::BODY_BYTES_MAX / 2, "push_bytes_max must fit a frame"),
            (self.tick > Nanos::ZERO && self.gossip_every > Nanos::ZERO, "periods must be longer than zero"),
            (self.catch_up_every > Nanos::ZERO && self.scrub_every > Nanos::ZERO, "periods must be longer than zero"),
            (self.restore_bytes > 0, "restore_bytes must be at least 1"),
            (self.io_timeout > Nanos::ZERO, "io_timeout must be longer than zero"),
            (self.inventory_records_max > 0, "inventory_records_max must be at least 1"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, message)) => Err((*message).to_owned()),
            None => Ok(()),
        }
    }
}
