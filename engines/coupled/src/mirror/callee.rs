//! The server's end of a session: each call is carried out once, each answer kept until the client has it.

use std::collections::BTreeMap;

use node::{Digest, Effects, Frame, IoClass, NodeId, Rng};

use crate::mirror::protocol::{self, CALL, HELLO, Reader};
use crate::mirror::{Answer, Call};

/// Names a call until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    session: u64,
    number: u64,
    hop: IoClass,
}

#[derive(Clone, Debug)]
struct Session {
    client: NodeId,
    nonce: u64,
    id: u64,
    /// Calls below are answered and the client knows.
    floor: u64,
    /// Calls seen; with the answer once there is one.
    calls: BTreeMap<u64, Option<Frame>>,
}

/// The server's end. One client at a time.
#[derive(Clone, Debug)]
pub struct Callee {
    clients: Vec<NodeId>,
    rng: Rng,
    session: Option<Session>,
    /// Calls of any session that are being carried out.
    running: usize,
    /// A client that waits for the older session's calls to end.
    next: Option<(NodeId, u64)>,
}

impl Callee {
    /// A server of `clients`. `rng` must differ between incarnations of the server.
    pub fn new(clients: Vec<NodeId>, rng: Rng) -> Callee {
        Callee { clients, rng, session: None, running: 0, next: None }
    }

    /// Takes a frame. Gives a call to be carried out and answered, with the class of its disk operations. Answers are of
    /// the class `hop` picks for that class.
    pub fn frame(
        &mut self,
        from: NodeId,
        frame: &Frame,
        hop: impl Fn(IoClass) -> IoClass,
        out: &mut Effects,
    ) -> Option<(Ticket, IoClass, Call)> {
        if !self.clients.contains(&from) {
            return None;
        }
        let mut reader = Reader(frame.slice(0..frame.body().len()));
        match frame.kind() {
            HELLO => {
                let nonce = reader.u64()?;
                self.hello(from, nonce, out);
                None
            }
            CALL => {
                let (session, number, floor) = (reader.u64()?, reader.u64()?, reader.u64()?);
                let io = reader.class()?;
                let call = Call::decode(&mut reader)?;
                let current = self.session.as_mut().filter(|open| open.id == session && open.client == from);
                let Some(open) = current else {
                    out.send(from, protocol::stale(session), IoClass::Control);
                    return None;
                };
                if floor > open.floor {
                    open.floor = floor;
                    open.calls = open.calls.split_off(&floor);
                }
                match open.calls.get(&number) {
                    Some(Some(answer)) => out.send(from, answer.clone(), hop(io)),
                    Some(None) => {}
                    None if number < open.floor || self.next.is_some() => {}
                    None => {
                        open.calls.insert(number, None);
                        self.running += 1;
                        return Some((Ticket { session, number, hop: hop(io) }, io, call));
                    }
                }
                None
            }
            _ => None,
        }
    }

    fn hello(&mut self, from: NodeId, nonce: u64, out: &mut Effects) {
        if let Some(open) = self.session.as_ref().filter(|open| open.client == from && open.nonce == nonce) {
            return out.send(from, protocol::welcome(nonce, open.id), IoClass::Control);
        }
        self.next = Some((from, nonce));
        self.welcome_next(out);
    }

    /// Opens the next client's session once nothing of the older one is running: a write of the past must not come after
    /// one of the present.
    fn welcome_next(&mut self, out: &mut Effects) {
        if self.running > 0 {
            return;
        }
        if let Some((client, nonce)) = self.next.take() {
            let id = self.rng.next_u64();
            self.session = Some(Session { client, nonce, id, floor: 0, calls: BTreeMap::new() });
            out.send(client, protocol::welcome(nonce, id), IoClass::Control);
        }
    }

    /// Answers a call.
    pub fn answer(&mut self, ticket: Ticket, answer: &Answer, out: &mut Effects) {
        self.running -= 1;
        if let Some(open) = self.session.as_mut().filter(|open| open.id == ticket.session) {
            let frame = protocol::answer(ticket.session, ticket.number, answer);
            if let Some(kept) = open.calls.get_mut(&ticket.number) {
                *kept = Some(frame.clone());
            }
            out.send(open.client, frame, ticket.hop);
        }
        self.welcome_next(out);
    }

    /// Chains a fingerprint.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(self.running as u64);
        digest.word(self.session.as_ref().map_or(0, |open| open.id ^ open.calls.len() as u64));
    }
}

#[cfg(test)]
mod tests {
    use node::{Effect, Nanos, TimerId};

    use super::*;
    use crate::mirror::{Caller, Heard};

