//! What every workload tells the harness.

use std::fmt;

use contract::{Key, Programs, Row, Schema, TableId};

/// A workload: schema, first rows, and transactions.
pub trait Workload: Send + Sync {
    /// Its name in records, e.g. `oltp_write_only`, `ycsb-a`.
    fn name(&self) -> &'static str;

    /// Every parameter that shapes it, name and value, in a fixed order: what a record must hold to run it again.
    fn parameters(&self) -> Vec<(&'static str, String)>;

    /// The tables and indexes.
    fn schema(&self) -> Schema;

    /// The first rows, cut into about `shards` parts that may be made in parallel. Shards are in order of table and key,
    /// and so are the rows inside a shard; one shard concerns one table.
    fn load(&self, shards: usize) -> Vec<LoadShard>;

    /// The clients' transactions. `era` numbers the runs over the same data, from 1, so that no stamp and no
    /// inserted key is used twice; 0 is the load. Panics when `era` is 0 or exceeds [`crate::Stamp::ERA_MAX`].
    fn programs(&self, seed: u64, era: u16) -> Box<dyn Programs>;

    /// Checks a stored row: every value verifies and belongs to `key`. The error is the finding.
    fn verify(&self, table: TableId, key: &Key, row: &Row) -> Result<(), String>;
}

/// A part of the first rows: one table, keys rising.
pub struct LoadShard {
    /// The table.
    pub table: TableId,
    /// How many rows.
    pub count: u64,
    /// The rows.
    pub rows: Box<dyn Iterator<Item = (Key, Row)> + Send>,
}

impl fmt::Debug for LoadShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoadShard({} rows of table {})", self.count, self.table.0)
    }
}

/// Cuts `0..count` into at most `shards` ranges of about the same length.
pub(crate) fn cut(count: u64, shards: usize) -> impl Iterator<Item = std::ops::Range<u64>> {
    let shards = (shards.max(1) as u64).min(count.max(1));
    (0..shards).map(move |shard| count * shard / shards..count * (shard + 1) / shards)
}
