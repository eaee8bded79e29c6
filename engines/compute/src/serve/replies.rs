//! Final replies on their way out: encoded, and held until everything they say is durable.
//!
//! # Invariants
//!
//! - A reply leaves once the log is durable up to the highest commit it depends on and its fence, if it has one, has
//!   passed; replies to writers leave in commit order.

use std::collections::{BTreeMap, VecDeque};

use contract::{SessionId, TxnSeq};
use node::{Frame, NodeId};

use super::session::Slot;
use crate::{FenceTicket, Lsn};

/// An encoded reply and whose it is.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub slot: Slot,
    pub client: NodeId,
    pub session: SessionId,
    pub txn: TxnSeq,
    pub step: u32,
    pub frame: Frame,
}

/// Replies held back.
#[derive(Clone, Debug, Default)]
pub struct Replies {
    /// Of writers, in order of commit LSN.
    commits: VecDeque<(Lsn, Outgoing)>,
    /// Of everybody else, by what they depend on; a number keeps them apart.
    reads: BTreeMap<(Lsn, u64), (Option<FenceTicket>, Outgoing)>,
    /// Durable, but not yet past their fence.
    fenced: BTreeMap<(FenceTicket, u64), Outgoing>,
    fence_passed: Option<FenceTicket>,
    count: u64,
}

impl Replies {
    /// Holds a writer's reply until its commit is durable.
    pub fn hold_commit(&mut self, lsn: Lsn, reply: Outgoing) {
        self.commits.push_back((lsn, reply));
    }

    /// Holds a reply until the log is durable up to `needs` and `fence` has passed.
    pub fn hold_read(&mut self, needs: Lsn, fence: Option<FenceTicket>, reply: Outgoing) {
        self.count += 1;
        self.reads.insert((needs, self.count), (fence, reply));
    }

    /// Moves to `out` what may leave now that the log is durable up to `durable`.
    pub fn on_durable(&mut self, durable: Lsn, out: &mut Vec<Outgoing>) {
        while self.commits.front().is_some_and(|(lsn, _)| *lsn <= durable) {
            out.extend(self.commits.pop_front().map(|(_, reply)| reply));
        }
        while self.reads.first_key_value().is_some_and(|((needs, _), _)| *needs <= durable) {
            let ((_, number), (fence, reply)) = self.reads.pop_first().expect("just seen");
            match fence {
                Some(ticket) if self.fence_passed < Some(ticket) => {
                    self.fenced.insert((ticket, number), reply);
                }
                _ => out.push(reply),
            }
        }
    }

    /// Moves to `out` what may leave now that fences up to `ticket` have passed.
    pub fn on_fence_passed(&mut self, ticket: FenceTicket, out: &mut Vec<Outgoing>) {
        self.fence_passed = self.fence_passed.max(Some(ticket));
        while self.fenced.first_key_value().is_some_and(|((waits, _), _)| *waits <= ticket) {
            out.extend(self.fenced.pop_first().map(|(_, reply)| reply));
        }
    }

    /// How many replies are held.
    pub fn len(&self) -> usize {
        self.commits.len() + self.reads.len() + self.fenced.len()
    }
}

#[cfg(test)]
mod tests {
    use node::FrameKind;

    use super::*;

    fn reply(step: u32) -> Outgoing {
        let frame = Frame::encode(FrameKind(0x0102), 0, |_| {});
        Outgoing { slot: Slot(0), client: NodeId(0), session: SessionId(0), txn: TxnSeq(0), step, frame }
    }

    fn steps(out: &mut Vec<Outgoing>) -> Vec<u32> {
        out.drain(..).map(|reply| reply.step).collect()
    }

    #[test]
    fn a_reply_waits_for_durability_and_then_for_its_fence() {
        let (mut replies, mut out) = (Replies::default(), Vec::new());
        replies.hold_commit(Lsn(5), reply(1));
        replies.hold_read(Lsn(5), Some(FenceTicket(2)), reply(2));
        replies.hold_read(Lsn(4), None, reply(3));
        replies.hold_read(Lsn(7), Some(FenceTicket(1)), reply(4));
        replies.on_durable(Lsn(4), &mut out);
        assert_eq!(steps(&mut out), [3]);
        replies.on_fence_passed(FenceTicket(1), &mut out);
        assert_eq!(steps(&mut out), []);
        replies.on_durable(Lsn(7), &mut out);
        assert_eq!(steps(&mut out), [1, 4], "the second one's fence has not passed");
        replies.on_fence_passed(FenceTicket(2), &mut out);
        assert_eq!((steps(&mut out), replies.len()), (vec![2], 0));
    }
}
