//! The last part of a start: the segments as the superblock and the live log blocks tell them, a slice of the log an event.
//!
//! A node may share its thread with nodes that serve. One event for the whole log would keep them waiting for as long as it
//! takes to read half a million records, and commits wait for four of them.
//!
//! That a record can be read does not make it durable: its block's write may have failed, or its sync, and be visible all the
//! same, and no later sync need make up for it. What was acknowledged was durable, and so was every block when the one
//! [`WRITES_IN_FLIGHT_MAX`] after it was submitted. Whatever else is found is taken in as if it came from the network, and until
//! it is durable again, which on a full disk may be long, its segment is suspect: part of it may have been acknowledged.
//!
//! The tail rule: a block that cannot be read is a torn tail, and what it had was never acknowledged, unless a claim in
//! another block or in the superblock vouches for more than the chain reaches. Then the segment is suspect.

use std::collections::BTreeMap;
use std::vec::IntoIter;

use compute::PageId;

use super::StorageConfig;
use super::batch::{Batch, Head, decode_batch};
use super::block::LogBlock;
use super::config::WRITES_IN_FLIGHT_MAX;
use super::open::Opened;
use super::segment::{Offered, Segment};
use crate::{PgId, ids};

/// A start whose disk is read.
#[derive(Clone, Debug)]
pub(super) struct Restoring {
    opened: Opened,
    blocks: IntoIter<LogBlock>,
    segments: BTreeMap<PgId, Segment>,
    /// Records that may not be durable.
    in_doubt: Vec<(PgId, Batch)>,
    pages_per_pg: u64,
    slice_bytes: usize,
    /// Whether the segments have room for what is left.
    has_room: bool,
}

impl Restoring {
    /// Begins with what the superblock, the headers of the blocks and the page index say.
    pub(super) fn new(config: &StorageConfig, mut opened: Opened) -> Restoring {
        let blocks = std::mem::take(&mut opened.blocks);
        let superblock = &opened.superblock;
        let register = superblock.register;
        let pages_per_pg = register.map_or(u64::MAX, |register| register.geometry.pages_per_pg);
        let mut segments = BTreeMap::new();
        for record in &superblock.segments {
            let mut segment = Segment::new(record.pg, record.base, record.hydrated);
            (segment.claim, segment.pgmrpl, segment.recorded) = (record.claim, record.pgmrpl, true);
            segment.witness = record.witness;
            (segment.coalesce_chain, segment.planted) = (config.coalesce_chain, config.planted);
            segments.insert(record.pg, segment);
        }
        for header in blocks.iter().map(|block| &block.header) {
            for claim in &header.claims {
                let Some(segment) = segments.get_mut(&claim.pg) else { continue };
                segment.pgmrpl = segment.pgmrpl.max(claim.pgmrpl);
                if header.seq > superblock.claims_void_upto {
                    segment.claim = segment.claim.max(claim.scl);
                }
            }
        }
        // Before the records: what a slot has goes into no chain.
        for (page, slot) in opened.pages.from(PageId(0)) {
            if let Some(segment) = segments.get_mut(&ids::pg_of(page, pages_per_pg)) {
                segment.page_coalesced(page, slot.lsn);
            }
        }
        let (blocks, slice_bytes) = (blocks.into_iter(), config.restore_bytes);
        Restoring { opened, blocks, segments, in_doubt: Vec::new(), pages_per_pg, slice_bytes, has_room: false }
    }

    /// Takes up the next slice of the log; says whether there is more.
    pub(super) fn step(&mut self) -> bool {
        let mut taken = 0;
        while taken < self.slice_bytes {
            let Some(block) = self.blocks.next() else { break };
            taken += block.len_bytes;
            self.take_up(block);
        }
        if !std::mem::replace(&mut self.has_room, true) && taken > 0 {
            self.make_room(taken);
        }
        self.segments.values_mut().for_each(|segment| {
            segment.advance(u64::MAX);
        });
        self.blocks.len() > 0
    }

    /// Makes room for the records to come, if they are like those of the first `taken` bytes: a queue that grows moves all it has, and half a million
    /// records are not moved within an event that others can wait for.
    fn make_room(&mut self, taken: usize) {
        let left_bytes: usize = self.blocks.as_slice().iter().map(|block| block.len_bytes).sum();
        for segment in self.segments.values_mut() {
            segment.make_room(segment.count() * left_bytes / taken);
        }
    }

    /// How many blocks are left.
    pub(super) fn left(&self) -> usize {
        self.blocks.len()
    }

    /// What the server goes on with, and the records it must take in again.
    pub(super) fn finish(self) -> (Opened, BTreeMap<PgId, Segment>, Vec<(PgId, Batch)>) {
        (self.opened, self.segments, self.in_doubt)
    }

    fn take_up(&mut self, block: LogBlock) {
        let LogBlock { header, sections, .. } = block;
        let table = &self.opened.superblock.table;
        let is_recent = header.seq + WRITES_IN_FLIGHT_MAX as u64 > self.opened.found.last_seq;
        for (pg, envelopes) in sections {
            // What was written was checked before; what does not read now was not written by this program.
            let Ok(mut batch) = decode_batch(envelopes, pg, self.pages_per_pg) else { continue };
            let Some(last) = batch.heads.last().map(|last| last.lsn) else { continue };
            if let Some(extent) = self.opened.found.live.get_mut(&header.place.extent) {
                let top = extent.tops.entry(pg).or_default();
                *top = last.max(*top);
            }
            let Some(segment) = self.segments.get_mut(&pg) else { continue };
            if is_recent {
                let vouched = batch.heads.partition_point(|head| head.lsn <= segment.claim);
                let heads = batch.heads.split_off(vouched);
                self.in_doubt.push((pg, Batch { heads, received: batch.received.clone() }));
            }
            let is_new = |head: &Head| segment.lacks(head.lsn, table) == Offered::New;
            let new: Vec<Head> = batch.heads.into_iter().filter(is_new).collect();
            segment.hold(&new, &batch.received, header.seq);
        }
    }
}
