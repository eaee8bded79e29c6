//! The engine's own order, and whether it respects real time.

use contract::{CommitPosition, Outcome, Reply, Transaction};

/// The position of a committed transaction.
pub fn position(txn: &Transaction) -> Option<CommitPosition> {
    match txn.outcome {
        Outcome::Ok(position) => Some(position),
        Outcome::Fail | Outcome::Info => None,
    }
}

/// Whether its replies say that it wrote.
pub fn wrote(txn: &Transaction) -> bool {
    txn.calls.iter().any(|(_, result)| matches!(result, Some(Ok(Reply::Affected { rows: 1.., .. }))))
}

/// The committed transactions by position; of those with the same position, the ones that wrote are first, and within these
/// and the others the order is that in which they were asked for.
pub fn committed(history: &[Transaction]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..history.len()).filter(|at| position(&history[*at]).is_some()).collect();
    order.sort_by_key(|at| {
        let txn = &history[*at];
        (position(txn), !wrote(txn), txn.invoked_ns)
    });
    order
}

/// A transaction that ended before another was asked for must not have a later position.
pub fn check_real_time(history: &[Transaction], committed: &[usize]) -> Result<(), String> {
    let mut latest: Option<usize> = None;
    for group in committed.chunk_by(|a, b| position(&history[*a]) == position(&history[*b])) {
        for at in group {
            let txn = &history[*at];
            let (Some(before), Some(completed_ns)) = (latest, txn.completed_ns) else { continue };
            let before = &history[before];
            if completed_ns < before.invoked_ns {
                return Err(format!(
                    "{} ended at {completed_ns} ns, before {} was asked for at {} ns, yet has the later position",
                    describe(txn),
                    describe(before),
                    before.invoked_ns
                ));
            }
        }
        let newest = group.iter().copied().max_by_key(|at| history[*at].invoked_ns);
        latest = latest.into_iter().chain(newest).max_by_key(|at| history[*at].invoked_ns);
    }
    Ok(())
}

/// A transaction, for a person.
pub fn describe(txn: &Transaction) -> String {
    let position =
        position(txn).map_or("of unknown outcome".to_owned(), |position| format!("at position {}", position.0));
    format!("{} {} of session {} {position}", txn.name, txn.txn.0, txn.session.0)
}
