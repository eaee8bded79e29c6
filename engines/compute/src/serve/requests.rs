//! Requests at the door: which are new, which came before, which make no sense.
//!
//! Links may duplicate and reorder frames, and clients may go on without waiting for an answer they gave up. A session
//! remembers the attempt and step of its last request and the reply to it: the same request again gets the same reply,
//! an earlier one none. A later attempt drops whatever the session has open.

use contract::{Error, Reply, Request, Verb};
use node::{Effects, Frame, NodeId};

use super::session::{Phase, Slot};
use super::{ComputeNode, State};
use crate::Storage;

impl<S: Storage> ComputeNode<S> {
    pub(super) fn on_request_frame(&mut self, from: NodeId, frame: &Frame, out: &mut Effects) {
        match contract::codec::decode_request(&frame.slice(0..frame.body().len())) {
            Ok(request) => self.on_request(from, request, out),
            Err(_) => self.stats.refused += 1,
        }
    }

    fn on_request(&mut self, from: NodeId, request: Request, out: &mut Effects) {
        let name = (request.session, request.txn, request.step);
        if self.state != State::Serving {
            let error = Error::Unavailable("the database is starting".into());
            return self.refuse(from, name, error, out);
        }
        let found = self.sessions.find(from, request.session);
        let Some(slot) = found else { return self.on_stranger(from, request, out) };
        let session = self.sessions.at_mut(slot);
        if request.txn == session.txn {
            if request.step <= session.step {
                self.stats.duplicates += 1;
                let again = session.last_reply.clone().filter(|_| request.step == session.step);
                if let Some(frame) = again {
                    out.send(from, frame, node::IoClass::Client);
                }
                return;
            }
            // The client speaks before its last request was answered.
            if request.step != session.step + 1 || matches!(session.phase, Phase::Executing | Phase::Committing) {
                self.stats.refused += 1;
                return;
            }
        } else if request.txn < session.txn {
            self.stats.duplicates += 1;
            return;
        } else {
            self.abandon(slot);
        }
        self.accept(slot, request, out);
    }

    /// The first request of a session that this node has not heard of.
    fn on_stranger(&mut self, from: NodeId, request: Request, out: &mut Effects) {
        let name = (request.session, request.txn, request.step);
        let refusal = match request.verb {
            Verb::Begin(_) | Verb::Single(_) => {
                let (max, idle) = (self.config.sessions_max, self.config.idle_timeout);
                match self.sessions.add(from, request.session, max, self.now, idle) {
                    Some(slot) => return self.accept(slot, request, out),
                    None => Error::Unavailable(format!("all {max} sessions are in use")),
                }
            }
            // Begun before this node started. It may have committed, if this is a late copy of the request.
            Verb::Commit => Error::Indeterminate("the database was restarted since the transaction began".into()),
            Verb::Execute(_) | Verb::Rollback => {
                Error::Unavailable("the database was restarted since the transaction began".into())
            }
        };
        self.refuse(from, name, refusal, out);
    }

    /// Carries out a request that is the session's next.
    fn accept(&mut self, slot: Slot, request: Request, out: &mut Effects) {
        let session = self.sessions.at_mut(slot);
        (session.txn, session.step) = (request.txn, request.step);
        session.heard = self.now;
        session.last_reply = None;
        let invalid = |text: &str| Error::Invalid(text.into());
        match (request.verb, session.is_open()) {
            (Verb::Begin(mode), false) => {
                self.begin_transaction(slot, mode, false);
                self.reply_now(slot, Ok(Reply::Begun), out);
            }
            (Verb::Single(statement), false) => {
                self.begin_transaction(slot, contract::Mode::Optimistic, true);
                self.begin_statement(slot, statement, out);
            }
            (Verb::Execute(statement), true) => self.begin_statement(slot, statement, out),
            (Verb::Commit, true) => self.begin_commit(slot, out),
            (Verb::Rollback, true) => self.roll_back(slot, out),
            (Verb::Begin(_) | Verb::Single(_), true) => {
                self.fail(slot, invalid("begin inside an open transaction"), out);
            }
            (Verb::Execute(_), false) => self.reply_now(slot, Err(invalid("execute without an open transaction")), out),
            (Verb::Commit, false) => self.reply_now(slot, Err(invalid("commit without an open transaction")), out),
            (Verb::Rollback, false) => self.reply_now(slot, Err(invalid("rollback without an open transaction")), out),
        }
    }
}
