//! The log written and read back, torn and damaged.

use compute::{GroupBuilder, Lsn, PageId, RedoOp};
use node::{Block, Rng};
use proptest::prelude::*;

use super::*;
use crate::checkpoint::Checkpoint;
use crate::ids::{Incarnation, LogId, LogKind, LogPos, VolumeId};

const LOG: LogId = LogId { volume: VolumeId(9), kind: LogKind::Redo };
const LAYOUT: Layout = Layout { segment_bytes: 4096, segments: 4, align_bytes: 512 };

/// A log on a ring in memory. Writes reach the ring when they complete.
struct Log {
    appender: Appender,
    ring: Vec<u8>,
    flying: Vec<LogWrite>,
    rng: Rng,
}

fn start(incarnation: u64) -> Checkpoint {
    Checkpoint { incarnation: Incarnation(incarnation), ..Checkpoint::default() }
}

impl Log {
    fn new(seed: u64, writes_max: u32, head: Checkpoint, ring: Vec<u8>) -> Log {
        let config = AppenderConfig { layout: LAYOUT, block_bytes_max: 2048, writes_max, eager_bytes: 100 };
        Log { appender: Appender::new(config, LOG, head), ring, flying: Vec::new(), rng: Rng::new(seed) }
    }

    fn blank(seed: u64, writes_max: u32) -> Log {
        Log::new(seed, writes_max, start(1), vec![0; LAYOUT.capacity_bytes() as usize])
    }

    /// Appends one group of up to `records` records if the ring admits it.
    fn append(&mut self, records: u64) -> bool {
        let mut builder = GroupBuilder::new(self.appender.appended().next());
        for _ in 0..self.rng.between(1, records) {
            let value = vec![7; self.rng.below(300) as usize];
            builder.push(PageId(self.rng.below(5)), &RedoOp::Insert { key: b"k", value: &value });
        }
        let admitted = self.appender.admits(0, builder.len_bytes());
        if admitted {
            let group = builder.finish();
            self.appender.append(group.first(), group.last(), &[group.bytes()]);
            while let Some(write) = self.appender.next_write() {
                self.flying.push(write);
            }
        }
        admitted
    }

    fn put(&mut self, write: &LogWrite, sectors: impl Fn(usize) -> bool) {
        let at = (u64::from(write.segment) * LAYOUT.segment_bytes + write.offset) as usize;
        for (index, sector) in write.block.chunks(512).enumerate() {
            if sectors(index) {
                self.ring[at + index * 512..at + index * 512 + 512].copy_from_slice(sector);
            }
        }
    }

    /// Completes one write in flight, any of them.
    fn complete_one(&mut self) {
        if !self.flying.is_empty() {
            let write = self.flying.swap_remove(self.rng.below(self.flying.len() as u64) as usize);
            self.put(&write, |_| true);
            self.appender.completed(write.sequence);
            while let Some(write) = self.appender.next_write() {
                self.flying.push(write);
            }
        }
    }

    /// Power is lost: each sector in flight survives or not.
    fn crash(&mut self) {
        for write in std::mem::take(&mut self.flying) {
            let mask = self.rng.next_u64();
            self.put(&write, |sector| mask >> (sector % 64) & 1 == 1);
        }
    }
}

fn scan(ring: &[u8], checkpoint: Checkpoint, vouched: Lsn) -> (Tail, Vec<Redo>) {
    let mut scan = Scan::new(LAYOUT, LOG, checkpoint);
    while let Some(position) = scan.wants() {
        let (segment, offset) = LAYOUT.locate(position);
        let at = (u64::from(segment) * LAYOUT.segment_bytes + offset) as usize;
        let room = LAYOUT.room_bytes(position).min(1024) as usize;
        scan.feed(&ring[at..at + room]);
    }
    scan.finish(vouched, "a test")
}

