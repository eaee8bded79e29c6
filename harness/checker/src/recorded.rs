//! Histories of our own clients, in the form that the checkers of anybody's histories judge and that files hold.
//!
//! # Caveats
//!
//! - Only transactions on the tables of the workloads `register`, `list-append` and `bank` have a meaning here; statements that are
//!   none of theirs are left out.

use contract::{Aggregate, Outcome, Projection, Reply, Row, Statement, Transaction};

use crate::Set;
use crate::history::{History, Kind, Malformed, Op, Process, Value};

/// What the rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Registers: the second field is who wrote it, eight bytes.
    Registers,
    /// Lists: the only field is their elements, of eight bytes each. A row that is put is the list that was got and one more.
    Lists,
    /// Accounts, of which only the sum of all balances is judged.
    Accounts,
}

/// What clients did, in the order in which it happened. What began and what ended at the same nanosecond counts as begun first,
/// so that neither is taken to be before the other; but a session that goes on at once has ended the one before. Positions in
/// the engine's serial order are kept.
///
/// # Errors
///
/// The transactions of one session overlap.
pub fn history(transactions: &[Transaction], rows: Rows) -> Result<History, Malformed> {
    let ends: Set<_> = transactions.iter().filter_map(|txn| Some((txn.session, txn.completed_ns?))).collect();
    // When, and of what happens then: begins, ends, begins of sessions that have just ended something, ends of those.
    let mut events: Vec<(u64, u8, Op)> = Vec::new();
    for txn in transactions {
        let f = if rows == Rows::Accounts { f_of_accounts(txn) } else { "txn" };
        let op = |kind, value, time_ns: u64| Op {
            process: Process::Client(i64::from(txn.session.0)),
            kind,
            f: f.into(),
            value,
            time_ns: i64::try_from(time_ns).ok(),
            index: None,
            extra: Box::default(),
        };
        let goes_on = ends.contains(&(txn.session, txn.invoked_ns));
        events.push((
            txn.invoked_ns,
            if goes_on { 2 } else { 0 },
            op(Kind::Invoke, value(txn, rows, false), txn.invoked_ns),
        ));
        let Some(completed_ns) = txn.completed_ns else { continue };
        let mut end = match txn.outcome {
            Outcome::Info => continue,
            Outcome::Fail => op(Kind::Fail, value(txn, rows, false), completed_ns),
            Outcome::Ok(_) => op(Kind::Ok, value(txn, rows, true), completed_ns),
        };
        if let Outcome::Ok(position) = txn.outcome {
            end.extra = i64::try_from(position.0).map(|at| ("position".into(), Value::Int(at))).into_iter().collect();
        }
        let at_once = goes_on && completed_ns == txn.invoked_ns;
        events.push((completed_ns, if at_once { 3 } else { 1 }, end));
    }
    events.sort_by_key(|(time_ns, turn, _)| (*time_ns, *turn));
    History::of((0..).zip(events).map(|(index, (_, _, op))| Op { index: Some(index), ..op }))
}

fn f_of_accounts(txn: &Transaction) -> &'static str {
    if txn.calls.iter().any(|(statement, _)| is_sum(statement)) { "read" } else { "transfer" }
}

fn is_sum(statement: &Statement) -> bool {
    matches!(statement, Statement::Scan { projection: Projection::Aggregate(Aggregate::Sum(_)), .. })
}

/// What a transaction asked for, and with `replies` what it found.
fn value(txn: &Transaction, rows: Rows, replies: bool) -> Value {
    if rows == Rows::Accounts {
        let sums = txn.calls.iter().filter(|(statement, _)| replies && is_sum(statement));
        let sum = sums.filter_map(|(_, reply)| match reply {
            Some(Ok(Reply::Value { value, .. })) => Some(Value::Int(*value as i64)),
            _ => None,
        });
        return sum.last().unwrap_or_default();
    }
    let part = |f: &str, key: &contract::Key, value| Some(Value::list([Value::keyword(f), key_value(key), value]));
    let parts = txn.calls.iter().filter_map(|(statement, reply)| match (statement, reply) {
        (Statement::Get { key, .. } | Statement::GetForUpdate { key, .. }, Some(Ok(Reply::Row { row, .. })))
            if replies =>
        {
            part("r", key, row.as_ref().map_or(Value::Nil, |row| row_value(row, rows)))
        }
        (Statement::Get { key, .. } | Statement::GetForUpdate { key, .. }, _) => part("r", key, Value::Nil),
        (Statement::Put { key, row, .. }, _) => match (rows, row_value(row, rows)) {
            (Rows::Lists, Value::List(elements)) => part("append", key, elements.last().cloned().unwrap_or_default()),
            (_, value) => part("w", key, value),
        },
        _ => None,
    });
    Value::list(parts.collect::<Vec<_>>())
}

