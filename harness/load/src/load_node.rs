//! A load as a node.

use contract::codec::{decode_response, encode_request, request_hint_bytes};
use contract::{Programs, REQUEST_KIND, RESPONSE_KIND, Request};
use node::{Digest, Effects, Event, Frame, FrameKind, IoClass, Nanos, Node, NodeId, TimerId, Work};

use crate::{Config, Core};

const POLL: TimerId = TimerId::new(0, 0);

/// A [`Core`] that speaks the client codec over links.
pub struct LoadNode {
    core: Core,
    engine: NodeId,
    /// Requests of the current event; kept for its memory.
    requests: Vec<Request>,
    /// When the timer is set for.
    poll_at: Nanos,
}

impl LoadNode {
    /// A load of `config` over `programs`.
    pub fn new(config: Config, programs: Box<dyn Programs>) -> LoadNode {
        let engine = config.engine;
        LoadNode { core: Core::new(config, programs), engine, requests: Vec::new(), poll_at: Nanos::ZERO }
    }

    /// The load itself, for whoever may look between events: phases, intervals, acknowledgements, history.
    pub fn core(&mut self) -> &mut Core {
        &mut self.core
    }

    /// The load itself, to look at.
    pub fn core_ref(&self) -> &Core {
        &self.core
    }

    /// Sends to another engine from now on, after a failover. Requests in flight stay where they were sent.
    pub fn set_engine(&mut self, engine: NodeId) {
        self.engine = engine;
    }

    fn poll(&mut self, now: Nanos, out: &mut Effects) {
        self.core.poll(now, &mut self.requests);
        self.poll_at = self.core.next_poll(now);
        out.set_timer(POLL, self.poll_at.saturating_sub(now));
    }

    fn send_all(&mut self, out: &mut Effects) {
        for request in self.requests.drain(..) {
            let hint_bytes = request_hint_bytes(&request);
            let frame = Frame::encode(FrameKind(REQUEST_KIND), hint_bytes, |body| encode_request(&request, body));
            out.send(self.engine, frame, IoClass::Client);
        }
    }
}

impl Node for LoadNode {
    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects) {
        match event {
            Event::Start | Event::Timer { .. } => self.poll(now, out),
            Event::Frame { frame, .. } => {
                out.charge(Work::Message, 1);
                let body = frame.slice(0..frame.body().len());
                match decode_response(&body) {
                    Ok(response) if frame.kind() == FrameKind(RESPONSE_KIND) => {
                        self.core.response(now, response, &mut self.requests);
                    }
                    _ => self.core.undecodable(),
                }
            }
            // It owns no disk.
            Event::Disk { .. } => {}
        }
        self.send_all(out);
    }

    fn digest(&self, digest: &mut Digest) {
        let interval = self.core.interval();
        digest.word(interval.requests);
        digest.word(interval.statements);
        digest.word(u64::from(self.core.in_flight()));
        digest.word(self.core.queued() as u64);
        digest.word(self.poll_at.0);
    }
}
