//! Faults beyond the primitives, on real files: power cuts, disks that rot, lie and are exchanged, and the account of it all.

mod nodes;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use node::fault::{Ailment, DiskRule, Fault, LinkRule};
use node::{Block, DiskError, DiskOp, DiskReply, Effects, Event, FileId, IoClass, Member, NodeId, SECTOR_BYTES, Token};
use nodes::{acting, config, data_dir, member, name, next, number_frame, number_of, topology};
use tempfile::TempDir;
use uring::{Backend, JournalConfig, Runtime, Standing, Survivors};

const KEEPER: NodeId = NodeId(0);
const LOG: FileId = FileId(1);
const SECTORS: u64 = 16;
const OPENED: u64 = 1000;

/// What a keeper is asked: number and sector in one.
#[derive(Clone, Copy)]
enum Ask {
    Write(u64),
    Durably(u64),
    Read(u64),
}

impl Ask {
    fn number(self) -> u64 {
        match self {
            Ask::Write(sector) => sector,
            Ask::Durably(sector) => 100 + sector,
            Ask::Read(sector) => 200 + sector,
        }
    }
}

type Answer = (u64, Result<u8, DiskError>);

/// Makes or opens one file, and does what frames ask. A write fills its sector with the sector's number and one.
fn keeper(id: u32, done: Sender<Answer>) -> Member {
    member(id, move |_| {
        let done = done.clone();
        acting((), move |(), _, event, out: &mut Effects| match event {
            Event::Start => out.disk(Token(OPENED - 1), DiskOp::List, IoClass::Metadata),
            Event::Disk { token: Token(token), result: Ok(DiskReply::Names(names)) } if token == OPENED - 1 => {
                let op = match names.is_empty() {
                    true => DiskOp::Create { file: LOG, name: name("log"), len_bytes: SECTORS * SECTOR_BYTES as u64 },
                    false => DiskOp::Open { file: LOG, name: name("log") },
                };
                out.disk(Token(OPENED), op, IoClass::Metadata);
            }
            Event::Disk { token: Token(OPENED), result } => {
                result.expect("opened");
                out.disk(Token(OPENED + 1), DiskOp::SyncDir, IoClass::Metadata);
            }
            Event::Disk { token: Token(token), result } => {
                let first = |reply| if let DiskReply::Data(bytes) = reply { bytes[0] } else { 0 };
                done.send((token, result.map(first))).expect("the test waits");
            }
            Event::Frame { frame, .. } => {
                let number = number_of(&frame);
                let offset = number % 100 * SECTOR_BYTES as u64;
                let mut data = Block::zeroed(SECTOR_BYTES);
                data.fill(number as u8 % 100 + 1);
                let op = match number {
                    200.. => DiskOp::Read { file: LOG, offset, len_bytes: SECTOR_BYTES },
                    _ => DiskOp::Write { file: LOG, offset, data, durable: number >= 100 },
                };
                out.disk(Token(number), op, IoClass::DataPage);
            }
            other => panic!("unexpected {other:?}"),
        })
    })
}

struct Bench {
    runtime: Runtime,
    answers: Vec<Receiver<Answer>>,
    _dir: TempDir,
}

impl Bench {
    fn new(keepers: u32, backend: Backend) -> Bench {
        let (members, answers) = (0..keepers)
            .map(|id| {
                let (done, answers) = channel();
                (keeper(id, done), answers)
            })
            .unzip();
        let (topology, dir) = (topology(members), data_dir());
        let mut config = config(&topology, &dir, "data");
        (config.backend, config.journal) = (backend, Some(JournalConfig::default()));
        let bench = Bench { runtime: Runtime::start(topology, &config).expect("starts"), answers, _dir: dir };
        (0..keepers).for_each(|id| bench.opened(NodeId(id)));
        bench
    }

    fn opened(&self, node: NodeId) {
        assert_eq!(next(&self.answers[node.0 as usize]), (OPENED + 1, Ok(0)));
    }

    fn tell(&self, node: NodeId, ask: Ask) {
        self.runtime.deliver(node, node, &number_frame(ask.number())).expect("known");
    }

    fn ask(&self, node: NodeId, ask: Ask) -> Result<u8, DiskError> {
        self.tell(node, ask);
        let (answered, result) = next(&self.answers[node.0 as usize]);
        assert_eq!(answered, ask.number());
        result
    }

    fn read(&self, sectors: std::ops::Range<u64>) -> Vec<Result<u8, DiskError>> {
        sectors.map(|sector| self.ask(KEEPER, Ask::Read(sector))).collect()
    }

    fn restart(&self, node: NodeId) {
        self.runtime.restart(node).expect("down");
        self.opened(node);
    }
}

const BACKENDS: [Backend; 2] = [Backend::Auto, Backend::ThreadPool];

