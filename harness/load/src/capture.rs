//! What a transaction wrote, for the journal, and what it saw, for the history.

use std::collections::VecDeque;

use contract::acks::{mark, marks};
use contract::{
    Ack, Change, CommitPosition, Effect, Error, Key, Outcome, Reply, SessionId, Statement, Transaction, TxnSeq, Write,
};

/// What is captured of one attempt.
#[derive(Debug, Default)]
pub struct Attempt {
    writes: Vec<Write>,
    calls: Vec<(Statement, Option<Result<Reply, Error>>)>,
    /// The statement sent last, while it is unanswered.
    open: Option<Statement>,
    /// Bytes of user data that the unanswered statement changes if it affects something.
    open_bytes: u64,
    /// Bytes of user data that the attempt's statements changed.
    changed_bytes: u64,
}

impl Attempt {
    /// Bytes of user data that its statements changed: keys and new field values.
    pub fn changed_bytes(&self) -> u64 {
        self.changed_bytes
    }
}

/// Captured attempts, until they are taken.
#[derive(Debug)]
pub struct Capture {
    acks_max: usize,
    history_max: usize,
    acks: VecDeque<Ack>,
    history: VecDeque<Transaction>,
}

/// Who made an attempt, and when.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    pub client: u32,
    pub session: SessionId,
    pub txn: TxnSeq,
    pub name: &'static str,
    pub invoked_ns: u64,
}

impl Capture {
    pub fn new(acks_max: usize, history_max: usize) -> Capture {
        Capture { acks_max, history_max, acks: VecDeque::new(), history: VecDeque::new() }
    }

    pub fn take_acks(&mut self) -> Vec<Ack> {
        self.acks.drain(..).collect()
    }

    pub fn take_history(&mut self) -> Vec<Transaction> {
        self.history.drain(..).collect()
    }

    /// A statement is sent.
    pub fn sent(&self, attempt: &mut Attempt, statement: &Statement) {
        attempt.open_bytes = statement.changed_bytes();
        if self.history_max > 0 || (self.acks_max > 0 && statement.writes()) {
            attempt.open = Some(statement.clone());
        }
    }

    /// The statement sent last was answered.
    pub fn answered(&self, attempt: &mut Attempt, result: &Result<Reply, Error>) {
        let affected = matches!(result, Ok(Reply::Affected { rows: 1.., .. }));
        let open_bytes = std::mem::take(&mut attempt.open_bytes);
        attempt.changed_bytes += if affected { open_bytes } else { 0 };
        let Some(statement) = attempt.open.take() else { return };
        if self.acks_max > 0 && affected {
            push_writes(&mut attempt.writes, &statement);
        }
        if self.history_max > 0 {
            attempt.calls.push((statement, Some(result.clone())));
        }
    }

    /// An attempt is over. Gives how many acknowledgements and transactions did not fit.
    pub fn over(&mut self, who: Identity, mut attempt: Attempt, outcome: Outcome, now_ns: u64) -> (u64, u64) {
        if let Some(statement) = attempt.open.take() {
            // A lone statement without a reply may have written.
            if self.acks_max > 0 && outcome == Outcome::Info {
                push_writes(&mut attempt.writes, &statement);
            }
            attempt.calls.push((statement, None));
        }
        let position = match outcome {
            Outcome::Ok(position) => Some(position),
            Outcome::Fail | Outcome::Info => None,
        };
        let acks_dropped = if outcome == Outcome::Fail { 0 } else { self.acknowledge(who, attempt.writes, position) };
        let history_dropped = self.remember(who, attempt.calls, outcome, now_ns);
        (acks_dropped, history_dropped)
    }

    fn acknowledge(&mut self, who: Identity, writes: Vec<Write>, position: Option<CommitPosition>) -> u64 {
        if writes.is_empty() {
            return 0;
        }
        if self.acks.len() >= self.acks_max {
            return 1;
        }
        self.acks.push_back(Ack { session: who.session, txn: who.txn, position, writes });
        0
    }

    fn remember(
        &mut self,
        who: Identity,
        calls: Vec<(Statement, Option<Result<Reply, Error>>)>,
        outcome: Outcome,
        now_ns: u64,
    ) -> u64 {
        if self.history_max == 0 {
            return 0;
        }
        if self.history.len() >= self.history_max {
            return 1;
        }
        let completed_ns = (outcome != Outcome::Info).then_some(now_ns);
        let Identity { client, session, txn, name, invoked_ns } = who;
        self.history.push_back(Transaction { client, session, txn, name, invoked_ns, completed_ns, calls, outcome });
        0
    }
}

fn push_writes(writes: &mut Vec<Write>, statement: &Statement) {
    let table = statement.table();
    // Keys outlive the frames they were encoded into: a key that shares a frame would keep it all.
    let mut push = |key: &Key, effect| writes.push(Write { table, key: Key::copy(key.as_bytes()), effect });
    match statement {
        Statement::Insert { key, row, .. } | Statement::Put { key, row, .. } => push(key, Effect::Row(marks(row))),
        Statement::InsertMany { rows, .. } => {
            for (key, row) in rows {
                push(key, Effect::Row(marks(row)));
            }
        }
        Statement::Update { key, changes, .. } => {
            for change in changes {
                push(
                    key,
                    match change {
                        Change::Set { field, value } => Effect::Set { field: *field, mark: mark(value) },
                        Change::Add { field, delta } => Effect::Add { field: *field, delta: *delta },
                    },
                );
            }
        }
        Statement::Delete { key, .. } => push(key, Effect::Delete),
        Statement::Get { .. }
        | Statement::GetForUpdate { .. }
        | Statement::Scan { .. }
        | Statement::IndexScan { .. } => {}
    }
}
