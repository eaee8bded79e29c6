//! Mixed: every statement the contract has, in random transactions over few keys. For mirrors and checkers, not for speed.
//!
//! Tables `mixed1…`, each with an index on a small number and one on a short text; keys and rows of many lengths; half of the
//! keys loaded. A transaction has one to eight statements, scans and index scans with every projection included; one
//! in seven is a lone statement, one in ten rolls back. A duplicate key does not stop it.
//!
//! With one client, a run is a serial sequence whose replies can be compared between engines and with the model.
//!
//! # Invariants
//!
//! - A restarted transaction asks exactly the same.
//! - The last field of a row names its key and its writer and carries a checksum.

use bytes::Bytes;
use contract::{
    Aggregate, Change, Error, Index, IndexId, Key, Program, Programs, Projection, Reply, Row, Schema, Statement, Step,
    Table, TableId,
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::clients::Clients;
use crate::distribution::{Distribution, Sampler};
use crate::rng::mix;
use crate::workload::{LoadShard, Workload, cut};
use crate::{Rng, Stamp};

/// The indexed number, in `0..NUMBERS`, and what is added to it.
const FIELD_NUMBER: u16 = 0;
/// The indexed text.
const FIELD_TEXT: u16 = 1;
/// The self-describing field.
const FIELD_PROOF: u16 = 2;
const NUMBERS: u64 = 40;
const STATEMENTS_MAX: u64 = 8;

/// Random transactions over a number of keys.
#[derive(Clone, Debug)]
pub struct Mixed {
    tables: u16,
    keys: u64,
    padding_bytes_max: u64,
    distribution: Distribution,
    seed: u64,
}

impl Mixed {
    /// `tables` tables of `keys` possible keys each; rows take up to `padding_bytes_max` bytes more than their least, about
    /// 40. Panics with no table or no key.
    pub fn new(tables: u16, keys: u64, padding_bytes_max: u64, distribution: Distribution, seed: u64) -> Mixed {
        assert!(tables > 0 && keys > 0, "mixed needs a table and a key");
        Mixed { tables, keys, padding_bytes_max, distribution, seed }
    }
}

impl Workload for Mixed {
    fn name(&self) -> &'static str {
        "mixed"
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        vec![
            ("tables", self.tables.to_string()),
            ("keys", self.keys.to_string()),
            ("padding_bytes_max", self.padding_bytes_max.to_string()),
            ("distribution", self.distribution.to_string()),
            ("statements", format!("uniform(1..{STATEMENTS_MAX})")),
        ]
    }

    fn schema(&self) -> Schema {
        let index = |name: &str, field| Index { name: name.into(), field };
        let table = |number| Table {
            name: format!("mixed{number}"),
            indexes: vec![index("number", FIELD_NUMBER), index("text", FIELD_TEXT)],
        };
        Schema { tables: (1..=self.tables).map(table).collect() }
    }

    fn load(&self, shards: usize) -> Vec<LoadShard> {
        let mut all = Vec::new();
        for table in (0..self.tables).map(TableId) {
            for range in cut(self.keys.div_ceil(2), shards.div_ceil(usize::from(self.tables))) {
                let (seed, padding_bytes_max) = (self.seed, self.padding_bytes_max);
                let count = range.end - range.start;
                let rows = range.map(move |half| {
                    let mut rng = Rng::stream(seed, "mixed", half | u64::from(table.0) << 48);
                    let key = key(half * 2);
                    let row = row(&key, Stamp::LOADED, padding_bytes_max, &mut rng);
                    (key, row)
                });
                all.push(LoadShard { table, count, rows: Box::new(rows) });
            }
        }
        all
    }

    fn programs(&self, seed: u64, era: u16) -> Box<dyn Programs> {
        let sampler = Sampler::new(&self.distribution, self.keys);
        Box::new(MixedPrograms { mixed: self.clone(), sampler, clients: Clients::new(seed, era) })
    }

    fn verify(&self, _table: TableId, key: &Key, row: &Row) -> Result<(), String> {
        verify_row(key, row)
    }
}

