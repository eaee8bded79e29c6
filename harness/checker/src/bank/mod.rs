//! A bank whose transfers never change what all accounts hold together.
//!
//! # Mechanism
//!
//! Jepsen's bank test: an `ok` `read` is `{account balance, ...}` of all accounts, or their sum alone, and every one must
//! come to the same total, on the same accounts, and none below zero. Transfers and everything else are passed over.
//!
//! # Invariants
//!
//! - A read of a strictly serializable bank is never called invalid.
//!
//! # Caveats
//!
//! - Where the total is not given, it is that of the first read; of two readings that differ, both may be wrong.
//! - That a read comes to the total does not make it right: a stale one does too.

#[cfg(test)]
mod tests;

use crate::history::{History, Malformed, Outcome, Value};
use crate::prose;
use crate::report::Findings;
use crate::{Report, Set};

/// What is known of the bank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bank {
    /// What all accounts hold together; that of the first read when it is not given.
    pub total: Option<i64>,
    /// Whether an account may be overdrawn.
    pub negative: bool,
}

/// What one read found.
enum Seen<'a> {
    /// All balances.
    Accounts(Vec<(&'a Value, Option<i64>)>),
    /// Their sum.
    Sum(i64),
}

impl Bank {
    /// Judges a history of reads and transfers.
    ///
    /// # Errors
    ///
    /// A read is neither a map of balances nor a sum.
    pub fn check(&self, history: &History) -> Result<Report, Malformed> {
        let mut findings = Findings::default();
        let mut reads = 0;
        let mut total = self.total.map(i128::from);
        let mut accounts: Option<Set<&Value>> = None;
        for call in history.calls() {
            let op = history.last_known(call);
            if call.outcome != Outcome::Ok || !matches!(&*op.f, "read" | "r") {
                continue;
            }
            reads += 1;
            let seen = seen(&op.value).map_err(|reason| history.malformed(call.ended as usize, reason))?;
            let ops = || vec![call.began as usize, call.ended as usize];
            let who = || prose::call(history, call);
            let sum = match &seen {
                Seen::Sum(sum) => i128::from(*sum),
                Seen::Accounts(balances) => {
                    if let Some((account, _)) = balances.iter().find(|(_, balance)| balance.is_none()) {
                        findings.add("nil-balance", ops(), || format!("{} found nothing in account {account}", who()));
                        continue;
                    }
                    let below = balances.iter().find(|(_, balance)| balance.is_some_and(|balance| balance < 0));
                    if let Some((account, Some(balance))) = below.filter(|_| !self.negative) {
                        findings.add("negative-balance", ops(), || {
                            format!("{} found {balance} in account {account}", who())
                        });
                    }
                    let known = accounts.get_or_insert_with(|| balances.iter().map(|(account, _)| *account).collect());
                    if balances.len() != known.len() || balances.iter().any(|(account, _)| !known.contains(account)) {
                        findings.add("other-accounts", ops(), || {
                            let (found, known) = (balances.len(), known.len());
                            format!("{} found {found} accounts that are not the {known} of the first read", who())
                        });
                    }
                    balances.iter().filter_map(|(_, balance)| *balance).map(i128::from).sum()
                }
            };
            let owed = *total.get_or_insert(sum);
            if sum != owed {
                findings.add("wrong-total", ops(), || {
                    let first = if self.total.is_none() { ", as the first read does" } else { "" };
                    format!("{} comes to {sum} and not to {owed}{first}: {:+}", who(), sum - owed)
                });
            }
        }
        if reads == 0 {
            findings.unsure(|| "no read ended well".to_owned());
        }
        Ok(findings.report(vec![("calls", history.calls().len() as u64), ("reads", reads)]))
    }
}

fn seen(value: &Value) -> Result<Seen<'_>, String> {
    match value {
        Value::Int(sum) => Ok(Seen::Sum(*sum)),
        Value::Map(entries) => {
            let balance = |(account, balance): &'_ (Value, Value)| match balance {
                Value::Int(balance) => Ok(Some(*balance)),
                Value::Nil => Ok(None),
                _ => Err(format!("account {account} holds a whole number, not {balance}")),
            };
            let balances = entries.iter().map(|entry| Ok((&entry.0, balance(entry)?)));
            Ok(Seen::Accounts(balances.collect::<Result<_, String>>()?))
        }
        _ => Err("a read is {account balance, ...} or their sum".to_owned()),
    }
}
