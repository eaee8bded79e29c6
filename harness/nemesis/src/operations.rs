//! Operations as data: transactions over small numbers, which mean the same whatever generated them.
//!
//! ```text
//! get TABLE KEY             lock TABLE KEY            scan TABLE FROM TO LIMIT     count TABLE FROM TO     sum TABLE FROM TO
//! index TABLE FROM TO       insert TABLE KEY VALUE    put TABLE KEY VALUE          add TABLE KEY DELTA     text TABLE KEY VALUE
//! delete TABLE KEY
//! ```

use std::fmt;

use node::Nanos;

/// One statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The row under a key.
    Get(u16, u64),
    /// The same, locked as if written.
    Lock(u16, u64),
    /// Rows from a key to before another, at most so many.
    Scan(u16, u64, u64, u32),
    /// How many rows there are in a range.
    Count(u16, u64, u64),
    /// The sum of the rows' numbers in a range.
    Sum(u16, u64, u64),
    /// Rows whose number is in a range.
    Index(u16, u64, u64),
    /// A new row.
    Insert(u16, u64, u64),
    /// A row, new or not.
    Put(u16, u64, u64),
    /// Adds to a row's number.
    Add(u16, u64, u64),
    /// Replaces a row's text.
    Text(u16, u64, u64),
    /// Removes a row.
    Delete(u16, u64),
}

impl Verb {
    /// Whether it can change anything.
    pub fn writes(&self) -> bool {
        !matches!(self, Verb::Get(..) | Verb::Scan(..) | Verb::Count(..) | Verb::Sum(..) | Verb::Index(..))
    }

    /// Its table.
    pub fn table(&self) -> u16 {
        match *self {
            Verb::Get(table, _)
            | Verb::Lock(table, _)
            | Verb::Scan(table, ..)
            | Verb::Count(table, ..)
            | Verb::Sum(table, ..)
            | Verb::Index(table, ..)
            | Verb::Insert(table, ..)
            | Verb::Put(table, ..)
            | Verb::Add(table, ..)
            | Verb::Text(table, ..)
            | Verb::Delete(table, _) => table,
        }
    }

    /// Reads a line.
    ///
    /// # Errors
    ///
    /// It is no statement.
    pub fn parse(line: &str) -> Result<Verb, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let wrong = || format!("`{line}` is no statement");
        let (word, rest) = words.split_first().ok_or_else(wrong)?;
        let numbers: Vec<u64> = rest.iter().map(|word| word.parse()).collect::<Result<_, _>>().map_err(|_| wrong())?;
        let table = |number: u64| u16::try_from(number).map_err(|_| wrong());
        Ok(match (*word, numbers.as_slice()) {
            ("get", &[t, key]) => Verb::Get(table(t)?, key),
            ("lock", &[t, key]) => Verb::Lock(table(t)?, key),
            ("scan", &[t, from, to, limit]) => {
                Verb::Scan(table(t)?, from, to, u32::try_from(limit).map_err(|_| wrong())?)
            }
            ("count", &[t, from, to]) => Verb::Count(table(t)?, from, to),
            ("sum", &[t, from, to]) => Verb::Sum(table(t)?, from, to),
            ("index", &[t, from, to]) => Verb::Index(table(t)?, from, to),
            ("insert", &[t, key, value]) => Verb::Insert(table(t)?, key, value),
            ("put", &[t, key, value]) => Verb::Put(table(t)?, key, value),
            ("add", &[t, key, delta]) => Verb::Add(table(t)?, key, delta),
            ("text", &[t, key, value]) => Verb::Text(table(t)?, key, value),
            ("delete", &[t, key]) => Verb::Delete(table(t)?, key),
            _ => return Err(wrong()),
        })
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Verb::Get(table, key) => write!(f, "get {table} {key}"),
            Verb::Lock(table, key) => write!(f, "lock {table} {key}"),
            Verb::Scan(table, from, to, limit) => write!(f, "scan {table} {from} {to} {limit}"),
            Verb::Count(table, from, to) => write!(f, "count {table} {from} {to}"),
            Verb::Sum(table, from, to) => write!(f, "sum {table} {from} {to}"),
            Verb::Index(table, from, to) => write!(f, "index {table} {from} {to}"),
            Verb::Insert(table, key, value) => write!(f, "insert {table} {key} {value}"),
            Verb::Put(table, key, value) => write!(f, "put {table} {key} {value}"),
            Verb::Add(table, key, delta) => write!(f, "add {table} {key} {delta}"),
            Verb::Text(table, key, value) => write!(f, "text {table} {key} {value}"),
            Verb::Delete(table, key) => write!(f, "delete {table} {key}"),
        }
    }
}

/// One transaction that a client is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// When it starts, from the script's start; it waits for a free client.
    pub at: Nanos,
    /// Its statements. A lone one is a transaction of its own.
    pub verbs: Vec<Verb>,
    /// Whether it rolls back at its end.
    pub rolls_back: bool,
}

impl Operation {
    /// Whether it can change anything.
    pub fn writes(&self) -> bool {
        !self.rolls_back && self.verbs.iter().any(Verb::writes)
    }
}
