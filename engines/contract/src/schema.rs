//! Tables and secondary indexes.

/// A table of the schema, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u16);

/// A secondary index of a table, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexId(pub u16);

/// A secondary index: entries `(field bytes, primary key)` in that order, not unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name, e.g. `k_1`.
    pub name: String,
    /// The indexed field's number in the row. A row without the field has no entry.
    pub field: u16,
}

/// A table: rows under unique primary keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, e.g. `sbtest1`.
    pub name: String,
    /// Its secondary indexes.
    pub indexes: Vec<Index>,
}

/// The tables of a database. Fixed when the database is created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// The tables, numbered by [`TableId`].
    pub tables: Vec<Table>,
}

impl Schema {
    /// The table `id`.
    pub fn table(&self, id: TableId) -> Option<&Table> {
        self.tables.get(usize::from(id.0))
    }

    /// The index `index` of the table `table`.
    pub fn index(&self, table: TableId, index: IndexId) -> Option<&Index> {
        self.table(table)?.indexes.get(usize::from(index.0))
    }
}
