//! The client's end of a session: numbers calls, repeats them until answered, reconnects.

use std::collections::BTreeMap;

use node::{Digest, Effects, Frame, IoClass, Nanos, NodeId, Rng, TimerId};

use crate::mirror::protocol::{self, ANSWER, Reader, STALE, WELCOME};
use crate::mirror::{Answer, Call};

/// The longest wait between repeats, as a multiple of the first.
const BACKOFF_MAX: u32 = 8;

#[derive(Clone, Debug)]
struct Pending {
    id: u64,
    call: Call,
    hop: IoClass,
    io: IoClass,
    asked: Nanos,
    sent: Nanos,
    repeats: u32,
}

/// What a frame brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A session is open.
    Connected,
    /// The answer to the call `id`.
    Answer(u64, Answer),
}

/// The client's end. Calls made without a session wait for one.
#[derive(Clone, Debug)]
pub struct Caller {
    peer: NodeId,
    timer: TimerId,
    retransmit: Nanos,
    rng: Rng,
    session: Option<u64>,
    nonce: u64,
    next: u64,
    pending: BTreeMap<u64, Pending>,
    armed: bool,
}

impl Caller {
    /// A client of `peer`. `rng` must differ between incarnations of the client.
    pub fn new(peer: NodeId, timer: TimerId, retransmit: Nanos, mut rng: Rng) -> Caller {
        let nonce = rng.next_u64();
        Caller { peer, timer, retransmit, rng, session: None, nonce, next: 0, pending: BTreeMap::new(), armed: false }
    }

    /// Asks for a session.
    pub fn connect(&mut self, out: &mut Effects) {
        out.send(self.peer, protocol::hello(self.nonce), IoClass::Control);
        self.arm(out);
    }

    /// Forgets the session and every call, and asks for another session.
    pub fn reset(&mut self, out: &mut Effects) {
        self.pending.clear();
        self.session = None;
        self.nonce = self.rng.next_u64();
        self.connect(out);
    }

    /// Makes a call. Its answer will name `id`. Frames of it are of class `hop`, the disk operations of class `io`.
    pub fn call(&mut self, now: Nanos, id: u64, call: Call, [hop, io]: [IoClass; 2], out: &mut Effects) {
        let number = self.next;
        self.next += 1;
        self.pending.insert(number, Pending { id, call, hop, io, asked: now, sent: now, repeats: 0 });
        self.send(number, now, out);
        self.arm(out);
    }

    fn send(&mut self, number: u64, now: Nanos, out: &mut Effects) {
        let Some(session) = self.session else { return };
        let floor = self.pending.keys().next().copied().unwrap_or(number);
        let Some(pending) = self.pending.get_mut(&number) else { return };
        pending.sent = now;
        out.send(self.peer, protocol::call(session, number, floor, pending.io, &pending.call), pending.hop);
    }

    /// Takes a frame from the peer.
    pub fn frame(&mut self, now: Nanos, frame: &Frame, out: &mut Effects) -> Option<Heard> {
        let mut reader = Reader(frame.slice(0..frame.body().len()));
        match frame.kind() {
            WELCOME => {
                let (nonce, session) = (reader.u64()?, reader.u64()?);
                if nonce != self.nonce || self.session.is_some() {
                    return None;
                }
                self.session = Some(session);
                let numbers: Vec<u64> = self.pending.keys().copied().collect();
                numbers.into_iter().for_each(|number| self.send(number, now, out));
                Some(Heard::Connected)
            }
            STALE => {
                if self.session == Some(reader.u64()?) {
                    self.session = None;
                    self.nonce = self.rng.next_u64();
                    self.connect(out);
                }
                None
            }
            ANSWER => {
                let (session, number) = (reader.u64()?, reader.u64()?);
                let answer = Answer::decode(&mut reader)?;
                if self.session != Some(session) {
                    return None;
                }
                Some(Heard::Answer(self.pending.remove(&number)?.id, answer))
            }
            _ => None,
        }
    }

    /// Takes a timer; whether it was this client's.
    pub fn timer(&mut self, now: Nanos, timer: TimerId, out: &mut Effects) -> bool {
        if timer != self.timer {
            return false;
        }
        self.armed = false;
        if self.session.is_none() {
            self.connect(out);
            return true;
        }
        let due: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, pending)| {
                let patience = self.retransmit.0 * u64::from((1 << pending.repeats.min(8)).min(BACKOFF_MAX));
                now.saturating_sub(pending.sent).0 >= patience
            })
            .map(|(number, _)| *number)
            .collect();
        for number in due {
            if let Some(pending) = self.pending.get_mut(&number) {
                pending.repeats += 1;
            }
            self.send(number, now, out);
        }
        if !self.pending.is_empty() {
            self.arm(out);
        }
        true
    }

    fn arm(&mut self, out: &mut Effects) {
        if !self.armed {
            self.armed = true;
            out.set_timer(self.timer, self.retransmit);
        }
    }

    /// Whether frames from `from` are for this client.
    pub fn is_peer(&self, from: NodeId) -> bool {
        self.peer == from
    }

    /// How long the oldest call has waited.
    pub fn oldest_wait(&self, now: Nanos) -> Option<Nanos> {
        self.pending.values().map(|pending| now.saturating_sub(pending.asked)).max()
    }

    /// Chains a fingerprint.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(self.next);
        digest.word(self.pending.len() as u64 ^ self.session.unwrap_or(0));
    }
}
