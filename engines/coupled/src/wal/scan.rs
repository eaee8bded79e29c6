//! Reading the log back: follow the chain, then ask who vouches for what is missing.
//!
//! # Mechanism
//!
//! The scan starts at the checkpoint and takes blocks while each is the one its predecessor announces: its number, its
//! position, its hash, an incarnation not older. The first place where that fails is the *hole*. From there on it
//! looks at every unit of alignment up to the end of the ring for later blocks of this lap. One that was written when
//! the hole's first LSN was already durable proves that the hole is damage and not a torn tail.
//!
//! What was read may not be what is there: a device can return other sectors than those asked for. A hole is therefore
//! looked at [`Scan::again`], and what came up in any look counts: a block that fits goes on with the chain, and without one,
//! a block that vouches makes the hole damage.
//!
//! A block that is whole but ends in the middle of a group belongs to the chain; the group is dropped, since its CPL
//! never became durable.
//!
//! An incarnation goes on from the LSN at which its recovery ended. Entries of the binlog at or above that LSN are
//! void: they never counted, and the LSNs are those of other groups now; it may have some, since it is written first. In the
//! redo log such a block is a copy: a recovery wrote again what it had found, and was cut short before its superblock said
//! that the log goes on there. The log ends before the copy, which may be partial; all of it is in the blocks before.
//!
//! # Caveats
//!
//! - Being found is no proof of being durable. [`Scan::proven`] is: a durable LSN that a block of the chain carries.

use bytes::{Bytes, BytesMut};
use compute::{Lsn, PageId, Planted, Record};

use crate::checkpoint::Checkpoint;
use crate::ids::{LogId, LogKind, LogPos};
use crate::planted::Bug;
use crate::wal::{BlockHeader, HEADER_BYTES, Layout};

/// What the end of the log looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// The log ends at `head`; whatever was beyond never became durable.
    Cut {
        /// Where the next block goes. Its incarnation is that of the last block; the opener raises it.
        head: Checkpoint,
        /// Whether there was something beyond, torn or left over.
        torn: bool,
    },
    /// The log is damaged: this LSN was durable and cannot be read.
    Corrupt {
        /// The first LSN that is missing.
        lsn: Lsn,
        /// Where the block that held it should be.
        position: LogPos,
        /// What proves that it was durable.
        witness: String,
    },
}

/// What a log is made of. Entries cover LSNs one after the other.
pub trait Entry: Sized {
    /// Splits the first entry off the stream: `None` when it is not all there yet, a text when it makes no sense.
    fn split(stream: &mut BytesMut) -> Result<Option<Self>, String>;

    /// The first LSN it covers.
    fn first(&self) -> Lsn;

    /// The last LSN it covers.
    fn last(&self) -> Lsn;

    /// Whether it is the last of a group.
    fn ends_group(&self) -> bool;
}

