//! Running a statement: reads and writes against the private write set and the pool.
//!
//! A statement runs inside one event. When a page is missing or a lock is taken it stops and is run again from its start
//! once it can go on; locks it took stay, nothing else does ([`scan`](super::scan) keeps what it has visited). Writes
//! are staged and go to the write set only when the statement can no longer stop.

use bytes::Bytes;
use contract::{Change, Error, Key, Mode, Reply, Row, Statement, TableId};

use super::layout::{Layout, TableTrees};
use super::session::{Session, Slot};
use crate::btree::{self, ReadError, cell_bytes_max, key_bytes_max};
use crate::cell::{CellKey, set_cell};
use crate::locks::{Acquired, LockTable};
use crate::recent::Recent;
use crate::{ComputeConfig, Lsn, PageId, Pool, Roots, TreeId, index_key};

/// Why a statement stopped before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It failed.
    Failed(Error),
    /// It needs a page.
    Miss(PageId),
    /// It waits for a lock.
    Locked,
    /// It has run long enough for one event.
    Turn,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(error)
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Stop {
        match error {
            ReadError::Miss(miss) => Stop::Miss(miss.0),
            ReadError::Corrupt { .. } => Stop::Failed(Error::Corrupt(error.to_string())),
        }
    }
}

/// Buffers kept from statement to statement.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    pub cell: Vec<u8>,
    pub end: Vec<u8>,
    key: Vec<u8>,
    staged: Vec<(CellKey, Option<Bytes>, Option<Bytes>)>,
}

/// Everything a statement may touch.
pub struct Executor<'a> {
    pub config: &'a ComputeConfig,
    pub layout: &'a Layout,
    pub pool: &'a Pool,
    pub roots: &'a Roots,
    pub locks: &'a mut LockTable,
    pub recent: &'a mut Recent,
    pub session: &'a mut Session,
    pub slot: Slot,
    pub scratch: &'a mut Scratch,
    /// The highest LSN assigned: what is read now is as of here.
    pub seen: Lsn,
    pub rows_scanned: &'a mut u64,
}

