//! The two nodes that carry questions and reports between processes, and their harness's threads.

use std::sync::mpsc::Sender;

use node::{Digest, Effects, Event, Member, Nanos, Node, NodeId, Role, Zone};

use super::OVERSEER;
use super::report::{NodeReport, asked_round};

/// A question about a storage node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// The attendant asked.
    pub(super) attendant: NodeId,
    /// Who asks.
    pub(super) from: NodeId,
    /// The round.
    pub(super) round: u64,
}

/// Hands questions to the thread that can look at the storage node.
struct Attendant {
    id: NodeId,
    asks: Sender<Ask>,
}

/// Hands reports to the harness's thread.
struct Overseer {
    reports: Sender<NodeReport>,
}

impl Node for Attendant {
    fn handle(&mut self, _now: Nanos, event: Event, _out: &mut Effects) {
        let Event::Frame { from, frame } = event else { return };
        if let Some(round) = asked_round(&frame) {
            // A process that is about to end answers nobody.
            let _ = self.asks.send(Ask { attendant: self.id, from, round });
        }
    }

    fn digest(&self, _digest: &mut Digest) {}
}

impl Node for Overseer {
    fn handle(&mut self, _now: Nanos, event: Event, _out: &mut Effects) {
        let Event::Frame { frame, .. } = event else { return };
        if let Some(report) = NodeReport::read(&frame) {
            // A harness that is about to end reads nothing more.
            let _ = self.reports.send(report);
        }
    }

    fn digest(&self, _digest: &mut Digest) {}
}

/// The attendant of the storage node in `zone`.
pub(super) fn attendant(id: NodeId, zone: Zone, asks: Sender<Ask>) -> Member {
    let build = move |_| -> Box<dyn Node> { Box::new(Attendant { id, asks: asks.clone() }) };
    Member { id, name: format!("attendant-{}", id.0), role: Role::Load, zone, has_disk: false, build: Box::new(build) }
}

/// The harness's overseer.
pub(super) fn overseer(reports: Sender<NodeReport>) -> Member {
    let build = move |_| -> Box<dyn Node> { Box::new(Overseer { reports: reports.clone() }) };
    let (role, zone) = (Role::Load, Zone::A);
    Member { id: OVERSEER, name: "overseer".into(), role, zone, has_disk: false, build: Box::new(build) }
}
