//! Histories whose operations name their positions in the store's own serial order.

use std::hash::{Hash, Hasher};

use contract::{
    CommitPosition, Key, Model, Outcome, Reply, Row, Schema, SessionId, Statement, Table, TableId, Transaction, TxnSeq,
};

use rustc_hash::FxHasher;

use crate::access::{Access, What, accesses};
use crate::history::{self, History, Malformed, Value};
use crate::{Map, Report, Verdict, replay};

const TABLE: TableId = TableId(0);
/// Transactions replayed for each committed one before the replay gives up.
const BUDGET: u64 = 50;

/// Replays the history, when every operation that took effect has a `position` and none is a compare-and-set.
pub fn by_position(history: &History, initial: &Value) -> Result<Option<Report>, Malformed> {
    let ended = history.calls().iter().filter(|call| call.outcome == history::Outcome::Ok);
    let mut positions = ended.map(|call| position(history, call)).peekable();
    if positions.peek().is_none() || positions.any(|position| position.is_none()) {
        return Ok(None);
    }
    let mut transactions = Vec::new();
    let mut keys: Map<&Value, Key> = Map::default();
    for (number, call) in history.calls().iter().enumerate() {
        let mut parts = Vec::new();
        accesses(history, call, &mut parts)?;
        if parts.iter().any(|part| matches!(part.what, What::Cas(..))) {
            return Ok(None);
        }
        for part in &parts {
            keys.entry(part.key).or_insert_with(|| Key::copy(part.key.to_string().as_bytes()));
        }
        transactions.push(transaction(history, number, call, &parts, &keys));
    }
    let mut model = Model::new(Schema { tables: vec![Table { name: "keys".into(), indexes: Vec::new() }] });
    keys.values().for_each(|key| model.load(TABLE, key.clone(), row(initial)));
    let found = replay::check(model, &transactions, BUDGET);
    let counts = vec![
        ("calls", history.calls().len() as u64),
        ("committed", found.committed),
        ("unknown", found.unknown),
        ("unknown that took effect", found.unknown_applied),
        ("replayed", found.replayed),
    ];
    let anomalies = match &found.verdict {
        Verdict::Invalid(why) => vec![crate::Anomaly { kind: "not-serial", ops: Vec::new(), why: why.clone() }],
        Verdict::Valid | Verdict::Unknown(_) => Vec::new(),
    };
    let kinds = anomalies.iter().map(|anomaly| (anomaly.kind, 1)).collect();
    Ok(Some(Report { verdict: found.verdict, counts, found: kinds, anomalies, ruled_out: Vec::new() }))
}

fn position(history: &History, call: &history::Call) -> Option<u64> {
    let position = history.completion(call)?.extra("position")?.as_int()?;
    u64::try_from(position).ok()
}

fn transaction(
    history: &History,
    number: usize,
    call: &history::Call,
    parts: &[Access<'_>],
    keys: &Map<&Value, Key>,
) -> Transaction {
    let outcome = match call.outcome {
        history::Outcome::Ok => Outcome::Ok(CommitPosition(position(history, call).expect("all have one"))),
        history::Outcome::Fail => Outcome::Fail,
        history::Outcome::Info => Outcome::Info,
    };
    let is_known = call.outcome == history::Outcome::Ok;
    let statement = |part: &Access<'_>| {
        let key = keys[part.key].clone();
        match part.what {
            What::Read(value) => {
                let reply = Reply::Row { row: Some(row(value)), position: None };
                (Statement::Get { table: TABLE, key }, is_known.then_some(Ok(reply)))
            }
            What::Write(value) => {
                let reply = Reply::Affected { rows: 1, position: None };
                (Statement::Put { table: TABLE, key, row: row(value) }, is_known.then_some(Ok(reply)))
            }
            What::Cas(..) => unreachable!("a history with a compare-and-set is not replayed"),
        }
    };
    Transaction {
        client: 0,
        session: SessionId(number as u32),
        txn: TxnSeq(number as u64),
        name: "operation",
        invoked_ns: u64::from(call.began),
        completed_ns: (call.ended != history::Call::NEVER).then_some(u64::from(call.ended)),
        calls: parts.iter().map(statement).collect(),
        outcome,
    }
}

/// A row that is the value's own, whatever its size: what a field cannot hold stands as its hash.
fn row(value: &Value) -> Row {
    let text = value.to_string();
    if text.len() <= usize::from(u16::MAX) {
        return Row::new([text.as_bytes()]);
    }
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    Row::new([&hasher.finish().to_be_bytes()[..], &text.as_bytes()[..1024]])
}
