//! Simulator events: how many a core delivers a second with nodes that do next to nothing, so that what is measured is
//! the queue, the links, the disks and the digest. Under `cargo test` each world runs once and its counts are checked.

use bytes::BufMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use node::{
    Block, Digest, DiskOp, Effects, Event, FileId, FileName, Frame, FrameKind, IoClass, LinkModel, LinkProfile, Member,
    Nanos, Node, NodeId, Role, TimerId, Token, Topology, Zone,
};
use sim::{DiskModel, Sim, SimConfig};

const NODES: u32 = 8;
const EVENTS: u64 = 100_000;

/// What a node keeps doing.
#[derive(Clone, Copy)]
enum Habit {
    /// Passes every frame on to the next node.
    Pass,
    /// Passes frames on, and moves a timeout each time that never fires.
    PassWithTimeout,
    /// Writes a page, syncs, and again.
    WriteAndSync,
}

struct Worker {
    id: u32,
    habit: Habit,
    handled: u64,
}

impl Worker {
    fn write(&self, out: &mut Effects) {
        let data = Block::zeroed(4096);
        let op = DiskOp::Write { file: FileId(0), offset: self.handled % 64 * 4096, data, durable: false };
        out.disk(Token(1), op, IoClass::DataPage);
    }

    fn next(&self) -> NodeId {
        NodeId((self.id + 1) % NODES)
    }
}

impl Node for Worker {
    fn handle(&mut self, _: Nanos, event: Event, out: &mut Effects) {
        self.handled += 1;
        match (event, self.habit) {
            (Event::Start, Habit::WriteAndSync) => {
                let create = DiskOp::Create { file: FileId(0), name: FileName::new("data"), len_bytes: 64 * 4096 };
                out.disk(Token(0), create, IoClass::Metadata);
            }
            (Event::Start, _) => {
                let frame = Frame::encode(FrameKind(1), 200, |body| body.put_bytes(7, 200));
                for _ in 0..16 {
                    out.send(self.next(), frame.clone(), IoClass::Gossip);
                }
            }
            (Event::Frame { frame, .. }, habit) => {
                out.send(self.next(), frame, IoClass::Gossip);
                if let Habit::PassWithTimeout = habit {
                    out.set_timer(TimerId(1), Nanos::from_millis(10));
                }
            }
            (Event::Disk { token: Token(1), .. }, _) => {
                out.disk(Token(2), DiskOp::Sync { file: FileId(0) }, IoClass::DataPage);
            }
            (Event::Disk { .. }, _) => self.write(out),
            (Event::Timer { .. }, _) => {}
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.handled);
    }
}

fn world(habit: Habit, config: SimConfig) -> Sim {
    let member = |id: u32| Member {
        id: NodeId(id),
        name: format!("worker-{id}"),
        role: Role::Storage,
        zone: Zone::ALL[id as usize % 3],
        has_disk: true,
        build: Box::new(move |_| Box::new(Worker { id, habit, handled: 0 })),
    };
    Sim::new(Topology { members: (0..NODES).map(member).collect() }, config)
}

/// Constant delays, so that random draws are no part of what is measured.
fn constant() -> SimConfig {
    let micros = |us| node::Delay::Constant(Nanos::from_micros(us));
    let link = LinkModel { delay: micros(100), bandwidth_bytes_per_s: None, loss: 0.0 };
    SimConfig {
        links: LinkProfile { name: "constant".into(), between: [[link; 3]; 3] },
        disk: DiskModel { write: micros(20), sync: micros(100), ..DiskModel::instant() },
        ..SimConfig::instant(1)
    }
}

fn run(mut sim: Sim) -> Sim {
    while sim.events() < EVENTS {
        assert!(sim.step(), "the workers never rest");
    }
    sim
}

fn simulator_events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("simulator events");
    group.throughput(Throughput::Elements(EVENTS));
    group.sample_size(20);
    for (name, habit, config) in [
        ("frames", Habit::Pass, constant()),
        ("frames, shuffled", Habit::Pass, SimConfig::shuffled(1)),
        ("frames and timers", Habit::PassWithTimeout, constant()),
        ("writes and syncs", Habit::WriteAndSync, constant()),
    ] {
        assert_eq!(run(world(habit, config.clone())).digest(), run(world(habit, config.clone())).digest());
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| world(habit, config.clone()), run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, simulator_events);
fn main() {
    let session = record::bench::Session::start("events");
    benches();
    Criterion::default().configure_from_args().final_summary();
    session.finish().expect("the table beside criterion's files");
}
