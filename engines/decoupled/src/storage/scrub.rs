//! The scrubber: looks, slowly, whether what is on the disk is still whole (P17, figure 4, step 8).
//!
//! One slot at a time, and now and then one extent of the log, part by part, or one copy of the superblock. A damaged slot is had again from
//! a peer; the records of a damaged block are still in memory and are written again, in a new block; so is the superblock, in
//! the other bank.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use compute::PageId;
use node::{DiskOp, DiskReply, DiskResult, Effects, IoClass, SECTOR_BYTES, TimerId, Token};

use super::block::{self, LogBlock, LogIdentity};
use super::hotlog::extent_file;
use super::server::{After, Server};
use super::superblock::{COPIES, Superblock};
use super::{Owner, Trouble};

/// Slots between two extents.
const SLOTS_PER_EXTENT: u64 = 32;
/// Slots between two copies of the superblock.
const SLOTS_PER_COPY: u64 = 4;

/// Where the scrubber is.
#[derive(Clone, Debug, Default)]
pub(super) struct Scrub {
    steps: u64,
    next_page: PageId,
    /// The first block of the extent that was looked at last.
    extent_first: u64,
    /// How far that extent has been looked at, if it is not done.
    look: Option<Look>,
}

/// A look at one extent, in parts that a node on the same thread can wait for.
#[derive(Clone, Debug)]
struct Look {
    /// Where the part begins that is being read, and where it ends.
    from: u64,
    to: u64,
    /// The blocks found whole.
    whole: BTreeSet<u64>,
}

impl Server {
    /// One step.
    pub(super) fn scrub(&mut self, out: &mut Effects) {
        let period = self.jittered(self.config.scrub_every);
        out.set_timer(TimerId::new(Owner::SCRUB, 0), period);
        if self.fence.serving().is_none() {
            return;
        }
        self.scrub.steps += 1;
        if self.scrub.steps.is_multiple_of(SLOTS_PER_EXTENT) {
            self.scrub_extent(out);
            return;
        }
        if self.scrub.steps % SLOTS_PER_COPY == 1 {
            let copy = (self.scrub.steps / SLOTS_PER_COPY) as usize % COPIES;
            self.keeper.read_copy(copy, Token::new(Owner::SUPERBLOCK, self.keeper.durable()), out);
            return;
        }
        if self.pages.page_bytes() == 0 {
            // An index whose register is lost: where its slots are, nobody knows.
            return;
        }
        let next = self.pages.from(self.scrub.next_page).next().or_else(|| self.pages.from(PageId(0)).next());
        let Some((page, slot)) = next else { return };
        self.scrub.next_page = PageId(page.0 + 1);
        if !self.pages_wanted.contains_key(&page) {
            let pg = self.pg_of(page);
            self.scrub_slot(pg, page, slot, out);
        }
    }

    fn scrub_extent(&mut self, out: &mut Effects) {
        if self.scrub.look.is_some() {
            return;
        }
        let closed = self.log.closed();
        let next = closed.iter().find(|(_, extent)| extent.first > self.scrub.extent_first).or(closed.first());
        let Some(&(no, extent)) = next else { return };
        self.scrub.extent_first = extent.first;
        self.look_on(no, 0, BTreeSet::new(), out);
    }

    /// Reads the part of an extent that begins at `from`. It has room for any two blocks of the extent.
    fn look_on(&mut self, no: u32, from: u64, whole: BTreeSet<u64>, out: &mut Effects) {
        let Some(extent) = self.log.extent(no) else { return };
        let part_bytes = (2 * extent.longest_bytes).max(4 * self.config.restore_bytes as u64);
        let to = extent.used_bytes.min(from + part_bytes.next_multiple_of(SECTOR_BYTES as u64));
        self.scrub.look = Some(Look { from, to, whole });
        let op = DiskOp::Read { file: extent_file(no), offset: from, len_bytes: (to - from) as usize };
        out.disk(Token::new(Owner::SCRUB, u64::from(no)), op, IoClass::Repair);
    }

    /// A part of an extent came from the disk.
    pub(super) fn on_scrubbed(&mut self, token: Token, result: DiskResult, out: &mut Effects) {
        let no = token.own() as u32;
        let Some(Look { from, to, mut whole }) = self.scrub.look.take() else { return };
        let Some(extent) = self.log.extent(no).filter(|extent| extent.first == self.scrub.extent_first) else { return };
        let bytes = match result {
            Ok(DiskReply::Data(data)) => Bytes::from_owner(data),
            _ => Bytes::new(),
        };
        let identity = LogIdentity { volume: self.config.volume, member: self.member };
        let blocks = block::scan(identity, no, from as usize, &bytes);
        whole.extend(blocks.iter().map(|block| block.header.seq));
        if to < extent.used_bytes {
            // A block that begins before the last stretch of such a length would have been read to its end.
            let end = blocks.last().map_or(0, LogBlock::end_in_extent);
            let next = end.max(to - extent.longest_bytes);
            return self.look_on(no, next, whole, out);
        }
        let lost: BTreeSet<u64> = extent.blocks.iter().copied().filter(|seq| !whole.contains(seq)).collect();
        if lost.is_empty() {
            return;
        }
        self.counters.damaged += lost.len() as u64;
        self.log.forget_blocks(no, &lost);
        self.write_again(&lost);
    }

    /// A copy of the superblock came from the disk. Unless there is a newer generation by now, it must be whole.
    pub(super) fn on_superblock_scrubbed(
        &mut self,
        token: Token,
        result: &DiskResult,
        out: &mut Effects,
    ) -> Result<(), Trouble> {
        let generation = token.own();
        let whole = matches!(result, Ok(DiskReply::Data(data)) if Superblock::is_copy_of(generation, data));
        if whole || self.keeper.durable() != generation {
            return Ok(());
        }
        self.counters.damaged += 1;
        self.save(After::Nothing, out)
    }

    /// Puts the records of lost blocks into new ones.
    fn write_again(&mut self, lost: &BTreeSet<u64>) {
        let limit = self.config.block_bytes_max / 2;
        for segment in self.segments.values_mut() {
            let (mut bytes, mut run, mut runs) = (BytesMut::new(), Vec::new(), Vec::new());
            for (lsn, envelope) in segment.in_blocks(lost) {
                run.push((lsn, bytes.len() as u32));
                bytes.extend_from_slice(envelope);
                if bytes.len() >= limit {
                    runs.push((std::mem::take(&mut run), bytes.split().freeze()));
                }
            }
            runs.push((run, bytes.freeze()));
            for (run, bytes) in runs {
                let Some(&(last, _)) = run.last() else { continue };
                let seq = self.log.push(segment.pg, bytes.clone(), last);
                segment.moved(&run, &bytes, seq);
            }
        }
        // The claims in those blocks are gone too.
        self.claimed.clear();
        self.log.push_empty();
    }
}
