//! What clients saw, held against what may be: in a simulated world and in the real one alike.

use checker::{Verdict, durability, replay};
use contract::{Ack, Key, Model, Outcome, Reply, Row, Statement, TableId, Transaction};
use load::Interval;
use node::Nanos;

use super::watch::Watch;
use super::{Subject, Substance};

/// How many transactions the replay may try for each committed one.
const REPLAY_BUDGET: u64 = 50;

/// What clients saw of a run.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The rows before it.
    pub initial: Model,
    /// What was acknowledged.
    pub acks: Vec<Ack>,
    /// What the load's clients did.
    pub history: Vec<Transaction>,
    /// What the clients of a second database did.
    pub inherited: Vec<Transaction>,
    /// The final reading, which an engine that refuses to serve has not given.
    pub rows: Option<Vec<Transaction>>,
}

/// Whether clients found replies that cannot be right, or did not keep all that they saw.
///
/// # Errors
///
/// They did.
pub fn findings(interval: &Interval) -> Result<(), String> {
    if interval.findings_count > 0 || interval.acks_dropped + interval.history_dropped > 0 {
        return Err(format!(
            "clients found {} replies that cannot be right ({} of history lost): {:?}",
            interval.findings_count, interval.history_dropped, interval.findings
        ));
    }
    Ok(())
}

/// Judges durability of what was acknowledged against the final reading, strict serializability of everything, and that
/// nothing was acknowledged while too few nodes could hold it.
///
/// # Errors
///
/// What cannot be, in words.
pub fn judge(
    evidence: Evidence,
    subject: &dyn Subject,
    watch: &Watch,
    substance: &mut Substance,
) -> Result<(), String> {
    let Evidence { initial, acks, mut history, inherited, rows } = evidence;
    let durable = match &rows {
        Some(rows) => {
            let (first, last) = (placed_of(&initial), rows.iter().flat_map(placed));
            durability::Check { unjournalled: 0 }.run(acks, first.into_iter(), last).verdict
        }
        None => Verdict::Valid,
    };
    check_forbidden(&history, subject, watch)?;
    history.extend(inherited);
    history.extend(rows.into_iter().flatten());
    let serial = replay::check(initial, &history, REPLAY_BUDGET);
    if matches!(durable, Verdict::Invalid(_)) || matches!(serial.verdict, Verdict::Invalid(_)) {
        return Err(format!("strict serializability is {}; durability is {durable}", serial.verdict));
    }
    substance.add("verdicts unknown", u64::from(serial.verdict != Verdict::Valid));
    substance.add("transactions acknowledged", serial.committed);
    substance.add("outcomes unknown", serial.unknown);
    substance.add("outcomes unknown that took effect", serial.unknown_applied);
    Ok(())
}

/// No commit that was asked for while too few nodes could hold it was acknowledged in that time.
fn check_forbidden(history: &[Transaction], subject: &dyn Subject, watch: &Watch) -> Result<(), String> {
    for txn in history.iter().filter(|txn| must_change(txn)) {
        let (since, until) = (Nanos(txn.invoked_ns), Nanos(txn.completed_ns.unwrap_or(u64::MAX)));
        let silent = watch.silent_throughout(since, until);
        if subject.cannot_commit(&silent) {
            return Err(format!(
                "a commit asked for at {since:?} was acknowledged at {until:?}, and {silent:?} were silent all that time: {:?}",
                txn.calls
            ));
        }
    }
    Ok(())
}

/// Whether the transaction committed and left something that was not there before: a row put, and not removed again.
fn must_change(txn: &Transaction) -> bool {
    let puts = txn.calls.iter().filter(|(statement, _)| matches!(statement, Statement::Put { .. }));
    let removes = txn.calls.iter().any(|(statement, _)| matches!(statement, Statement::Delete { .. }));
    matches!(txn.outcome, Outcome::Ok(_)) && puts.count() > 0 && !removes
}

fn placed_of(model: &Model) -> Vec<durability::Placed> {
    let tables = (0..model.schema().tables.len()).map(|table| TableId(table as u16));
    tables.flat_map(|table| model.rows(table).map(move |(key, row)| (table, key.clone(), row.clone()))).collect()
}

/// The rows of a table as [`super::Console::read_all`] read them.
fn placed(read: &Transaction) -> Vec<(TableId, Key, Row)> {
    let (statement, reply) = &read.calls[0];
    match reply {
        Some(Ok(Reply::Rows { rows, .. })) => {
            rows.iter().map(|(key, row)| (statement.table(), key.clone(), row.clone())).collect()
        }
        _ => Vec::new(),
    }
}
