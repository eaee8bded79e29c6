//! A node, its clients and the links between them, in virtual time.

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;
use contract::codec::{decode_response, encode_request};
use contract::{Error, Reply, Request, Response, Schema, SessionId, TxnSeq, Verb};
use node::{Effect, Effects, Event, Frame, FrameKind, Nanos, Node, NodeId, Rng, TimerId};

use super::memory::{Disk, Knobs, MemoryStorage};
use crate::{ComputeConfig, ComputeNode, Storage};

/// The node under test.
pub type Compute = ComputeNode<MemoryStorage>;

#[derive(Debug)]
enum Happening {
    Event(Event),
    Reply(NodeId, Frame),
}

/// Everything outside the node.
pub struct World {
    pub node: Compute,
    pub now: Nanos,
    pub rng: Rng,
    /// The longest delay of a frame, in microseconds, and how often one comes twice, the second time late.
    pub link_us_max: u64,
    pub duplicates: f64,
    pub halted: Option<String>,
    queue: BTreeMap<(Nanos, u64), Happening>,
    timers: BTreeMap<TimerId, (Nanos, u64)>,
    number: u64,
    /// For [`World::call`]: the last attempt and step of each session.
    calls: BTreeMap<SessionId, (TxnSeq, u32)>,
    pub events: u64,
    inbox: VecDeque<(NodeId, Response)>,
}

/// A configuration for tests: transactions of 12 pages, and as little else as works.
pub fn tiny(schema: Schema, page_bytes: usize) -> ComputeConfig {
    let mut config = ComputeConfig::new(schema);
    config.page_bytes = page_bytes;
    config.txn_pages_max = 24;
    config.txn_bytes_max = 64 << 10;
    config.cache_bytes = ComputeConfig::cache_bytes_min(page_bytes, config.txn_pages_max);
    config.scan_rows_max = 16;
    config
}

impl World {
    pub fn new(config: ComputeConfig, knobs: Knobs, seed: u64) -> World {
        World::over(config, knobs, seed, Disk::default())
    }

    /// A world whose node opens what an earlier one has left.
    pub fn over(config: ComputeConfig, knobs: Knobs, seed: u64, disk: Disk) -> World {
        let node = ComputeNode::new(config, MemoryStorage::new(knobs, seed, disk)).expect("a sound configuration");
        let mut world = World {
            node,
            now: Nanos::ZERO,
            rng: Rng::new(seed).fork("world", 0),
            link_us_max: 0,
            duplicates: 0.0,
            halted: None,
            queue: BTreeMap::new(),
            timers: BTreeMap::new(),
            number: 0,
            calls: BTreeMap::new(),
            events: 0,
            inbox: VecDeque::new(),
        };
        world.put(Nanos::ZERO, Happening::Event(Event::Start));
        while !world.node.is_serving() && world.halted.is_none() {
            world.step();
        }
        world
    }

    /// Sends a request from a client.
    pub fn send(&mut self, client: NodeId, request: &Request) {
        let frame =
            Frame::encode(FrameKind(contract::REQUEST_KIND), 64, |body: &mut BytesMut| encode_request(request, body));
        let copies = if self.rng.chance(self.duplicates) { 2 } else { 1 };
        for copy in 0..copies {
            let late = if copy > 0 { self.link_us_max * 20 } else { 0 };
            let after = Nanos(self.rng.below((self.link_us_max + late) * 1000 + 1));
            self.put(after, Happening::Event(Event::Frame { from: client, frame: frame.clone() }));
        }
    }

    /// Lets one thing happen; `false` when nothing is left to happen.
    pub fn step(&mut self) -> bool {
        let Some(((at, _), happening)) = self.queue.pop_first() else { return false };
        self.now = at;
        self.events += 1;
        match happening {
            Happening::Reply(client, frame) => {
                let response = decode_response(&frame.slice(0..frame.body().len())).expect("a response");
                self.inbox.push_back((client, response));
            }
            Happening::Event(event) => {
                if let Event::Timer { timer } = event {
                    self.timers.remove(&timer);
                }
                let mut out = Effects::new();
                self.node.handle(self.now, event, &mut out);
                for effect in out.drain() {
                    self.carry_out(effect);
                }
            }
        }
        true
    }

