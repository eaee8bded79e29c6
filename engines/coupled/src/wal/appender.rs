//! Group commit: groups go in, blocks to write come out, completions raise the durable LSN.

use std::collections::VecDeque;

use compute::Lsn;
use node::Block;

use crate::checkpoint::Checkpoint;
use crate::config::LogConfig;
use crate::ids::{BlockSeq, Incarnation, LogId, LogPos};
use crate::wal::{BlockHeader, HEADER_BYTES, Layout};

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppenderConfig {
    /// The ring.
    pub layout: Layout,
    /// The longest block, header included.
    pub block_bytes_max: u32,
    /// How many log writes may be in flight together.
    pub writes_max: u32,
    /// With a write in flight, another one starts only when this many bytes wait; with none, at once.
    pub eager_bytes: u32,
}

impl AppenderConfig {
    /// How a configured log is written.
    pub fn of(log: &LogConfig) -> AppenderConfig {
        let LogConfig { block_bytes_max, writes_max, eager_bytes, .. } = *log;
        AppenderConfig { layout: Layout::of(log), block_bytes_max, writes_max, eager_bytes }
    }

    /// The most bytes of ring that `payload_bytes` of entries can take, however they are cut into blocks. Each cut, at the
    /// end of a segment, at the longest block, or between group commits, costs a header and padding.
    pub fn blocks_bytes(&self, payload_bytes: usize) -> u64 {
        // One cut per longest block, one per segment crossed, and the ragged ends.
        self.cut_bytes(payload_bytes, 2 * payload_bytes as u64 / self.payload_bytes_max() + 3)
    }

    /// The same for entries that are all there when the first block is cut, as when a recovery writes them again.
    pub fn repeat_bytes(&self, payload_bytes: usize) -> u64 {
        let segment = self.layout.segment_bytes - HEADER_BYTES as u64;
        let cuts = payload_bytes as u64 / self.payload_bytes_max() + payload_bytes as u64 / segment + 3;
        self.cut_bytes(payload_bytes, cuts)
    }

    fn payload_bytes_max(&self) -> u64 {
        u64::from(self.block_bytes_max).min(self.layout.segment_bytes) - HEADER_BYTES as u64
    }

    fn cut_bytes(&self, payload_bytes: usize, cuts: u64) -> u64 {
        let cut = HEADER_BYTES as u64 + u64::from(self.layout.align_bytes);
        if payload_bytes == 0 { 0 } else { payload_bytes as u64 + cuts * cut }
    }
}

/// One block to be written durably.
#[derive(Clone, Debug)]
pub struct LogWrite {
    /// The block's number, which its completion must name.
    pub sequence: BlockSeq,
    /// The segment file.
    pub segment: u32,
    /// Where in the file.
    pub offset: u64,
    /// The bytes.
    pub block: Block,
}

/// The end of the log: what is appended, what is being written, what is durable, and which blocks are still needed.
#[derive(Clone, Debug)]
pub struct Appender {
    config: AppenderConfig,
    log: LogId,
    incarnation: Incarnation,
    /// Entries that are in no block yet.
    buffer: Vec<u8>,
    /// Position in the stream of entries of `buffer[0]`, counted from the opening.
    buffer_at: u64,
    /// Groups that end in the buffer.
    groups: VecDeque<Bounds>,
    /// The next block.
    head: Checkpoint,
    in_flight: VecDeque<InFlight>,
    /// Blocks from the checkpoint on.
    live: VecDeque<LiveBlock>,
    /// Where the oldest block still needed lies.
    tail: LogPos,
    durable: Lsn,
    appended: Lsn,
    /// Positions in the stream of entries: the end of the last group that is whole in the blocks cut, and of the last
    /// durable one.
    cut_at: u64,
    durable_at: u64,
}

#[derive(Clone, Debug)]
struct Bounds {
    start: u64,
    end: u64,
    first: Lsn,
    last: Lsn,
}

