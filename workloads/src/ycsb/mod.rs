//! YCSB's core workloads A to F, as `CoreWorkload.java` runs them.
//!
//! One table, `usertable`: key `user` and the hash of the key number, so that order by key is scrambled; ten fields of 100
//! bytes.
//!
//! # Mechanism
//!
//! | | read | update | insert | scan | read-modify-write | distribution |
//! |---|---|---|---|---|---|---|
//! | A | 50 % | 50 % | | | | `ycsb-scrambled` |
//! | B | 95 % | 5 % | | | | `ycsb-scrambled` |
//! | C | 100 % | | | | | `ycsb-scrambled` |
//! | D | 95 % | | 5 % | | | `latest` |
//! | E | | | 5 % | 95 %, 1 to 100 rows | | `ycsb-scrambled` |
//! | F | 50 % | | | | 50 % | `ycsb-scrambled` |
//!
//! A read fetches all fields, an update writes one. Key numbers are redrawn while they lie above the last *acknowledged*
//! insert; the scrambled law spans the loaded keys and twice the inserts expected, as in the original.
//!
//! # Invariants
//!
//! - Loaded keys are never removed, so a read of one finds it.
//! - A value names its key, its field and its writer, and carries a checksum.
//!
//! # Caveats
//!
//! - Each operation is a transaction of its own; a read-modify-write is one transaction of two statements, where YCSB sends
//!   two independent operations. Its latency is recorded as `read-modify-write` only.
//! - As in the original, an insert counts as acknowledged once it is answered, even with an error, so a read may ask
//!   for a key that is not there; that is no finding.
//! - Keys inserted by an earlier run over the same data stay and are met by scans only.

mod acknowledged;
mod program;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

use contract::{Key, Program, Programs, Row, Schema, Table, TableId};

use crate::clients::Clients;
use crate::distribution::{Distribution, Sampler};
use crate::workload::{LoadShard, Workload, cut};
use crate::{Rng, Stamp};
use acknowledged::Acknowledged;
use program::{Operation, YcsbProgram};

pub use value::{FIELD_BYTES, FIELDS};

/// The table.
const USERTABLE: TableId = TableId(0);
/// The longest scan.
const SCAN_ROWS_MAX: u64 = 100;
/// Key numbers that each run may insert.
const ERA_KEYS_BITS: u32 = 40;

/// Which workload file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    /// Update heavy.
    A,
    /// Read mostly.
    B,
    /// Read only.
    C,
    /// Read latest.
    D,
    /// Short ranges.
    E,
    /// Read-modify-write.
    F,
}

/// Operations in percent.
#[derive(Clone, Copy, Debug)]
struct Mix {
    read: u64,
    update: u64,
    insert: u64,
    scan: u64,
    read_modify_write: u64,
}

impl Core {
    /// All six.
    pub const ALL: [Core; 6] = [Core::A, Core::B, Core::C, Core::D, Core::E, Core::F];

    /// Its name here.
    pub const fn name(self) -> &'static str {
        match self {
            Core::A => "ycsb-a",
            Core::B => "ycsb-b",
            Core::C => "ycsb-c",
            Core::D => "ycsb-d",
            Core::E => "ycsb-e",
            Core::F => "ycsb-f",
        }
    }

    /// The request distribution of its workload file.
    pub const fn distribution(self) -> Distribution {
        match self {
            Core::D => Distribution::Latest,
            _ => Distribution::YcsbScrambled,
        }
    }

    const fn mix(self) -> Mix {
        let none = Mix { read: 0, update: 0, insert: 0, scan: 0, read_modify_write: 0 };
        match self {
            Core::A => Mix { read: 50, update: 50, ..none },
            Core::B => Mix { read: 95, update: 5, ..none },
            Core::C => Mix { read: 100, ..none },
            Core::D => Mix { read: 95, insert: 5, ..none },
            Core::E => Mix { scan: 95, insert: 5, ..none },
            Core::F => Mix { read: 50, read_modify_write: 50, ..none },
        }
    }
}

/// One of the core workloads over a number of records.
#[derive(Clone, Debug)]
pub struct Ycsb {
    core: Core,
    records: u64,
    operations: u64,
    distribution: Distribution,
    seed: u64,
}

impl Ycsb {
    /// `records` loaded rows (`recordcount`), and `operations` expected (`operationcount`: it only widens the key space for
    /// inserts to come). Panics with fewer than two records.
    pub fn new(core: Core, records: u64, operations: u64, distribution: Distribution, seed: u64) -> Ycsb {
        assert!((2..1 << ERA_KEYS_BITS).contains(&records), "YCSB needs two records");
        Ycsb { core, records, operations, distribution, seed }
    }

