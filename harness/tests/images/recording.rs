//! What an engine's disks did and what its clients were told, in one order.

use std::collections::BTreeMap;

use checker::durability::Placed;
use contract::codec::{decode_request, decode_response};
use contract::{Ack, REQUEST_KIND, RESPONSE_KIND, SessionId, TxnSeq};
use harness::engines::{DATABASE, LOAD};
use node::{Frame, FrameKind, NodeId};
use uring::{Base, JournalRecord};

/// What is owed after a power loss.
#[derive(Clone, Debug, Default)]
pub struct Owed {
    /// Rows that were there before.
    pub rows: Vec<Placed>,
    /// What was done to them since; without a position where nobody was told.
    pub acks: Vec<Ack>,
}

/// A transaction that wrote, and its place in the journal.
#[derive(Clone, Debug)]
struct Seen {
    ack: Ack,
    /// Where its first request reached the database.
    begun: usize,
    /// Where its client had the answer.
    told: Option<usize>,
}

/// A stretch of an engine's life.
pub struct Recording {
    /// What the disks held before.
    pub base: Base,
    /// What happened.
    pub records: Vec<JournalRecord>,
    /// Positions between the stretches of the run: start, service, crash, recovery, and so on.
    pub marks: Vec<usize>,
    /// What is owed from a position on, beside what was acknowledged since.
    stages: Vec<(usize, Owed)>,
    seen: Vec<Seen>,
}

impl Recording {
    /// Finds each transaction's place. `stages` must be in order and begin at 0.
    pub fn new(
        base: Base,
        records: Vec<JournalRecord>,
        marks: Vec<usize>,
        stages: Vec<(usize, Owed)>,
        acks: Vec<Ack>,
    ) -> Recording {
        let (mut begun, mut told) = (BTreeMap::new(), BTreeMap::new());
        for (at, record) in records.iter().enumerate() {
            let JournalRecord::Delivered { to, frame, .. } = record else { continue };
            let frame = Frame::verify(frame.clone()).expect("it was delivered whole");
            match name(*to, &frame) {
                Some(Name::Request(txn)) => {
                    begun.entry(txn).or_insert(at);
                }
                // The last answer to a transaction is the one that ends it.
                Some(Name::Response(txn)) => {
                    told.insert(txn, at);
                }
                None => {}
            }
        }
        let seen = acks.into_iter().map(|ack| {
            let txn = (ack.session, ack.txn);
            let told = ack.position.map(|_| told[&txn]);
            // A request that was under way when its database crashed never arrived: nothing came of it.
            Seen { begun: begun.get(&txn).copied().unwrap_or(usize::MAX), told, ack }
        });
        Recording { seen: seen.collect(), base, records, marks, stages }
    }

    /// What is owed when everything ends at `cut`. An acknowledgement is owed if its client had it by then. A transaction
    /// whose client had no answer may have happened. One that the database had not heard of did not.
    pub fn owed_at(&self, cut: usize) -> Owed {
        let stage = self.stages.iter().rev().find(|(from, _)| *from <= cut).expect("a stage begins at 0");
        let mut owed = stage.1.clone();
        for seen in self.seen.iter().filter(|seen| seen.begun < cut) {
            let is_told = seen.told.is_some_and(|at| at < cut);
            let position = seen.ack.position.filter(|_| is_told);
            owed.acks.push(Ack { position, ..seen.ack.clone() });
        }
        owed
    }
}

enum Name {
    Request((SessionId, TxnSeq)),
    Response((SessionId, TxnSeq)),
}

/// Which of the load's transactions a frame belongs to.
fn name(to: NodeId, frame: &Frame) -> Option<Name> {
    let body = frame.slice(0..frame.body().len());
    if to == LOAD && frame.kind() == FrameKind(RESPONSE_KIND) {
        let response = decode_response(&body).expect("the engine answers in the clients' codec");
        return Some(Name::Response((response.session, response.txn)));
    }
    if to == DATABASE && frame.kind() == FrameKind(REQUEST_KIND) {
        let request = decode_request(&body).expect("clients ask in their codec");
        return Some(Name::Request((request.session, request.txn)));
    }
    None
}
