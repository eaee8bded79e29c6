//! One sysbench event as a program.

use std::sync::Arc;

use bytes::Bytes;
use contract::{Aggregate, Change, Error, Key, Program, Projection, Reply, Row, Statement, Step, TableId};

use super::{FIELD_C, FIELD_K, NextIds, RANGE_ROWS, Script, Shared, value};
use crate::{Rng, Stamp};

/// The statement groups of a script, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Points,
    SimpleRanges,
    SumRanges,
    OrderRanges,
    DistinctRanges,
    IndexUpdates,
    NonIndexUpdates,
    /// Two statements each.
    DeleteInserts,
    Deletes,
    Inserts,
}

/// How many statements of each group a script runs.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    script: Script,
    transactional: bool,
    groups: &'static [(Group, u32)],
}

const READS: [(Group, u32); 5] = [
    (Group::Points, 10),
    (Group::SimpleRanges, 1),
    (Group::SumRanges, 1),
    (Group::OrderRanges, 1),
    (Group::DistinctRanges, 1),
];
const WRITES: [(Group, u32); 3] = [(Group::IndexUpdates, 1), (Group::NonIndexUpdates, 1), (Group::DeleteInserts, 2)];
const BOTH: [(Group, u32); 8] = [READS[0], READS[1], READS[2], READS[3], READS[4], WRITES[0], WRITES[1], WRITES[2]];

impl Plan {
    pub fn of(script: Script) -> Plan {
        let (transactional, groups): (bool, &'static [(Group, u32)]) = match script {
            Script::ReadWrite => (true, &BOTH),
            Script::WriteOnly => (true, &WRITES),
            Script::ReadOnly => (true, &READS),
            Script::UpdateIndex => (false, &[(Group::IndexUpdates, 1)]),
            Script::UpdateNonIndex => (false, &[(Group::NonIndexUpdates, 1)]),
            Script::Insert => (false, &[(Group::Inserts, 1)]),
            Script::Delete => (false, &[(Group::Deletes, 1)]),
            Script::PointSelect => (false, &[(Group::Points, 1)]),
        };
        Plan { script, transactional, groups }
    }

    /// The body in words, for records.
    pub fn describe(&self) -> String {
        let groups: Vec<String> = self.groups.iter().map(|(group, count)| format!("{group:?}:{count}")).collect();
        let body = groups.join(" ");
        if self.transactional { format!("BEGIN {body} COMMIT") } else { body }
    }

    /// The group of statement `at`, and which of the group it is.
    fn group(&self, mut at: u32) -> Option<(Group, u32)> {
        for (group, count) in self.groups {
            if at < *count {
                return Some((*group, at));
            }
            at -= count;
        }
        None
    }
}

/// What the last statement's reply must look like.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Any,
    Row {
        id: u64,
    },
    /// Rows of the range, each one field `c`, in key order or sorted by value.
    Range {
        from: u64,
        sorted: bool,
    },
}

pub struct OltpProgram {
    shared: Arc<Shared>,
    next_ids: Arc<NextIds>,
    plan: Plan,
    stamp: Stamp,
    rng: Rng,
    begun: bool,
    at: u32,
    table: TableId,
    /// The row whose insert follows its delete.
    deleted: u64,
    expected: Expected,
    giving_up: bool,
    /// What is wrong unless validation refuses this attempt.
    suspicion: Option<String>,
}

impl OltpProgram {
    pub fn new(shared: Arc<Shared>, next_ids: Arc<NextIds>, plan: Plan, stamp: Stamp, rng: Rng) -> OltpProgram {
        OltpProgram {
            shared,
            next_ids,
            plan,
            stamp,
            rng,
            begun: false,
            at: 0,
            table: TableId(0),
            deleted: 0,
            expected: Expected::Any,
            giving_up: false,
            suspicion: None,
        }
    }

    fn statement(&mut self, group: Group, nth: u32) -> Statement {
        if nth == 0 {
            self.table = self.shared.table(&mut self.rng);
        }
        let table = self.table;
        self.expected = Expected::Any;
        match group {
            Group::Points => {
                let id = self.id();
                self.expected = Expected::Row { id };
                Statement::Get { table, key: Key::from_u64(id) }
            }
            Group::SimpleRanges => self.range(Projection::Field(FIELD_C)),
            Group::SumRanges => self.range(Projection::Aggregate(Aggregate::Sum(FIELD_K))),
            Group::OrderRanges => self.range(Projection::Sorted(FIELD_C)),
            Group::DistinctRanges => self.range(Projection::Distinct(FIELD_C)),
            Group::IndexUpdates => {
                let key = Key::from_u64(self.id());
                Statement::Update { table, key, changes: vec![Change::Add { field: FIELD_K, delta: 1 }] }
            }
            Group::NonIndexUpdates => {
                let id = self.id();
                let value = Bytes::copy_from_slice(&value::c(table, id, self.stamp, &mut self.rng));
                Statement::Update {
                    table,
                    key: Key::from_u64(id),
                    changes: vec![Change::Set { field: FIELD_C, value }],
                }
            }
            Group::Deletes => Statement::Delete { table, key: Key::from_u64(self.id()) },
            Group::DeleteInserts if nth.is_multiple_of(2) => {
                self.deleted = self.id();
                Statement::Delete { table, key: Key::from_u64(self.deleted) }
            }
            Group::DeleteInserts => self.insert(self.deleted),
            Group::Inserts => self.insert(self.next_ids.take(table)),
        }
    }

