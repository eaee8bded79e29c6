//! Requests and replies.

use bytes::Bytes;

use crate::{Error, IndexId, Key, Row, TableId};

/// A client session. One request of a session is open at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

/// The client's number for one attempt at a transaction, rising within its session, so that a late reply is told from
/// the reply awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxnSeq(pub u64);

/// A position in the serial order of committed transactions. Opaque: only comparison means anything.
///
/// Two transactions that changed something never share a position; one that did not, because it only read or because its
/// writes cancel out (a row inserted and deleted again), has the position of the last commit that precedes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitPosition(pub u64);

/// How a transaction guards its reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Reads are validated at commit, by row and gap.
    #[default]
    Optimistic,
    /// Reads take shared next-key locks: for a transaction whose validation failed twice, so that nobody starves.
    Locking,
}

/// What one request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Open a transaction.
    Begin(Mode),
    /// Run a statement inside the open transaction.
    Execute(Statement),
    /// Commit the open transaction.
    Commit,
    /// Drop the open transaction's writes and locks.
    Rollback,
    /// Run one statement as a transaction of its own.
    Single(Statement),
}

/// One request of one session.
///
/// A request of a later attempt makes the engine drop what the session has open from an earlier one, also a statement
/// that is still waiting: it is how a client that gave up a reply hangs up. Links may deliver a request twice; the engine
/// carries it out once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whose.
    pub session: SessionId,
    /// Which attempt it belongs to.
    pub txn: TxnSeq,
    /// Which request of that attempt, from 0.
    pub step: u32,
    /// What.
    pub verb: Verb,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// Whose.
    pub session: SessionId,
    /// The attempt of the request.
    pub txn: TxnSeq,
    /// The step of the request.
    pub step: u32,
    /// What came of it. After an error the transaction is over: nothing of it is open at the engine. The exceptions are
    /// those that [`Error::keeps_transaction`] names.
    pub result: Result<Reply, Error>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// The row under a key. Answered by [`Reply::Row`].
    Get {
        /// The table.
        table: TableId,
        /// The key.
        key: Key,
    },
    /// As [`Statement::Get`], and the row (or its absence) is locked as if written. (`SELECT … FOR UPDATE`.)
    GetForUpdate {
        /// The table.
        table: TableId,
        /// The key.
        key: Key,
    },
    /// Rows with `from <= key < to`, in order, at most `limit`. Answered by [`Reply::Rows`] or [`Reply::Value`].
    Scan {
        /// The table.
        table: TableId,
        /// The first key.
        from: Key,
        /// The key after the last; `None` is the end of the table.
        to: Option<Key>,
        /// The most rows to visit.
        limit: u32,
        /// What to give of each row.
        projection: Projection,
    },
    /// Rows whose indexed field is in `from <= field < to`, in order of (field, key), at most `limit`.
    IndexScan {
        /// The table.
        table: TableId,
        /// The index.
        index: IndexId,
        /// The first field value.
        from: Bytes,
        /// The value after the last; `None` is the end of the index.
        to: Option<Bytes>,
        /// The most rows to visit.
        limit: u32,
        /// What to give of each row.
        projection: Projection,
    },
    /// Adds a row; [`Error::DuplicateKey`] when the key exists. Answered by [`Reply::Affected`].
    Insert {
        /// The table.
        table: TableId,
        /// The key.
        key: Key,
        /// The row.
        row: Row,
    },
    /// Adds many rows, given in strictly rising order of key (else [`Error::Invalid`]); [`Error::DuplicateKey`] when any
    /// key exists, and then adds none.
    /// (A multi-row `INSERT`, as loaders use.) Answered by [`Reply::Affected`].
    InsertMany {
        /// The table.
        table: TableId,
        /// Keys and rows.
        rows: Vec<(Key, Row)>,
    },
    /// Adds or replaces a row. Answered by [`Reply::Affected`].
    Put {
        /// The table.
        table: TableId,
        /// The key.
        key: Key,
        /// The row.
        row: Row,
    },
    /// Changes fields of a row; affects nothing when the key does not exist. Answered by [`Reply::Affected`].
    Update {
        /// The table.
        table: TableId,
        /// The key.
        key: Key,
        /// The changes, applied in order.
        changes: Vec<Change>,
    },
    /// Removes a row; affects nothing when the key does not exist. Answered by [`Reply::Affected`].
    Delete {
        /// The table.
        table: TableId,
        /// The key.
        key: Key,
    },
}

impl Statement {
    /// Whether the statement can change the database.
    pub fn writes(&self) -> bool {
        !matches!(self, Statement::Get { .. } | Statement::Scan { .. } | Statement::IndexScan { .. })
    }

    /// Bytes of user data it changes when it takes effect: keys, and the field values they are given. What an engine adds to
    /// that (row headers, index entries, whole pages) is its own.
    pub fn changed_bytes(&self) -> u64 {
        let row_bytes = |row: &Row| row.fields().map(<[u8]>::len).sum::<usize>();
        let of = match self {
            Statement::Get { .. }
            | Statement::GetForUpdate { .. }
            | Statement::Scan { .. }
            | Statement::IndexScan { .. } => 0,
            Statement::Insert { key, row, .. } | Statement::Put { key, row, .. } => {
                key.as_bytes().len() + row_bytes(row)
            }
            Statement::InsertMany { rows, .. } => {
                rows.iter().map(|(key, row)| key.as_bytes().len() + row_bytes(row)).sum()
            }
            Statement::Update { key, changes, .. } => {
                let values = changes.iter().map(|change| match change {
                    Change::Set { value, .. } => value.len(),
                    Change::Add { .. } => size_of::<u64>(),
                });
                key.as_bytes().len() + values.sum::<usize>()
            }
            Statement::Delete { key, .. } => key.as_bytes().len(),
        };
        of as u64
    }

