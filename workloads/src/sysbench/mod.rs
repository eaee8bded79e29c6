//! The sysbench OLTP family, as `oltp_common.lua` of sysbench 1.0.20 writes it.
//!
//! Tables `sbtest1…`: `id` (the key, from 1), `k` (an eight-byte number, indexed as `k_1…`), `c` (119 characters), `pad`
//! (59 characters). At load `k` follows the chosen distribution, like everything sysbench draws with its default law.
//!
//! # Mechanism
//!
//! The bodies, in this order, inside a transaction for the first three and alone for the others:
//!
//! | script | body |
//! |---|---|
//! | `oltp_read_write` | 10 points, 4 ranges of 100, index update, non-index update, delete and insert |
//! | `oltp_write_only` | index update, non-index update, delete and insert |
//! | `oltp_read_only` | 10 points, 4 ranges of 100 |
//! | `oltp_update_index`, `oltp_update_non_index`, `oltp_delete`, `oltp_insert`, `oltp_point_select` | that one statement |
//!
//! The table is drawn uniformly once per group of statements (all ten points ask one table); row ids come from the
//! distribution; a delete and its insert concern the same id, and the insert's `k` is a draw of its own. A
//! restarted event draws everything anew, as the script's does.
//!
//! # Invariants
//!
//! - A row exists at every moment, except under `oltp_delete`: a delete and its insert commit together. So a point
//!   select finds its row and a range of `n` ids inside the table has `n` rows.
//!
//! # Caveats
//!
//! - A point select fetches the whole row, not only `c`: the contract's `Get` has no projection.
//! - `oltp_insert` takes ids above the loaded ones from one counter per table, as auto-increment does; a later run over
//!   the same data starts at a distance of 2^36.
//! - Forty of a value's digits encode its key and stamp, masked; two of them are only ever 0 or 1. The others are uniform.
//! - Over data that `oltp_delete` has run on, the other scripts report missing rows as findings.

mod digits;
mod program;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use contract::{Index, Key, Program, Programs, Row, Schema, Table, TableId};

use crate::clients::Clients;
use crate::distribution::{Distribution, Sampler};
use crate::workload::{LoadShard, Workload, cut};
use crate::{Rng, Stamp};
use program::{OltpProgram, Plan};

/// The number of the field `k`.
pub const FIELD_K: u16 = 0;
/// The number of the field `c`.
pub const FIELD_C: u16 = 1;
/// The number of the field `pad`.
pub const FIELD_PAD: u16 = 2;

/// Rows that a range asks for.
const RANGE_ROWS: u64 = 100;
/// How far apart successive runs insert.
const ERA_IDS: u64 = 1 << 36;

/// Which script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// `oltp_read_write`.
    ReadWrite,
    /// `oltp_write_only`.
    WriteOnly,
    /// `oltp_read_only`.
    ReadOnly,
    /// `oltp_update_index`.
    UpdateIndex,
    /// `oltp_update_non_index`.
    UpdateNonIndex,
    /// `oltp_insert`.
    Insert,
    /// `oltp_delete`.
    Delete,
    /// `oltp_point_select`.
    PointSelect,
}

impl Script {
    /// All scripts.
    pub const ALL: [Script; 8] = [
        Script::ReadWrite,
        Script::WriteOnly,
        Script::ReadOnly,
        Script::UpdateIndex,
        Script::UpdateNonIndex,
        Script::Insert,
        Script::Delete,
        Script::PointSelect,
    ];

    /// sysbench's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Script::ReadWrite => "oltp_read_write",
            Script::WriteOnly => "oltp_write_only",
            Script::ReadOnly => "oltp_read_only",
            Script::UpdateIndex => "oltp_update_index",
            Script::UpdateNonIndex => "oltp_update_non_index",
            Script::Insert => "oltp_insert",
            Script::Delete => "oltp_delete",
            Script::PointSelect => "oltp_point_select",
        }
    }
}

/// One script over its tables.
#[derive(Clone, Debug)]
pub struct Oltp {
    shared: Arc<Shared>,
}

/// What every program of a run reads.
#[derive(Debug)]
struct Shared {
    script: Script,
    tables: u16,
    table_rows: u64,
    distribution: Distribution,
    sampler: Sampler,
    seed: u64,
}

