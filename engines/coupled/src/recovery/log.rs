//! Reads a log's ring from the checkpoint on, several chunks ahead, and feeds them to the scan in order.
//!
//! # Invariants
//!
//! - No single read ends the log. Where the chain breaks off, the ring is read again, many times, before that is believed: one
//!   read that the device misdirects would otherwise cost every commit from there on, acknowledged as they are.

use std::collections::BTreeMap;

use node::{Block, DiskReply, DiskResult};

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::ids::{LogKind, LogPos};
use crate::io::{Io, log_class, log_file};
use crate::planted::Bug;
use crate::recovery::{LOOKS, read};
use crate::wal::{Entry, Layout, Scan};

/// What one look reads behind the block that should be there, in chunks.
const LOOK_CHUNKS: u64 = 2;

fn block_bytes_max(config: &Config) -> u64 {
    config.logs().map(|(_, log)| u64::from(log.block_bytes_max)).max().expect("there is a log")
}

/// The reader. Reads are named by their position relative to the checkpoint.
#[derive(Clone, Debug)]
pub struct LogReader<E> {
    scan: Scan<E>,
    kind: LogKind,
    layout: Layout,
    start: LogPos,
    chunk_bytes: u64,
    reads_max: usize,
    /// Where the next read goes.
    next: LogPos,
    /// Reads in flight: position and length.
    reading: BTreeMap<LogPos, u64>,
    /// Chunks that came before their turn.
    waiting: BTreeMap<LogPos, Block>,
    /// The bytes of a look.
    look_bytes: u64,
    /// Looks at one place before it is believed.
    looks_max: u32,
    /// Where the chain broke off when it was last looked at again, and how often it was.
    looked: (LogPos, u32),
}

impl<E: Entry> LogReader<E> {
    /// Starts reading the log `kind`, whose ring is `layout`, at `checkpoint`.
    pub fn start(
        io: &mut Io<'_>,
        config: &Config,
        kind: LogKind,
        layout: Layout,
        checkpoint: Checkpoint,
    ) -> LogReader<E> {
        let mut reader = LogReader {
            scan: Scan::new(layout, config.log_id(kind), checkpoint).with(config.planted),
            kind,
            layout,
            start: checkpoint.position,
            chunk_bytes: u64::from(config.recovery.chunk_bytes),
            reads_max: config.recovery.reads_max as usize,
            next: checkpoint.position,
            reading: BTreeMap::new(),
            waiting: BTreeMap::new(),
            look_bytes: block_bytes_max(config) + LOOK_CHUNKS * u64::from(config.recovery.chunk_bytes),
            looks_max: if config.planted.is(Bug::OneReadBelieved) { 0 } else { LOOKS },
            looked: (checkpoint.position, 0),
        };
        reader.read_ahead(io);
        reader
    }

    fn read_ahead(&mut self, io: &mut Io<'_>) {
        while self.scan.wants().is_some()
            && self.next < self.scan.ends()
            && self.reading.len() + self.waiting.len() < self.reads_max
        {
            let room = self.layout.room_bytes(self.next).min(self.scan.ends().0 - self.next.0);
            let len_bytes = self.chunk_bytes.min(room);
            self.submit(io, self.next, len_bytes);
            self.next = self.next.plus(len_bytes);
        }
    }

    fn submit(&mut self, io: &mut Io<'_>, position: LogPos, len_bytes: u64) {
        let (segment, offset) = self.layout.locate(position);
        let detail = position.0 - self.start.0;
        read(io, detail, log_file(self.kind, segment), offset, len_bytes as usize, log_class(self.kind));
        self.reading.insert(position, len_bytes);
    }

    /// Takes a read up. `true` when the scan has seen enough and nothing is in flight.
    pub fn completed(&mut self, io: &mut Io<'_>, detail: u64, result: DiskResult) -> bool {
        let position = self.start.plus(detail);
        let len_bytes = self.reading.remove(&position).expect("one answer to each read");
        let unit = u64::from(self.layout.align_bytes);
        match result {
            Ok(DiskReply::Data(block)) => {
                self.waiting.insert(position, block);
            }
            _ if len_bytes > unit => {
                // Somewhere in the chunk is a sector that cannot be read. Find out which.
                for offset in (0..len_bytes).step_by(unit as usize) {
                    self.submit(io, position.plus(offset), unit);
                }
            }
            _ => {
                self.scan.unreadable(position);
                self.waiting.insert(position, Block::zeroed(unit as usize));
            }
        }
        while let Some(block) = self.scan.wants().and_then(|wanted| self.waiting.remove(&wanted)) {
            self.scan.feed(&block);
        }
        self.read_ahead(io);
        self.scan.wants().is_none() && self.reading.is_empty() && !self.looks_again(io)
    }

    /// Reads on from where the chain breaks off, unless that was done often enough.
    fn looks_again(&mut self, io: &mut Io<'_>) -> bool {
        let Some(hole) = self.scan.hole() else { return false };
        if hole != self.looked.0 {
            self.looked = (hole, 0);
        }
        let looks = self.looked.1 < self.looks_max;
        if looks {
            self.looked.1 += 1;
            self.waiting.clear();
            self.next = hole;
            self.scan.again(self.look_bytes);
            self.read_ahead(io);
        }
        looks
    }

    /// The scan, with all there is to see.
    pub fn into_scan(self) -> Scan<E> {
        self.scan
    }
}
