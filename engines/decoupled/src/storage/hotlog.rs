//! The hot log: what was received, on disk, in the order of arrival (P17, figure 4, steps 1 and 2).
//!
//! Extents are files written with zeroes ahead of use and used again once collected, so that a durable write moves no
//! metadata. Everything received while a write is on its way goes into the next block: group commit without a timer.
//!
//! # Invariants
//!
//! - A block is written once, at a place no live block has, and never again.
//! - A block counts as durable when it and every block before it are.
//! - An extent is used again only after the caller has freed it, which it does once a durable superblock says so.
//!
//! # Caveats
//!
//! - After a restart a new extent is begun: what follows the last block may be the torn end of another.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use compute::{Lsn, Planted};
use node::{DiskError, DiskOp, DiskResult, Effects, FileId, FileName, IoClass, SECTOR_BYTES, Token};

use super::block::{self, BlockHeader, Claim, LogIdentity, Place, SECTION_HEADER_BYTES};
use super::{Owner, Trouble};
use crate::planted::Bug;
use crate::{Incarnation, PgId};

const FIRST_FILE: u32 = 16;

/// The name of an extent's file.
pub fn extent_name(extent: u32) -> FileName {
    FileName::new(format!("log-{extent:08}"))
}

/// The extent that a file is, by its name.
pub fn extent_of(name: &FileName) -> Option<u32> {
    name.as_str().strip_prefix("log-")?.parse().ok()
}

/// The number of an extent's file.
pub fn extent_file(extent: u32) -> FileId {
    FileId(FIRST_FILE + extent)
}

/// Sizes of the log.
#[derive(Clone, Copy, Debug)]
pub struct LogShape {
    /// Bytes of an extent.
    pub extent_bytes: u64,
    /// Bytes of sections in a block, unless one batch is larger.
    pub block_bytes_max: usize,
    /// Blocks on their way at once.
    pub writes_in_flight: usize,
    /// A bug, for the chaos command.
    pub planted: Planted<Bug>,
}

/// What a block says beside its records, asked for at the moment it is written.
#[derive(Clone, Debug)]
pub struct Vouch {
    /// The VDL.
    pub vdl: Lsn,
    /// The superblock's generation.
    pub generation: u64,
    /// The claims.
    pub claims: Vec<Claim>,
}

/// A live extent.
#[derive(Clone, Debug, Default)]
pub struct Extent {
    /// Its first block.
    pub first: u64,
    /// Its last block so far.
    pub last: u64,
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes of its longest block.
    pub longest_bytes: u64,
    /// The highest LSN of each group in it.
    pub tops: BTreeMap<PgId, Lsn>,
    /// The sequence numbers of its blocks.
    pub blocks: BTreeSet<u64>,
}

/// A block that is filling, or waiting for its turn.
#[derive(Clone, Debug, Default)]
struct Pending {
    /// Groups and their envelopes, as received: they are copied once, into the block.
    sections: Vec<(PgId, Bytes)>,
    section_bytes: usize,
    tops: BTreeMap<PgId, Lsn>,
}

#[derive(Clone, Debug)]
struct InFlight {
    seq: u64,
    vdl: Lsn,
    state: State,
    pending: Pending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Writing,
    Durable,
    Refused,
}

/// The log of one node.
#[derive(Clone, Debug)]
pub struct HotLog {
    identity: LogIdentity,
    incarnation: Incarnation,
    shape: LogShape,
    live: BTreeMap<u32, Extent>,
    free: BTreeSet<u32>,
    current: Option<u32>,
    creating: Option<u32>,
    next_extent: u32,
    next_seq: u64,
    previous_crc: u32,
    queue: VecDeque<Pending>,
    queued_bytes: usize,
    in_flight: VecDeque<InFlight>,
    durable_seq: u64,
    durable_vdl: Lsn,
    no_space: bool,
    blocks_written: u64,
}

