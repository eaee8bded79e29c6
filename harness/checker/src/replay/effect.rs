//! Whether a transaction left anything changed, as far as its replies tell.

use std::collections::BTreeMap;

use contract::{Error, Key, Reply, Statement, TableId, Transaction};

/// What its replies say of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// A row is there that was not, or the other way round.
    Certain,
    /// It wrote, and what it wrote may be what was there before.
    Possible,
    /// It wrote nothing, or took back what it wrote.
    None,
}

/// A row in the course of a transaction.
#[derive(Clone, Copy, Debug, Default)]
struct Course {
    /// Whether it was there before; `None` where no reply tells.
    before: Option<bool>,
    /// Whether it is there now.
    now: Option<bool>,
    written: bool,
}

impl Course {
    /// A reply told whether the row is there.
    fn found(&mut self, there: bool) {
        if !self.written {
            self.before = Some(there);
            self.now = Some(there);
        }
    }

    fn wrote(&mut self, there: bool) {
        self.written = true;
        self.now = Some(there);
    }

    fn effect(&self) -> Effect {
        match (self.written, self.before, self.now) {
            (false, ..) | (true, Some(false), Some(false)) => Effect::None,
            (true, Some(before), Some(now)) if before != now => Effect::Certain,
            _ => Effect::Possible,
        }
    }
}

impl Effect {
    /// What the replies of `txn` say.
    pub fn of(txn: &Transaction) -> Effect {
        let mut rows: BTreeMap<(TableId, &Key), Course> = BTreeMap::new();
        for (statement, reply) in &txn.calls {
            let table = statement.table();
            match (statement, reply) {
                (Statement::Insert { key, .. }, Some(Err(Error::DuplicateKey))) => {
                    rows.entry((table, key)).or_default().found(true);
                }
                (Statement::Insert { key, .. }, Some(Ok(_))) => {
                    let row = rows.entry((table, key)).or_default();
                    row.found(false);
                    row.wrote(true);
                }
                (Statement::InsertMany { rows: inserted, .. }, Some(Ok(_))) => {
                    for (key, _) in inserted {
                        let row = rows.entry((table, key)).or_default();
                        row.found(false);
                        row.wrote(true);
                    }
                }
                (Statement::Put { key, .. }, Some(Ok(_))) => rows.entry((table, key)).or_default().wrote(true),
                (
                    Statement::Update { key, .. } | Statement::Delete { key, .. },
                    Some(Ok(Reply::Affected { rows: affected, .. })),
                ) => {
                    let row = rows.entry((table, key)).or_default();
                    row.found(*affected > 0);
                    if *affected > 0 {
                        row.wrote(matches!(statement, Statement::Update { .. }));
                    }
                }
                _ => {}
            }
        }
        rows.values().map(Course::effect).min().unwrap_or(Effect::None)
    }
}