    fn expected_inserts(&self) -> u64 {
        2 * self.operations * self.core.mix().insert / 100
    }
}

impl Workload for Ycsb {
    fn name(&self) -> &'static str {
        self.core.name()
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mix = self.core.mix();
        vec![
            ("records", self.records.to_string()),
            ("operations", self.operations.to_string()),
            ("distribution", self.distribution.to_string()),
            ("fields", format!("{FIELDS}x{FIELD_BYTES}")),
            (
                "mix_percent",
                format!(
                    "read:{} update:{} insert:{} scan:{} read-modify-write:{}",
                    mix.read, mix.update, mix.insert, mix.scan, mix.read_modify_write
                ),
            ),
            ("scan_rows", format!("uniform(1..{SCAN_ROWS_MAX})")),
        ]
    }

    fn schema(&self) -> Schema {
        Schema { tables: vec![Table { name: "usertable".into(), indexes: Vec::new() }] }
    }

    fn load(&self, shards: usize) -> Vec<LoadShard> {
        let mut numbers: Vec<u64> = (0..self.records).collect();
        numbers.sort_by_cached_key(|number| value::key(*number));
        let numbers: Arc<[u64]> = numbers.into();
        let seed = self.seed;
        cut(self.records, shards)
            .map(|range| {
                let numbers = Arc::clone(&numbers);
                let count = range.end - range.start;
                let rows = range.map(move |at| {
                    let number = numbers[at as usize];
                    let mut rng = Rng::stream(seed, "usertable", number);
                    (value::key(number), value::row(number, Stamp::LOADED, &mut rng))
                });
                LoadShard { table: USERTABLE, count, rows: Box::new(rows) }
            })
            .collect()
    }

    fn programs(&self, seed: u64, era: u16) -> Box<dyn Programs> {
        let keys = match self.distribution {
            // Latest draws over as many items as the newest key's number.
            Distribution::Latest => self.records - 1,
            // The original's generator takes an inclusive maximum, which is one key too many.
            Distribution::YcsbScrambled => self.records + self.expected_inserts() + 1,
            _ => self.records,
        };
        Box::new(YcsbPrograms {
            mix: self.core.mix(),
            records: self.records,
            sampler: Sampler::new(&self.distribution, keys),
            latest: self.distribution == Distribution::Latest,
            acknowledged: Arc::new(Acknowledged::new(self.records)),
            clients: Clients::new(seed, era),
        })
    }

    fn verify(&self, _table: TableId, key: &Key, row: &Row) -> Result<(), String> {
        value::verify_row(key, row).map(|_| ())
    }
}

struct YcsbPrograms {
    mix: Mix,
    records: u64,
    sampler: Sampler,
    latest: bool,
    acknowledged: Arc<Acknowledged>,
    clients: Clients,
}

impl YcsbPrograms {
    /// The number of an existing key, by the distribution (`nextKeynum`).
    fn existing(sampler: &mut Sampler, latest: bool, newest: u64, rng: &mut Rng) -> u64 {
        if latest {
            sampler.grow(newest);
            return 1 + sampler.draw(rng);
        }
        loop {
            let number = sampler.draw(rng);
            if number <= newest {
                return number;
            }
        }
    }
}

impl Programs for YcsbPrograms {
    fn next(&mut self, client: u32) -> Box<dyn Program> {
        let era = self.clients.era();
        let (rng, stamp) = self.clients.next(client);
        let newest = self.acknowledged.newest();
        let mut existing = |rng: &mut Rng| YcsbPrograms::existing(&mut self.sampler, self.latest, newest, rng);
        let Mix { read, update, insert, scan, .. } = self.mix;
        let draw = rng.below(100);
        let (operation, plain) = if draw < read {
            (Operation::Read, existing(rng))
        } else if draw < read + update {
            (Operation::Update { field: rng.below(FIELDS as u64) as u16 }, existing(rng))
        } else if draw < read + update + insert {
            (Operation::Insert, self.acknowledged.take())
        } else if draw < read + update + insert + scan {
            let number = existing(rng);
            (Operation::Scan { rows: 1 + rng.below(SCAN_ROWS_MAX) as u32 }, number)
        } else {
            (Operation::ReadModifyWrite { field: rng.below(FIELDS as u64) as u16 }, existing(rng))
        };
        // Runs over the same data insert different keys.
        let loaded = plain < self.records;
        let number = if loaded { plain } else { plain | u64::from(era - 1) << ERA_KEYS_BITS };
        let fill = Rng::new(rng.next_u64());
        let acknowledge = matches!(operation, Operation::Insert).then(|| (Arc::clone(&self.acknowledged), plain));
        Box::new(YcsbProgram::new(operation, number, loaded, stamp, fill, acknowledge))
    }
}
