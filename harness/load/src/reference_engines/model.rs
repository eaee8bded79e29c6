//! The contract's model as an engine.

use std::collections::{BTreeMap, VecDeque};

use contract::{Error, Model, Reply, Request, SessionId, Verb};
use node::{Digest, Effects, Event, Nanos, Node, NodeId, Work};

use super::{answer, request_of};

/// A session of one client node.
type Client = (NodeId, SessionId);

/// Runs one transaction at a time; whoever asks meanwhile waits in line.
#[derive(Clone, Debug)]
pub struct ModelNode {
    model: Model,
    /// Whose transaction is open.
    owner: Option<Client>,
    waiting: VecDeque<(NodeId, Request)>,
    /// Each session's last answer, for requests delivered twice.
    answered: BTreeMap<Client, (Request, Result<Reply, Error>)>,
    /// A transaction whose owner asks nothing for this long is dropped.
    patience: Nanos,
    owner_asked: Nanos,
}

impl ModelNode {
    /// An engine over a loaded model. A transaction whose client is silent for `patience` while others wait is dropped.
    pub fn new(model: Model, patience: Nanos) -> ModelNode {
        ModelNode {
            model,
            owner: None,
            waiting: VecDeque::new(),
            answered: BTreeMap::new(),
            patience,
            owner_asked: Nanos::ZERO,
        }
    }

    /// The data.
    pub fn model(&self) -> &Model {
        &self.model
    }

    fn take(&mut self, now: Nanos, from: NodeId, request: Request, out: &mut Effects) {
        let client = (from, request.session);
        if let Some((last, result)) = self.answered.get(&client) {
            if (last.txn, last.step) == (request.txn, request.step) {
                return answer(from, &request, result.clone(), out);
            }
            if (request.txn, request.step) < (last.txn, last.step) {
                return;
            }
        }
        let queued = |(node, waiting): &(NodeId, Request)| {
            (*node, waiting.session, waiting.txn, waiting.step) == (from, request.session, request.txn, request.step)
        };
        if self.owner.is_some_and(|owner| owner != client) && now.saturating_sub(self.owner_asked) >= self.patience {
            self.drop_transaction();
        }
        if self.owner.is_none_or(|owner| owner == client) {
            self.carry_out(now, from, &request, out);
        } else if !self.waiting.iter().any(queued) {
            self.waiting.push_back((from, request));
        }
        while let Some((from, request)) = self.next_waiting() {
            self.carry_out(now, from, &request, out);
        }
    }

    /// The first in line that may go on: the owner of the open transaction, or anybody when none is open.
    fn next_waiting(&mut self) -> Option<(NodeId, Request)> {
        let may =
            |(node, request): &(NodeId, Request)| self.owner.is_none_or(|owner| owner == (*node, request.session));
        let at = self.waiting.iter().position(may)?;
        self.waiting.remove(at)
    }

    fn carry_out(&mut self, now: Nanos, from: NodeId, request: &Request, out: &mut Effects) {
        out.charge(Work::Statement, 1);
        let client = (from, request.session);
        // Without an open transaction only a begin or a lone statement makes sense; the model says so itself.
        let result = match &request.verb {
            Verb::Single(_) if self.owner == Some(client) => {
                self.drop_transaction();
                Err(Error::Invalid("a lone statement inside an open transaction".into()))
            }
            verb => self.model.apply(verb),
        };
        self.owner = self.model.is_open().then_some(client);
        self.owner_asked = now;
        self.answered.insert(client, (request.clone(), result.clone()));
        answer(from, request, result, out);
    }

    fn drop_transaction(&mut self) {
        if self.model.is_open() {
            self.model.rollback().expect("a transaction is open");
        }
        self.owner = None;
    }
}

impl Node for ModelNode {
    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects) {
        let Event::Frame { from, frame } = event else { return };
        if let Some(request) = request_of(&frame) {
            self.take(now, from, request, out);
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.model.position().0);
        digest.word(self.waiting.len() as u64);
        digest.word(self.owner.map_or(0, |(_, session)| u64::from(session.0) + 1));
    }
}