impl Executor<'_> {
    /// Runs a statement from its start, or from where a scan had come.
    pub fn run(&mut self, statement: &Statement) -> Result<Reply, Stop> {
        let result = self.dispatch(statement);
        if result.is_err() {
            self.scratch.staged.clear();
            return result;
        }
        for (cell, base, new) in self.scratch.staged.drain(..) {
            self.session.writes.set(&cell, base, new);
        }
        self.check_bounds()?;
        // Reads of different moments may contradict each other. No program shall see that.
        if self.session.statement_parked && self.session.mode == Mode::Optimistic {
            let consistent = self.session.reads.is_valid(self.recent, self.session.statement_mark);
            if !consistent {
                return Err(Error::Conflict(contract::ConflictKind::Validation).into());
            }
        }
        result
    }

    fn dispatch(&mut self, statement: &Statement) -> Result<Reply, Stop> {
        match statement {
            Statement::Get { table, key } => {
                let rows = self.layout.table(*table)?.rows;
                let value = self.get(rows, key.as_bytes())?;
                Ok(Reply::Row { row: value.map(stored_row).transpose()?, position: None })
            }
            Statement::GetForUpdate { table, key } => {
                let rows = self.layout.table(*table)?.rows;
                let cell = CellKey::new(rows, key.as_bytes());
                let value = self.lock_and_get(&cell)?;
                Ok(Reply::Row { row: value.map(stored_row).transpose()?, position: None })
            }
            Statement::Scan { table, from, to, limit, projection } => {
                let rows = self.layout.table(*table)?.rows;
                self.scan(rows, from.as_bytes(), to.as_ref().map(Key::as_bytes), *limit, projection)
            }
            Statement::IndexScan { table, index, from, to, limit, projection } => {
                let entries = self.layout.index(*table, *index)?;
                let rows = self.layout.table(*table)?.rows;
                self.index_scan(entries, rows, from, to.as_deref(), *limit, projection)
            }
            Statement::Insert { table, key, row } => self.insert(*table, key, row),
            Statement::InsertMany { table, rows } => self.insert_many(*table, rows),
            Statement::Put { table, key, row } => {
                let trees = self.layout.table(*table)?;
                let cell = CellKey::new(trees.rows, key.as_bytes());
                let current = self.lock_and_get(&cell)?;
                self.stage(trees, cell, current, Some(row.encoded().clone()))?;
                Ok(affected(1))
            }
            Statement::Update { table, key, changes } => self.update(*table, key, changes),
            Statement::Delete { table, key } => {
                let trees = self.layout.table(*table)?;
                let cell = CellKey::new(trees.rows, key.as_bytes());
                let Some(current) = self.lock_and_get(&cell)? else { return Ok(affected(0)) };
                self.stage(trees, cell, Some(current), None)?;
                Ok(affected(1))
            }
        }
    }

    fn insert(&mut self, table: TableId, key: &Key, row: &Row) -> Result<Reply, Stop> {
        let trees = self.layout.table(table)?;
        let cell = CellKey::new(trees.rows, key.as_bytes());
        if self.lock_and_get(&cell)?.is_some() {
            return Err(Error::DuplicateKey.into());
        }
        self.stage(trees, cell, None, Some(row.encoded().clone()))?;
        Ok(affected(1))
    }

    fn insert_many(&mut self, table: TableId, rows: &[(Key, Row)]) -> Result<Reply, Stop> {
        let trees = self.layout.table(table)?;
        if !rows.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(Error::Invalid("rows to insert must rise by key".into()).into());
        }
        for (key, row) in rows {
            let cell = CellKey::new(trees.rows, key.as_bytes());
            if self.lock_and_get(&cell)?.is_some() {
                return Err(Error::DuplicateKey.into());
            }
            self.stage(trees, cell, None, Some(row.encoded().clone()))?;
        }
        Ok(affected(rows.len() as u64))
    }

    fn update(&mut self, table: TableId, key: &Key, changes: &[Change]) -> Result<Reply, Stop> {
        let trees = self.layout.table(table)?;
        let cell = CellKey::new(trees.rows, key.as_bytes());
        let Some(current) = self.lock_and_get(&cell)? else { return Ok(affected(0)) };
        let changed = change_row(&current, changes)?;
        self.stage(trees, cell, Some(current), Some(changed))?;
        Ok(affected(1))
    }

    /// The value of a cell as the transaction sees it.
    pub fn get(&mut self, tree: TreeId, key: &[u8]) -> Result<Option<Bytes>, Stop> {
        set_cell(&mut self.scratch.cell, tree, key);
        if let Some(pending) = self.session.writes.get(&self.scratch.cell) {
            return Ok(pending.new.clone());
        }
        if self.session.mode == Mode::Locking {
            let Scratch { cell, end, .. } = &mut *self.scratch;
            end.clear();
            end.extend_from_slice(cell);
            end.push(0);
            if self.locks.shared(self.slot.owner(), cell, end) == Acquired::Waits {
                return Err(Stop::Locked);
            }
        }
        self.read_committed(tree, key)
    }

    fn lock_and_get(&mut self, cell: &CellKey) -> Result<Option<Bytes>, Stop> {
        self.lock(cell)?;
        if let Some(pending) = self.session.writes.get(cell.as_bytes()) {
            return Ok(pending.new.clone());
        }
        set_cell(&mut self.scratch.cell, cell.tree(), cell.key());
        self.read_committed(cell.tree(), cell.key())
    }

    /// Reads the cell `key` of `tree`, whose full name is in the scratch buffer, and notes that it was read.
    fn read_committed(&mut self, tree: TreeId, key: &[u8]) -> Result<Option<Bytes>, Stop> {
        let value = btree::get(self.pool, self.root(tree), key)?.map(Bytes::copy_from_slice);
        self.note_reads();
        self.session.reads.cell(&self.scratch.cell, self.seen);
        Ok(value)
    }

    /// Keeps recent commits from here on, if they will be needed and the transaction has read nothing before.
    pub fn note_reads(&mut self) {
        if self.session.reads_since.is_none() && self.session.mode == Mode::Optimistic {
            self.session.reads_since = Some(self.seen);
            self.recent.open(self.seen);
        }
    }

    pub fn root(&self, tree: TreeId) -> PageId {
        self.roots.of(tree).expect("the catalog was checked against the schema")
    }

    fn lock(&mut self, cell: &CellKey) -> Result<(), Stop> {
        match self.locks.exclusive(self.slot.owner(), cell) {
            Acquired::Yes => Ok(()),
            Acquired::Waits => Err(Stop::Locked),
        }
    }

    /// Stages the change of a row, which is locked, with the index entries it moves.
    fn stage(
        &mut self,
        trees: &TableTrees,
        cell: CellKey,
        current: Option<Bytes>,
        new: Option<Bytes>,
    ) -> Result<(), Stop> {
        self.check_size(cell.key(), new.as_deref().unwrap_or_default())?;
        for &(tree, field) in &trees.indexes {
            let old_field = current.as_deref().and_then(|row| contract::row::fields_of(row).nth(field));
            let new_field = new.as_deref().and_then(|row| contract::row::fields_of(row).nth(field));
            if old_field == new_field {
                continue;
            }
            for (value, appears) in [(old_field, false), (new_field, true)] {
                let Some(value) = value else { continue };
                self.scratch.key.clear();
                index_key::put_entry(&mut self.scratch.key, value, cell.key());
                let entry = CellKey::new(tree, &self.scratch.key);
                self.check_size(entry.key(), &[])?;
                self.lock(&entry)?;
                // An entry not in the write set is as the committed row has it.
                let (there, absent) = (Some(Bytes::new()), None);
                self.scratch.staged.push(if appears { (entry, absent, there) } else { (entry, there, absent) });
            }
        }
        self.scratch.staged.push((cell, current, new));
        Ok(())
    }

    fn check_size(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let page_bytes = self.pool.page_bytes();
        let (key_max, cell_max) = (key_bytes_max(page_bytes), cell_bytes_max(page_bytes));
        if key.len() > key_max {
            let len = key.len();
            return Err(Error::TooLarge(format!("a key of {len} bytes, at most {key_max} fit pages of {page_bytes}")));
        }
        let len = key.len() + value.len();
        if len > cell_max {
            return Err(Error::TooLarge(format!("a row of {len} bytes, at most {cell_max} fit pages of {page_bytes}")));
        }
        Ok(())
    }

    /// Whether the transaction is still within its bounds.
    pub fn check_bounds(&self) -> Result<(), Error> {
        let (writes, reads) = (self.session.writes.size_bytes(), self.session.reads.len_bytes());
        if writes > self.config.txn_bytes_max {
            let max = self.config.txn_bytes_max;
            return Err(Error::TooLarge(format!("{writes} bytes written, at most {max} are accepted in one commit")));
        }
        if reads > self.config.reads_bytes_max {
            let max = self.config.reads_bytes_max;
            return Err(Error::TooLarge(format!("a read set of {reads} bytes, at most {max} are kept")));
        }
        Ok(())
    }
}