/// What a restart found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Extents with live blocks.
    pub live: BTreeMap<u32, Extent>,
    /// Extents without.
    pub free: BTreeSet<u32>,
    /// The last block's sequence number.
    pub last_seq: u64,
    /// The last block's CRC.
    pub last_crc: u32,
    /// The highest VDL in any block.
    pub vdl: Lsn,
}

impl HotLog {
    /// The log after a restart.
    pub fn new(identity: LogIdentity, incarnation: Incarnation, shape: LogShape, found: Found) -> HotLog {
        let highest = found.live.keys().chain(&found.free).max().copied();
        HotLog {
            identity,
            incarnation,
            shape,
            live: found.live,
            free: found.free,
            current: None,
            creating: None,
            next_extent: highest.map_or(0, |extent| extent + 1),
            next_seq: found.last_seq + 1,
            previous_crc: found.last_crc,
            queue: VecDeque::new(),
            queued_bytes: 0,
            in_flight: VecDeque::new(),
            durable_seq: found.last_seq,
            durable_vdl: found.vdl,
            no_space: false,
            blocks_written: 0,
        }
    }

    /// Adds envelopes of a group, the last of them at `last`; gives the sequence number of the block that will have them.
    /// The envelopes fit [`HotLog::section_bytes_max`].
    pub fn push(&mut self, pg: PgId, envelopes: Bytes, last: Lsn) -> u64 {
        let need = SECTION_HEADER_BYTES + envelopes.len();
        let fits = |pending: &Pending| pending.section_bytes + need <= self.shape.block_bytes_max;
        if !self.queue.back().is_some_and(fits) {
            self.queue.push_back(Pending::default());
        }
        let pending = self.queue.back_mut().expect("just made sure");
        pending.sections.push((pg, envelopes));
        pending.section_bytes += need;
        let top = pending.tops.entry(pg).or_default();
        *top = last.max(*top);
        self.queued_bytes += need;
        self.next_seq + self.queue.len() as u64 - 1
    }

    /// Asks for a block even though no record waits: to make claims and the VDL durable.
    pub fn push_empty(&mut self) {
        if self.queue.is_empty() {
            self.queue.push_back(Pending::default());
        }
    }

    /// The most envelope bytes one [`HotLog::push`] may have.
    pub fn section_bytes_max(&self) -> usize {
        (self.shape.extent_bytes / 2) as usize
    }

    /// Submits what may be submitted. `vouch` is asked for each block; `true` asks for the claims of every group.
    pub fn flush(&mut self, mut vouch: impl FnMut(bool) -> Vouch, out: &mut Effects) {
        while !self.no_space && self.in_flight.len() < self.shape.writes_in_flight {
            let Some(pending) = self.queue.pop_front() else { break };
            let section_bytes = pending.section_bytes;
            match self.write(self.next_seq, pending, false, &mut vouch, out) {
                Ok(block) => self.in_flight.push_back(block),
                Err(pending) => {
                    self.queue.push_front(pending);
                    break;
                }
            }
            self.queued_bytes -= section_bytes;
            self.next_seq += 1;
            self.blocks_written += 1;
        }
        self.keep_a_spare(out);
    }

    /// Sends blocks that a full device refused again, each to a new place. Nothing in them was acknowledged, and what is at
    /// the old place, if anything, says the same.
    pub fn retry(&mut self, mut vouch: impl FnMut(bool) -> Vouch, out: &mut Effects) {
        self.no_space = false;
        let mut blocks = std::mem::take(&mut self.in_flight);
        for block in &mut blocks {
            if block.state != State::Refused {
                continue;
            }
            let pending = std::mem::take(&mut block.pending);
            match self.write(block.seq, pending, true, &mut vouch, out) {
                Ok(again) => *block = again,
                Err(pending) => block.pending = pending,
            }
        }
        self.in_flight = blocks;
        self.keep_a_spare(out);
    }

