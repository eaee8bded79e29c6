//! A script's operations as a workload: clients start each when it is due, whoever is free.
//!
//! Rows say what wrote them: the text field carries the operation's number, so that no two writes are alike. When the
//! script has no more operations, clients go on with *heartbeats*, a write and a read in turn, so that there is always
//! something that can make progress.

use std::sync::Arc;

use bytes::Bytes;
use contract::{
    Aggregate, Change, Error, Index, IndexId, Key, Program, Programs, Projection, Reply, Row, Schema, Statement, Step,
    Table, TableId,
};
use nemesis::{Header, Operation, Script, Verb};
use workloads::Workload;
use workloads::workload::LoadShard;

/// The indexed number, in `0..NUMBERS` when a row is made.
const FIELD_NUMBER: u16 = 0;
/// The indexed text.
const FIELD_TEXT: u16 = 1;
const NUMBERS: u64 = 40;
/// Keys that heartbeats use, beyond all others.
const HEARTBEATS: u64 = 1 << 40;
/// Clients' heartbeats meet on so many keys.
const HEARTBEAT_KEYS: u64 = 4;

/// The operations of one script.
#[derive(Debug)]
pub struct Scripted {
    header: Header,
    operations: Arc<[Operation]>,
}

impl Scripted {
    /// Those of `script`.
    pub fn new(script: &Script) -> Scripted {
        Scripted { header: script.header.clone(), operations: script.operations.clone().into() }
    }
}

fn key(number: u64) -> Key {
    Key::from_u64(number)
}

/// The text of a value and what wrote it: a few letters to a few dozen.
fn text(value: u64, writer: u64) -> Bytes {
    let mut text = format!("{:x}-{writer}", value % 4096).into_bytes();
    text.resize(text.len() + (value % 37) as usize, b'a' + (value % 26) as u8);
    text.into()
}

fn row(value: u64, writer: u64) -> Row {
    Row::new([&(value % NUMBERS).to_be_bytes()[..], &text(value, writer)])
}

/// What `verb` of operation `writer` asks.
fn statement(verb: &Verb, writer: u64) -> Statement {
    let scan = |table, from, to: u64, limit, projection| Statement::Scan {
        table: TableId(table),
        from: key(from),
        to: Some(key(to)),
        limit,
        projection,
    };
    match *verb {
        Verb::Get(table, number) => Statement::Get { table: TableId(table), key: key(number) },
        Verb::Lock(table, number) => Statement::GetForUpdate { table: TableId(table), key: key(number) },
        Verb::Scan(table, from, to, limit) => scan(table, from, to, limit, Projection::Rows),
        Verb::Count(table, from, to) => scan(table, from, to, u32::MAX, Projection::Aggregate(Aggregate::Count)),
        Verb::Sum(table, from, to) => {
            scan(table, from, to, u32::MAX, Projection::Aggregate(Aggregate::Sum(FIELD_NUMBER)))
        }
        Verb::Index(table, from, to) => Statement::IndexScan {
            table: TableId(table),
            index: IndexId(0),
            from: Bytes::copy_from_slice(&from.to_be_bytes()),
            to: Some(Bytes::copy_from_slice(&to.to_be_bytes())),
            limit: u32::MAX,
            projection: Projection::Rows,
        },
        Verb::Insert(table, number, value) => {
            Statement::Insert { table: TableId(table), key: key(number), row: row(value, writer) }
        }
        Verb::Put(table, number, value) => {
            Statement::Put { table: TableId(table), key: key(number), row: row(value, writer) }
        }
        Verb::Add(table, number, delta) => Statement::Update {
            table: TableId(table),
            key: key(number),
            changes: vec![Change::Add { field: FIELD_NUMBER, delta }],
        },
        Verb::Text(table, number, value) => Statement::Update {
            table: TableId(table),
            key: key(number),
            changes: vec![Change::Set { field: FIELD_TEXT, value: text(value, writer) }],
        },
        Verb::Delete(table, number) => Statement::Delete { table: TableId(table), key: key(number) },
    }
}

impl Workload for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        vec![("operations", self.operations.len().to_string()), ("keys", self.header.keys.to_string())]
    }

    fn schema(&self) -> Schema {
        let index = |name: &str, field| Index { name: name.into(), field };
        let table = |number| Table {
            name: format!("chaos{number}"),
            indexes: vec![index("number", FIELD_NUMBER), index("text", FIELD_TEXT)],
        };
        Schema { tables: (0..self.header.tables).map(table).collect() }
    }

    fn load(&self, _shards: usize) -> Vec<LoadShard> {
        let shard = |table: u16| {
            let rows = (0..self.header.keys).map(move |number| (key(number), row(number * 7 + 1, 0)));
            LoadShard { table: TableId(table), count: self.header.keys, rows: Box::new(rows) }
        };
        (0..self.header.tables).map(shard).collect()
    }

    fn programs(&self, _seed: u64, era: u16) -> Box<dyn Programs> {
        let first = (u64::from(era) - 1) << 32;
        Box::new(Clients { operations: Arc::clone(&self.operations), first, next: 0 })
    }

    fn verify(&self, _table: TableId, key: &Key, row: &Row) -> Result<(), String> {
        let number = row.field(usize::from(FIELD_NUMBER)).map(<[u8]>::len);
        if number == Some(8) && row.field(2).is_none() { Ok(()) } else { Err(format!("{key:?} holds {row:?}")) }
    }
}

struct Clients {
    operations: Arc<[Operation]>,
    /// What is added to an operation's number, so that two loads write different rows.
    first: u64,
    next: u64,
}

impl Programs for Clients {
    fn next(&mut self, _client: u32) -> Box<dyn Program> {
        self.next += 1;
        let writer = self.first + self.next;
        Box::new(match self.operations.get(self.next as usize - 1) {
            Some(operation) => Transaction {
                statements: operation.verbs.iter().map(|verb| statement(verb, writer)).collect(),
                rolls_back: operation.rolls_back,
                at: 0,
            },
            None => heartbeat(writer),
        })
    }
}

fn heartbeat(writer: u64) -> Transaction {
    let number = HEARTBEATS + writer / 2 % HEARTBEAT_KEYS;
    let verb = if writer.is_multiple_of(2) { Verb::Put(0, number, writer) } else { Verb::Get(0, number) };
    Transaction { statements: vec![statement(&verb, writer)], rolls_back: false, at: 0 }
}

struct Transaction {
    statements: Vec<Statement>,
    rolls_back: bool,
    /// Steps given; the begin is one.
    at: usize,
}

impl Program for Transaction {
    fn name(&self) -> &'static str {
        if self.statements.iter().any(Statement::writes) { "write" } else { "read" }
    }

    fn step(&mut self, _last: Option<&Result<Reply, Error>>) -> Result<Step, String> {
        self.at += 1;
        if let [alone] = self.statements.as_slice()
            && !self.rolls_back
        {
            return Ok(Step::Single(alone.clone()));
        }
        if self.at == 1 {
            return Ok(Step::Begin);
        }
        Ok(match self.statements.get(self.at - 2) {
            Some(statement) => Step::Execute(statement.clone()),
            None if self.rolls_back => Step::Rollback,
            None => Step::Commit,
        })
    }

    fn restart(&mut self) {
        self.at = 0;
    }

    fn finish(&mut self, _last: &Result<Reply, Error>) -> Result<(), String> {
        Ok(())
    }
}
