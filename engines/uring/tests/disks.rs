//! Real nodes on real files, on every backend.

mod nodes;

use std::collections::BTreeSet;
use std::sync::mpsc::{Sender, channel};

use node::fault::{DiskRule, Fault};
use node::{
    Block, Delay, DiskError, DiskOp, DiskReply, Effects, Event, FileId, IoClass, Member, Nanos, NodeId, Rng, Token,
};
use nodes::{acting, backends, config, data_dir, member, name, next, topology};
use uring::{Backend, Placement, Runtime};

const LOG: FileId = FileId(1);
const BLOCK_BYTES: usize = 4096;

fn block(number: u64) -> Block {
    let mut block = Block::zeroed(BLOCK_BYTES);
    block[..8].copy_from_slice(&number.to_le_bytes());
    block
}

fn durable_append(number: u64) -> DiskOp {
    DiskOp::Write { file: LOG, offset: number * BLOCK_BYTES as u64, data: block(number), durable: true }
}

/// Makes a log, appends `count` durable blocks one after the other, reads them back, and reports.
fn appender(id: u32, count: u64, done: Sender<NodeId>) -> Member {
    member(id, move |_| {
        let done = done.clone();
        acting(0u64, move |step, _, event, out: &mut Effects| {
            let token = Token(*step);
            match event {
                Event::Start => {
                    let len_bytes = count * BLOCK_BYTES as u64;
                    out.disk(token, DiskOp::Create { file: LOG, name: name("log"), len_bytes }, IoClass::Metadata);
                }
                Event::Disk { token: answered, result } => {
                    assert_eq!(answered, token);
                    let reply = result.expect("a healthy disk");
                    *step += 1;
                    let next = Token(*step);
                    if *step <= count {
                        out.disk(next, durable_append(*step - 1), IoClass::HotLog);
                    } else if *step <= 2 * count {
                        let offset = (*step - 1 - count) * BLOCK_BYTES as u64;
                        out.disk(next, DiskOp::Read { file: LOG, offset, len_bytes: BLOCK_BYTES }, IoClass::HotLog);
                    }
                    if let DiskReply::Data(data) = reply {
                        assert_eq!(data, block(*step - 2 - count));
                    }
                    if *step == 2 * count + 1 {
                        done.send(NodeId(id)).expect("the test waits");
                    }
                }
                other => panic!("unexpected {other:?}"),
            }
        })
    })
}

#[test]
fn six_durable_writers_share_two_threads_on_every_backend() {
    for (backend, direct_io) in backends() {
        let (done, reports) = channel();
        let topology = topology((0..6).map(|id| appender(id, 20, done.clone())).collect());
        let dir = data_dir();
        let mut config = config(&topology, &dir, "data");
        (config.backend, config.direct_io) = (backend, direct_io);
        let threads = [[0, 1, 2], [3, 4, 5]].map(|ids| ids.map(NodeId).to_vec());
        config.placement = Placement { threads: threads.to_vec() };
        let runtime = Runtime::start(topology, &config).expect("starts");
        let finished: BTreeSet<NodeId> = (0..6).map(|_| next(&reports)).collect();
        assert_eq!(finished.len(), 6);
        let about = runtime.description().clone();
        assert_eq!(about.backend.name == "thread_pool", backend == Backend::ThreadPool || ring_is_refused(&about));
        assert!(about.disks.iter().all(|disk| direct_io || !disk.direct));
        assert!(about.disks.iter().all(|disk| disk.direct == disk.buffered_because.is_none()));
        for usage in runtime.stop().expect("stops").usage.nodes {
            let counts = usage.ledger.class(IoClass::HotLog);
            assert_eq!((counts.writes, counts.write_bytes), (20, 20 * BLOCK_BYTES as u64));
            assert_eq!((counts.reads, counts.syncs), (20, 20));
        }
        let bytes = std::fs::read(dir.path().join("data/node-3/log")).expect("the log");
        assert_eq!(bytes.len(), 20 * BLOCK_BYTES);
        assert_eq!(&bytes[19 * BLOCK_BYTES..][..8], 19u64.to_le_bytes());
    }
}

fn ring_is_refused(about: &uring::Description) -> bool {
    about.backend.reason.starts_with("io_uring is not available")
}

/// Throws `count` operations of all kinds and sizes at the disk at once and counts the answers by token.
fn flood(count: u64, done: Sender<(u64, u64)>) -> Member {
    const FILE_BYTES: u64 = 1 << 20;
    member(0, move |_| {
        let done = done.clone();
        let mut rng = Rng::new(11);
        acting((BTreeSet::new(), 0u64), move |(open, failed), _, event, out: &mut Effects| match event {
            Event::Start => {
                let op = DiskOp::Create { file: LOG, name: name("flood"), len_bytes: FILE_BYTES };
                out.disk(Token(u64::MAX >> 8), op, IoClass::Metadata);
            }
            Event::Disk { result, token } if token == Token(u64::MAX >> 8) => {
                result.expect("made");
                for token in 0..count {
                    open.insert(Token(token));
                    let len_bytes = 512 * rng.between(1, 64) as usize;
                    let offset = 512 * rng.below((FILE_BYTES - len_bytes as u64) / 512);
                    let op = match rng.below(20) {
                        0 => DiskOp::Sync { file: LOG },
                        1 => DiskOp::SyncDir,
                        2 => DiskOp::List,
                        3 => DiskOp::Read { file: LOG, offset: FILE_BYTES, len_bytes },
                        4 => DiskOp::Read { file: FileId(99), offset, len_bytes },
                        5..12 => DiskOp::Read { file: LOG, offset, len_bytes },
                        n => DiskOp::Write { file: LOG, offset, data: Block::zeroed(len_bytes), durable: n == 19 },
                    };
                    out.disk(Token(token), op, IoClass::DataPage);
                }
            }
            Event::Disk { token, result } => {
                assert!(open.remove(&token), "{token:?} was answered twice");
                *failed += u64::from(result.is_err());
                if open.is_empty() {
                    done.send((count, *failed)).expect("the test waits");
                }
            }
            other => panic!("unexpected {other:?}"),
        })
    })
}