    fn write(
        &mut self,
        seq: u64,
        pending: Pending,
        full: bool,
        vouch: &mut impl FnMut(bool) -> Vouch,
        out: &mut Effects,
    ) -> Result<InFlight, Pending> {
        let mut said = vouch(full);
        let bytes = block::block_bytes(said.claims.len(), pending.section_bytes) as u64;
        let room = |extent: &Extent| extent.used_bytes + bytes <= self.shape.extent_bytes;
        let extent_no = match self.current.filter(|current| self.live.get(current).is_some_and(room)) {
            Some(current) => current,
            None => {
                let Some(next) = self.free.pop_first() else { return Err(pending) };
                self.live.insert(next, Extent { first: seq, last: seq, ..Extent::default() });
                self.current = Some(next);
                // Older extents are given up in time, and the claims in them.
                said = vouch(true);
                next
            }
        };
        let extent = self.live.get_mut(&extent_no).expect("the current extent is live");
        let sector = (extent.used_bytes / SECTOR_BYTES as u64) as u32;
        let header = BlockHeader {
            incarnation: self.incarnation,
            seq,
            place: Place { extent: extent_no, sector, extent_first: extent.first },
            previous_crc: self.previous_crc,
            vdl: said.vdl,
            generation: said.generation,
            claims: said.claims,
        };
        let (data, crc) = block::encode(self.identity, &header, &pending.sections);
        let offset = extent.used_bytes;
        extent.used_bytes += data.len() as u64;
        extent.longest_bytes = extent.longest_bytes.max(data.len() as u64);
        assert!(extent.used_bytes <= self.shape.extent_bytes, "a block fits an empty extent");
        extent.last = extent.last.max(seq);
        extent.blocks.insert(seq);
        for (&pg, &top) in &pending.tops {
            let known = extent.tops.entry(pg).or_default();
            *known = top.max(*known);
        }
        let op = DiskOp::Write { file: extent_file(extent_no), offset, data, durable: true };
        out.disk(Token::new(Owner::LOG, seq), op, IoClass::HotLog);
        self.previous_crc = crc;
        Ok(InFlight { seq, vdl: said.vdl, state: State::Writing, pending })
    }

    /// One extent is always ready beside the current one.
    fn keep_a_spare(&mut self, out: &mut Effects) {
        if self.free.is_empty() && self.creating.is_none() && !self.no_space {
            let extent = self.next_extent;
            self.next_extent += 1;
            self.creating = Some(extent);
            let op = DiskOp::Create {
                file: extent_file(extent),
                name: extent_name(extent),
                len_bytes: self.shape.extent_bytes,
            };
            out.disk(Token::new(Owner::EXTENT, 0), op, IoClass::Metadata);
        }
    }

    /// Takes the completion of a block; says whether more blocks are durable than before.
    pub fn handle_block(&mut self, token: Token, result: DiskResult) -> Result<bool, Trouble> {
        let Some(at) = self.in_flight.iter().position(|block| block.seq == token.own()) else {
            return Ok(false);
        };
        match result {
            Ok(_) => self.in_flight[at].state = State::Durable,
            Err(DiskError::Io { .. }) if self.shape.planted.is(Bug::WriteErrorIgnored) => {
                self.in_flight[at].state = State::Durable;
            }
            Err(DiskError::NoSpace) => {
                self.in_flight[at].state = State::Refused;
                self.no_space = true;
            }
            Err(error) => return Err(Trouble::Halt(format!("cannot write the hot log: {error}"))),
        }
        let before = self.durable_seq;
        while self.in_flight.front().is_some_and(|block| block.state == State::Durable) {
            let Some(block) = self.in_flight.pop_front() else { break };
            self.durable_seq = block.seq;
            self.durable_vdl = self.durable_vdl.max(block.vdl);
        }
        Ok(self.durable_seq > before)
    }

