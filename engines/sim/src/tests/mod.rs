//! The simulated world under test, with two kinds of nodes: one that only records, and one that does a bit of everything.

mod cores;
mod determinism;
mod links;
mod nodes;
mod runs;

use bytes::BufMut;
use node::{
    Block, Digest, DiskOp, DiskResult, Effect, Effects, Event, FileId, FileName, Frame, FrameKind, IoClass, Member,
    Nanos, Node, NodeId, Rng, Role, TimerId, Token, Topology, Work, Zone,
};

use crate::{Sim, SimConfig};

/// A node that keeps everything it sees and does only what it is told to.
#[derive(Clone, Default)]
struct Recorder {
    start: u64,
    seen: Vec<(Nanos, Seen)>,
}

/// An event as a [`Recorder`] keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Start,
    Frame(NodeId, u64),
    Disk(Token, bool),
    Timer(TimerId),
}

impl Node for Recorder {
    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects) {
        let seen = match event {
            Event::Start => Seen::Start,
            Event::Frame { from, frame } => {
                let number = number_of(&frame);
                if frame.kind() == WORK {
                    out.charge(Work::Statement, number);
                    out.send(from, number_frame(PLAIN, number), IoClass::Control);
                }
                Seen::Frame(from, number)
            }
            Event::Disk { token, result } => Seen::Disk(token, result.is_ok()),
            Event::Timer { timer } => Seen::Timer(timer),
        };
        self.seen.push((now, seen));
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.seen.len() as u64);
    }
}

const PLAIN: FrameKind = FrameKind(1);
/// Asks the receiver to charge as many statements as the number says, and to answer.
const WORK: FrameKind = FrameKind(2);

fn number_frame(kind: FrameKind, number: u64) -> Frame {
    Frame::encode(kind, 8, |body| body.put_u64_le(number))
}

fn number_of(frame: &Frame) -> u64 {
    u64::from_le_bytes(frame.body().try_into().expect("eight bytes"))
}

fn send(to: NodeId, number: u64) -> Effect {
    Effect::Send { to, frame: number_frame(PLAIN, number), class: IoClass::Control }
}

fn set_timer(timer: u64, after_us: u64) -> Effect {
    Effect::SetTimer { timer: TimerId(timer), after: Nanos::from_micros(after_us) }
}

/// `count` recorders with disks, spread over the zones, started.
fn recorders(count: u32, config: SimConfig) -> Sim {
    let mut sim = Sim::new(members(count, |_, start| Box::new(Recorder { start, seen: Vec::new() })), config);
    let _ = sim.run_for(Nanos::ZERO);
    sim
}

fn members(count: u32, build: impl Fn(NodeId, u64) -> Box<dyn Node> + Send + Clone + 'static) -> Topology {
    let member = |index: u32| {
        let (id, build) = (NodeId(index), build.clone());
        Member {
            id,
            name: format!("node-{index}"),
            role: Role::Storage,
            zone: Zone::ALL[index as usize % 3],
            has_disk: true,
            build: Box::new(move |start| build(id, start)),
        }
    };
    Topology { members: (0..count).map(member).collect() }
}

fn seen(sim: &Sim, id: u32) -> Vec<Seen> {
    let recorder: &Recorder = sim.node(NodeId(id)).expect("a recorder that is there");
    recorder.seen.iter().map(|(_, seen)| seen.clone()).collect()
}

/// The numbers of the frames that reached `id`, in order.
fn numbers(sim: &Sim, id: u32) -> Vec<u64> {
    let number = |seen| match seen {
        Seen::Frame(_, number) => Some(number),
        _ => None,
    };
    seen(sim, id).into_iter().filter_map(number).collect()
}

/// A node that sends, writes, syncs, reads and sets timers at random.
#[derive(Clone)]
struct Chatter {
    id: NodeId,
    peers: u64,
    rng: Rng,
    rounds_left: u64,
    opened: bool,
    next_token: u64,
    /// A fingerprint of all that was seen.
    sum: u64,
}

const FILE: FileId = FileId(0);
const FILE_SECTORS: u64 = 64;

impl Chatter {
    fn new(seed: u64, id: NodeId, start: u64, peers: u32, rounds: u64) -> Chatter {
        let rng = Rng::new(seed).fork("chatter", u64::from(id.0) << 32 | start);
        Chatter { id, peers: peers.into(), rng, rounds_left: rounds, opened: false, next_token: 0, sum: 0 }
    }

    fn disk(&mut self, op: DiskOp, out: &mut Effects) {
        self.next_token += 1;
        out.disk(Token(self.next_token), op, IoClass::HotLog);
    }

    fn act(&mut self, out: &mut Effects) {
        if self.rounds_left == 0 {
            return;
        }
        self.rounds_left -= 1;
        let to = NodeId(self.rng.below(self.peers) as u32);
        out.send(to, number_frame(PLAIN, self.rng.next_u64()), IoClass::Gossip);
        out.charge(Work::Message, 1);
        out.set_timer(TimerId(self.rng.below(3)), Nanos::from_micros(self.rng.between(1, 200)));
        if self.rng.chance(0.1) {
            out.cancel_timer(TimerId(self.rng.below(3)));
        }
        if !self.opened {
            return;
        }
        let offset = self.rng.below(FILE_SECTORS) * 512;
        let op = match self.rng.below(5) {
            0 => DiskOp::Sync { file: FILE },
            1 => DiskOp::Read { file: FILE, offset, len_bytes: 512 },
            2 => DiskOp::SyncDir,
            draw => {
                let mut data = Block::zeroed(512);
                self.rng.fill(&mut data);
                DiskOp::Write { file: FILE, offset, data, durable: draw == 3 }
            }
        };
        self.disk(op, out);
    }

    fn completed(&mut self, token: Token, result: DiskResult, out: &mut Effects) {
        self.sum = self.sum.rotate_left(5) ^ token.0 ^ u64::from(result.is_ok());
        match result {
            Ok(node::DiskReply::Opened { .. }) => self.opened = true,
            Ok(node::DiskReply::Data(block)) => self.sum ^= u64::from(block[0]) << 8,
            Err(node::DiskError::NotFound) => {
                let create = DiskOp::Create { file: FILE, name: FileName::new("data"), len_bytes: FILE_SECTORS * 512 };
                self.disk(create, out);
            }
            Err(node::DiskError::Io { .. }) => out.halt("the disk failed"),
            _ => {}
        }
    }
}

impl Node for Chatter {
    fn handle(&mut self, _: Nanos, event: Event, out: &mut Effects) {
        match event {
            Event::Start => {
                self.disk(DiskOp::Open { file: FILE, name: FileName::new("data") }, out);
                out.set_timer(TimerId(0), Nanos::from_micros(50));
            }
            Event::Frame { frame, .. } => {
                self.sum = self.sum.rotate_left(7) ^ number_of(&frame) ^ u64::from(self.id.0);
                if self.rng.chance(0.7) {
                    self.act(out);
                }
            }
            Event::Disk { token, result } => self.completed(token, result, out),
            Event::Timer { .. } => self.act(out),
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.sum);
        digest.word(self.rounds_left);
    }
}

/// A world of chatters that stop by themselves.
fn chatters(count: u32, rounds: u64, config: SimConfig) -> Sim {
    let seed = config.seed;
    let build = move |id, start| Box::new(Chatter::new(seed, id, start, count, rounds)) as Box<dyn Node>;
    Sim::new(members(count, build), config)
}