/// A key of 8 to 31 bytes, ordered like its number.
fn key(number: u64) -> Key {
    let tail = mix(number);
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend((0..tail % 24).map(|at| (tail >> (at % 8)) as u8));
    Key(bytes.into())
}

fn row(key: &Key, stamp: Stamp, padding_bytes_max: u64, rng: &mut Rng) -> Row {
    let (number, text, proof) = (rng.below(NUMBERS), text(rng), proof(key, stamp, padding_bytes_max, rng));
    Row::new([&number.to_be_bytes()[..], &text, &proof])
}

fn text(rng: &mut Rng) -> Vec<u8> {
    (0..rng.below(4)).map(|_| b'a' + rng.below(3) as u8).collect()
}

fn proof(key: &Key, stamp: Stamp, padding_bytes_max: u64, rng: &mut Rng) -> Vec<u8> {
    let mut bytes = stamp.to_u64().to_be_bytes().to_vec();
    bytes.extend((0..rng.below(padding_bytes_max + 1)).map(|_| rng.next_u64() as u8));
    let sum = xxh3_64_with_seed(key.as_bytes(), xxh3_64_with_seed(&bytes, 0));
    bytes.extend(sum.to_be_bytes());
    bytes
}

fn verify_row(key: &Key, row: &Row) -> Result<(), String> {
    let (body, sum) = match (row.field(usize::from(FIELD_PROOF)), row.field(3)) {
        (Some(proof), None) if proof.len() >= 16 => proof.split_at(proof.len() - 8),
        _ => return Err(format!("{key:?} holds {row:?}")),
    };
    let expected = xxh3_64_with_seed(key.as_bytes(), xxh3_64_with_seed(body, 0));
    if sum == expected.to_be_bytes() {
        Ok(())
    } else {
        Err(format!("{key:?} holds a row that is not its own: {row:?}"))
    }
}

struct MixedPrograms {
    mixed: Mixed,
    sampler: Sampler,
    clients: Clients,
}

impl Programs for MixedPrograms {
    fn next(&mut self, client: u32) -> Box<dyn Program> {
        let (rng, stamp) = self.clients.next(client);
        let mut draw = Draw { mixed: &self.mixed, sampler: &self.sampler, stamp, rng };
        let alone = draw.rng.below(7) == 0;
        let count = if alone { 1 } else { 1 + draw.rng.below(STATEMENTS_MAX) };
        let mut statements: Vec<Statement> = (0..count).map(|_| draw.statement()).collect();
        if alone && matches!(statements[0], Statement::Insert { .. } | Statement::InsertMany { .. }) {
            statements[0] = draw.delete();
        }
        let roll_back = !alone && draw.rng.below(10) == 0;
        Box::new(MixedProgram { alone, roll_back, statements, at: 0 })
    }
}

/// Draws one transaction's statements.
struct Draw<'a> {
    mixed: &'a Mixed,
    sampler: &'a Sampler,
    stamp: Stamp,
    rng: &'a mut Rng,
}

