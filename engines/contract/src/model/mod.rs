//! The model: what is right, as a map in memory.
//!
//! An engine's serial behaviour is what this model does, statement by statement, and its concurrent behaviour is what this
//! model does when it is given the committed transactions one after the other in commit order. It is the oracle of
//! every test and checker, so it is written for plainness: ordered maps, one transaction at a time, no cleverness.
//!
//! # Invariants
//!
//! - One transaction is open at a time; its writes are visible to itself at once and undone by a rollback.
//! - An index holds exactly the entries `(field, key)` of the rows that have the field.
//! - A commit that changed something takes the next position; any other has the position of the last that did.
//!
//! # Caveats
//!
//! - It answers no [`Error::Conflict`], [`Error::TooLarge`] or [`Error::Unavailable`]: those are an engine's to give.
//! - A transaction "wrote" when a statement affected a row, even if the row is as before. Positions are opaque, so a
//!   comparison with an engine leaves them out ([`Reply::without_position`]).

mod scan;
mod table;
#[cfg(test)]
mod tests;

use table::TableState;

use crate::{Change, CommitPosition, Error, Key, Mode, Reply, Row, Schema, Statement, TableId, Verb};

/// An in-memory database that applies one transaction at a time.
#[derive(Clone, Debug)]
pub struct Model {
    schema: Schema,
    tables: Vec<TableState>,
    /// What the open transaction overwrote, oldest first; `None` when no transaction is open.
    undo: Option<Vec<(TableId, Key, Option<Row>)>>,
    position: CommitPosition,
}

impl Model {
    /// An empty database.
    pub fn new(schema: Schema) -> Model {
        let tables = schema.tables.iter().map(TableState::new).collect();
        Model { schema, tables, undo: None, position: CommitPosition::default() }
    }

    /// The schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Adds a row outside any transaction, as a bulk load does. An existing row is replaced. Panics on a table that the
    /// schema lacks.
    pub fn load(&mut self, table: TableId, key: Key, row: Row) {
        self.tables[usize::from(table.0)].set(&key, Some(row));
    }

    /// The rows of a table in key order. Empty for an unknown table.
    pub fn rows(&self, table: TableId) -> impl Iterator<Item = (&Key, &Row)> {
        self.tables.get(usize::from(table.0)).into_iter().flat_map(|state| state.rows.iter())
    }

    /// The row under a key.
    pub fn get(&self, table: TableId, key: &Key) -> Option<&Row> {
        self.tables.get(usize::from(table.0))?.rows.get(key)
    }

    /// The position of the last commit that wrote.
    pub fn position(&self) -> CommitPosition {
        self.position
    }

    /// Whether a transaction is open.
    pub fn is_open(&self) -> bool {
        self.undo.is_some()
    }

    /// Whether the open transaction has affected a row so far.
    pub fn has_written(&self) -> bool {
        self.undo.as_ref().is_some_and(|undo| !undo.is_empty())
    }

    /// What the open transaction has overwritten so far, oldest first: the row that was there before, if any.
    pub fn overwritten(&self) -> &[(TableId, Key, Option<Row>)] {
        self.undo.as_deref().unwrap_or_default()
    }

    /// Commits the open transaction and gives what [`Model::overwritten`] gave, for a caller that may want to go back.
    /// Panics when no transaction is open.
    pub fn commit_revocably(&mut self) -> Vec<(TableId, Key, Option<Row>)> {
        let undo = self.undo.take().expect("a transaction is open");
        self.position.0 += u64::from(!undo.is_empty());
        undo
    }

    /// Takes back the last transaction committed with [`Model::commit_revocably`].
    pub fn revoke(&mut self, overwritten: Vec<(TableId, Key, Option<Row>)>) {
        self.position.0 -= u64::from(!overwritten.is_empty());
        self.undo = Some(overwritten);
        self.undo_all();
    }

    /// Does what one request of a serial client asks.
    pub fn apply(&mut self, verb: &Verb) -> Result<Reply, Error> {
        match verb {
            Verb::Begin(Mode::Optimistic | Mode::Locking) => self.begin(),
            Verb::Execute(statement) => self.execute(statement),
            Verb::Commit => self.commit(),
            Verb::Rollback => self.rollback(),
            Verb::Single(statement) => self.single(statement),
        }
    }

    /// Opens a transaction. [`Error::Invalid`], and the open one is dropped, when there is one.
    pub fn begin(&mut self) -> Result<Reply, Error> {
        if self.is_open() {
            return Err(self.refuse("begin inside an open transaction".into()));
        }
        self.undo = Some(Vec::new());
        Ok(Reply::Begun)
    }

    /// Runs a statement in the open transaction. An error drops the transaction, except as
    /// [`Error::keeps_transaction`] says.
    pub fn execute(&mut self, statement: &Statement) -> Result<Reply, Error> {
        if !self.is_open() {
            return Err(Error::Invalid("execute without an open transaction".into()));
        }
        let result = self.run(statement);
        if result.as_ref().is_err_and(|error| !error.keeps_transaction()) {
            self.undo_all();
        }
        result
    }

