//! The standby instance: takes staged writes and passes them to its own volume.

use std::collections::BTreeMap;

use node::{Digest, Effects, Event, IoClass, Nanos, Node, NodeId, Rng, TimerId, Work};

use crate::mirror::{Callee, Caller, Heard, Ticket};

const TIMER: TimerId = TimerId::new(0, 1);

/// The node (steps 3 and 4 of SIGMOD 2017, figure 2). It has no disk and no state worth keeping: whatever it has not
/// answered is asked again.
#[derive(Clone, Debug)]
pub struct StandbyNode {
    callee: Callee,
    volume: Caller,
    tickets: BTreeMap<u64, Ticket>,
    next: u64,
}

impl StandbyNode {
    /// A standby between `writer` and `volume`. `rng` must differ between starts.
    pub fn new(writer: NodeId, volume: NodeId, retransmit: Nanos, rng: &Rng) -> StandbyNode {
        StandbyNode {
            callee: Callee::new(vec![writer], rng.fork("callee", 0)),
            volume: Caller::new(volume, TIMER, retransmit, rng.fork("caller", 0)),
            tickets: BTreeMap::new(),
            next: 0,
        }
    }
}

impl Node for StandbyNode {
    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects) {
        match event {
            Event::Start => self.volume.connect(out),
            Event::Timer { timer } => drop(self.volume.timer(now, timer, out)),
            Event::Frame { from, frame } if self.volume.is_peer(from) => {
                out.charge(Work::Message, 1);
                if let Some(Heard::Answer(id, answer)) = self.volume.frame(now, &frame, out)
                    && let Some(ticket) = self.tickets.remove(&id)
                {
                    self.callee.answer(ticket, &answer, out);
                }
            }
            Event::Frame { from, frame } => {
                out.charge(Work::Message, 1);
                if let Some((ticket, io, call)) = self.callee.frame(from, &frame, |io| io, out) {
                    self.next += 1;
                    self.tickets.insert(self.next, ticket);
                    self.volume.call(now, self.next, call, [IoClass::Mirror, io], out);
                }
            }
            Event::Disk { .. } => {}
        }
    }

    fn digest(&self, digest: &mut Digest) {
        self.callee.digest(digest);
        self.volume.digest(digest);
    }
}
