//! What an unexplained reply asks for.
//!
//! The last write to a field before a read wrote what was read. So a field that reads otherwise than the model has it needs a
//! transaction that writes just that value (or adds to it), and no other unknown transaction can be of direct help:
//! values that describe themselves leave one candidate instead of all that touch the key.

use contract::{Change, Error, Key, Projection, Reply, Row, Statement, TableId, Transaction};

/// The first difference between what was answered and what the model answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// A row must be there.
    Appear(TableId, Key),
    /// A row must be gone.
    Vanish(TableId, Key),
    /// A field must hold this.
    Field(TableId, Key, usize, Vec<u8>),
    /// Something that the reply does not tell apart, like a sum.
    Unclear,
}

impl Need {
    /// The need of a statement that was answered `seen` where the model answers `expected`.
    pub fn of(statement: &Statement, seen: Option<&Result<Reply, Error>>, expected: &Result<Reply, Error>) -> Need {
        let table = statement.table();
        match (statement, seen, expected) {
            (
                Statement::Get { key, .. } | Statement::GetForUpdate { key, .. },
                Some(Ok(Reply::Row { row: seen, .. })),
                Ok(Reply::Row { row: expected, .. }),
            ) => of_row(table, key, seen.as_ref(), expected.as_ref(), None),
            (
                Statement::Scan { projection, .. },
                Some(Ok(Reply::Rows { rows: seen, .. })),
                Ok(Reply::Rows { rows: expected, .. }),
            ) => match projection {
                Projection::Rows => of_rows(table, seen, expected, None),
                Projection::Field(field) => of_rows(table, seen, expected, Some(usize::from(*field))),
                _ => Need::Unclear,
            },
            (Statement::Insert { key, .. }, Some(Ok(_)), Err(Error::DuplicateKey)) => Need::Vanish(table, key.clone()),
            (Statement::Insert { key, .. }, Some(Err(Error::DuplicateKey)), Ok(_)) => Need::Appear(table, key.clone()),
            (
                Statement::Update { key, .. } | Statement::Delete { key, .. },
                Some(Ok(Reply::Affected { rows: seen, .. })),
                Ok(Reply::Affected { rows: expected, .. }),
            ) if seen != expected => match seen {
                0 => Need::Vanish(table, key.clone()),
                _ => Need::Appear(table, key.clone()),
            },
            _ => Need::Unclear,
        }
    }

    /// Whether a transaction's writes can be of direct help. `None` when the reply does not tell.
    pub fn served_by(&self, txn: &Transaction) -> Option<bool> {
        if *self == Need::Unclear {
            return None;
        }
        Some(txn.calls.iter().any(|(statement, _)| self.served_by_statement(statement)))
    }

    fn served_by_statement(&self, statement: &Statement) -> bool {
        let written = |table: &TableId, key: &Key| -> Option<&Row> {
            match statement {
                Statement::Insert { table: of, key: at, row } | Statement::Put { table: of, key: at, row } => {
                    ((of, at) == (table, key)).then_some(row)
                }
                Statement::InsertMany { table: of, rows } if of == table => {
                    rows.iter().find(|(at, _)| at == key).map(|(_, row)| row)
                }
                _ => None,
            }
        };
        match self {
            Need::Appear(table, key) => written(table, key).is_some(),
            Need::Vanish(table, key) => {
                matches!(statement, Statement::Delete { table: of, key: at } if (of, at) == (table, key))
            }
            Need::Field(table, key, field, value) => match statement {
                Statement::Update { table: of, key: at, changes } if (of, at) == (table, key) => {
                    changes.iter().any(|change| changes_to(change, *field, value))
                }
                // A number may have been added to since.
                _ => written(table, key)
                    .is_some_and(|row| row.field(*field).is_some_and(|bytes| bytes == &value[..] || bytes.len() == 8)),
            },
            Need::Unclear => true,
        }
    }
}

fn changes_to(change: &Change, at: usize, wanted: &[u8]) -> bool {
    match change {
        Change::Set { field, value } => usize::from(*field) == at && (&value[..] == wanted || value.len() == 8),
        Change::Add { field, .. } => usize::from(*field) == at,
    }
}

/// `only` is the field that the rows were cut down to.
fn of_row(table: TableId, key: &Key, seen: Option<&Row>, expected: Option<&Row>, only: Option<usize>) -> Need {
    let (seen, expected) = match (seen, expected) {
        (Some(seen), Some(expected)) => (seen, expected),
        (Some(_), None) => return Need::Appear(table, key.clone()),
        (None, _) => return Need::Vanish(table, key.clone()),
    };
    if seen.fields().count() != expected.fields().count() {
        return Need::Unclear;
    }
    match seen.fields().zip(expected.fields()).position(|(seen, expected)| seen != expected) {
        Some(at) => {
            let value = seen.field(at).expect("it was compared").to_vec();
            Need::Field(table, key.clone(), only.unwrap_or(at), value)
        }
        None => Need::Unclear,
    }
}

fn of_rows(table: TableId, seen: &[(Key, Row)], expected: &[(Key, Row)], only: Option<usize>) -> Need {
    let Some(at) = (0..seen.len().max(expected.len())).find(|at| seen.get(*at) != expected.get(*at)) else {
        return Need::Unclear;
    };
    match (seen.get(at), expected.get(at)) {
        (Some((key, seen)), Some((same, expected))) if key == same => {
            of_row(table, key, Some(seen), Some(expected), only)
        }
        (Some((key, _)), Some((later, _))) if key < later => Need::Appear(table, key.clone()),
        (Some((key, _)), None) => Need::Appear(table, key.clone()),
        (_, Some((key, _))) => Need::Vanish(table, key.clone()),
        (None, None) => Need::Unclear,
    }
}