fn key_value(key: &contract::Key) -> Value {
    match <[u8; 8]>::try_from(key.as_bytes()) {
        Ok(number) => Value::Int(i64::from_be_bytes(number)),
        Err(_) => Value::text(&key.as_bytes().escape_ascii().to_string()),
    }
}

fn row_value(row: &Row, rows: Rows) -> Value {
    let numbers = |field: &[u8]| -> Vec<Value> {
        field.as_chunks::<8>().0.iter().map(|number| Value::Int(i64::from_be_bytes(*number))).collect()
    };
    match rows {
        Rows::Lists => Value::list(numbers(row.field(0).unwrap_or_default())),
        Rows::Registers | Rows::Accounts => {
            numbers(row.field(1).unwrap_or_default()).into_iter().next().unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::{CommitPosition, Key, SessionId, TableId, TxnSeq};

    use super::*;
    use crate::history::Format;

    const T: TableId = TableId(0);

    fn txn(session: u32, span: (u64, Option<u64>), calls: Vec<(Statement, Reply)>, outcome: Outcome) -> Transaction {
        let is_known = outcome != Outcome::Info;
        Transaction {
            client: session,
            session: SessionId(session),
            txn: TxnSeq(span.0),
            name: "txn",
            invoked_ns: span.0,
            completed_ns: span.1,
            calls: calls.into_iter().map(|(statement, reply)| (statement, is_known.then_some(Ok(reply)))).collect(),
            outcome,
        }
    }

    fn get(fields: &[&[u8]]) -> (Statement, Reply) {
        let row = (!fields.is_empty()).then(|| Row::new(fields.iter().copied()));
        (Statement::Get { table: T, key: Key::from_u64(1) }, Reply::Row { row, position: None })
    }

    fn put(fields: &[&[u8]]) -> (Statement, Reply) {
        let row = Row::new(fields.iter().copied());
        (Statement::Put { table: T, key: Key::from_u64(1), row }, Reply::Affected { rows: 1, position: None })
    }

    fn numbers(numbers: &[u64]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    fn lines(transactions: &[Transaction], rows: Rows) -> Vec<String> {
        let history = history(transactions, rows).expect("sessions do one thing at a time");
        history.ops().iter().map(|op| Format::Edn.line(op)).collect()
    }

    #[test]
    fn lists_are_what_was_got_and_the_one_element_more_that_was_put() {
        let (one, two) = (numbers(&[5]), numbers(&[5, 6]));
        let ok = Outcome::Ok(CommitPosition(9));
        let transactions = [
            txn(1, (10, Some(20)), vec![get(&[&one]), put(&[&two])], ok.clone()),
            txn(1, (20, Some(30)), vec![get(&[])], ok),
            txn(2, (20, None), vec![put(&[&one])], Outcome::Info),
        ];
        assert_eq!(
            lines(&transactions, Rows::Lists),
            [
                "{:process 1, :type :invoke, :f :txn, :value [[:r 1 nil] [:append 1 6]], :time 10, :index 0}",
                "{:process 2, :type :invoke, :f :txn, :value [[:append 1 5]], :time 20, :index 1}",
                "{:process 1, :type :ok, :f :txn, :value [[:r 1 [5]] [:append 1 6]], :time 20, :index 2, :position 9}",
                "{:process 1, :type :invoke, :f :txn, :value [[:r 1 nil]], :time 20, :index 3}",
                "{:process 1, :type :ok, :f :txn, :value [[:r 1 nil]], :time 30, :index 4, :position 9}",
            ]
        );
    }

    #[test]
    fn registers_are_who_wrote_them_and_a_refused_transaction_fails() {
        let row = [&b"key"[..], &7u64.to_be_bytes()];
        let refused = txn(3, (1, Some(2)), vec![get(&row), put(&row)], Outcome::Fail);
        assert_eq!(
            lines(&[refused], Rows::Registers)[1],
            "{:process 3, :type :fail, :f :txn, :value [[:r 1 nil] [:w 1 7]], :time 2, :index 1}"
        );
    }
}
