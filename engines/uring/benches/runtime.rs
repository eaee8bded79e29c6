//! What the runtime adds: a durable append through a node against the raw floor of the same write, and frames between
//! nodes on one thread and on two.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::BufMut;
use criterion::{Criterion, criterion_group};
use node::{
    Block, Delay, Digest, DiskOp, Effects, Event, FileId, FileName, Frame, FrameKind, IoClass, Member, Nanos, Node,
    NodeId, Role, Token, Topology, Zone,
};
use uring::floor::{COPIES, Via, WRITE_QUORUM, durable_write, quorum};
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

/// Sends each record to six stores, `depth` records at a time; a record is done when four have answered.
struct QuorumWriter {
    depth: u64,
    to_send: u64,
    to_finish: u64,
    next: u64,
    answers: BTreeMap<u64, usize>,
    done: Sender<()>,
}

impl QuorumWriter {
    fn ship(&mut self, out: &mut Effects) {
        self.to_send -= 1;
        let record = Frame::encode(FrameKind(1), WRITE_BYTES as usize, |body| {
            body.put_u64_le(self.next);
            body.put_bytes(7, WRITE_BYTES as usize - 8);
        });
        self.answers.insert(self.next, 0);
        self.next += 1;
        (1..=COPIES as u32).for_each(|store| out.send(NodeId(store), record.clone(), IoClass::LogShipping));
    }
}

impl Node for QuorumWriter {
    fn handle(&mut self, _: Nanos, event: Event, out: &mut Effects) {
        let Event::Frame { from, frame } = event else { return };
        if from == OWNER {
            self.to_send = count_of(&frame);
            self.to_finish = self.to_send;
            (0..self.depth.min(self.to_send)).for_each(|_| self.ship(out));
            return;
        }
        let record = count_of(&frame);
        let Some(answers) = self.answers.get_mut(&record) else { return };
        *answers += 1;
        if *answers < WRITE_QUORUM {
            return;
        }
        self.answers.remove(&record);
        self.to_finish -= 1;
        if self.to_send > 0 {
            self.ship(out);
        }
        if self.to_finish == 0 {
            self.done.send(()).expect("the bench waits");
        }
    }

    fn digest(&self, _: &mut Digest) {}
}

/// Makes each record durable and answers with its number.
struct Store {
    offset: u64,
    made: Sender<()>,
}

impl Node for Store {
    fn handle(&mut self, _: Nanos, event: Event, out: &mut Effects) {
        match event {
            Event::Start => {
                let op = DiskOp::Create { file: LOG, name: FileName::new("log"), len_bytes: LOG_BYTES };
                out.disk(Token(u64::MAX), op, IoClass::Metadata);
            }
            Event::Frame { frame, .. } => {
                let data = Block::padded(&frame.body()[..WRITE_BYTES as usize]);
                let op = DiskOp::Write { file: LOG, offset: self.offset, data, durable: true };
                self.offset = (self.offset + WRITE_BYTES) % LOG_BYTES;
                out.disk(Token(count_of(&frame)), op, IoClass::HotLog);
            }
            Event::Disk { token: Token(u64::MAX), result } => {
                result.expect("a log");
                self.made.send(()).expect("the bench waits");
            }
            Event::Disk { token, result } => {
                result.expect("a healthy disk");
                out.send(OWNER, order(token.0), IoClass::LogShipping);
            }
            Event::Timer { .. } => {}
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

    /// One writer on a thread of its own, six stores on another.
    fn quorum(dir: &tempfile::TempDir, depth: u64) -> Bench {
        let (tell, done) = channel();
        let ready = tell.clone();
        let writer = move || -> Box<dyn Node> {
            let (answers, done) = (BTreeMap::new(), tell.clone());
            Box::new(QuorumWriter { depth, to_send: 0, to_finish: 0, next: 0, answers, done })
        };
        let stores = (1..=COPIES as u32).map(|id| {
            let made = ready.clone();
            member(NodeId(id), true, move || Box::new(Store { offset: 0, made: made.clone() }))
        });
        let members = std::iter::once(member(OWNER, false, writer)).chain(stores).collect();
        let topology = Topology { members };
        let mut config = Config::new(&topology, dir.path().join(format!("quorum-{depth}")));
        let stores = (1..=COPIES as u32).map(NodeId).collect();
        config.placement = Placement { threads: vec![vec![OWNER], stores] };
        let runtime = Runtime::start(topology, &config).expect("starts");
        (0..COPIES).for_each(|_| done.recv().expect("a log is made"));
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

    /// Prints the CPU time a round takes on the runtime's threads and in the whole process. As a test, runs a few.
    fn print_cpu(&self, what: &str, count: u64) {
        if !measuring() {
            self.run(count / 100);
            return;
        }
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

/// Whether this is `cargo bench`, rather than the small twin under `cargo test`.
fn measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
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

fn quorums(criterion: &mut Criterion) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on the build's device");
    let mut group = criterion.benchmark_group("quorum_4_of_6");
    for depth in [1, 4] {
        group.bench_function(format!("floor/depth-{depth}"), |bencher| {
            bencher.iter_custom(|records| {
                let floor = quorum(dir.path(), depth, records).expect("measures");
                Duration::from_nanos(floor.elapsed.0)
            });
        });
        let bench = Bench::quorum(&dir, depth as u64);
        bench.print_cpu(&format!("six durable copies, {depth} records in flight"), 1000);
        group.bench_function(format!("nodes/depth-{depth}"), |bencher| bencher.iter_custom(|count| bench.run(count)));
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
        bench.run(if measuring() { 200 } else { 2 });
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

criterion_group!(benches, appends, quorums, frames, memory);
fn main() {
    let session = record::bench::Session::start("runtime");
    benches();
    Criterion::default().configure_from_args().final_summary();
    session.finish().expect("the table beside criterion's files");
}