    /// Commits the open transaction.
    pub fn commit(&mut self) -> Result<Reply, Error> {
        match self.undo.take() {
            Some(undo) => {
                self.position.0 += u64::from(!undo.is_empty());
                Ok(Reply::Committed { position: self.position })
            }
            None => Err(Error::Invalid("commit without an open transaction".into())),
        }
    }

    /// Drops the open transaction and what it wrote.
    pub fn rollback(&mut self) -> Result<Reply, Error> {
        if !self.is_open() {
            return Err(Error::Invalid("rollback without an open transaction".into()));
        }
        self.undo_all();
        Ok(Reply::RolledBack)
    }

    /// Runs one statement as a transaction of its own. Any error undoes it.
    pub fn single(&mut self, statement: &Statement) -> Result<Reply, Error> {
        self.begin()?;
        match self.run(statement) {
            Ok(reply) => {
                self.commit()?;
                Ok(reply.with_position(self.position))
            }
            Err(error) => {
                self.undo_all();
                Err(error)
            }
        }
    }

    fn run(&mut self, statement: &Statement) -> Result<Reply, Error> {
        let table = self.table(statement.table())?;
        match statement {
            Statement::Get { key, .. } | Statement::GetForUpdate { key, .. } => {
                Ok(Reply::Row { row: table.rows.get(key).cloned(), position: None })
            }
            Statement::Scan { from, to, limit, projection, .. } => {
                Ok(scan::project(table.range(from, to.as_ref()).take(*limit as usize), projection))
            }
            Statement::IndexScan { index, from, to, limit, projection, .. } => {
                let range = table
                    .index_range(*index, from, to.as_ref())
                    .ok_or_else(|| Error::Invalid(format!("table {} has no index {}", statement.table().0, index.0)))?;
                Ok(scan::project(range.take(*limit as usize), projection))
            }
            Statement::Insert { key, .. } if table.rows.contains_key(key) => Err(Error::DuplicateKey),
            Statement::InsertMany { rows, .. } if !rows.is_sorted_by(|(a, _), (b, _)| a < b) => {
                Err(Error::Invalid("rows to insert must rise by key".into()))
            }
            Statement::InsertMany { rows, .. } if rows.iter().any(|(key, _)| table.rows.contains_key(key)) => {
                Err(Error::DuplicateKey)
            }
            Statement::InsertMany { table, rows } => {
                for (key, row) in rows {
                    self.write(*table, key, Some(row.clone()));
                }
                Ok(Reply::Affected { rows: rows.len() as u64, position: None })
            }
            Statement::Insert { key, row, .. } | Statement::Put { key, row, .. } => {
                Ok(self.write(statement.table(), key, Some(row.clone())))
            }
            Statement::Update { key, changes, .. } => match table.rows.get(key) {
                Some(row) => {
                    let changed = change_all(row, changes)?;
                    Ok(self.write(statement.table(), key, Some(changed)))
                }
                None => Ok(Reply::Affected { rows: 0, position: None }),
            },
            Statement::Delete { key, .. } if table.rows.contains_key(key) => {
                Ok(self.write(statement.table(), key, None))
            }
            Statement::Delete { .. } => Ok(Reply::Affected { rows: 0, position: None }),
        }
    }

    fn table(&self, id: TableId) -> Result<&TableState, Error> {
        self.tables.get(usize::from(id.0)).ok_or_else(|| Error::Invalid(format!("no table {}", id.0)))
    }

    fn write(&mut self, table: TableId, key: &Key, row: Option<Row>) -> Reply {
        let before = self.tables[usize::from(table.0)].set(key, row);
        self.undo.as_mut().expect("a statement runs inside a transaction").push((table, key.clone(), before));
        Reply::Affected { rows: 1, position: None }
    }

    fn refuse(&mut self, message: String) -> Error {
        self.undo_all();
        Error::Invalid(message)
    }

    fn undo_all(&mut self) {
        for (table, key, before) in self.undo.take().into_iter().flatten().rev() {
            self.tables[usize::from(table.0)].set(&key, before);
        }
    }
}

fn change_all(row: &Row, changes: &[Change]) -> Result<Row, Error> {
    let mut row = row.clone();
    for change in changes {
        row = change_one(&row, change)?;
    }
    Ok(row)
}

fn change_one(row: &Row, change: &Change) -> Result<Row, Error> {
    match change {
        Change::Set { value, .. } if value.len() > usize::from(u16::MAX) => {
            Err(Error::Invalid(format!("a field value of {} bytes, at most 65,535 fit", value.len())))
        }
        Change::Set { field, value } => row
            .with_field(usize::from(*field), value)
            .ok_or_else(|| Error::Invalid(format!("the row has no field {field}"))),
        Change::Add { field, delta } => {
            let bytes = row.field(usize::from(*field)).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
            let number = bytes
                .map(u64::from_be_bytes)
                .ok_or_else(|| Error::Invalid(format!("field {field} does not hold an eight-byte number")))?;
            Ok(row.with_field(usize::from(*field), &number.wrapping_add(*delta).to_be_bytes()).expect("just read"))
        }
    }
}
