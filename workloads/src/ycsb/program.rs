//! One YCSB operation as a program.

use std::sync::Arc;

use bytes::Bytes;
use contract::{Change, Error, Key, Program, Projection, Reply, Row, Statement, Step};

use super::acknowledged::Acknowledged;
use super::{USERTABLE, value};
use crate::{Rng, Stamp};

/// What the operation does.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Read,
    Update { field: u16 },
    Insert,
    Scan { rows: u32 },
    ReadModifyWrite { field: u16 },
}

pub struct YcsbProgram {
    operation: Operation,
    number: u64,
    key: Key,
    /// Whether the key was loaded, so that it must exist.
    loaded: bool,
    stamp: Stamp,
    /// Fills values; cloned, so that every attempt writes the same.
    fill: Rng,
    acknowledge: Option<(Arc<Acknowledged>, u64)>,
    at: u32,
    suspicion: Option<String>,
}

impl YcsbProgram {
    pub fn new(
        operation: Operation,
        number: u64,
        loaded: bool,
        stamp: Stamp,
        fill: Rng,
        acknowledge: Option<(Arc<Acknowledged>, u64)>,
    ) -> YcsbProgram {
        let key = value::key(number);
        YcsbProgram { operation, number, key, loaded, stamp, fill, acknowledge, at: 0, suspicion: None }
    }

    fn get(&self) -> Statement {
        Statement::Get { table: USERTABLE, key: self.key.clone() }
    }

    fn set(&self, field: u16) -> Statement {
        let value = value::field(self.number, field, self.stamp, &mut self.fill.clone());
        let change = Change::Set { field, value: Bytes::copy_from_slice(&value) };
        Statement::Update { table: USERTABLE, key: self.key.clone(), changes: vec![change] }
    }

    fn check(&mut self, reply: &Reply) -> Result<(), String> {
        match reply {
            Reply::Row { row: Some(row), .. } => value::verify_row(&self.key, row).map(|_| ()),
            Reply::Row { row: None, .. } | Reply::Affected { rows: 0, .. } if self.loaded => {
                self.suspicion.get_or_insert_with(|| format!("loaded key number {} is missing", self.number));
                Ok(())
            }
            Reply::Rows { rows, .. } => self.check_scan(rows),
            _ => Ok(()),
        }
    }

    fn check_scan(&self, rows: &[(Key, Row)]) -> Result<(), String> {
        let Operation::Scan { rows: asked } = self.operation else { return Err("rows without a scan".into()) };
        if rows.len() > asked as usize {
            return Err(format!("a scan of {asked} rows gave {}", rows.len()));
        }
        if !rows.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(format!("a scan from {:?} is not in order", self.key));
        }
        match rows.first() {
            Some((first, _)) if *first < self.key || (self.loaded && *first != self.key) => {
                return Err(format!("a scan from {:?} starts at {first:?}", self.key));
            }
            None if self.loaded => return Err(format!("a scan from loaded {:?} is empty", self.key)),
            _ => {}
        }
        rows.iter().try_for_each(|(key, row)| value::verify_row(key, row).map(|_| ()))
    }
}

impl Program for YcsbProgram {
    fn name(&self) -> &'static str {
        match self.operation {
            Operation::Read => "read",
            Operation::Update { .. } => "update",
            Operation::Insert => "insert",
            Operation::Scan { .. } => "scan",
            Operation::ReadModifyWrite { .. } => "read-modify-write",
        }
    }

    fn step(&mut self, last: Option<&Result<Reply, Error>>) -> Result<Step, String> {
        if let Some(Ok(reply)) = last {
            self.check(reply)?;
        }
        self.at += 1;
        Ok(match self.operation {
            Operation::Read => Step::Single(self.get()),
            Operation::Update { field } => Step::Single(self.set(field)),
            Operation::Insert => {
                let row = value::row(self.number, self.stamp, &mut self.fill.clone());
                Step::Single(Statement::Insert { table: USERTABLE, key: self.key.clone(), row })
            }
            Operation::Scan { rows } => Step::Single(Statement::Scan {
                table: USERTABLE,
                from: self.key.clone(),
                to: None,
                limit: rows,
                projection: Projection::Rows,
            }),
            Operation::ReadModifyWrite { field } => match self.at {
                1 => Step::Begin,
                2 => Step::Execute(self.get()),
                3 => Step::Execute(self.set(field)),
                _ => Step::Commit,
            },
        })
    }

    fn restart(&mut self) {
        self.at = 0;
        self.suspicion = None;
    }

    fn finish(&mut self, last: &Result<Reply, Error>) -> Result<(), String> {
        if let Some((acknowledged, plain)) = &self.acknowledge {
            acknowledged.acknowledge(*plain);
        }
        match last {
            Ok(reply) => {
                self.check(reply)?;
                self.suspicion.take().map_or(Ok(()), Err)
            }
            Err(Error::DuplicateKey) => Err(format!("fresh key number {} is taken", self.number)),
            Err(_) => Ok(()),
        }
    }
}