#[test]
fn a_power_cut_takes_what_was_not_durable_and_the_next_one_starts_from_there() {
    for backend in BACKENDS {
        let bench = Bench::new(1, backend);
        for (round, survivors) in [(0, Survivors::None), (4, Survivors::All)] {
            for sector in round..round + 2 {
                bench.ask(KEEPER, Ask::Durably(sector)).expect("written");
                bench.ask(KEEPER, Ask::Write(sector + 2)).expect("written");
            }
            let cut = bench.runtime.cut_power(KEEPER).expect("there is a journal");
            let undurable = bench.runtime.undurable(&cut).expect("there is a journal");
            assert_eq!((undurable.completed, undurable.in_flight.len(), cut.met_write), (2, 0, false));
            bench.runtime.lose(&cut, survivors).expect("files are written");
            bench.restart(KEEPER);
        }
        let found: Vec<u8> = bench.read(0..8).into_iter().map(|byte| byte.expect("readable")).collect();
        assert_eq!(found, [1, 2, 0, 0, 5, 6, 7, 8], "the first cut left nothing that was not durable, the second all");
    }
}

#[test]
fn a_power_cut_may_wait_for_a_write_and_meets_it_in_flight() {
    let bench = Bench::new(1, Backend::Auto);
    bench.ask(KEEPER, Ask::Durably(0)).expect("written");
    let never = bench.runtime.cut_power_writing(KEEPER, "pages", Duration::from_millis(1)).expect("there is a journal");
    assert!(!never.met_write);
    bench.runtime.lose(&never, Survivors::All).expect("files are written");
    bench.restart(KEEPER);
    std::thread::scope(|scope| {
        let cut = scope.spawn(|| bench.runtime.cut_power_writing(KEEPER, "log", Duration::from_secs(60)));
        // The write may come before the cut is asked for: then another one does.
        while !cut.is_finished() {
            bench.tell(KEEPER, Ask::Durably(1));
            std::thread::yield_now();
        }
        let cut = cut.join().expect("no panic").expect("there is a journal");
        assert!(cut.met_write);
        let undurable = bench.runtime.undurable(&cut).expect("there is a journal");
        assert_eq!(undurable.in_flight.into_iter().collect::<Vec<_>>(), [name("log")]);
        bench.runtime.lose(&cut, Survivors::Random { seed: 3 }).expect("files are written");
    });
    while bench.answers[0].try_recv().is_ok() {}
    bench.restart(KEEPER);
    assert_eq!(bench.ask(KEEPER, Ask::Read(0)), Ok(1), "what was durable is there");
}

#[test]
fn sectors_rot_or_cannot_be_read_until_they_are_written_anew() {
    for backend in BACKENDS {
        let bench = Bench::new(1, backend);
        for sector in 0..4 {
            bench.ask(KEEPER, Ask::Durably(sector)).expect("written");
        }
        let ail = |place, count, ailment| bench.runtime.ail(KEEPER, "log", (place, count), ailment, 5).expect("done");
        assert_eq!(ail(0, 1, Ailment::Unreadable), Some((name("log"), vec![0])));
        // Four sectors hold anything: half-way is the third.
        assert_eq!(ail(500_000, 2, Ailment::Rotten), Some((name("log"), vec![2, 3])));
        assert_eq!(bench.runtime.ail(KEEPER, "pages", (0, 1), Ailment::Rotten, 5).expect("done"), None);
        assert_eq!(bench.ask(KEEPER, Ask::Read(0)), Err(DiskError::EIO));
        let path = bench.runtime.description().disks[0].directory.join("log");
        let stored = std::fs::read(&path).expect("a file");
        assert!(stored[2 * SECTOR_BYTES..3 * SECTOR_BYTES].iter().any(|byte| *byte != 3), "bits flipped on the device");
        assert!(bench.read(2..4).iter().all(Result::is_ok), "rot is read as if it were right");
        bench.ask(KEEPER, Ask::Durably(0)).expect("written");
        assert_eq!(bench.ask(KEEPER, Ask::Read(0)), Ok(1));
        let counts = bench.runtime.disturbances().expect("up").disks[&KEEPER];
        assert_eq!((counts.reads_unreadable, counts.reads_rotten, counts.sectors_rewritten), (1, 2, 1));
        // A file may be empty: a power loss leaves one whose making it met, and nothing in it can rot.
        std::fs::write(path.with_file_name("extent"), []).expect("written");
        assert_eq!(bench.runtime.ail(KEEPER, "extent", (0, 1), Ailment::Rotten, 5).expect("done"), None);
        std::fs::remove_file(path.with_file_name("extent")).expect("removed");
        // What rotted is part of the disk: a power loss does not mend it.
        let cut = bench.runtime.cut_power(KEEPER).expect("there is a journal");
        bench.runtime.lose(&cut, Survivors::All).expect("files are written");
        let left = std::fs::read(&path).expect("a file");
        assert_eq!(left[2 * SECTOR_BYTES..4 * SECTOR_BYTES], stored[2 * SECTOR_BYTES..4 * SECTOR_BYTES]);
        assert_eq!(left[0], 1, "and what was written anew is whole");
    }
}