fn lsns(redo: &[Redo]) -> Vec<u64> {
    redo.iter().map(|redo| redo.lsn.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever survives of the writes in flight: everything durable is read back, in order, nothing twice, and groups
    /// are whole. Then a second incarnation writes over the torn tail, crashes, and the same holds.
    #[test]
    fn everything_durable_is_read_back(seed in any::<u64>(), writes_max in 1u32..4, steps in 1usize..60) {
        let mut log = Log::blank(seed, writes_max);
        let mut checkpoint = start(1);
        for _ in 0..2 {
            // Redo must reach back to here.
            let mut needed = checkpoint.before.next();
            for _ in 0..steps {
                if log.rng.chance(0.6) {
                    if !log.append(9) {
                        // As after a flush of everything durable: the log behind is free.
                        needed = log.appender.durable().next();
                        checkpoint = log.appender.checkpoint_at(needed);
                        log.appender.release(&checkpoint);
                    }
                } else {
                    log.complete_one();
                }
            }
            let (durable, appended) = (log.appender.durable(), log.appender.appended());
            log.crash();
            let (tail, redo) = scan(&log.ring, checkpoint, durable);
            let Tail::Cut { head, .. } = tail else { panic!("{tail:?}") };
            prop_assert!(durable <= head.before && head.before <= appended);
            let lsns = lsns(&redo);
            if let (Some(&first), Some(&last)) = (lsns.first(), lsns.last()) {
                prop_assert_eq!(last, head.before.0);
                prop_assert_eq!(&lsns, &(first..=last).collect::<Vec<_>>());
                prop_assert!(first <= needed.0, "redo starts at {first}, {needed} is needed");
            } else {
                prop_assert!(head.before < needed);
            }
            checkpoint = Checkpoint { incarnation: head.incarnation.next(), ..head };
            log = Log::new(seed ^ 1, writes_max, checkpoint, std::mem::take(&mut log.ring));
        }
    }

    /// Damage to a block that a later one vouches for is never taken for a torn tail.
    #[test]
    fn damage_inside_the_log_is_named(seed in any::<u64>(), victim in 0usize..8, bit in 0usize..(8 * 88)) {
        let mut log = Log::blank(seed, 1);
        let mut blocks = Vec::new();
        while blocks.len() < 10 {
            log.append(3);
            blocks.extend(log.flying.iter().map(|write| (write.segment, write.offset)));
            let durable = log.appender.durable();
            log.complete_one();
            prop_assert!(log.appender.durable() >= durable);
        }
        let (segment, offset) = blocks[victim];
        let at = (u64::from(segment) * LAYOUT.segment_bytes + offset) as usize;
        log.ring[at + bit / 8] ^= 1 << (bit % 8);
        let (tail, redo) = scan(&log.ring, start(1), Lsn::ZERO);
        // The last four bytes of the header are padding: a flip there changes nothing but the hash.
        prop_assert!(matches!(tail, Tail::Corrupt { .. }), "{tail:?}");
        prop_assert!(redo.is_empty());
    }

    #[test]
    fn arbitrary_bytes_never_panic(seed in any::<u64>()) {
        let mut ring = vec![0; LAYOUT.capacity_bytes() as usize];
        Rng::new(seed).fill(&mut ring);
        let (tail, redo) = scan(&ring, start(1), Lsn::ZERO);
        prop_assert_eq!(tail, Tail::Cut { head: start(1), torn: false });
        prop_assert!(redo.is_empty());
    }
}

#[test]
fn a_log_that_ends_below_what_someone_knows_durable_is_corrupt() {
    let mut log = Log::blank(3, 1);
    log.append(2);
    log.complete_one();
    let durable = log.appender.durable();
    assert!(matches!(scan(&log.ring, start(1), durable).0, Tail::Cut { torn: false, .. }));
    let beyond = durable.next();
    let Tail::Corrupt { lsn, witness, .. } = scan(&log.ring, start(1), beyond).0 else { panic!("noticed") };
    assert_eq!(lsn, beyond);
    assert!(witness.contains("a test knows"), "{witness}");
}

#[test]
fn an_unreadable_block_is_not_a_torn_tail() {
    let mut log = Log::blank(4, 1);
    for _ in 0..3 {
        log.append(1);
        log.complete_one();
    }
    let unit = Block::zeroed(512);
    let mut scan = Scan::<Redo>::new(LAYOUT, LOG, start(1));
    let last = LogPos(log.appender.head().0 - 512);
    while let Some(position) = scan.wants() {
        if position == last {
            scan.unreadable(position);
            scan.feed(&unit);
        } else {
            let at = position.0 as usize;
            scan.feed(&log.ring[at..at + 512]);
        }
    }
    assert!(matches!(scan.finish(Lsn::ZERO, "").0, Tail::Corrupt { .. }));
}

#[test]
fn a_whole_block_of_an_earlier_incarnation_beyond_the_tail_vouches_for_nothing() {
    let mut log = Log::blank(5, 3);
    log.append(1);
    while log.flying.len() < 3 {
        log.append(9);
    }
    // The first of three blocks in flight is lost, the others survive whole.
    let flying = std::mem::take(&mut log.flying);
    for write in &flying[1..] {
        log.put(write, |_| true);
    }
    let Tail::Cut { head, torn } = scan(&log.ring, start(1), Lsn::ZERO).0 else { panic!("a torn tail") };
    assert!(torn && head.before == Lsn::ZERO);
    let mut second = Log::new(6, 1, Checkpoint { incarnation: Incarnation(2), ..head }, log.ring);
    second.append(1);
    second.complete_one();
    let durable = second.appender.durable();
    let (tail, redo) = scan(&second.ring, Checkpoint { incarnation: Incarnation(2), ..head }, durable);
    assert!(matches!(tail, Tail::Cut { .. }), "{tail:?}");
    assert_eq!(redo.last().map(|redo| redo.lsn), Some(durable));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// What was admitted fits the ring, however it is cut into blocks, and nothing else takes room there. With no bytes to wait for
    /// (`eager_bytes` 0) a block without an entry used to follow every write, as long as the next could fly with it: they filled
    /// the room that commits had been promised, and the node died of the assertion in `cut_block`.
    #[test]
    fn what_the_ring_admits_it_holds(
        seed in any::<u64>(),
        units in 1u64..12,
        segments in 2u32..6,
        block_units in 1u32..8,
        (writes_max, eager_bytes) in (1u32..5, prop_oneof![Just(0u32), 1u32..4096]),
        align_bytes in prop_oneof![Just(512u32), Just(4096)],
    ) {
        let layout = Layout { segment_bytes: units * u64::from(align_bytes), segments, align_bytes };
        let config = AppenderConfig { layout, block_bytes_max: block_units * align_bytes, writes_max, eager_bytes };
        let (mut appender, mut rng) = (Appender::new(config, LOG, start(1)), Rng::new(seed));
        let (mut flying, mut refused) = (Vec::new(), false);
        for _ in 0..1_000 {
            let most = [200, 1_500, layout.capacity_bytes() / 4][rng.below(3) as usize];
            let bytes = rng.between(1, most) as usize;
            if rng.chance(0.6) && !refused {
                if appender.admits(0, bytes) {
                    let lsn = appender.appended().next();
                    appender.append(lsn, lsn, &[&vec![7; bytes]]);
                } else {
                    refused = true;
                }
            } else if !flying.is_empty() {
                let sequence = flying.swap_remove(rng.below(flying.len() as u64) as usize);
                appender.completed(sequence);
            } else {
                appender.release(&appender.checkpoint_at(appender.durable().next()));
                refused = false;
            }
            flying.extend(std::iter::from_fn(|| appender.next_write()).map(|write| write.sequence));
            prop_assert!(appender.since_checkpoint_bytes() <= layout.capacity_bytes());
        }
    }
}

/// A ring of small segments in memory, and the blocks cut for it in order: the newest few are in flight.
struct Doubt {
    config: AppenderConfig,
    appender: Appender,
    ring: Vec<u8>,
    flying: Vec<LogWrite>,
}

impl Doubt {
    fn put(&mut self, write: &LogWrite) {
        let at = (u64::from(write.segment) * self.config.layout.segment_bytes + write.offset) as usize;
        self.ring[at..at + write.block.len()].copy_from_slice(&write.block);
    }

    /// Reads back from `checkpoint`: what is proven, from where on it is doubtful, the end, and the redo.
    fn found(&self, checkpoint: Checkpoint) -> (Lsn, Option<Checkpoint>, Checkpoint, Vec<Redo>) {
        let mut scan = Scan::new(self.config.layout, LOG, checkpoint);
        while let Some(position) = scan.wants() {
            let (segment, offset) = self.config.layout.locate(position);
            let at = (u64::from(segment) * self.config.layout.segment_bytes + offset) as usize;
            scan.feed(&self.ring[at..at + self.config.layout.align_bytes as usize]);
        }
        let proven = scan.proven(Lsn::ZERO);
        let from = scan.start_of(proven.next());
        match scan.finish(Lsn::ZERO, "a test") {
            (Tail::Cut { head, .. }, redo) => (proven, from, head, redo),
            (corrupt, _) => panic!("{corrupt:?}"),
        }
    }

    fn append(&mut self, bytes: usize) -> bool {
        let mut builder = GroupBuilder::new(self.appender.appended().next());
        builder.push(PageId(1), &RedoOp::Insert { key: b"k", value: &vec![7; bytes] });
        let fits = self.appender.admits(0, builder.len_bytes()) && self.appender.can_repeat(0, builder.len_bytes());
        if fits {
            let group = builder.finish();
            self.appender.append(group.first(), group.last(), &[group.bytes()]);
            self.flying.extend(std::iter::from_fn(|| self.appender.next_write()));
        }
        fits
    }

    /// Writes `redo` again behind `head`; says how far the log reaches then.
    fn repeat(&mut self, head: Checkpoint, redo: &[Redo]) -> Checkpoint {
        let mut copy = Appender::new(self.config, LOG, head);
        for record in redo {
            copy.append(record.lsn, record.lsn, &[&record.bytes]);
        }
        while let Some(write) = copy.next_write() {
            self.put(&write);
            copy.completed(write.sequence);
        }
        copy.checkpoint_at(Lsn(u64::MAX))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whenever the process dies, and every block in flight is found: the ring takes what nothing proves durable once more
    /// without touching it. Until the superblock points at the copy, it counts for nothing, whole or cut short; then it is the log.
    #[test]
    fn what_may_not_be_durable_fits_the_ring_again(
        seed in any::<u64>(),
        (segments, block_units) in (2u32..6, 1u32..8),
        (writes_max, eager_bytes) in (1u32..5, prop_oneof![Just(0u32), 1u32..4096]),
        align_bytes in prop_oneof![Just(512u32), Just(4096)],
        steps in 1usize..200,
    ) {
        let block_bytes_max = block_units * align_bytes;
        let layout = Layout { segment_bytes: 8 * u64::from(align_bytes), segments, align_bytes };
        let config = AppenderConfig { layout, block_bytes_max, writes_max, eager_bytes };
        let ring = vec![0; layout.capacity_bytes() as usize];
        let mut log = Doubt { config, appender: Appender::new(config, LOG, start(1)), ring, flying: Vec::new() };
        let (mut rng, mut checkpoint) = (Rng::new(seed), start(1));
        for _ in 0..steps {
            let most = [200, 1_500, layout.capacity_bytes() / 8][rng.below(3) as usize];
            if rng.chance(0.7) && log.append(rng.between(1, most) as usize) {
                continue;
            }
            if log.flying.is_empty() {
                checkpoint = log.appender.checkpoint_at(log.appender.durable().next());
                log.appender.release(&checkpoint);
            } else {
                let write = log.flying.remove(0);
                log.put(&write);
                log.appender.completed(write.sequence);
                log.flying.extend(std::iter::from_fn(|| log.appender.next_write()));
            }
        }
        for write in std::mem::take(&mut log.flying) {
            log.put(&write);
        }
        let (proven, from, head, redo) = log.found(checkpoint);
        prop_assert!(proven <= log.appender.durable());
        let doubtful: Vec<Redo> = redo.iter().filter(|redo| redo.lsn > proven).cloned().collect();
        let Some(from) = from.filter(|_| !doubtful.is_empty()) else { return Ok(()) };
        let found = log.found(from).3;
        prop_assert_eq!(found.last(), redo.last(), "the doubtful groups are found from where they start");

        let copy = Checkpoint { incarnation: head.incarnation.next(), before: proven, ..head };
        let end = log.repeat(copy, &doubtful);
        prop_assert!(end.position.0 - from.position.0 <= layout.capacity_bytes());
        let again = log.found(from);
        prop_assert_eq!((again.0, again.2), (proven, head), "the log ends before the copy");
        prop_assert_eq!(again.3.last(), redo.last());
        let (_, _, found, records) = log.found(copy);
        prop_assert_eq!((found.position, found.before, records), (end.position, end.before, doubtful));
    }
}
