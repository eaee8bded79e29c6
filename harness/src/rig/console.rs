//! Requests of the harness itself: one node, several sessions, each with one request open.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use contract::codec::{decode_response, encode_request, request_hint_bytes};
use contract::{Error, REQUEST_KIND, RESPONSE_KIND, Reply, Request, Response, SessionId, Statement, TxnSeq, Verb};
use node::{Digest, Effects, Event, Frame, FrameKind, Member, Nanos, Node, NodeId, Role, Zone};

use super::Host;
use crate::engines::DATABASE;
use crate::exit::Failure;

/// Console sessions start here, above any load's.
const FIRST_SESSION: u32 = 1 << 30;

/// Hands the engine's responses to the harness's thread.
struct ConsoleNode {
    responses: Sender<Response>,
}

impl Node for ConsoleNode {
    fn handle(&mut self, _now: Nanos, event: Event, _out: &mut Effects) {
        let Event::Frame { frame, .. } = event else { return };
        if frame.kind() != FrameKind(RESPONSE_KIND) {
            return;
        }
        if let Ok(response) = decode_response(&frame.slice(0..frame.body().len())) {
            // A harness that no longer listens has given up on the answer.
            let _ = self.responses.send(response);
        }
    }

    fn digest(&self, _digest: &mut Digest) {}
}

/// The harness's side.
#[derive(Debug)]
pub struct Console {
    id: NodeId,
    responses: Receiver<Response>,
    next_txn: u64,
    next_session: u32,
}

/// A statement under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    session: SessionId,
    txn: TxnSeq,
}

impl Ticket {
    /// The transaction's number.
    pub fn txn(&self) -> TxnSeq {
        self.txn
    }
}

impl Console {
    /// The harness's side, and the node that is to be part of the topology.
    pub fn new(id: NodeId) -> (Console, Member) {
        let (sender, responses) = channel();
        let build = move |_| -> Box<dyn Node> { Box::new(ConsoleNode { responses: sender.clone() }) };
        let (role, zone) = (Role::Load, Zone::A);
        let member = Member { id, name: "console".into(), role, zone, has_disk: false, build: Box::new(build) };
        (Console { id, responses, next_txn: 1, next_session: FIRST_SESSION }, member)
    }

    /// A session of its own, for requests that run beside others.
    pub fn session(&mut self) -> SessionId {
        self.next_session += 1;
        SessionId(self.next_session)
    }

    /// Sends a statement as a transaction of its own.
    pub fn send(&mut self, host: &mut Host, session: SessionId, statement: Statement) -> Result<Ticket, Failure> {
        let txn = TxnSeq(self.next_txn);
        self.next_txn += 1;
        let request = Request { session, txn, step: 0, verb: Verb::Single(statement) };
        let hint_bytes = request_hint_bytes(&request);
        let frame = Frame::encode(FrameKind(REQUEST_KIND), hint_bytes, |body| encode_request(&request, body));
        host.deliver(self.id, DATABASE, frame)?;
        Ok(Ticket { session, txn })
    }

    /// The next answer to any statement, or nothing within `patience`.
    pub fn receive(&mut self, host: &mut Host, patience: Duration) -> Option<(Ticket, Result<Reply, Error>)> {
        let response = match host {
            Host::Real(_) | Host::Processes(_) => self.responses.recv_timeout(patience).ok(),
            Host::Simulated(_) => self.receive_in_virtual_time(host, patience),
        }?;
        Some((Ticket { session: response.session, txn: response.txn }, response.result))
    }

    fn receive_in_virtual_time(&mut self, host: &mut Host, patience: Duration) -> Option<Response> {
        let give_up = host.now() + Nanos(patience.as_nanos() as u64);
        loop {
            if let Ok(response) = self.responses.try_recv() {
                return Some(response);
            }
            if host.now() >= give_up {
                return None;
            }
            host.sleep(Duration::from_micros(200));
        }
    }

    /// Sends a statement that changes nothing, and waits for its answer. As long as the engine does not serve or does not
    /// answer it is asked again, until `patience` is over.
    pub fn ask(&mut self, host: &mut Host, statement: &Statement, patience: Duration) -> Result<Reply, Failure> {
        assert!(!statement.writes(), "only a read may be asked again");
        let give_up = host.now() + Nanos(patience.as_nanos() as u64);
        let mut last = "no answer".to_owned();
        while host.now() < give_up {
            let session = self.session();
            let ticket = self.send(host, session, statement.clone())?;
            match self.wait(host, ticket, Duration::from_millis(500).min(patience)) {
                Some(Ok(reply)) => return Ok(reply),
                Some(Err(Error::Corrupt(what))) => {
                    return Err(Failure::unknown(format!("stored data is damaged: {what}")));
                }
                Some(Err(error)) => {
                    last = error.to_string();
                    host.sleep(Duration::from_millis(2));
                }
                None => {}
            }
        }
        Err(Failure::unknown(format!("the engine did not answer a read within {patience:?}: {last}")))
    }

    /// The answer to this statement, or nothing within `patience`.
    pub fn wait(&mut self, host: &mut Host, ticket: Ticket, patience: Duration) -> Option<Result<Reply, Error>> {
        let give_up = host.now() + Nanos(patience.as_nanos() as u64);
        loop {
            let left = Duration::from_nanos(give_up.saturating_sub(host.now()).0);
            let (answered, result) = self.receive(host, left)?;
            if answered == ticket {
                return Some(result);
            }
        }
    }
}
