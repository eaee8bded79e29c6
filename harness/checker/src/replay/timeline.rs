//! A model that can go forward by transactions and back again.

use contract::{Error, Key, Model, Reply, Row, TableId, Transaction};

/// A transaction as the model carried it out.
#[derive(Debug)]
struct Done {
    overwritten: Vec<(TableId, Key, Option<Row>)>,
    /// Whether any row is other than before it.
    changed: bool,
}

/// Why a transaction cannot be where it is in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It saw a reply that the model does not give.
    Reply {
        /// The statement's number in the transaction.
        call: usize,
        /// What the model answers.
        expected: Result<Reply, Error>,
    },
    /// It changes something, at a position where another one made the commit.
    Change,
}

impl Misfit {
    /// How far the transaction went before it did not fit.
    pub fn place(&self) -> usize {
        match self {
            Misfit::Reply { call, .. } => *call,
            Misfit::Change => usize::MAX,
        }
    }
}

/// The model after a number of transactions.
#[derive(Debug)]
pub struct Timeline {
    model: Model,
    done: Vec<Done>,
    /// Transactions carried out, tries included.
    pub replayed: u64,
}

impl Timeline {
    pub fn new(model: Model) -> Timeline {
        Timeline { model, done: Vec::new(), replayed: 0 }
    }

    /// How many transactions are done.
    pub fn len(&self) -> usize {
        self.done.len()
    }

    /// Whether transaction number `at` changed something.
    pub fn changed(&self, at: usize) -> bool {
        self.done[at].changed
    }

    /// Carries out one transaction and compares its replies. After a misfit the model is as before.
    pub fn push(&mut self, txn: &Transaction) -> Result<(), Misfit> {
        self.replayed += 1;
        self.model.begin().expect("no transaction is open");
        for (call, (statement, seen)) in txn.calls.iter().enumerate() {
            let answer = self.model.execute(statement);
            let agrees = match (seen, &answer) {
                (Some(Ok(seen)), Ok(answer)) => same(seen, answer),
                (Some(Err(seen)), Err(answer)) => seen == answer,
                // Nobody saw the reply; an error would mean that there was no effect.
                (None, answer) => answer.is_ok(),
                _ => false,
            };
            if !agrees {
                if self.model.is_open() {
                    self.model.rollback().expect("it is open");
                }
                return Err(Misfit::Reply { call, expected: answer });
            }
        }
        let changed = self.changed_now();
        self.done.push(Done { overwritten: self.model.commit_revocably(), changed });
        Ok(())
    }

    /// Goes back to when `len` transactions were done.
    pub fn rewind(&mut self, len: usize) {
        while self.done.len() > len {
            let done = self.done.pop().expect("there is one");
            self.model.revoke(done.overwritten);
        }
    }

    fn changed_now(&self) -> bool {
        let overwritten = self.model.overwritten();
        overwritten.iter().enumerate().any(|(at, (table, key, before))| {
            // Only a key's first entry holds what was there before the transaction.
            let first = !overwritten[..at].iter().any(|(t, k, _)| t == table && k == key);
            first && self.model.get(*table, key) != before.as_ref()
        })
    }
}

fn same(seen: &Reply, answer: &Reply) -> bool {
    match (seen, answer) {
        (Reply::Row { row: a, .. }, Reply::Row { row: b, .. }) => a == b,
        (Reply::Rows { rows: a, .. }, Reply::Rows { rows: b, .. }) => a == b,
        (Reply::Value { value: a, .. }, Reply::Value { value: b, .. }) => a == b,
        (Reply::Affected { rows: a, .. }, Reply::Affected { rows: b, .. }) => a == b,
        _ => false,
    }
}