impl Draw<'_> {
    fn statement(&mut self) -> Statement {
        let (table, key) = (self.table(), self.key());
        match self.rng.below(100) {
            0..15 => Statement::Get { table, key },
            15..20 => Statement::GetForUpdate { table, key },
            20..36 => {
                let to = (self.rng.below(4) > 0).then(|| self.key());
                Statement::Scan { table, from: key, to, limit: self.limit(), projection: self.projection() }
            }
            36..46 => self.index_scan(table),
            46..58 => Statement::Insert { table, row: self.row(&key), key },
            58..62 => self.insert_many(table),
            62..72 => Statement::Put { table, row: self.row(&key), key },
            72..86 => Statement::Update { table, changes: self.changes(&key), key },
            _ => Statement::Delete { table, key },
        }
    }

    fn delete(&mut self) -> Statement {
        Statement::Delete { table: self.table(), key: self.key() }
    }

    fn table(&mut self) -> TableId {
        TableId(self.rng.below(u64::from(self.mixed.tables)) as u16)
    }

    fn key(&mut self) -> Key {
        key(self.sampler.draw(self.rng))
    }

    fn row(&mut self, key: &Key) -> Row {
        row(key, self.stamp, self.mixed.padding_bytes_max, self.rng)
    }

    fn limit(&mut self) -> u32 {
        if self.rng.below(3) == 0 { u32::MAX } else { self.rng.below(30) as u32 }
    }

    fn projection(&mut self) -> Projection {
        match self.rng.below(7) {
            0 | 1 => Projection::Rows,
            2 => Projection::Field(self.rng.below(3) as u16),
            3 => Projection::Aggregate(Aggregate::Count),
            4 => Projection::Aggregate(Aggregate::Sum(FIELD_NUMBER)),
            5 => Projection::Sorted(FIELD_TEXT),
            _ => Projection::Distinct(self.rng.below(2) as u16),
        }
    }

    fn index_scan(&mut self, table: TableId) -> Statement {
        let numbers = self.rng.below(2) == 0;
        let bound = |rng: &mut Rng| match numbers {
            true => Bytes::copy_from_slice(&rng.below(NUMBERS).to_be_bytes()),
            false => Bytes::from(text(rng)),
        };
        let from = bound(self.rng);
        let to = (self.rng.below(4) > 0).then(|| bound(self.rng));
        let index = IndexId(if numbers { FIELD_NUMBER } else { FIELD_TEXT });
        Statement::IndexScan { table, index, from, to, limit: self.limit(), projection: self.projection() }
    }

    fn insert_many(&mut self, table: TableId) -> Statement {
        let first = self.sampler.draw(self.rng);
        let count = 1 + self.rng.below(5);
        let rows = (first..first + count).map(|number| {
            let key = key(number);
            let row = self.row(&key);
            (key, row)
        });
        Statement::InsertMany { table, rows: rows.collect() }
    }

    fn changes(&mut self, key: &Key) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.rng.below(2) == 0 {
            changes.push(Change::Add { field: FIELD_NUMBER, delta: 1 + self.rng.below(3) });
        }
        if self.rng.below(2) == 0 {
            changes.push(Change::Set { field: FIELD_TEXT, value: text(self.rng).into() });
        }
        if changes.is_empty() || self.rng.below(2) == 0 {
            let value = proof(key, self.stamp, self.mixed.padding_bytes_max, self.rng).into();
            changes.push(Change::Set { field: FIELD_PROOF, value });
        }
        changes
    }
}

struct MixedProgram {
    alone: bool,
    roll_back: bool,
    statements: Vec<Statement>,
    /// Steps given; the begin is one.
    at: usize,
}

impl MixedProgram {
    /// Checks the reply to the statement given last.
    fn check(&self, reply: &Reply) -> Result<(), String> {
        let given = if self.alone { self.at } else { self.at.saturating_sub(1) };
        match (given.checked_sub(1).and_then(|at| self.statements.get(at)), reply) {
            (
                Some(Statement::Get { key, .. } | Statement::GetForUpdate { key, .. }),
                Reply::Row { row: Some(row), .. },
            ) => verify_row(key, row),
            (
                Some(
                    Statement::Scan { projection: Projection::Rows, .. }
                    | Statement::IndexScan { projection: Projection::Rows, .. },
                ),
                Reply::Rows { rows, .. },
            ) => rows.iter().try_for_each(|(key, row)| verify_row(key, row)),
            _ => Ok(()),
        }
    }
}

impl Program for MixedProgram {
    fn name(&self) -> &'static str {
        if self.alone { "mixed-single" } else { "mixed" }
    }

    fn step(&mut self, last: Option<&Result<Reply, Error>>) -> Result<Step, String> {
        if let Some(Ok(reply)) = last {
            self.check(reply)?;
        }
        self.at += 1;
        if self.alone {
            return Ok(Step::Single(self.statements[0].clone()));
        }
        if self.at == 1 {
            return Ok(Step::Begin);
        }
        Ok(match self.statements.get(self.at - 2) {
            Some(statement) => Step::Execute(statement.clone()),
            None if self.roll_back => Step::Rollback,
            None => Step::Commit,
        })
    }

    fn restart(&mut self) {
        self.at = 0;
    }

    fn finish(&mut self, last: &Result<Reply, Error>) -> Result<(), String> {
        match last {
            Ok(reply) if self.alone => self.check(reply),
            _ => Ok(()),
        }
    }
}