#[test]
fn thousands_of_operations_in_flight_are_answered_once_each() {
    for (backend, direct_io) in backends() {
        let (done, reports) = channel();
        let topology = topology(vec![flood(4000, done)]);
        let dir = data_dir();
        let mut config = config(&topology, &dir, "data");
        (config.backend, config.direct_io) = (backend, direct_io);
        config.ring.entries = 64;
        let runtime = Runtime::start(topology, &config).expect("starts");
        let (answered, failed) = next(&reports);
        assert_eq!(answered, 4000);
        assert!((300..500).contains(&failed), "{failed} out of range or of no file, about a tenth expected");
        let stopped = runtime.stop().expect("stops");
        assert_eq!(stopped.usage.nodes[0].events, 1 + 1 + 4000, "no token was answered twice");
    }
}

/// Makes a file and then writes one block per timer-free round, reporting each result.
fn reporter(done: Sender<Result<(), DiskError>>) -> Member {
    member(0, move |_| {
        let done = done.clone();
        acting(0u64, move |step, _, event, out: &mut Effects| {
            match event {
                Event::Start => {
                    let op = DiskOp::Create { file: LOG, name: name("log"), len_bytes: BLOCK_BYTES as u64 };
                    return out.disk(Token(0), op, IoClass::Metadata);
                }
                Event::Disk { result, .. } => done.send(result.map(drop)).expect("the test waits"),
                _ => {}
            }
            *step += 1;
            out.disk(Token(*step), durable_append(0), IoClass::Redo);
        })
    })
}

#[test]
fn a_full_disk_says_so_until_it_is_cleared() {
    for (backend, direct_io) in backends() {
        let (done, reports) = channel();
        let topology = topology(vec![reporter(done)]);
        let dir = data_dir();
        let mut config = config(&topology, &dir, "data");
        (config.backend, config.direct_io) = (backend, direct_io);
        let runtime = Runtime::start(topology, &config).expect("starts");
        assert_eq!(next(&reports), Ok(()));
        let node = NodeId(0);
        runtime.inject(&Fault::Disk { node, rule: DiskRule { full: true, ..DiskRule::default() } }).expect("known");
        while next(&reports) != Err(DiskError::NoSpace) {}
        runtime
            .inject(&Fault::Disk { node, rule: DiskRule { write_error: 1.0, ..DiskRule::default() } })
            .expect("known");
        while next(&reports) != Err(DiskError::EIO) {}
        runtime.inject(&Fault::DiskClear { node }).expect("known");
        while next(&reports).is_err() {}
        drop(runtime);
    }
}

#[test]
fn a_slow_disk_takes_its_time_on_top_of_the_devices_own() {
    let (done, reports) = channel();
    let topology = topology(vec![appender(0, 20, done)]);
    let dir = data_dir();
    let mut config = config(&topology, &dir, "data");
    config.disk_delay = Some(Delay::Constant(Nanos::from_micros(300)));
    let runtime = Runtime::start(topology, &config).expect("starts");
    next(&reports);
    // 41 operations one after the other: a bound from below, so no loaded machine can break it.
    assert!(runtime.now() >= Nanos::from_micros(41 * 300));
}

#[test]
fn a_failed_creation_leaves_nothing_behind() {
    // Longer than any file may be: the kernel refuses at once, and the device is not filled to find out.
    let (done, reports) = channel();
    let topology = topology(vec![member(0, move |_| {
        let done = done.clone();
        acting((), move |(), _, event, out: &mut Effects| match event {
            Event::Start => {
                let op = DiskOp::Create { file: LOG, name: name("log"), len_bytes: 1 << 62 };
                out.disk(Token(0), op, IoClass::Metadata);
            }
            Event::Disk { result: Err(_), token: Token(0) } => out.disk(Token(1), DiskOp::List, IoClass::Metadata),
            Event::Disk { result, .. } => done.send(result.map(|reply| format!("{reply:?}"))).expect("the test waits"),
            other => panic!("unexpected {other:?}"),
        })
    })]);
    let dir = data_dir();
    let config = config(&topology, &dir, "data");
    let _runtime = Runtime::start(topology, &config).expect("starts");
    assert_eq!(next(&reports), Ok("Names([])".into()), "neither a name");
    assert_eq!(std::fs::read_dir(dir.path().join("data/node-0")).expect("there").count(), 0, "nor a hidden file");
}