    /// The next reply that has arrived at a client.
    pub fn receive(&mut self) -> Option<(NodeId, Response)> {
        self.inbox.pop_front()
    }

    /// Asks as a serial client would and waits for the answer.
    pub fn call(&mut self, session: u32, verb: Verb) -> Result<Reply, Error> {
        self.ask(session, verb);
        self.answer(session)
    }

    /// Sends the next request of a session without waiting.
    pub fn ask(&mut self, session: u32, verb: Verb) {
        let session = SessionId(session);
        let (txn, step) = self.calls.entry(session).or_insert((TxnSeq(0), 0));
        if matches!(verb, Verb::Begin(_) | Verb::Single(_)) {
            (txn.0, *step) = (txn.0 + 1, 0);
        } else {
            *step += 1;
        }
        let request = Request { session, txn: *txn, step: *step, verb };
        self.send(NodeId(100), &request);
    }

    /// Runs until the session's last request is answered. Panics when nothing is left to happen.
    pub fn answer(&mut self, session: u32) -> Result<Reply, Error> {
        self.try_answer(session).expect("an answer before everything has come to rest")
    }

    /// As [`World::answer`]; `None` when the world comes to rest without an answer.
    pub fn try_answer(&mut self, session: u32) -> Option<Result<Reply, Error>> {
        loop {
            let found = self.try_answer_now(session);
            if found.is_some() || !self.step() {
                return found;
            }
        }
    }

    /// The answer to the session's last request if it has arrived.
    pub fn try_answer_now(&mut self, session: u32) -> Option<Result<Reply, Error>> {
        let (txn, step) = self.calls[&SessionId(session)];
        let name = (SessionId(session), txn, step);
        let found = self.inbox.iter().position(|(_, reply)| (reply.session, reply.txn, reply.step) == name)?;
        self.inbox.remove(found).map(|(_, reply)| reply.result)
    }

    /// What a node answers at once to a request.
    pub fn first_reply_of(node: &mut Compute, request: &Request) -> Response {
        let frame = Frame::encode(FrameKind(contract::REQUEST_KIND), 64, |body| encode_request(request, body));
        let mut out = Effects::new();
        node.handle(Nanos::ZERO, Event::Frame { from: NodeId(100), frame }, &mut out);
        let reply = out.drain().find_map(|effect| match effect {
            Effect::Send { frame, .. } => Some(frame),
            _ => None,
        });
        let frame = reply.expect("a reply");
        decode_response(&frame.slice(0..frame.body().len())).expect("a response")
    }

    /// Runs for a while of virtual time.
    pub fn run_for(&mut self, time: Nanos) {
        let until = self.now + time;
        while self.queue.first_key_value().is_some_and(|((at, _), _)| *at <= until) {
            self.step();
        }
        self.now = until;
    }

    fn put(&mut self, after: Nanos, happening: Happening) -> (Nanos, u64) {
        self.number += 1;
        let at = (self.now + after, self.number);
        self.queue.insert(at, happening);
        at
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Send { to, frame, .. } => {
                let response = decode_response(&frame.slice(0..frame.body().len())).expect("a response");
                if let Some(position) = response.result.ok().and_then(|reply| reply.position()) {
                    let durable = self.node.storage().durable();
                    assert!(position.0 <= durable.0, "{position:?} was answered at durable {durable}");
                }
                let after = Nanos(self.rng.below(self.link_us_max * 1000 + 1));
                self.put(after, Happening::Reply(to, frame));
            }
            Effect::SetTimer { timer, after } => {
                if let Some(at) = self.timers.remove(&timer) {
                    self.queue.remove(&at);
                }
                let at = self.put(after, Happening::Event(Event::Timer { timer }));
                self.timers.insert(timer, at);
            }
            Effect::CancelTimer { timer } => {
                if let Some(at) = self.timers.remove(&timer) {
                    self.queue.remove(&at);
                }
            }
            Effect::Charge { .. } => {}
            Effect::Halt { reason } => self.halted = Some(reason),
            Effect::Disk { .. } => panic!("a storage in memory has no disk"),
        }
    }
}
