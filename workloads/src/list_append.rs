//! List-append: transactions that read lists and append unique elements to them, the richest history per byte.
//!
//! Source: K. Kingsbury and P. Alvaro, *Elle: inferring isolation anomalies from experimental observations*, VLDB 2020:
//! because a list shows the order of its appends, cycles between transactions can be read off.
//!
//! One table `lists`, empty at first: a row has one field, the elements, each a [`Stamp`] of eight bytes. A transaction
//! makes one to four accesses of distinct lists; an append is a read and a put. A list that has been appended to
//! [`APPENDS_MAX`] times is left, and the next key takes its place.
//!
//! # Invariants
//!
//! - An element is appended to a list once; no read shows it twice.

use bytes::Bytes;
use contract::{Error, Key, Program, Programs, Reply, Row, Schema, Statement, Step, Table, TableId};

use crate::Stamp;
use crate::clients::Clients;
use crate::distribution::{Distribution, Sampler};
use crate::workload::{LoadShard, Workload};

/// Appends asked of a list before it is left.
pub const APPENDS_MAX: u64 = 128;
/// The most accesses of a transaction.
const ACCESSES_MAX: u64 = 4;
const LISTS: TableId = TableId(0);

/// A number of lists in use at a time.
#[derive(Clone, Debug)]
pub struct ListAppend {
    lists: u64,
    distribution: Distribution,
}

impl ListAppend {
    /// `lists` lists in use at a time, chosen by `distribution`. Panics with none.
    pub fn new(lists: u64, distribution: Distribution) -> ListAppend {
        assert!(lists > 0, "there is no list");
        ListAppend { lists, distribution }
    }
}

impl Workload for ListAppend {
    fn name(&self) -> &'static str {
        "list-append"
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        vec![
            ("lists", self.lists.to_string()),
            ("distribution", self.distribution.to_string()),
            ("accesses", format!("uniform(1..{ACCESSES_MAX})")),
            ("appends_max", APPENDS_MAX.to_string()),
        ]
    }

    fn schema(&self) -> Schema {
        Schema { tables: vec![Table { name: "lists".into(), indexes: Vec::new() }] }
    }

    fn load(&self, _shards: usize) -> Vec<LoadShard> {
        Vec::new()
    }

    fn programs(&self, seed: u64, era: u16) -> Box<dyn Programs> {
        Box::new(ListPrograms {
            sampler: Sampler::new(&self.distribution, self.lists),
            appends: vec![0; usize::try_from(self.lists).expect("as many lists as fit in memory")],
            clients: Clients::new(seed, era),
        })
    }

    fn verify(&self, _table: TableId, key: &Key, row: &Row) -> Result<(), String> {
        elements_of(key, row).map(|_| ())
    }
}

/// The elements of a list, oldest first. The error is the finding.
pub fn elements_of(key: &Key, row: &Row) -> Result<Vec<Stamp>, String> {
    let (elements, rest) = match (row.field(0), row.field(1)) {
        (Some(field), None) => field.as_chunks::<8>(),
        _ => return Err(format!("list {key:?} holds {row:?}")),
    };
    let mut sorted: Vec<[u8; 8]> = elements.to_vec();
    sorted.sort_unstable();
    if !rest.is_empty() || sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(format!("list {key:?} holds an element twice, or a part of one: {row:?}"));
    }
    Ok(elements.iter().map(|element| Stamp::from_u64(u64::from_be_bytes(*element))).collect())
}

struct ListPrograms {
    sampler: Sampler,
    /// Appends asked of each place so far; the list in use there follows from it.
    appends: Vec<u64>,
    clients: Clients,
}

impl Programs for ListPrograms {
    fn next(&mut self, client: u32) -> Box<dyn Program> {
        let era = u64::from(self.clients.era());
        let (rng, stamp) = self.clients.next(client);
        let lists = self.appends.len() as u64;
        let mut accesses: Vec<Access> = Vec::new();
        for _ in 0..=rng.below(ACCESSES_MAX) {
            let place = self.sampler.draw(rng);
            let append = rng.below(2) == 0;
            let appends = &mut self.appends[place as usize];
            let key = Key::from_u64(era << 48 | (*appends / APPENDS_MAX * lists + place));
            if accesses.iter().all(|access| access.key != key) {
                *appends += u64::from(append);
                accesses.push(Access { key, append });
            }
        }
        Box::new(Appends { accesses, stamp, begun: false, at: 0, list: None })
    }
}

struct Access {
    key: Key,
    append: bool,
}

struct Appends {
    accesses: Vec<Access>,
    stamp: Stamp,
    begun: bool,
    at: usize,
    /// What the access's read found, when its append is next.
    list: Option<Vec<u8>>,
}

impl Appends {
    fn check(&mut self, reply: &Reply) -> Result<(), String> {
        let Reply::Row { row, .. } = reply else { return Ok(()) };
        let access = &self.accesses[self.at];
        if let Some(row) = row {
            elements_of(&access.key, row)?;
        }
        if access.append {
            self.list = Some(row.as_ref().and_then(|row| row.field(0)).unwrap_or_default().to_vec());
        } else {
            self.at += 1;
        }
        Ok(())
    }
}

impl Program for Appends {
    fn name(&self) -> &'static str {
        "list-append"
    }

    fn step(&mut self, last: Option<&Result<Reply, Error>>) -> Result<Step, String> {
        if let Some(Ok(reply)) = last {
            self.check(reply)?;
        }
        if !self.begun {
            self.begun = true;
            return Ok(Step::Begin);
        }
        let Some(access) = self.accesses.get(self.at) else { return Ok(Step::Commit) };
        let (table, key) = (LISTS, access.key.clone());
        Ok(Step::Execute(match self.list.take() {
            Some(mut list) => {
                list.extend(self.stamp.to_u64().to_be_bytes());
                self.at += 1;
                Statement::Put { table, key, row: Row::new([&Bytes::from(list)[..]]) }
            }
            None => Statement::Get { table, key },
        }))
    }

    fn restart(&mut self) {
        (self.begun, self.at, self.list) = (false, 0, None);
    }

    fn finish(&mut self, _last: &Result<Reply, Error>) -> Result<(), String> {
        Ok(())
    }
}
