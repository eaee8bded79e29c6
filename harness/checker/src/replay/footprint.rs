//! Which keys a transaction reads and writes.

use contract::{Key, Statement, TableId, Transaction};

/// What a transaction may read and write, whatever the data.
#[derive(Clone, Debug, Default)]
pub struct Footprint {
    reads: Vec<Access>,
    writes: Vec<(TableId, Key)>,
}

/// A part of a table.
#[derive(Clone, Debug)]
pub enum Access {
    Point(TableId, Key),
    Range(TableId, Key, Option<Key>),
    /// An index scan: what it meets depends on fields.
    Table(TableId),
}

impl Access {
    fn covers(&self, table: TableId, key: &Key) -> bool {
        match self {
            Access::Point(of, at) => *of == table && at == key,
            Access::Range(of, from, to) => *of == table && from <= key && to.as_ref().is_none_or(|to| key < to),
            Access::Table(of) => *of == table,
        }
    }
}

impl Footprint {
    pub fn of(txn: &Transaction) -> Footprint {
        let mut footprint = Footprint::default();
        for (statement, _) in &txn.calls {
            footprint.reads.extend(observed(statement));
            footprint.writes.extend(written(statement));
        }
        footprint
    }

    pub fn writes_anything(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Whether this transaction's writes can change what `statement` is answered.
    pub fn affects(&self, statement: &Statement) -> bool {
        self.write_into(&observed(statement))
    }

    /// Whether the order of the two can matter.
    pub fn meets(&self, other: &Footprint) -> bool {
        self.write_into(&other.reads) || other.write_into(&self.reads)
    }

    fn write_into(&self, reads: &[Access]) -> bool {
        self.writes.iter().any(|(table, key)| reads.iter().any(|access| access.covers(*table, key)))
    }
}

/// What a statement's answer depends on. A write's answer tells whether the row was there.
fn observed(statement: &Statement) -> Vec<Access> {
    let table = statement.table();
    match statement {
        Statement::Get { key, .. }
        | Statement::GetForUpdate { key, .. }
        | Statement::Insert { key, .. }
        | Statement::Put { key, .. }
        | Statement::Update { key, .. }
        | Statement::Delete { key, .. } => vec![Access::Point(table, key.clone())],
        Statement::InsertMany { rows, .. } => rows.iter().map(|(key, _)| Access::Point(table, key.clone())).collect(),
        Statement::Scan { from, to, .. } => vec![Access::Range(table, from.clone(), to.clone())],
        Statement::IndexScan { .. } => vec![Access::Table(table)],
    }
}

fn written(statement: &Statement) -> Vec<(TableId, Key)> {
    let table = statement.table();
    match statement {
        Statement::Insert { key, .. }
        | Statement::Put { key, .. }
        | Statement::Update { key, .. }
        | Statement::Delete { key, .. } => vec![(table, key.clone())],
        Statement::InsertMany { rows, .. } => rows.iter().map(|(key, _)| (table, key.clone())).collect(),
        Statement::Get { .. }
        | Statement::GetForUpdate { .. }
        | Statement::Scan { .. }
        | Statement::IndexScan { .. } => Vec::new(),
    }
}