    /// The table it concerns.
    pub fn table(&self) -> TableId {
        match self {
            Statement::Get { table, .. }
            | Statement::GetForUpdate { table, .. }
            | Statement::Scan { table, .. }
            | Statement::IndexScan { table, .. }
            | Statement::Insert { table, .. }
            | Statement::InsertMany { table, .. }
            | Statement::Put { table, .. }
            | Statement::Update { table, .. }
            | Statement::Delete { table, .. } => *table,
        }
    }
}

/// One change to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Replace the field. A row without it, or a value of more than 65,535 bytes, is [`Error::Invalid`].
    Set {
        /// The field's number.
        field: u16,
        /// The new bytes.
        value: Bytes,
    },
    /// Add to a field that holds a big-endian `u64`, wrapping. A field of another length is [`Error::Invalid`].
    Add {
        /// The field's number.
        field: u16,
        /// What to add.
        delta: u64,
    },
}

/// What a scan gives of the rows it visits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Projection {
    /// Keys and whole rows.
    Rows,
    /// Keys, and rows cut down to one field; a row without the field is cut down to no field.
    Field(u16),
    /// One number over all visited rows. Answered by [`Reply::Value`].
    Aggregate(Aggregate),
    /// One field of each row that has it, sorted by its bytes.
    Sorted(u16),
    /// The distinct values of one field, sorted by bytes.
    Distinct(u16),
}

/// A number over visited rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// How many rows.
    Count,
    /// The wrapping sum of a field that holds a big-endian `u64`; rows without such a field add nothing.
    Sum(u16),
}

/// A successful answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The transaction is open.
    Begun,
    /// The row, if there is one. `position` is set when the request was a transaction of its own.
    Row {
        /// The row.
        row: Option<Row>,
        /// Where the transaction stands in the serial order, when this reply is final.
        position: Option<CommitPosition>,
    },
    /// Rows, in the order the projection promises. [`Projection::Sorted`] and [`Projection::Distinct`] leave keys empty.
    Rows {
        /// Keys and (projected) rows.
        rows: Vec<(Key, Row)>,
        /// As in [`Reply::Row`].
        position: Option<CommitPosition>,
    },
    /// A number.
    Value {
        /// The number.
        value: u64,
        /// As in [`Reply::Row`].
        position: Option<CommitPosition>,
    },
    /// How many rows a write affected.
    Affected {
        /// The number.
        rows: u64,
        /// As in [`Reply::Row`].
        position: Option<CommitPosition>,
    },
    /// The transaction is committed and durable.
    Committed {
        /// Where it stands in the serial order.
        position: CommitPosition,
    },
    /// The transaction is dropped.
    RolledBack,
}

impl Reply {
    /// This reply as one that ended a transaction at `position`. Replies that cannot end one by themselves are unchanged.
    pub fn with_position(mut self, at: CommitPosition) -> Reply {
        match &mut self {
            Reply::Row { position, .. }
            | Reply::Rows { position, .. }
            | Reply::Value { position, .. }
            | Reply::Affected { position, .. } => *position = Some(at),
            Reply::Committed { position } => *position = at,
            Reply::Begun | Reply::RolledBack => {}
        }
        self
    }

    /// This reply without its position, to compare what two engines answered.
    pub fn without_position(mut self) -> Reply {
        match &mut self {
            Reply::Row { position, .. }
            | Reply::Rows { position, .. }
            | Reply::Value { position, .. }
            | Reply::Affected { position, .. } => *position = None,
            Reply::Committed { position } => *position = CommitPosition::default(),
            Reply::Begun | Reply::RolledBack => {}
        }
        self
    }

    /// Where the transaction stands in the serial order, when this reply ended it.
    pub fn position(&self) -> Option<CommitPosition> {
        match self {
            Reply::Begun | Reply::RolledBack => None,
            Reply::Row { position, .. }
            | Reply::Rows { position, .. }
            | Reply::Value { position, .. }
            | Reply::Affected { position, .. } => *position,
            Reply::Committed { position } => Some(*position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_bytes_are_keys_and_new_values() {
        let (table, key) = (TableId(0), Key::from_u64(1));
        let row = Row::new([&b"abc"[..], b"de"]);
        let changes =
            vec![Change::Set { field: 0, value: Bytes::from_static(b"xyz") }, Change::Add { field: 1, delta: 1 }];
        assert_eq!(Statement::Get { table, key: key.clone() }.changed_bytes(), 0);
        assert_eq!(Statement::Delete { table, key: key.clone() }.changed_bytes(), 8);
        assert_eq!(Statement::Insert { table, key: key.clone(), row: row.clone() }.changed_bytes(), 8 + 5);
        assert_eq!(Statement::Update { table, key: key.clone(), changes }.changed_bytes(), 8 + 3 + 8);
        let rows = vec![(key.clone(), row.clone()), (key, row)];
        assert_eq!(Statement::InsertMany { table, rows }.changed_bytes(), 2 * (8 + 5));
    }
}