#[derive(Clone, Debug)]
struct InFlight {
    sequence: BlockSeq,
    last: Lsn,
    /// Where group `last` ends in the stream of entries.
    end: u64,
    done: bool,
}

#[derive(Clone, Debug)]
struct LiveBlock {
    start: Checkpoint,
    /// Whether a group starts in the block.
    starts: bool,
    /// The first LSN of the first group that starts in the block; of the latest block before in which one starts, else.
    first: Lsn,
}

impl Appender {
    /// The log that ends just before `head` and is durable up to there. `head.incarnation` writes it from now on.
    pub fn new(config: AppenderConfig, log: LogId, head: Checkpoint) -> Appender {
        Appender {
            config,
            log,
            incarnation: head.incarnation,
            buffer: Vec::with_capacity(config.block_bytes_max as usize),
            buffer_at: 0,
            groups: VecDeque::new(),
            head,
            in_flight: VecDeque::new(),
            live: VecDeque::new(),
            tail: head.position,
            durable: head.before,
            appended: head.before,
            cut_at: 0,
            durable_at: 0,
        }
    }

    /// Takes the encoded entries of the group `first..=last`, in parts that follow each other. Panics when its LSNs do not
    /// follow the last group's.
    pub fn append(&mut self, first: Lsn, last: Lsn, parts: &[&[u8]]) {
        assert_eq!(first, self.appended.next(), "groups follow each other without a gap");
        let start = self.buffer_at + self.buffer.len() as u64;
        parts.iter().for_each(|part| self.buffer.extend_from_slice(part));
        let end = self.buffer_at + self.buffer.len() as u64;
        self.groups.push_back(Bounds { start, end, first, last });
        self.appended = last;
    }

    /// The next block to write, if one is due.
    pub fn next_write(&mut self) -> Option<LogWrite> {
        let due = match self.in_flight.len() {
            0 => true,
            busy => busy < self.config.writes_max as usize && self.buffer.len() >= self.config.eager_bytes as usize,
        };
        // A block without an entry would take room that was promised to commits.
        (due && !self.buffer.is_empty()).then(|| self.cut_block())
    }

    fn cut_block(&mut self) -> LogWrite {
        let position = self.head.position;
        let room = self.config.layout.room_bytes(position).min(u64::from(self.config.block_bytes_max)) as usize;
        let payload_bytes = self.buffer.len().min(room - HEADER_BYTES);
        let end = self.buffer_at + payload_bytes as u64;
        let started = self.groups.iter().find(|group| group.start >= self.buffer_at && group.start < end);
        let (first, first_at) =
            started.map_or((Lsn::ZERO, 0), |group| (group.first, (group.start - self.buffer_at) as u32));
        let mut last = self.head.before;
        while let Some(group) = self.groups.front().filter(|group| group.end <= end) {
            (last, self.cut_at) = (group.last, group.end);
            self.groups.pop_front();
        }
        let header = BlockHeader {
            log: self.log,
            incarnation: self.incarnation,
            sequence: self.head.sequence,
            position,
            previous: self.head.previous,
            first,
            last,
            durable: self.durable,
            payload_bytes: payload_bytes as u32,
            first_at,
        };
        let (block, hash) = header.encode(self.config.layout.align_bytes, |payload| {
            payload.copy_from_slice(&self.buffer[..payload_bytes]);
        });
        self.buffer.drain(..payload_bytes);
        self.buffer_at = end;
        let inherited = self.live.back().map_or(Lsn::ZERO, |block| block.first);
        let starts = first != Lsn::ZERO;
        self.live.push_back(LiveBlock { start: self.head, starts, first: if starts { first } else { inherited } });
        self.in_flight.push_back(InFlight { sequence: header.sequence, last, end: self.cut_at, done: false });
        self.head = Checkpoint {
            position: position.plus(block.len() as u64),
            sequence: header.sequence.next(),
            previous: hash,
            incarnation: self.incarnation,
            before: last,
        };
        let used = self.head.position.0 - self.tail.0;
        assert!(used <= self.config.layout.capacity_bytes(), "the log never runs over its own tail");
        let (segment, offset) = self.config.layout.locate(position);
        LogWrite { sequence: header.sequence, segment, offset, block }
    }