#[test]
fn a_disk_that_lies_says_done_and_does_something_else() {
    for backend in BACKENDS {
        let bench = Bench::new(1, backend);
        let rule = |rule| bench.runtime.inject(&Fault::Disk { node: KEEPER, rule }).expect("known");
        rule(DiskRule { lost_write: 1.0, ..DiskRule::default() });
        assert_eq!(bench.ask(KEEPER, Ask::Durably(3)), Ok(0));
        bench.runtime.inject(&Fault::DiskClear { node: KEEPER }).expect("known");
        assert_eq!(bench.ask(KEEPER, Ask::Read(3)), Ok(0), "it is not there");
        rule(DiskRule { misdirected_write: 1.0, ..DiskRule::default() });
        bench.ask(KEEPER, Ask::Durably(5)).expect("it says so");
        bench.runtime.inject(&Fault::DiskClear { node: KEEPER }).expect("known");
        let sixes: Vec<usize> =
            bench.read(0..SECTORS).iter().enumerate().filter(|(_, byte)| **byte == Ok(6)).map(|(at, _)| at).collect();
        let counts = bench.runtime.disturbances().expect("up").disks[&KEEPER];
        assert_eq!(
            (counts.writes_lost, counts.writes_misdirected as usize),
            (1, usize::from(sixes != [5])),
            "{sixes:?}"
        );
        assert_eq!(sixes.len(), 1, "it is in one place");
    }
}

#[test]
fn disks_are_kept_put_back_and_exchanged() {
    let bench = Bench::new(2, Backend::Auto);
    let other = NodeId(1);
    bench.ask(KEEPER, Ask::Durably(0)).expect("written");
    let kept = bench.runtime.disk_image(KEEPER).expect("there is a journal");
    bench.ask(KEEPER, Ask::Durably(1)).expect("written");
    assert!(bench.runtime.put_disk(KEEPER, kept.clone()).is_err(), "its node is up");
    bench.runtime.crash(KEEPER).expect("known");
    bench.runtime.put_disk(KEEPER, kept).expect("down");
    bench.restart(KEEPER);
    assert_eq!(bench.read(0..2), [Ok(1), Ok(0)]);
    let images = [KEEPER, other].map(|node| {
        bench.runtime.crash(node).expect("known");
        bench.runtime.disk_image(node).expect("there is a journal")
    });
    let [first, second] = images;
    bench.runtime.put_disk(KEEPER, second).expect("down");
    bench.runtime.put_disk(other, first).expect("down");
    [KEEPER, other].into_iter().for_each(|node| bench.restart(node));
    assert_eq!((bench.ask(KEEPER, Ask::Read(0)), bench.ask(other, Ask::Read(0))), (Ok(0), Ok(1)));
}

#[test]
fn what_is_in_force_is_told_and_nothing_is_when_all_is_undone() {
    let bench = Bench::new(2, Backend::Auto);
    let (node, to) = (KEEPER, NodeId(1));
    let faults = [
        Fault::Link { from: node, to, rule: LinkRule { cut: true, ..LinkRule::default() } },
        Fault::Disk { node, rule: DiskRule { full: true, ..DiskRule::default() } },
        Fault::Pause { node: to },
    ];
    faults.iter().for_each(|fault| bench.runtime.inject(fault).expect("known"));
    assert_eq!(bench.ask(node, Ask::Durably(0)), Err(DiskError::NoSpace));
    let found = bench.runtime.disturbances().expect("up");
    assert_eq!((&found.ruled_links[..], &found.ruled_disks[..]), (&[(node, to)][..], &[node][..]));
    assert_eq!((found.standing[&node], found.standing[&to]), (Standing::Up, Standing::Paused));
    assert_eq!(found.disks[&node].refused_full, 1);
    let undone = [Fault::Heal { from: node, to }, Fault::DiskClear { node }, Fault::Resume { node: to }];
    undone.iter().for_each(|fault| bench.runtime.inject(fault).expect("known"));
    let found = bench.runtime.disturbances().expect("up");
    assert!(found.ruled_links.is_empty() && found.ruled_disks.is_empty(), "{found:?}");
    assert!(found.standing.values().all(|standing| *standing == Standing::Up));
    assert_eq!(bench.ask(node, Ask::Durably(0)), Ok(0));
}
