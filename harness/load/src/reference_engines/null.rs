//! The engine that does nothing.

use contract::{CommitPosition, Projection, Reply, Statement, Verb};
use node::{Digest, Effects, Event, Nanos, Node, Work};

use super::{answer, request_of};

/// Answers every request at once and stores nothing.
#[derive(Clone, Debug, Default)]
pub struct NullNode {
    position: u64,
    requests: u64,
}

impl NullNode {
    /// An engine that has answered nothing yet.
    pub fn new() -> NullNode {
        NullNode::default()
    }

    fn reply(&mut self, verb: &Verb) -> Reply {
        match verb {
            Verb::Begin(_) => Reply::Begun,
            Verb::Rollback => Reply::RolledBack,
            Verb::Commit => Reply::Committed { position: self.advance() },
            Verb::Execute(statement) => nothing(statement, None),
            Verb::Single(statement) => {
                let position = self.advance();
                nothing(statement, Some(position))
            }
        }
    }

    fn advance(&mut self) -> CommitPosition {
        self.position += 1;
        CommitPosition(self.position)
    }
}

fn nothing(statement: &Statement, position: Option<CommitPosition>) -> Reply {
    match statement {
        Statement::Get { .. } | Statement::GetForUpdate { .. } => Reply::Row { row: None, position },
        Statement::Scan { projection, .. } | Statement::IndexScan { projection, .. } => match projection {
            Projection::Aggregate(_) => Reply::Value { value: 0, position },
            _ => Reply::Rows { rows: Vec::new(), position },
        },
        Statement::InsertMany { rows, .. } => Reply::Affected { rows: rows.len() as u64, position },
        Statement::Insert { .. } | Statement::Put { .. } | Statement::Update { .. } | Statement::Delete { .. } => {
            Reply::Affected { rows: 1, position }
        }
    }
}

impl Node for NullNode {
    fn handle(&mut self, _now: Nanos, event: Event, out: &mut Effects) {
        let Event::Frame { from, frame } = event else { return };
        let Some(request) = request_of(&frame) else { return };
        self.requests += 1;
        out.charge(Work::Message, 1);
        let reply = self.reply(&request.verb);
        answer(from, &request, Ok(reply), out);
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.requests);
        digest.word(self.position);
    }
}
