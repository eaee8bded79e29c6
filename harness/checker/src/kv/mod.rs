//! Key-value stores: reads, writes and compare-and-sets of any keys, alone or in transactions, with any values.
//!
//! # Mechanism
//!
//! Where every operation that took effect names its `position` in the store's own serial order, the history is replayed in
//! that order ([`crate::replay`]), which is linear.
//!
//! Otherwise the checker searches. Keys that no transaction connects are judged apart, for linearizability is local
//! (M. Herlihy, J. Wing, 1990). For the keys of one component it walks through the history with the set of all
//! *configurations* that explain what was seen so far: which of the open calls have taken effect, and what the keys hold
//! (G. Lowe, *Testing for linearizability*, 2017: just-in-time linearization). A call takes effect in a configuration no earlier
//! than something must have: when a call ends, every configuration is extended until that call is in it. A history without
//! any configuration left is not linearizable.
//!
//! Writes of unknown outcome whose value nobody found are taken not to have happened, which changes no verdict.
//!
//! # Invariants
//!
//! - Valid and invalid are exact.
//!
//! # Caveats
//!
//! - Configurations can be exponentially many in the calls that are open at once. The search has a budget, and at most 128
//!   calls may be open; beyond either the verdict is unknown. Registers whose values differ have a checker without such
//!   limits, [`crate::register`].

mod component;
mod replay;
mod search;
#[cfg(test)]
mod tests;

use crate::Report;
use crate::history::{History, Malformed, Value};
use crate::report::Findings;
use search::Found;

/// What is known of the store beforehand, and how long to search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// What every key holds at first.
    pub initial: Value,
    /// Configurations looked at before the checker gives up, for each call.
    pub budget: u64,
}

impl Default for Store {
    fn default() -> Store {
        Store { initial: Value::Nil, budget: 500 }
    }
}

impl Store {
    /// Judges a history of reads, writes and compare-and-sets.
    ///
    /// # Errors
    ///
    /// An operation is none of a store's.
    pub fn check(&self, history: &History) -> Result<Report, Malformed> {
        let calls = history.calls().len() as u64;
        if let Some(report) = replay::by_position(history, &self.initial)? {
            return Ok(report);
        }
        let components = component::components(history, &self.initial)?;
        let mut findings = Findings::default();
        let (count, mut budget, mut looked_at) = (components.len() as u64, 100_000 + self.budget * calls, 0);
        for component in &components {
            let (found, used) = search::search(component, budget);
            budget -= used.min(budget);
            looked_at += used;
            match found {
                Found::Valid => {}
                Found::Unexplained { number, held } => {
                    let call = &history.calls()[number as usize];
                    let ops = vec![call.began as usize, call.ended as usize];
                    findings.add("unexplained-reply", ops, || {
                        let held = component.describe(&held);
                        format!("{} fits nowhere: when it ended, {held}", crate::prose::call(history, call))
                    });
                }
                Found::GaveUp(why) => findings.unsure(|| why.to_owned()),
            }
        }
        Ok(findings.report(vec![("calls", calls), ("components", count), ("configurations", looked_at)]))
    }
}