impl Shared {
    /// An id, from 1, by the distribution.
    fn id(&self, rng: &mut Rng) -> u64 {
        1 + self.sampler.draw(rng)
    }

    fn table(&self, rng: &mut Rng) -> TableId {
        TableId(rng.below(u64::from(self.tables)) as u16)
    }
}

impl Oltp {
    /// `tables` tables of `table_rows` rows. `seed` fixes the loaded rows. Panics when there is no table or no row.
    pub fn new(script: Script, tables: u16, table_rows: u64, distribution: Distribution, seed: u64) -> Oltp {
        assert!(tables > 0 && table_rows > 0, "sysbench needs a table and a row");
        let sampler = Sampler::new(&distribution, table_rows);
        Oltp { shared: Arc::new(Shared { script, tables, table_rows, distribution, sampler, seed }) }
    }

    /// The loaded row `id` of a table.
    fn loaded_row(shared: &Shared, table: TableId, id: u64) -> (Key, Row) {
        let mut rng = Rng::stream(shared.seed, "sbtest", id | u64::from(table.0) << 48);
        let k = shared.id(&mut rng);
        (Key::from_u64(id), value::row(table, id, k, Stamp::LOADED, &mut rng))
    }
}

impl Workload for Oltp {
    fn name(&self) -> &'static str {
        self.shared.script.name()
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        let plan = Plan::of(self.shared.script);
        vec![
            ("tables", self.shared.tables.to_string()),
            ("table_rows", self.shared.table_rows.to_string()),
            ("distribution", self.shared.distribution.to_string()),
            ("range_rows", RANGE_ROWS.to_string()),
            ("statements", plan.describe()),
        ]
    }

    fn schema(&self) -> Schema {
        let table = |number| Table {
            name: format!("sbtest{number}"),
            indexes: vec![Index { name: format!("k_{number}"), field: FIELD_K }],
        };
        Schema { tables: (1..=self.shared.tables).map(table).collect() }
    }

    fn load(&self, shards: usize) -> Vec<LoadShard> {
        let shards_per_table = shards.div_ceil(usize::from(self.shared.tables));
        let mut all = Vec::new();
        for table in (0..self.shared.tables).map(TableId) {
            for range in cut(self.shared.table_rows, shards_per_table) {
                let shared = Arc::clone(&self.shared);
                let count = range.end - range.start;
                let rows = range.map(move |rank| Oltp::loaded_row(&shared, table, rank + 1));
                all.push(LoadShard { table, count, rows: Box::new(rows) });
            }
        }
        all
    }

    fn programs(&self, seed: u64, era: u16) -> Box<dyn Programs> {
        let clients = Clients::new(seed, era);
        let first = self.shared.table_rows + 1 + u64::from(era - 1) * ERA_IDS;
        let next_ids = (0..self.shared.tables).map(|_| AtomicU64::new(first)).collect();
        Box::new(OltpPrograms {
            shared: Arc::clone(&self.shared),
            plan: Plan::of(self.shared.script),
            clients,
            next_ids: Arc::new(NextIds(next_ids)),
        })
    }

    fn verify(&self, table: TableId, key: &Key, row: &Row) -> Result<(), String> {
        value::verify_row(table, key, row).map(|_| ())
    }
}

/// The next id of each table, for inserts.
#[derive(Debug)]
struct NextIds(Vec<AtomicU64>);

impl NextIds {
    fn take(&self, table: TableId) -> u64 {
        // Only uniqueness matters, and one node has one thread.
        self.0[usize::from(table.0)].fetch_add(1, Ordering::Relaxed)
    }
}

struct OltpPrograms {
    shared: Arc<Shared>,
    plan: Plan,
    clients: Clients,
    next_ids: Arc<NextIds>,
}

impl Programs for OltpPrograms {
    fn next(&mut self, client: u32) -> Box<dyn Program> {
        let (rng, stamp) = self.clients.next(client);
        let rng = Rng::new(rng.next_u64());
        Box::new(OltpProgram::new(Arc::clone(&self.shared), Arc::clone(&self.next_ids), self.plan, stamp, rng))
    }
}