    fn id(&mut self) -> u64 {
        self.shared.id(&mut self.rng)
    }

    fn insert(&mut self, id: u64) -> Statement {
        let k = self.id();
        let row = value::row(self.table, id, k, self.stamp, &mut self.rng);
        Statement::Insert { table: self.table, key: Key::from_u64(id), row }
    }

    fn range(&mut self, projection: Projection) -> Statement {
        let from = self.id();
        self.expected = match projection {
            Projection::Field(_) => Expected::Range { from, sorted: false },
            Projection::Sorted(_) | Projection::Distinct(_) => Expected::Range { from, sorted: true },
            Projection::Rows | Projection::Aggregate(_) => Expected::Any,
        };
        Statement::Scan {
            table: self.table,
            from: Key::from_u64(from),
            to: Some(Key::from_u64(from + RANGE_ROWS)),
            limit: RANGE_ROWS as u32,
            projection,
        }
    }

    fn check(&mut self, reply: &Reply) -> Result<(), String> {
        match (self.expected, reply) {
            (Expected::Row { id }, Reply::Row { row: Some(row), .. }) => {
                value::verify_row(self.table, &Key::from_u64(id), row).map(|_| ())
            }
            (Expected::Row { id }, Reply::Row { row: None, .. }) => {
                self.suspect(format!("row {id} of table {} is missing", self.table.0));
                Ok(())
            }
            (Expected::Range { from, sorted }, Reply::Rows { rows, .. }) => self.check_range(from, sorted, rows),
            (Expected::Any, _) => Ok(()),
            (expected, reply) => Err(format!("{reply:?} does not answer {expected:?}")),
        }
    }

    fn check_range(&mut self, from: u64, sorted: bool, rows: &[(Key, Row)]) -> Result<(), String> {
        // Ranges may run past the loaded rows, where inserts put theirs.
        let last = from + RANGE_ROWS - 1;
        let last_loaded = last.min(self.shared.table_rows);
        let mut before: &[u8] = &[];
        for (nth, (key, row)) in rows.iter().enumerate() {
            let c = row.field(0).ok_or_else(|| format!("a row of the range from {from} has no c"))?;
            let origin = value::read_c(c)?;
            if sorted {
                value::belongs("c", origin, self.table, from..=last)?;
                if before > c {
                    return Err(format!("values of the range from {from} are not sorted at number {nth}"));
                }
                before = c;
            } else if *key != Key::from_u64(origin.id) {
                return Err(format!("{key:?} holds the c of row {}, written by {}", origin.id, origin.stamp));
            } else {
                value::belongs("c", origin, self.table, from..=last)?;
            }
        }
        if (rows.len() as u64) < last_loaded + 1 - from {
            let table = self.table.0;
            self.suspect(format!("rows {from} to {last_loaded} of table {table} should all exist, got {}", rows.len()));
        }
        Ok(())
    }

    fn suspect(&mut self, finding: String) {
        self.suspicion.get_or_insert(finding);
    }

    fn end(&self) -> Step {
        if self.giving_up { Step::Rollback } else { Step::Commit }
    }
}

impl Program for OltpProgram {
    fn name(&self) -> &'static str {
        self.plan.script.name()
    }

    fn step(&mut self, last: Option<&Result<Reply, Error>>) -> Result<Step, String> {
        match last {
            Some(Ok(reply)) => self.check(reply)?,
            Some(Err(_)) => self.giving_up = true,
            None => {}
        }
        if self.plan.transactional && !self.begun {
            self.begun = true;
            return Ok(Step::Begin);
        }
        let group = if self.giving_up { None } else { self.plan.group(self.at) };
        let Some((group, nth)) = group else { return Ok(self.end()) };
        self.at += 1;
        let statement = self.statement(group, nth);
        Ok(if self.plan.transactional { Step::Execute(statement) } else { Step::Single(statement) })
    }

    fn restart(&mut self) {
        // The script's event() runs again from its start and draws anew; so does this, from where its generator is.
        self.begun = false;
        self.at = 0;
        self.expected = Expected::Any;
        self.giving_up = false;
        self.suspicion = None;
    }

    fn finish(&mut self, last: &Result<Reply, Error>) -> Result<(), String> {
        let reply = match last {
            Ok(reply) => reply,
            // A lone insert takes an id that nobody else is given.
            Err(Error::DuplicateKey) => return Err(format!("a fresh id of table {} is taken", self.table.0)),
            Err(_) => return Ok(()),
        };
        if !self.plan.transactional {
            self.check(reply)?;
        }
        match self.suspicion.take() {
            // The delete holds the row's lock, so no other transaction can have put it back.
            _ if self.giving_up => {
                Err(format!("row {} of table {} exists after its delete", self.deleted, self.table.0))
            }
            Some(finding) => Err(finding),
            _ => Ok(()),
        }
    }
}
