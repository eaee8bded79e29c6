//! Strict serializability, by replay in commit order.
//!
//! # Mechanism
//!
//! Every committed transaction has a position in the engine's own serial order. The checker gives the transactions to the
//! model in that order and compares every reply: a lost write, a dirty or stale read, a phantom or a half-applied
//! transaction shows as a reply that the model does not give. Positions must also respect real time: a transaction that
//! ended before another was asked for comes before it.
//!
//! Transactions of unknown outcome may have taken effect at any moment after they were asked for. The checker tries to do
//! without them. Where a reply cannot be explained, it looks at the unknown transactions that write just what the reply
//! shows and tries each at every place where it makes a difference, going back over earlier choices when a choice turns
//! out wrong: backtracking that jumps back over choices which cannot have mattered (P. Prosser, *Hybrid algorithms for
//! the constraint satisfaction problem*, 1993). A reply that no unknown transaction could have changed is a violation
//! without any search.
//!
//! The search runs twice at most: first among choices that explain the reply at hand, which finds a way where there is one
//! almost without detours; then among all, before anything is called a violation.
//!
//! # Invariants
//!
//! - The positions of two transactions that changed something differ.
//! - A transaction that changed nothing, whether it wrote nothing or its writes cancel out, sees exactly the commits up to
//!   its position.
//!
//! # Caveats
//!
//! - The search has a budget; beyond it the verdict is unknown.
//! - Replies inside transactions that failed are not judged: an optimistic transaction may read a mix that validation refuses.

mod footprint;
mod need;
mod order;
mod search;
#[cfg(test)]
mod tests;
mod ties;
mod timeline;

use contract::{Model, Outcome, Transaction};

use crate::Verdict;
use search::{Effort, Failure, Search};

/// What the replay found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The judgement.
    pub verdict: Verdict,
    /// Committed transactions.
    pub committed: u64,
    /// Of those, how many changed something.
    pub writers: u64,
    /// Transactions of unknown outcome.
    pub unknown: u64,
    /// Of those, how many must have taken effect.
    pub unknown_applied: u64,
    /// Transactions replayed, tries included.
    pub replayed: u64,
}

/// Judges `history` against `initial`, the data before its first transaction. `budget` is how many transactions the search
/// may replay for each committed one; 50 is plenty.
pub fn check(initial: Model, history: &[Transaction], budget: u64) -> Report {
    let committed = order::committed(history);
    let unknown = history.iter().filter(|txn| txn.outcome == Outcome::Info).count() as u64;
    let mut report = Report {
        verdict: Verdict::Valid,
        committed: committed.len() as u64,
        writers: 0,
        unknown,
        unknown_applied: 0,
        replayed: 0,
    };
    if let Err(why) = order::check_real_time(history, &committed) {
        report.verdict = Verdict::Invalid(why);
        return report;
    }
    let mut search = Search::new(initial.clone(), history, committed.clone(), budget, Effort::Likely);
    let mut found = search.solve();
    report.replayed = search.replayed();
    if found.is_err() {
        search = Search::new(initial, history, committed, budget, Effort::Everything);
        found = search.solve();
        report.replayed += search.replayed();
    }
    (report.unknown_applied, report.writers) = (search.applied(), search.writers());
    report.verdict = match found {
        Ok(()) => Verdict::Valid,
        Err(Failure::Conflict(_)) => Verdict::Invalid(search.explanation()),
        Err(Failure::Budget) => Verdict::Unknown(format!("gave up looking; {}", search.explanation())),
    };
    report
}
