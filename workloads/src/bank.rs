//! Bank: transfers between accounts, and a total that must never change.
//!
//! One table `accounts`, a row per account: balance `u64` and the account's own number. A transfer reads both accounts
//! and moves an amount that the source can pay; every tenth transaction is a check.
//!
//! # Mechanism
//!
//! A check is one scan that sums all balances, so it is a transaction of its own and must see the total of the load,
//! whatever transfers run beside it. (Jepsen's bank test.)
//!
//! # Invariants
//!
//! - The sum of all balances is `accounts × INITIAL`, in every committed check.
//! - No balance is negative: a transfer that would overdraw moves nothing.

use bytes::Bytes;
use contract::{
    Aggregate, Change, Error, Key, Program, Programs, Projection, Reply, Row, Schema, Statement, Step, Table, TableId,
};

use crate::clients::Clients;
use crate::distribution::{Distribution, Sampler};
use crate::workload::{LoadShard, Workload, cut};

/// What every account holds at first.
pub const INITIAL: u64 = 1_000;
/// The most one transfer moves.
const AMOUNT_MAX: u64 = 50;
/// One transaction in this many is a check.
const CHECK_EVERY: u64 = 10;
const ACCOUNTS: TableId = TableId(0);
const BALANCE: u16 = 0;

/// The bank over a number of accounts.
#[derive(Clone, Debug)]
pub struct Bank {
    accounts: u64,
    distribution: Distribution,
}

impl Bank {
    /// A bank of `accounts` accounts, chosen by `distribution`. Panics with fewer than two.
    pub fn new(accounts: u64, distribution: Distribution) -> Bank {
        assert!(accounts >= 2, "a transfer needs two accounts");
        Bank { accounts, distribution }
    }
}

impl Workload for Bank {
    fn name(&self) -> &'static str {
        "bank"
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        vec![
            ("accounts", self.accounts.to_string()),
            ("distribution", self.distribution.to_string()),
            ("amount", format!("uniform(1..{AMOUNT_MAX})")),
            ("check_every", CHECK_EVERY.to_string()),
        ]
    }

    fn schema(&self) -> Schema {
        Schema { tables: vec![Table { name: "accounts".into(), indexes: Vec::new() }] }
    }

    fn load(&self, shards: usize) -> Vec<LoadShard> {
        cut(self.accounts, shards)
            .map(|range| LoadShard {
                table: ACCOUNTS,
                count: range.end - range.start,
                rows: Box::new(range.map(|account| {
                    (Key::from_u64(account), Row::new([&INITIAL.to_be_bytes()[..], &account.to_be_bytes()]))
                })),
            })
            .collect()
    }

    fn programs(&self, seed: u64, era: u16) -> Box<dyn Programs> {
        Box::new(BankPrograms {
            accounts: self.accounts,
            sampler: Sampler::new(&self.distribution, self.accounts),
            clients: Clients::new(seed, era),
        })
    }

    fn verify(&self, _table: TableId, key: &Key, row: &Row) -> Result<(), String> {
        balance_of(key, row).map(|_| ())
    }
}

fn balance_of(key: &Key, row: &Row) -> Result<u64, String> {
    let mut fields = row.fields();
    let balance = fields.next().and_then(|field| <[u8; 8]>::try_from(field).ok()).map(u64::from_be_bytes);
    match (balance, fields.next(), fields.next()) {
        (Some(balance), Some(account), None) if account == key.as_bytes() && balance <= i64::MAX as u64 => Ok(balance),
        _ => Err(format!("account {key:?} holds {row:?}")),
    }
}

struct BankPrograms {
    accounts: u64,
    sampler: Sampler,
    clients: Clients,
}

impl Programs for BankPrograms {
    fn next(&mut self, client: u32) -> Box<dyn Program> {
        let (rng, _) = self.clients.next(client);
        if rng.below(CHECK_EVERY) == 0 {
            return Box::new(Check { total: self.accounts.wrapping_mul(INITIAL) });
        }
        let from = self.sampler.draw(rng);
        let drawn = self.sampler.draw(rng);
        let to = if drawn == from { (drawn + 1) % self.accounts } else { drawn };
        let amount = 1 + rng.below(AMOUNT_MAX);
        Box::new(Transfer { from: Key::from_u64(from), to: Key::from_u64(to), amount, at: 0, enough: false })
    }
}

struct Check {
    total: u64,
}

impl Program for Check {
    fn name(&self) -> &'static str {
        "check"
    }

    fn step(&mut self, _last: Option<&Result<Reply, Error>>) -> Result<Step, String> {
        Ok(Step::Single(Statement::Scan {
            table: ACCOUNTS,
            from: Key(Bytes::new()),
            to: None,
            limit: u32::MAX,
            projection: Projection::Aggregate(Aggregate::Sum(BALANCE)),
        }))
    }

    fn restart(&mut self) {}

    fn finish(&mut self, last: &Result<Reply, Error>) -> Result<(), String> {
        match last {
            Ok(Reply::Value { value, .. }) if *value != self.total => {
                Err(format!("the balances sum to {value}, not {}", self.total))
            }
            _ => Ok(()),
        }
    }
}

struct Transfer {
    from: Key,
    to: Key,
    amount: u64,
    at: u32,
    enough: bool,
}

impl Transfer {
    fn add(&self, key: &Key, delta: u64) -> Step {
        let changes = vec![Change::Add { field: BALANCE, delta }];
        Step::Execute(Statement::Update { table: ACCOUNTS, key: key.clone(), changes })
    }

    fn check(&mut self, reply: &Reply) -> Result<(), String> {
        let Reply::Row { row, .. } = reply else { return Ok(()) };
        let key = if self.at == 2 { &self.from } else { &self.to };
        let row = row.as_ref().ok_or_else(|| format!("account {key:?} is missing"))?;
        let balance = balance_of(key, row)?;
        if self.at == 2 {
            self.enough = balance >= self.amount;
        }
        Ok(())
    }
}

impl Program for Transfer {
    fn name(&self) -> &'static str {
        "transfer"
    }

    fn step(&mut self, last: Option<&Result<Reply, Error>>) -> Result<Step, String> {
        if let Some(Ok(reply)) = last {
            self.check(reply)?;
        }
        self.at += 1;
        let get = |key: &Key| Step::Execute(Statement::Get { table: ACCOUNTS, key: key.clone() });
        Ok(match self.at {
            1 => Step::Begin,
            2 => get(&self.from),
            3 => get(&self.to),
            4 if self.enough => self.add(&self.from, self.amount.wrapping_neg()),
            5 if self.enough => self.add(&self.to, self.amount),
            _ => Step::Commit,
        })
    }

    fn restart(&mut self) {
        (self.at, self.enough) = (0, false);
    }

    fn finish(&mut self, _last: &Result<Reply, Error>) -> Result<(), String> {
        Ok(())
    }
}
