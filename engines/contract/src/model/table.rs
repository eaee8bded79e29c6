//! One table of the model: its rows and its index entries.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;

use crate::{IndexId, Key, Row, Table};

/// Rows by key, and for each index the entries `(field, key)`.
#[derive(Clone, Debug)]
pub struct TableState {
    pub rows: BTreeMap<Key, Row>,
    indexes: Vec<IndexState>,
}

#[derive(Clone, Debug)]
struct IndexState {
    field: usize,
    entries: BTreeSet<(Bytes, Key)>,
}

impl TableState {
    pub fn new(table: &Table) -> TableState {
        let indexes = table
            .indexes
            .iter()
            .map(|index| IndexState { field: usize::from(index.field), entries: BTreeSet::new() })
            .collect();
        TableState { rows: BTreeMap::new(), indexes }
    }

    /// Sets or removes the row under `key`, keeps the indexes true, and gives what was there.
    pub fn set(&mut self, key: &Key, row: Option<Row>) -> Option<Row> {
        let before = match &row {
            Some(row) => self.rows.insert(key.clone(), row.clone()),
            None => self.rows.remove(key),
        };
        for index in &mut self.indexes {
            if let Some(old) = before.as_ref().and_then(|row| row.field(index.field)) {
                index.entries.remove(&(Bytes::copy_from_slice(old), key.clone()));
            }
            if let Some(new) = row.as_ref().and_then(|row| row.field(index.field)) {
                index.entries.insert((Bytes::copy_from_slice(new), key.clone()));
            }
        }
        before
    }

    /// The rows with `from <= key < to`, in order.
    pub fn range(&self, from: &Key, to: Option<&Key>) -> impl Iterator<Item = (&Key, &Row)> {
        let range = match to {
            // An ordered map refuses a range that ends before it starts.
            Some(to) if to < from => (Bound::Included(from), Bound::Excluded(from)),
            Some(to) => (Bound::Included(from), Bound::Excluded(to)),
            None => (Bound::Included(from), Bound::Unbounded),
        };
        self.rows.range::<Key, _>(range)
    }

    /// The rows whose indexed field is in `from <= field < to`, in order of (field, key). `None` for an unknown index.
    pub fn index_range(
        &self,
        index: IndexId,
        from: &Bytes,
        to: Option<&Bytes>,
    ) -> Option<impl Iterator<Item = (&Key, &Row)>> {
        let index = self.indexes.get(usize::from(index.0))?;
        let first = (from.clone(), Key(Bytes::new()));
        let to = to.cloned();
        Some(
            index
                .entries
                .range(first..)
                .take_while(move |(field, _)| to.as_ref().is_none_or(|to| field < to))
                .map(|(_, key)| (key, &self.rows[key])),
        )
    }
}
