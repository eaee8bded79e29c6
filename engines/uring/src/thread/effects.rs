//! Carrying out what a node asked for.

use node::{Effect, Effects, NodeId};

use super::host::Delivery;
use super::{Later, Thread};
use crate::mail::{Mail, Passage};

impl Thread {
    /// Carries out the effects of one event in their order, up to a halt.
    pub(super) fn carry_out(&mut self, index: usize, effects: &mut Effects) {
        for effect in effects.drain() {
            let own_id = self.hosts[index].member.id;
            let to_itself = matches!(&effect, Effect::Send { to, .. } if *to == own_id);
            if !to_itself {
                self.hosts[index].ledger.count(&effect);
            }
            match effect {
                Effect::Send { frame, .. } if to_itself => {
                    let bytes = frame.bytes().clone();
                    self.work.queue.push_back(Delivery::Frame { host: index, from: own_id, bytes });
                }
                Effect::Send { to, frame, .. } => {
                    if !self.routes.reaches(to) {
                        self.halt(index, format!("sent a frame to {to:?}, which is not in this topology"));
                        break;
                    }
                    self.send(own_id, to, frame.bytes().clone());
                }
                Effect::Disk { token, op, .. } => {
                    if let Some(added) = self.disks.growth(index, &op) {
                        self.hosts[index].ledger.fill(added);
                    }
                    let is_last = self.ends_with(index, &op);
                    self.disks.submit(index, self.hosts[index].incarnation, token, op);
                    if is_last {
                        self.end_writing(index);
                        break;
                    }
                }
                Effect::SetTimer { timer, after } => self.work.timers.set(index, timer, self.work.now + after),
                Effect::CancelTimer { timer } => self.work.timers.cancel(index, timer),
                Effect::Charge { .. } => {}
                Effect::Halt { reason } => {
                    self.halt(index, reason);
                    break;
                }
            }
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, bytes: bytes::Bytes) {
        let now = self.work.now;
        let own = self.index;
        let (work, routes) = (&mut self.work, &self.routes);
        self.links.send(from, to, bytes, now, |passage: Passage| match routes.place(to) {
            Some((thread, _)) if thread != own => work.outboxes[thread].push(Mail::Passage(passage)),
            _ if passage.due > now => work.delayed.push(passage.due, Later::Passage(passage)),
            Some((_, host)) => work.queue.push_back(Delivery::Frame { host, from, bytes: passage.bytes }),
            None => work.outbound.push(passage),
        });
    }
}
