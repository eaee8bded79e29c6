//! Register: reads, writes and read-then-writes of single keys, for checkers that judge each key by itself.
//!
//! One table `registers`; a row holds its key and the [`Stamp`] of the transaction that wrote it, so every write is
//! unique and a read tells which write it saw.

use contract::{Error, Key, Program, Programs, Reply, Row, Schema, Statement, Step, Table, TableId};

use crate::Stamp;
use crate::clients::Clients;
use crate::distribution::{Distribution, Sampler};
use crate::workload::{LoadShard, Workload, cut};

const REGISTERS: TableId = TableId(0);

/// A number of registers.
#[derive(Clone, Debug)]
pub struct Register {
    registers: u64,
    distribution: Distribution,
}

impl Register {
    /// `registers` registers, chosen by `distribution`. Panics with none.
    pub fn new(registers: u64, distribution: Distribution) -> Register {
        assert!(registers > 0, "there is no register");
        Register { registers, distribution }
    }
}

impl Workload for Register {
    fn name(&self) -> &'static str {
        "register"
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        vec![
            ("registers", self.registers.to_string()),
            ("distribution", self.distribution.to_string()),
            ("mix_percent", "read:50 write:25 read-write:25".to_owned()),
        ]
    }

    fn schema(&self) -> Schema {
        Schema { tables: vec![Table { name: "registers".into(), indexes: Vec::new() }] }
    }

    fn load(&self, shards: usize) -> Vec<LoadShard> {
        cut(self.registers, shards)
            .map(|range| LoadShard {
                table: REGISTERS,
                count: range.end - range.start,
                rows: Box::new(range.map(|number| {
                    let key = Key::from_u64(number);
                    let row = value(&key, Stamp::LOADED);
                    (key, row)
                })),
            })
            .collect()
    }

    fn programs(&self, seed: u64, era: u16) -> Box<dyn Programs> {
        Box::new(RegisterPrograms {
            sampler: Sampler::new(&self.distribution, self.registers),
            clients: Clients::new(seed, era),
        })
    }

    fn verify(&self, _table: TableId, key: &Key, row: &Row) -> Result<(), String> {
        stamp_of(key, row).map(|_| ())
    }
}

fn value(key: &Key, stamp: Stamp) -> Row {
    Row::new([key.as_bytes(), &stamp.to_u64().to_be_bytes()])
}

/// Who wrote the register. The error is the finding.
pub fn stamp_of(key: &Key, row: &Row) -> Result<Stamp, String> {
    let stamp = row.field(1).and_then(|field| <[u8; 8]>::try_from(field).ok());
    match stamp {
        Some(stamp) if row.field(0) == Some(key.as_bytes()) && row.field(2).is_none() => {
            Ok(Stamp::from_u64(u64::from_be_bytes(stamp)))
        }
        _ => Err(format!("register {key:?} holds {row:?}")),
    }
}

struct RegisterPrograms {
    sampler: Sampler,
    clients: Clients,
}

impl Programs for RegisterPrograms {
    fn next(&mut self, client: u32) -> Box<dyn Program> {
        let (rng, stamp) = self.clients.next(client);
        let kind = match rng.below(4) {
            0 => Kind::Write,
            1 => Kind::ReadWrite,
            _ => Kind::Read,
        };
        Box::new(Access { kind, key: Key::from_u64(self.sampler.draw(rng)), stamp, at: 0 })
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Read,
    Write,
    ReadWrite,
}

struct Access {
    kind: Kind,
    key: Key,
    stamp: Stamp,
    at: u32,
}

impl Access {
    fn check(&self, reply: &Reply) -> Result<(), String> {
        match reply {
            Reply::Row { row: Some(row), .. } => stamp_of(&self.key, row).map(|_| ()),
            Reply::Row { row: None, .. } => Err(format!("register {:?} is missing", self.key)),
            _ => Ok(()),
        }
    }
}

impl Program for Access {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Read => "read",
            Kind::Write => "write",
            Kind::ReadWrite => "read-write",
        }
    }

    fn step(&mut self, last: Option<&Result<Reply, Error>>) -> Result<Step, String> {
        if let Some(Ok(reply)) = last {
            self.check(reply)?;
        }
        self.at += 1;
        let get = Statement::Get { table: REGISTERS, key: self.key.clone() };
        let put = || Statement::Put { table: REGISTERS, key: self.key.clone(), row: value(&self.key, self.stamp) };
        Ok(match (self.kind, self.at) {
            (Kind::Read, _) => Step::Single(get),
            (Kind::Write, _) => Step::Single(put()),
            (Kind::ReadWrite, 1) => Step::Begin,
            (Kind::ReadWrite, 2) => Step::Execute(get),
            (Kind::ReadWrite, 3) => Step::Execute(put()),
            (Kind::ReadWrite, _) => Step::Commit,
        })
    }

    fn restart(&mut self) {
        self.at = 0;
    }

    fn finish(&mut self, last: &Result<Reply, Error>) -> Result<(), String> {
        last.as_ref().map_or(Ok(()), |reply| self.check(reply))
    }
}
