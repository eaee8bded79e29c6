//! Durability of what was acknowledged.
//!
//! # Mechanism
//!
//! The journal ([`contract::acks`]) says what each acknowledged transaction wrote and where it stands in the serial order,
//! and what the transactions of unknown outcome would have written. After a crash, each key of the reopened data must
//! hold what its last acknowledged write left, or what an unknown transaction would have made of it. Rows are compared by
//! the marks of their fields; sums are followed through additions.
//!
//! A process that is killed loses the end of its journal: what was in flight, and what was acknowledged but not yet written
//! down. [`Check::unjournalled`] says how many transactions that may be. A value that nobody wrote down is then taken for one
//! of theirs, but an *older* value, known to have been overwritten, never is.
//!
//! # Invariants
//!
//! - Initial rows, found rows and journal are compared key by key: a key that nobody wrote holds its first row.
//! - At most `unjournalled × most writes of one transaction` keys are explained by transactions that nobody wrote down.
//!
//! # Caveats
//!
//! - Each field is judged by itself, so a row mixed from two writes to the same key passes here; the values' own checksums and
//!   the replay do not let it pass.
//! - When more than ten additions of unknown outcome meet in one field, any value passes there.

mod expectation;
mod judge;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use contract::{Ack, Key, Row, TableId};

use crate::Verdict;
use expectation::Log;
use judge::{Judgement, judge};

/// A stored row and where it is.
pub type Placed = (TableId, Key, Row);

/// Violations kept in words; more are only counted.
const VIOLATIONS_MAX: usize = 20;

/// What to check.
#[derive(Clone, Debug)]
pub struct Check {
    /// How many transactions may have taken effect without being in the journal: for a killed process its sessions, and the
    /// acknowledgements it may have held back; 0 when the journal was closed.
    pub unjournalled: u64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The judgement.
    pub verdict: Verdict,
    /// Keys compared.
    pub keys: u64,
    /// Keys with at least one acknowledged write.
    pub acknowledged_keys: u64,
    /// Acknowledged transactions in the journal.
    pub acknowledged: u64,
    /// Transactions of unknown outcome in the journal.
    pub unknown: u64,
    /// Keys that only transactions outside the journal explain.
    pub unjournalled_keys: u64,
    /// Violations, in words; at most 20.
    pub violations: Vec<String>,
    /// How many there were.
    pub violations_count: u64,
}

impl Check {
    /// Compares `found`, the reopened data, with `initial`, the data before the journal began, and the journal. Both must be
    /// in order of table and key.
    pub fn run(
        &self,
        acks: Vec<Ack>,
        initial: impl Iterator<Item = Placed>,
        found: impl Iterator<Item = Placed>,
    ) -> Report {
        let acknowledged = acks.iter().filter(|ack| ack.position.is_some()).count() as u64;
        let mut report = Report {
            verdict: Verdict::Valid,
            keys: 0,
            acknowledged_keys: 0,
            acknowledged,
            unknown: acks.len() as u64 - acknowledged,
            unjournalled_keys: 0,
            violations: Vec::new(),
            violations_count: 0,
        };
        let writes_max = acks.iter().map(|ack| ack.writes.len() as u64).max().unwrap_or(0).max(1);
        let logs = Log::by_key(acks);
        for (place, initial, log, found) in Merge::new(initial, logs, found) {
            report.keys += 1;
            let log = log.unwrap_or_default();
            report.acknowledged_keys += u64::from(log.is_acknowledged());
            match judge(initial.as_ref(), &log, found.as_ref(), self.unjournalled) {
                Judgement::Explained => {}
                Judgement::Unjournalled => report.unjournalled_keys += 1,
                Judgement::Violation(why) => report.violation(format!("table {} {:?}: {why}", place.0.0, place.1)),
            }
        }
        if report.unjournalled_keys > self.unjournalled.saturating_mul(writes_max) {
            report.violation(format!(
                "{} keys hold values that nobody wrote down, more than {} transactions of {writes_max} writes explain",
                report.unjournalled_keys, self.unjournalled
            ));
        }
        if report.violations_count > 0 {
            report.verdict =
                Verdict::Invalid(format!("{} violations, first: {}", report.violations_count, report.violations[0]));
        }
        report
    }
}

impl Report {
    fn violation(&mut self, why: String) {
        self.violations_count += 1;
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(why);
        }
    }
}

/// Walks three ordered sequences by key.
struct Merge<I: Iterator<Item = Placed>, F: Iterator<Item = Placed>> {
    initial: std::iter::Peekable<I>,
    logs: std::iter::Peekable<std::collections::btree_map::IntoIter<(TableId, Key), Log>>,
    found: std::iter::Peekable<F>,
}

impl<I: Iterator<Item = Placed>, F: Iterator<Item = Placed>> Merge<I, F> {
    fn new(initial: I, logs: BTreeMap<(TableId, Key), Log>, found: F) -> Merge<I, F> {
        Merge { initial: initial.peekable(), logs: logs.into_iter().peekable(), found: found.peekable() }
    }
}

impl<I: Iterator<Item = Placed>, F: Iterator<Item = Placed>> Iterator for Merge<I, F> {
    type Item = ((TableId, Key), Option<Row>, Option<Log>, Option<Row>);

    fn next(&mut self) -> Option<Self::Item> {
        let heads = [
            self.initial.peek().map(|(table, key, _)| (*table, key)),
            self.logs.peek().map(|((table, key), _)| (*table, key)),
            self.found.peek().map(|(table, key, _)| (*table, key)),
        ];
        let (table, key) = heads.into_iter().flatten().min()?;
        let place = (table, key.clone());
        let at = |(table, key, _): &Placed| (*table, key) == (place.0, &place.1);
        let initial = self.initial.next_if(at).map(|(_, _, row)| row);
        let log = self.logs.next_if(|(of, _)| *of == place).map(|(_, log)| log);
        let found = self.found.next_if(at).map(|(_, _, row)| row);
        Some((place, initial, log, found))
    }
}
