//! What the runtime adds: a durable append through a node against the raw floor of the same write, and frames between
//! nodes on one thread and on two.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::BufMut;
use criterion::{Criterion, criterion_group, criterion_main};
use node::{
    Block, Delay, Digest, DiskOp, Effects, Event, FileId, FileName, Frame, FrameKind, IoClass, Member, Nanos, Node,
    NodeId, Role, Token, Topology, Zone,
};
use uring::floor::{Via, durable_write};
use uring::{Config, Placement, Runtime};

const OWNER: NodeId = NodeId(0);
const PEER: NodeId = NodeId(1);
const LOG: FileId = FileId(1);
const LOG_BYTES: u64 = 4 << 20;
const WRITE_BYTES: u64 = 4096;
const CLASS: IoClass = IoClass::Control;

/// A frame that asks for `count` rounds.
fn order(count: u64) -> Frame {
    Frame::encode(FrameKind(1), 64, |body| {
        body.put_u64_le(count);
        body.put_bytes(0, 56);
    })
}

fn count_of(frame: &Frame) -> u64 {
    u64::from_le_bytes(frame.body()[..8].try_into().expect("eight bytes"))
}

/// Appends as many durable blocks as it is asked for, `depth` at a time, then says so.
struct Appender {
    depth: u64,
    to_submit: u64,
    to_complete: u64,
    offset: u64,
    done: Sender<()>,
}

impl Appender {
    fn append(&mut self, out: &mut Effects) {
        self.to_submit -= 1;
        let data = Block::zeroed(WRITE_BYTES as usize);
        let op = DiskOp::Write { file: LOG, offset: self.offset, data, durable: true };
        self.offset = (self.offset + WRITE_BYTES) % LOG_BYTES;
        out.disk(Token(1), op, IoClass::HotLog);
    }
}

impl Node for Appender {
    fn handle(&mut self, _: Nanos, event: Event, out: &mut Effects) {
        match event {
            Event::Start => {
                let op = DiskOp::Create { file: LOG, name: FileName::new("log"), len_bytes: LOG_BYTES };
                out.disk(Token(0), op, IoClass::Metadata);
            }
            Event::Disk { token: Token(0), result } => {
                result.expect("a log");
                self.done.send(()).expect("the bench waits");
            }
            Event::Frame { frame, .. } => {
                self.to_submit = count_of(&frame);
                self.to_complete = self.to_submit;
                (0..self.depth.min(self.to_submit)).for_each(|_| self.append(out));
            }
            Event::Disk { result, .. } => {
                result.expect("a healthy disk");
                self.to_complete -= 1;
                if self.to_submit > 0 {
                    self.append(out);
                }
                if self.to_complete == 0 {
                    self.done.send(()).expect("the bench waits");
                }
            }
            Event::Timer { .. } => {}
        }
    }

    fn digest(&self, _: &mut Digest) {}
}

/// Bounces a frame between itself and its peer as often as it is asked to.
struct Pinger {
    rounds: u64,
    done: Sender<()>,
}

impl Node for Pinger {
    fn handle(&mut self, _: Nanos, event: Event, out: &mut Effects) {
        let Event::Frame { from, frame } = event else { return };
        if from == OWNER {
            self.rounds = count_of(&frame);
        }
        if self.rounds == 0 {
            self.done.send(()).expect("the bench waits");
        } else {
            self.rounds -= 1;
            out.send(PEER, frame, CLASS);
        }
    }

    fn digest(&self, _: &mut Digest) {}
}

struct Ponger;

impl Node for Ponger {
    fn handle(&mut self, _: Nanos, event: Event, out: &mut Effects) {
        if let Event::Frame { from, frame } = event {
            out.send(from, frame, CLASS);
        }
    }

    fn digest(&self, _: &mut Digest) {}
}

fn member(id: NodeId, has_disk: bool, build: impl Fn() -> Box<dyn Node> + Send + 'static) -> Member {
    let name = format!("node-{}", id.0);
    Member { id, name, role: Role::Storage, zone: Zone::A, has_disk, build: Box::new(move |_| build()) }
}

/// A running topology that takes orders by frame and says when it is done.
struct Bench {
    runtime: Runtime,
    done: Receiver<()>,
}