    const CLIENT: NodeId = NodeId(1);
    const SERVER: NodeId = NodeId(2);
    const CLASSES: [IoClass; 2] = [IoClass::Redo, IoClass::Redo];

    fn frames(out: &mut Effects) -> Vec<Frame> {
        let sent = out.drain().filter_map(|effect| match effect {
            Effect::Send { frame, .. } => Some(frame),
            _ => None,
        });
        sent.collect()
    }

    fn caller(seed: u64) -> Caller {
        Caller::new(SERVER, TimerId::new(1, 9), Nanos(10), Rng::new(seed))
    }

    fn connect(caller: &mut Caller, callee: &mut Callee) {
        let mut out = Effects::new();
        caller.connect(&mut out);
        let hello = frames(&mut out).remove(0);
        assert!(callee.frame(CLIENT, &hello, |io| io, &mut out).is_none());
        let welcome = frames(&mut out).remove(0);
        assert_eq!(caller.frame(Nanos(0), &welcome, &mut out), Some(Heard::Connected));
        frames(&mut out);
    }

    #[test]
    fn a_repeated_call_is_carried_out_once_and_answered_again() {
        let (mut caller, mut callee, mut out) = (caller(1), Callee::new(vec![CLIENT], Rng::new(2)), Effects::new());
        connect(&mut caller, &mut callee);
        caller.call(Nanos(0), 7, Call::List, CLASSES, &mut out);
        let call = frames(&mut out).remove(0);
        let (ticket, _, asked) = callee.frame(CLIENT, &call, |io| io, &mut out).expect("new");
        assert_eq!(asked, Call::List);
        assert!(callee.frame(CLIENT, &call, |io| io, &mut out).is_none(), "it is running");
        callee.answer(ticket, &Answer::Done, &mut out);
        assert!(callee.frame(CLIENT, &call, |io| io, &mut out).is_none(), "it is done");
        let answers = frames(&mut out);
        assert_eq!(answers.len(), 2);
        assert_eq!(caller.frame(Nanos(1), &answers[0], &mut out), Some(Heard::Answer(7, Answer::Done)));
        assert_eq!(caller.frame(Nanos(1), &answers[1], &mut out), None);
        caller.call(Nanos(2), 8, Call::GetLabel, CLASSES, &mut out);
        let next = frames(&mut out).remove(0);
        assert!(callee.frame(CLIENT, &next, |io| io, &mut out).is_some());
        assert!(callee.frame(CLIENT, &call, |io| io, &mut out).is_none(), "a duplicate from the past does nothing");
    }

    #[test]
    fn a_server_without_memory_makes_the_client_reconnect_and_repeat() {
        let (mut caller, mut callee, mut out) = (caller(1), Callee::new(vec![CLIENT], Rng::new(2)), Effects::new());
        connect(&mut caller, &mut callee);
        caller.call(Nanos(0), 7, Call::List, CLASSES, &mut out);
        let call = frames(&mut out).remove(0);
        let mut restarted = Callee::new(vec![CLIENT], Rng::new(3));
        assert!(restarted.frame(CLIENT, &call, |io| io, &mut out).is_none());
        let stale = frames(&mut out).remove(0);
        caller.frame(Nanos(1), &stale, &mut out);
        let hello = frames(&mut out).remove(0);
        restarted.frame(CLIENT, &hello, |io| io, &mut out);
        let welcome = frames(&mut out).remove(0);
        caller.frame(Nanos(2), &welcome, &mut out);
        let repeated = frames(&mut out).remove(0);
        assert!(restarted.frame(CLIENT, &call, |io| io, &mut out).is_none(), "of a session nobody knows");
        assert!(restarted.frame(CLIENT, &repeated, |io| io, &mut out).is_some());
    }

    #[test]
    fn a_new_client_waits_for_the_old_ones_calls() {
        let (mut old, mut callee, mut out) = (caller(1), Callee::new(vec![CLIENT], Rng::new(2)), Effects::new());
        connect(&mut old, &mut callee);
        old.call(Nanos(0), 7, Call::List, CLASSES, &mut out);
        let call = frames(&mut out).remove(0);
        let (ticket, ..) = callee.frame(CLIENT, &call, |io| io, &mut out).expect("new");
        let mut new = caller(4);
        new.connect(&mut out);
        let hello = frames(&mut out).remove(0);
        callee.frame(CLIENT, &hello, |io| io, &mut out);
        assert!(frames(&mut out).is_empty(), "not yet");
        callee.answer(ticket, &Answer::Done, &mut out);
        let sent = frames(&mut out);
        assert_eq!(new.frame(Nanos(0), sent.last().expect("welcome"), &mut out), Some(Heard::Connected));
    }
}
