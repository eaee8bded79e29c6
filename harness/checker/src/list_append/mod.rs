//! Transactions that append to lists and read them, in Elle's manner.
//!
//! # Mechanism
//!
//! K. Kingsbury and P. Alvaro, *Elle: inferring isolation anomalies from experimental observations*, VLDB 2020. Every append adds a
//! value that its list never had, so a read of a list tells all versions before it, in order (`list`). From the
//! orders follow dependencies between transactions (`edges`):
//!
//! - *ww*: one appended right after another; *wr*: one read what another appended last; *rw*: one did not see what another
//!   appended next. An append that nobody saw came after everything that was seen of its list.
//! - *process*: one client ran one after the other; *realtime*: one ended before the other began. Of the latter there are as many
//!   as pairs of transactions, so they are written down by way of moments: whoever ended before a moment precedes it, a moment
//!   precedes the next, and whoever began after it. That is linear, and a path through moments is one realtime step.
//!
//! A cycle is an anomaly. Strongly connected components (Tarjan) hold all of them, and a valid history has none; in each
//! component a shortest cycle of each kind is looked for (`cycle`):
//!
//! | kind | edges |
//! |---|---|
//! | G0 | ww only |
//! | G1c | ww and wr |
//! | G-single | one rw |
//! | G2-item | several rw |
//!
//! each with `-process` or `-realtime` when it takes such an edge. Besides cycles there are reads that cannot be: G1a (of an
//! append that failed), G1b (of an append that its transaction followed by another), `garbage-read`, `duplicate-elements`,
//! `incompatible-order` (two reads of which neither is the other's beginning), `internal` (a transaction disagrees with itself),
//! `dirty-update` (an append after one that failed).
//!
//! # Invariants
//!
//! - Valid is exact: without an anomaly there is a serial order that respects real time and gives every reply. Invalid is too.
//! - A transaction of unknown outcome took effect when one of its appends was seen, and then all of it; otherwise it is left out.
//!
//! # Caveats
//!
//! - An element appended twice to one list makes the verdict unknown: reads do not tell whose they saw.
//! - Components of many thousand transactions are searched with a budget. The verdict stands; a cycle may then be longer than
//!   the shortest, and a kind may be missing beside a graver or lesser one.

mod cycle;
mod edges;
mod explain;
mod graph;
mod list;
mod models;
mod scc;
#[cfg(test)]
mod tests;
mod txn;

use crate::Report;
use crate::history::{History, Malformed, Outcome};
use crate::report::Findings;

/// Judges a history of transactions that append to lists and read them: `{:f :txn, :value [[:append k v] [:r k [v ...]] ...]}`.
///
/// # Errors
///
/// An operation is no such transaction.
pub fn check(history: &History) -> Result<Report, Malformed> {
    let mut findings = Findings::default();
    let ok = history.calls().iter().filter(|call| call.outcome == Outcome::Ok).count() as u64;
    let mut counts = vec![("transactions", history.calls().len() as u64), ("committed", ok)];
    let mut lists = txn::lists(history, &mut findings)?;
    counts.push(("lists", lists.lists.len() as u64));
    if let Some(why) = lists.appended_twice(history) {
        findings.unsure(|| why);
        return Ok(findings.report(counts));
    }
    if ok == 0 {
        findings.unsure(|| "no transaction is known to have committed".to_owned());
    }
    list::order(history, &mut lists, &mut findings);
    let graph = edges::graph(history, &lists);
    counts.push(("dependencies", graph.edges() as u64));
    for found in cycle::cycles(&graph) {
        let ops = explain::ops(history, &found.steps);
        findings.add(found.kind, ops, || explain::cycle(history, &lists, &found.steps));
    }
    let mut report = findings.report(counts);
    report.ruled_out = models::ruled_out(report.found.iter().map(|(kind, _)| *kind));
    Ok(report)
}