impl Bench {
    fn appender(dir: &tempfile::TempDir, depth: u64) -> Bench {
        let (tell, done) = channel();
        let build = move || -> Box<dyn Node> {
            Box::new(Appender { depth, to_submit: 0, to_complete: 0, offset: 0, done: tell.clone() })
        };
        let topology = Topology { members: vec![member(OWNER, true, build)] };
        let config = Config::new(&topology, dir.path().join(format!("depth-{depth}")));
        let runtime = Runtime::start(topology, &config).expect("starts");
        done.recv().expect("the log is made");
        Bench { runtime, done }
    }

    fn ping_pong(dir: &tempfile::TempDir, threads: &[&[NodeId]], delay: Nanos) -> Bench {
        let (tell, done) = channel();
        let pinger = member(OWNER, false, move || Box::new(Pinger { rounds: 0, done: tell.clone() }));
        let topology = Topology { members: vec![pinger, member(PEER, false, || Box::new(Ponger))] };
        let mut config = Config::new(&topology, dir.path().join(format!("threads-{}", threads.len())));
        config.links.between[0][0].delay = Delay::Constant(delay);
        config.placement = Placement { threads: threads.iter().map(|nodes| nodes.to_vec()).collect() };
        Bench { runtime: Runtime::start(topology, &config).expect("starts"), done }
    }

    /// The time `count` rounds take.
    fn run(&self, count: u64) -> Duration {
        let since = self.runtime.now();
        self.runtime.deliver(OWNER, OWNER, &order(count)).expect("known");
        self.done.recv().expect("the node answers");
        Duration::from_nanos(self.runtime.now().saturating_sub(since).0)
    }

    /// CPU time a round takes on the runtime's threads, and on the kernel's workers for it.
    fn print_cpu(&self, what: &str, count: u64) {
        let cpu = |bench: &Bench| {
            let usage = bench.runtime.usage().expect("runs");
            (usage.threads.iter().map(|thread| thread.cpu.0).sum::<u64>(), usage.process_cpu.0)
        };
        let (threads, process) = cpu(self);
        let took = self.run(count);
        let (threads_after, process_after) = cpu(self);
        let each = |ns: u64| ns as f64 / count as f64 / 1000.0;
        println!(
            "{what}: {:.2} µs a round, CPU of threads {:.2} µs, of the process {:.2} µs",
            each(took.as_nanos() as u64),
            each(threads_after - threads),
            each(process_after - process)
        );
    }
}

fn appends(criterion: &mut Criterion) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on the build's device");
    let mut group = criterion.benchmark_group("durable_append");
    group.bench_function("floor", |bencher| {
        bencher.iter_custom(|samples| {
            let floor = durable_write(dir.path(), samples, Via::SameThread).expect("measures");
            Duration::from_nanos(floor.elapsed.0)
        });
    });
    for depth in [1, 4, 16] {
        let bench = Bench::appender(&dir, depth);
        bench.print_cpu(&format!("durable append, {depth} in flight"), 2000);
        group.bench_function(format!("node/depth-{depth}"), |bencher| bencher.iter_custom(|count| bench.run(count)));
    }
    group.finish();
}

fn frames(criterion: &mut Criterion) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on the build's device");
    let mut group = criterion.benchmark_group("ping_pong");
    for (name, threads) in [("same-thread", &[&[OWNER, PEER][..]][..]), ("two-threads", &[&[OWNER], &[PEER]])] {
        let bench = Bench::ping_pong(&dir, threads, Nanos::ZERO);
        bench.print_cpu(&format!("ping-pong, {name}"), 20_000);
        group.bench_function(name, |bencher| bencher.iter_custom(|count| bench.run(count)));
    }
    for micros in [50, 250, 1000] {
        let delay = Nanos::from_micros(micros);
        let bench = Bench::ping_pong(&dir, &[&[OWNER], &[PEER]], delay);
        bench.run(200);
        group.bench_function(format!("delayed/{micros}us"), |bencher| bencher.iter_custom(|count| bench.run(count)));
        let delays = bench.runtime.usage().expect("runs").delays;
        let record = delays.between(Zone::A, Zone::A).expect("delayed");
        let realised = [0.01, 0.5, 0.99].map(|quantile| record.realised_ns.value_at_quantile(quantile) / 1000);
        println!("link delay of {micros} µs: realised p1, p50, p99 {realised:?} µs, {} frames", record.frames());
    }
    group.finish();
}

fn memory(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("block");
    for bytes in [4 << 10, 16 << 10] {
        group.bench_function(format!("zeroed/{bytes}"), |bencher| {
            bencher.iter(|| Block::zeroed(bytes));
        });
    }
    group.finish();
}

criterion_group!(benches, appends, frames, memory);
criterion_main!(benches);