    /// Takes the completion of an extent's creation, or of the directory's sync behind it.
    pub fn handle_extent(&mut self, token: Token, result: DiskResult, out: &mut Effects) -> Result<(), Trouble> {
        let Some(extent) = self.creating else { return Ok(()) };
        match (result, token.own()) {
            (Ok(_), 0) => out.disk(Token::new(Owner::EXTENT, 1), DiskOp::SyncDir, IoClass::Metadata),
            (Ok(_), _) => {
                self.creating = None;
                self.free.insert(extent);
            }
            (Err(DiskError::NoSpace), 0) => {
                // The number is not used again in this life: a half-made file of that name may exist.
                self.creating = None;
                self.no_space = true;
            }
            (Err(error), _) => return Err(Trouble::Halt(format!("cannot make a log extent: {error}"))),
        }
        Ok(())
    }

    /// Gives up extents whose records are collected. They may be overwritten from now on.
    pub fn free(&mut self, extents: &[u32]) {
        for extent in extents {
            if self.live.remove(extent).is_some() {
                self.free.insert(*extent);
            }
        }
    }

    /// Whether the device is full: nothing is written until [`HotLog::retry`].
    pub fn is_full(&self) -> bool {
        self.no_space
    }

    /// Whether [`HotLog::retry`] has something to do: the device is full, or refused a block that is still to find a place.
    pub fn is_held_up(&self) -> bool {
        self.no_space || self.in_flight.iter().any(|block| block.state == State::Refused)
    }

    /// The last block durable together with all before it.
    pub fn durable_seq(&self) -> u64 {
        self.durable_seq
    }

    /// The highest VDL in a durable block.
    pub fn durable_vdl(&self) -> Lsn {
        self.durable_vdl
    }

    /// The last block submitted.
    pub fn submitted_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// The last block that anything was pushed into.
    pub fn pushed_seq(&self) -> u64 {
        self.next_seq + self.queue.len() as u64 - 1
    }

    /// Whether nothing waits and nothing is on its way.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    /// Bytes of records received and not yet durable.
    pub fn intake_bytes(&self) -> usize {
        self.queued_bytes + self.in_flight.iter().map(|block| block.pending.section_bytes).sum::<usize>()
    }

    /// Bytes of live extents: whole ones, but of the current one what is used. A restart leaves an extent part empty, and
    /// many restarts must not fill the disk.
    pub fn live_bytes(&self) -> u64 {
        let current = self.current.and_then(|current| self.live.get(&current));
        let unused = current.map_or(0, |extent| self.shape.extent_bytes - extent.used_bytes);
        self.live.len() as u64 * self.shape.extent_bytes - unused
    }

    /// Bytes of an extent.
    pub fn extent_bytes(&self) -> u64 {
        self.shape.extent_bytes
    }

    /// The live extents in order of age, without the one being written.
    pub fn closed(&self) -> Vec<(u32, &Extent)> {
        let closed =
            self.live.iter().filter(|(no, extent)| Some(**no) != self.current && extent.last <= self.durable_seq);
        let mut closed: Vec<_> = closed.map(|(&no, extent)| (no, extent)).collect();
        closed.sort_by_key(|(_, extent)| extent.first);
        closed
    }

    /// A live extent.
    pub fn extent(&self, no: u32) -> Option<&Extent> {
        self.live.get(&no)
    }

    /// Blocks of an extent are damaged and written elsewhere.
    pub fn forget_blocks(&mut self, no: u32, lost: &BTreeSet<u64>) {
        if let Some(extent) = self.live.get_mut(&no) {
            extent.blocks.retain(|seq| !lost.contains(seq));
        }
    }

    /// The first block that is live once `freed` are given up. A block that a full device refused may have gone to an extent that
    /// began with a later one.
    pub fn floor_without(&self, freed: &[u32]) -> u64 {
        let left = self.live.iter().filter(|(no, _)| !freed.contains(no)).map(|(_, extent)| extent);
        let first = |extent: &Extent| extent.blocks.first().map_or(extent.first, |&block| block.min(extent.first));
        left.map(first).min().unwrap_or(self.next_seq)
    }
}