    /// A block's write has completed. Says whether the durable LSN has risen.
    pub fn completed(&mut self, sequence: BlockSeq) -> bool {
        let before = self.durable;
        if let Some(write) = self.in_flight.iter_mut().find(|write| write.sequence == sequence) {
            write.done = true;
        }
        while let Some(write) = self.in_flight.front().filter(|write| write.done) {
            (self.durable, self.durable_at) = (write.last, write.end);
            self.in_flight.pop_front();
        }
        self.durable > before
    }

    /// The last LSN of the longest durable prefix of groups.
    pub fn durable(&self) -> Lsn {
        self.durable
    }

    /// The last LSN appended.
    pub fn appended(&self) -> Lsn {
        self.appended
    }

    /// Where the next block will lie.
    pub fn head(&self) -> LogPos {
        self.head.position
    }

    /// Bytes of the ring in use or spoken for by entries that are in no block yet.
    pub fn used_bytes(&self) -> u64 {
        self.head.position.0 - self.tail.0 + self.blocks_bytes(self.buffer.len())
    }

    /// Whether a group of `bytes` fits the ring now, next to `promised_bytes` of it that others will need.
    pub fn admits(&self, promised_bytes: u64, bytes: usize) -> bool {
        let used = self.head.position.0 - self.tail.0 + promised_bytes;
        used + self.blocks_bytes(self.buffer.len() + bytes) <= self.config.layout.capacity_bytes()
    }

    /// Whether, with a group of `bytes` more, the ring takes everything that is not durable yet twice, as a recovery may need that
    /// finds all of it and has nobody's word that it is durable.
    pub fn can_repeat(&self, promised_bytes: u64, bytes: usize) -> bool {
        let doubtful = self.head.position.0 - self.checkpoint_at(self.durable.next()).position.0;
        let first = doubtful + promised_bytes + self.blocks_bytes(self.buffer.len() + bytes);
        let payload_bytes = (self.buffer_at - self.durable_at) as usize + self.buffer.len() + bytes;
        first + promised_bytes + self.config.repeat_bytes(payload_bytes) <= self.config.layout.capacity_bytes()
    }

    /// The most bytes of ring that `payload_bytes` of entries can take, however they are cut into blocks.
    pub fn blocks_bytes(&self, payload_bytes: usize) -> u64 {
        self.config.blocks_bytes(payload_bytes)
    }

    /// The checkpoint for redo from `lsn` on: the last block in which a group at or below `lsn` starts. An `lsn` above
    /// everything appended asks for the end of the log.
    pub fn checkpoint_at(&self, lsn: Lsn) -> Checkpoint {
        if lsn > self.appended && self.buffer.is_empty() && self.in_flight.is_empty() {
            return self.head;
        }
        let older = self.live.partition_point(|block| block.first <= lsn);
        let found = self.live.range(..older).rev().find(|block| block.starts).or(self.live.front());
        found.map_or(self.head, |block| block.start)
    }

    /// A durable checkpoint has passed the blocks before it; their place may be written again.
    pub fn release(&mut self, checkpoint: &Checkpoint) {
        self.tail = checkpoint.position;
        while self.live.front().is_some_and(|block| block.start.sequence < checkpoint.sequence) {
            self.live.pop_front();
        }
    }

    /// Log writes in flight.
    pub fn writes_in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Bytes between the checkpoint and the end of the written log.
    pub fn since_checkpoint_bytes(&self) -> u64 {
        self.head.position.0 - self.tail.0
    }
}
