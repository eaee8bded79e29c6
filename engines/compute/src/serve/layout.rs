//! Which tree holds which table or index.

use contract::{Error, IndexId, Schema, TableId};

use crate::TreeId;
use crate::cell::TREES_MAX;
use crate::config::ConfigError;

/// The trees of a schema: tree 0 is the catalog, then each table followed by its indexes.
#[derive(Clone, Debug)]
pub struct Layout {
    tables: Vec<TableTrees>,
    trees: u16,
    encoded: Vec<u8>,
}

/// The trees of a table.
#[derive(Clone, Debug)]
pub struct TableTrees {
    /// Of its rows.
    pub rows: TreeId,
    /// Of its indexes, each with the number of the indexed field.
    pub indexes: Vec<(TreeId, usize)>,
}

impl Layout {
    /// The layout of a schema.
    pub fn new(schema: &Schema) -> Result<Layout, ConfigError> {
        let count: usize = schema.tables.iter().map(|table| 1 + table.indexes.len()).sum();
        if count >= TREES_MAX {
            return Err(ConfigError::Schema(format!(
                "{count} tables and indexes, fewer than {TREES_MAX} are supported"
            )));
        }
        let mut ids = (1..).map(TreeId);
        let mut tree = || ids.next().expect("counted above");
        let tables = schema.tables.iter().map(|table| TableTrees {
            rows: tree(),
            indexes: table.indexes.iter().map(|index| (tree(), usize::from(index.field))).collect(),
        });
        Ok(Layout { tables: tables.collect(), trees: count as u16, encoded: encode(schema) })
    }

    /// How many trees there are, the catalog not included.
    pub fn trees(&self) -> u16 {
        self.trees
    }

    /// The schema as stored in the catalog. Two schemas are equal when these bytes are.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// The trees of a table.
    pub fn table(&self, table: TableId) -> Result<&TableTrees, Error> {
        self.tables.get(usize::from(table.0)).ok_or_else(|| Error::Invalid(format!("no table {}", table.0)))
    }

    /// The table whose rows `tree` holds; `None` for the catalog and for indexes.
    pub fn table_of(&self, tree: TreeId) -> Option<TableId> {
        let found = self.tables.binary_search_by_key(&tree, |table| table.rows).ok()?;
        Some(TableId(found as u16))
    }

    /// The tree of an index.
    pub fn index(&self, table: TableId, index: IndexId) -> Result<TreeId, Error> {
        let found = self.table(table)?.indexes.get(usize::from(index.0));
        found
            .map(|(tree, _)| *tree)
            .ok_or_else(|| Error::Invalid(format!("table {} has no index {}", table.0, index.0)))
    }
}

/// Tables `u16`; each a name and indexes `u16`; each a name and a field `u16`. Names are length `u16` and bytes. All
/// little-endian.
fn encode(schema: &Schema) -> Vec<u8> {
    let mut out = Vec::new();
    put_count(&mut out, schema.tables.len());
    for table in &schema.tables {
        put_name(&mut out, &table.name);
        put_count(&mut out, table.indexes.len());
        for index in &table.indexes {
            put_name(&mut out, &index.name);
            out.extend_from_slice(&index.field.to_le_bytes());
        }
    }
    out
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    put_count(out, name.len());
    out.extend_from_slice(name.as_bytes());
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    // Longer than a catalog page anyway, which is refused.
    out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
}