/// A row as it is stored.
pub fn stored_row(value: Bytes) -> Result<Row, Error> {
    Row::parse(value).ok_or_else(|| Error::Corrupt("a stored value is not a row".into()))
}

fn affected(rows: u64) -> Reply {
    Reply::Affected { rows, position: None }
}

/// The row after the changes, in order.
fn change_row(row: &[u8], changes: &[Change]) -> Result<Bytes, Error> {
    let mut row = row.to_vec();
    for change in changes {
        match change {
            Change::Set { field, value } => {
                let (start, end) =
                    span_of(&row, *field).ok_or_else(|| Error::Invalid(format!("the row has no field {field}")))?;
                let len = u16::try_from(value.len()).map_err(|_| {
                    Error::Invalid(format!("a field value of {} bytes, at most 65,535 fit", value.len()))
                })?;
                row[start - 2..start].copy_from_slice(&len.to_le_bytes());
                if end - start == value.len() {
                    row[start..end].copy_from_slice(value);
                } else {
                    row.splice(start..end, value.iter().copied());
                }
            }
            Change::Add { field, delta } => {
                let span = span_of(&row, *field).filter(|(start, end)| end - start == 8);
                let (start, end) =
                    span.ok_or_else(|| Error::Invalid(format!("field {field} does not hold an eight-byte number")))?;
                let number = u64::from_be_bytes(row[start..end].try_into().expect("eight bytes"));
                row[start..end].copy_from_slice(&number.wrapping_add(*delta).to_be_bytes());
            }
        }
    }
    Ok(row.into())
}

/// Where the bytes of a field are in an encoded row.
fn span_of(row: &[u8], field: u16) -> Option<(usize, usize)> {
    let mut start = 4;
    for (index, bytes) in contract::row::fields_of(row).enumerate() {
        if index == usize::from(field) {
            return Some((start, start + bytes.len()));
        }
        start += bytes.len() + 2;
    }
    None
}