/// One redo record of a complete group, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redo {
    /// The page it changes.
    pub page: PageId,
    /// Its position.
    pub lsn: Lsn,
    /// Whether it is its group's last.
    pub cpl: bool,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Entry for Redo {
    fn split(stream: &mut BytesMut) -> Result<Option<Redo>, String> {
        match Record::decode(stream) {
            Ok((record, len_bytes)) => {
                let (page, lsn, cpl) = (record.page, record.lsn, record.cpl);
                Ok(Some(Redo { page, lsn, cpl, bytes: stream.split_to(len_bytes).freeze() }))
            }
            Err(compute::RedoError::Truncated) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn first(&self) -> Lsn {
        self.lsn
    }

    fn last(&self) -> Lsn {
        self.lsn
    }

    fn ends_group(&self) -> bool {
        self.cpl
    }
}

/// The scan, fed with the ring's bytes in order of position, starting at the checkpoint.
#[derive(Clone, Debug)]
pub struct Scan<E> {
    layout: Layout,
    log: LogId,
    planted: Planted<Bug>,
    /// Bytes not yet looked at, starting at `window_at`.
    window: BytesMut,
    window_at: LogPos,
    /// The ring ends here: the checkpoint's place, one lap on.
    end: LogPos,
    /// A look at the hole ends here, unless the chain goes on.
    look_end: LogPos,
    /// What the next block must be.
    next: Checkpoint,
    chained: u64,
    hole: Option<Hole>,
    /// Bytes of groups that are not complete yet.
    stream: BytesMut,
    /// Whether `stream` starts at a group's start; not so before the first group of the checkpoint's block.
    aligned: bool,
    /// The LSN of the next entry in `stream`.
    expected: Lsn,
    /// The highest durable LSN that a block of the chain carries.
    proven: Lsn,
    /// The blocks of the chain in which a group starts: the first one's LSN, and the block.
    starts: Vec<(Lsn, Checkpoint)>,
    open: Vec<E>,
    entries: Vec<E>,
    damage: Option<Tail>,
    /// What an earlier look at this hole found.
    seen: Seen,
    /// Where the device could not read; the window holds zeroes there.
    unreadable: Vec<LogPos>,
}

#[derive(Clone, Debug)]
struct Hole {
    torn: bool,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    torn: bool,
    damage: Option<Tail>,
}

/// What to do with the front of the window.
enum Look {
    /// More bytes are needed.
    Wait,
    /// Pass this many bytes.
    Pass(usize),
}

impl<E: Entry> Scan<E> {
    /// A scan from `checkpoint`.
    pub fn new(layout: Layout, log: LogId, checkpoint: Checkpoint) -> Scan<E> {
        Scan {
            layout,
            log,
            planted: Planted::NONE,
            window: BytesMut::new(),
            window_at: checkpoint.position,
            end: checkpoint.position.plus(layout.capacity_bytes()),
            look_end: checkpoint.position.plus(layout.capacity_bytes()),
            next: checkpoint,
            chained: 0,
            hole: None,
            stream: BytesMut::new(),
            aligned: false,
            expected: Lsn::ZERO,
            proven: checkpoint.before,
            starts: Vec::new(),
            open: Vec::new(),
            entries: Vec::new(),
            damage: None,
            seen: Seen::default(),
            unreadable: Vec::new(),
        }
    }

    /// With a bug, for the chaos command.
    pub fn with(self, planted: Planted<Bug>) -> Scan<E> {
        Scan { planted, ..self }
    }

    /// Notes that the device cannot read the unit of alignment at `position`, which is fed as zeroes. An unreadable place
    /// is never a torn tail: tearing leaves other bytes, not errors.
    pub fn unreadable(&mut self, position: LogPos) {
        self.unreadable.push(position);
    }

    /// Where the next bytes to feed lie, or `None` when the scan is over.
    pub fn wants(&self) -> Option<LogPos> {
        let at = self.window_at.plus(self.window.len() as u64);
        (at < self.ends() && self.damage.is_none()).then_some(at)
    }

    /// Nothing from here on is wanted, as things stand.
    pub fn ends(&self) -> LogPos {
        self.look_end
    }

    /// Where the chain breaks off, once [`Scan::wants`] is `None`; or `None` when it takes up the whole ring, or a block of it makes
    /// no sense.
    pub fn hole(&self) -> Option<LogPos> {
        let at = self.next.position;
        let elsewhere = matches!(self.damage, Some(Tail::Corrupt { position, .. }) if position != at);
        (at < self.end && !elsewhere).then_some(at)
    }

    /// Looks at the hole once more, and at up to `len_bytes` from there on. Bytes are wanted from the hole on again.
    pub fn again(&mut self, len_bytes: u64) {
        self.seen.torn |= self.hole.take().is_some_and(|hole| hole.torn);
        self.seen.damage = self.damage.take().or_else(|| self.seen.damage.take());
        self.unreadable.clear();
        self.window.clear();
        self.window_at = self.next.position;
        self.look_end = self.end.min(self.window_at.plus(len_bytes));
    }

    /// Takes the bytes at [`Scan::wants`]. They do not cross a segment's end.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.window.extend_from_slice(bytes);
        while self.damage.is_none() && self.window.len() >= HEADER_BYTES {
            let look = if self.hole.is_none() { self.follow() } else { self.search() };
            match look {
                Look::Wait => break,
                Look::Pass(len_bytes) => {
                    let _ = self.window.split_to(len_bytes);
                    self.window_at = self.window_at.plus(len_bytes as u64);
                }
            }
        }
    }

    /// Whether the block `header` is all there, could be there, or cannot fit where it stands.
    fn whole(&self, header: &BlockHeader) -> Option<bool> {
        let padded = self.layout.padded_bytes(header.len_bytes());
        if padded as u64 > self.layout.room_bytes(self.window_at) {
            return None;
        }
        Some(self.window.len() >= padded)
    }

    fn follow(&mut self) -> Look {
        let fits = BlockHeader::peek(&self.window, self.log).ok().filter(|header| {
            header.sequence == self.next.sequence
                && header.position == self.window_at
                && header.previous == self.next.previous
                && header.incarnation >= self.next.incarnation
                && !self.repeats(header)
        });
        let Some(header) = fits else { return self.open_hole() };
        match self.whole(&header) {
            None => self.open_hole(),
            Some(false) => Look::Wait,
            Some(true) => self.take(&header),
        }
    }

    /// Whether the block starts a copy of redo that is there already.
    fn repeats(&self, header: &BlockHeader) -> bool {
        self.log.kind == LogKind::Redo
            && header.incarnation > self.next.incarnation
            && (Lsn(1)..=self.next.before).contains(&header.first)
    }

    fn take(&mut self, header: &BlockHeader) -> Look {
        let unverified = self.planted.is(Bug::TornTailAccepted);
        let decode = if unverified { BlockHeader::decode_unverified } else { BlockHeader::decode };
        let Ok((_, hash, payload)) = decode(&self.window, self.log) else { return self.open_hole() };
        if header.incarnation > self.next.incarnation {
            // A group the earlier incarnation left unfinished was dropped when the later one opened, and whatever it
            // wrote from the later one's first LSN on is void. An incarnation's first block starts with a group.
            self.stream.clear();
            self.open.clear();
            self.aligned = false;
            if header.first != Lsn::ZERO {
                self.entries.truncate(self.entries.partition_point(|entry| entry.last() < header.first));
            }
        }
        if self.aligned {
            self.stream.extend_from_slice(payload);
        } else if header.first != Lsn::ZERO {
            self.stream.extend_from_slice(payload.get(header.first_at as usize..).unwrap_or_default());
            self.aligned = true;
            self.expected = header.first;
        }
        if header.first != Lsn::ZERO {
            self.starts.push((header.first, self.next));
        }
        self.proven = self.proven.max(header.durable);
        self.decode(header);
        let padded = self.layout.padded_bytes(header.len_bytes());
        self.chained += 1;
        self.seen = Seen::default();
        self.look_end = self.end;
        self.next = Checkpoint {
            position: self.window_at.plus(padded as u64),
            sequence: header.sequence.next(),
            previous: hash,
            incarnation: header.incarnation,
            before: header.last,
        };
        Look::Pass(padded)
    }

    fn decode(&mut self, header: &BlockHeader) {
        let mut rest = std::mem::take(&mut self.stream);
        let trouble = loop {
            match E::split(&mut rest) {
                Ok(Some(entry)) if entry.first() != self.expected => {
                    break Some(format!("holds LSN {}", entry.first()));
                }
                Ok(Some(entry)) => {
                    self.expected = entry.last().next();
                    let ends = entry.ends_group();
                    self.open.push(entry);
                    if ends {
                        self.entries.append(&mut self.open);
                    }
                }
                Ok(None) => break None,
                Err(trouble) => break Some(trouble),
            }
        };
        if let Some(trouble) = trouble {
            let witness = format!("block {} is whole, but {trouble}", header.sequence.0);
            self.damage = Some(Tail::Corrupt { lsn: self.expected, position: header.position, witness });
        }
        self.stream = rest;
    }

    fn open_hole(&mut self) -> Look {
        let unit = self.layout.align_bytes as usize;
        if self.window.len() < unit {
            return Look::Wait;
        }
        let len_bytes = BlockHeader::peek(&self.window, self.log).map_or(unit, |header| header.len_bytes());
        let end = self.window_at.plus(len_bytes.max(unit) as u64);
        if let Some(place) = self.unreadable.iter().find(|place| (self.window_at..end).contains(place)) {
            let witness = format!("the device cannot read log position {}", place.0);
            self.damage = Some(Tail::Corrupt { lsn: self.next.before.next(), position: self.next.position, witness });
            return Look::Pass(unit);
        }
        self.hole = Some(Hole { torn: false });
        self.search()
    }

    /// Looks at one unit of alignment behind the hole.
    fn search(&mut self) -> Look {
        let unit = self.layout.align_bytes as usize;
        if self.window.len() < unit {
            return Look::Wait;
        }
        let candidate = BlockHeader::peek(&self.window, self.log).ok().filter(|header| {
            header.position == self.window_at
                && header.sequence >= self.next.sequence
                && header.incarnation >= self.next.incarnation
        });
        let Some(header) = candidate else { return Look::Pass(unit) };
        if let Some(hole) = &mut self.hole {
            hole.torn = true;
        }
        match self.whole(&header) {
            None => return Look::Pass(unit),
            Some(false) => return Look::Wait,
            Some(true) => {}
        }
        if BlockHeader::decode(&self.window, self.log).is_ok() && self.vouches(header.durable) {
            let witness = format!(
                "block {} at log position {} was written when LSN {} was durable",
                header.sequence.0, header.position.0, header.durable
            );
            self.damage = Some(Tail::Corrupt { lsn: self.next.before.next(), position: self.next.position, witness });
        }
        Look::Pass(unit)
    }

    /// Whether something that knew this LSN as durable proves that the hole is damage.
    fn vouches(&self, durable: Lsn) -> bool {
        durable > self.next.before && !self.planted.is(Bug::RotTakenForTail)
    }

    /// The verdict, once [`Scan::wants`] is `None`, and the entries of complete groups in order of LSN. `vouched` is the
    /// highest durable LSN known from elsewhere, and who knows it.
    pub fn finish(mut self, vouched: Lsn, witness: &str) -> (Tail, Vec<E>) {
        if let Some(damage) = self.damage.take().or_else(|| self.seen.damage.take()) {
            return (damage, Vec::new());
        }
        if self.vouches(vouched) {
            let witness = format!("{witness} knows LSN {vouched} as durable");
            let tail = Tail::Corrupt { lsn: self.next.before.next(), position: self.next.position, witness };
            return (tail, Vec::new());
        }
        let beyond = self.seen.torn || self.hole.is_some_and(|hole| hole.torn);
        let torn = beyond || !self.stream.is_empty() || !self.open.is_empty();
        (Tail::Cut { head: self.next, torn }, self.entries)
    }

    /// The LSN up to which the chain itself, or who else knows `vouched` as durable, says that it is durable.
    pub fn proven(&self, vouched: Lsn) -> Lsn {
        self.proven.max(vouched).min(self.next.before)
    }

    /// The last block in which a group at or below `lsn` starts: where a scan must start to find the entry `lsn`.
    pub fn start_of(&self, lsn: Lsn) -> Option<Checkpoint> {
        let after = self.starts.partition_point(|(first, _)| *first <= lsn);
        self.starts[..after].last().map(|(_, block)| *block)
    }

    /// Blocks accepted so far.
    pub fn blocks(&self) -> u64 {
        self.chained
    }
}
