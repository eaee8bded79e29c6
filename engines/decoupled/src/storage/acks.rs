//! Acknowledgements that wait for a log block.

use std::collections::VecDeque;

use node::{Nanos, NodeId};

use crate::{Epoch, PgId};

/// One acknowledgement to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingAck {
    /// Waits until this block is durable.
    pub seq: u64,
    /// To whom.
    pub to: NodeId,
    /// Under which epoch; checked again when it is sent.
    pub epoch: Epoch,
    /// The latest `sent_at` it answers.
    pub echo: Nanos,
    /// The groups it names.
    pub pgs: Vec<PgId>,
}

/// All of them, in order of block.
#[derive(Clone, Debug, Default)]
pub struct Acks {
    waiting: VecDeque<PendingAck>,
}

impl Acks {
    /// Adds an answer to an append whose records are in block `seq`. Answers that one block brings are one message.
    pub fn wait(&mut self, seq: u64, to: NodeId, epoch: Epoch, pg: PgId, sent_at: Nanos) {
        let same = |ack: &PendingAck| (ack.seq, ack.to, ack.epoch) == (seq, to, epoch);
        match self.waiting.back_mut().filter(|ack| same(ack)) {
            Some(ack) => {
                ack.echo = ack.echo.max(sent_at);
                if !ack.pgs.contains(&pg) {
                    ack.pgs.push(pg);
                }
            }
            None => self.waiting.push_back(PendingAck { seq, to, epoch, echo: sent_at, pgs: vec![pg] }),
        }
    }

    /// The next that waited for a block up to `durable_seq`.
    pub fn next_ready(&mut self, durable_seq: u64) -> Option<PendingAck> {
        self.waiting.front().filter(|ack| ack.seq <= durable_seq)?;
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_of_one_block_share_an_answer_and_none_comes_early() {
        let mut acks = Acks::default();
        let epoch = Epoch { number: 1, owner: 1 };
        acks.wait(3, NodeId(1), epoch, PgId(0), Nanos(10));
        acks.wait(3, NodeId(1), epoch, PgId(1), Nanos(12));
        acks.wait(3, NodeId(1), epoch, PgId(0), Nanos(11));
        acks.wait(4, NodeId(1), epoch, PgId(0), Nanos(13));
        assert_eq!(acks.next_ready(2), None);
        let pgs = vec![PgId(0), PgId(1)];
        assert_eq!(acks.next_ready(3), Some(PendingAck { seq: 3, to: NodeId(1), epoch, echo: Nanos(12), pgs }));
        assert_eq!(acks.next_ready(3), None);
        assert_eq!(acks.next_ready(9).map(|ack| ack.seq), Some(4));
    }
}
