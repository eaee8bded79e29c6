//! From a history to its lists: who appended what, and who read what.

use super::list::{Append, List, Lists, Read, UNSEEN};
use crate::history::{Call, History, Malformed, Outcome, Value};
use crate::prose;
use crate::report::Findings;

/// What a transaction knows of one list while it runs.
struct Known<'a> {
    list: u32,
    /// The list before the transaction, once it has read it.
    before: Option<&'a [Value]>,
    /// What it appended itself.
    own: Vec<&'a Value>,
    /// Its last append, to be marked as such.
    last: Option<u32>,
}

/// The lists of a history. Transactions that disagree with themselves are found on the way.
pub fn lists<'a>(history: &'a History, findings: &mut Findings) -> Result<Lists<'a>, Malformed> {
    let mut lists = Lists::default();
    let mut known: Vec<Known<'a>> = Vec::new();
    for (number, call) in (0u32..).zip(history.calls()) {
        let op = history.last_known(call);
        let at = if call.ended == Call::NEVER { call.began } else { call.ended };
        let malformed = |reason: String| history.malformed(at as usize, reason);
        if &*op.f != "txn" {
            return Err(malformed(format!("{} is no txn", op.f)));
        }
        let parts = op.value.as_list();
        let parts = parts.ok_or_else(|| malformed("a transaction's value is a list of [f k v]".to_owned()))?;
        known.clear();
        for part in parts {
            let Some([f, key, value]) = part.as_list() else {
                return Err(malformed(format!("a part of a transaction is [f k v], not {part}")));
            };
            let list = lists.list(key);
            let place = known.iter().position(|known| known.list == list).unwrap_or_else(|| {
                known.push(Known { list, before: None, own: Vec::new(), last: None });
                known.len() - 1
            });
            match f.name().map(|name| &**name) {
                Some("append") => append(&mut lists, &mut known[place], number, value),
                Some("r" | "read") if call.outcome == Outcome::Ok => {
                    let seen = seen(value).ok_or_else(|| malformed(format!("a read finds a list, not {value}")))?;
                    read(history, &mut lists, &mut known[place], number, seen, findings);
                }
                Some("r" | "read") => {}
                _ => return Err(malformed(format!("{f} is neither append nor r"))),
            }
        }
        for known in &known {
            foretold(history, &lists, known, number, findings);
            if let Some(last) = known.last {
                lists.appends[last as usize].is_last = true;
            }
        }
    }
    Ok(lists)
}

/// A transaction must not see its own append before it makes it.
fn foretold(history: &History, lists: &Lists<'_>, known: &Known<'_>, txn: u32, findings: &mut Findings) {
    let before = known.before.unwrap_or_default();
    let Some(value) = known.own.iter().find(|own| before.contains(own)) else { return };
    let call = &history.calls()[txn as usize];
    findings.add("internal", vec![call.began as usize, call.ended as usize], || {
        let (who, key) = (prose::call(history, call), lists.lists[known.list as usize].key);
        format!("{who} read {key} with {value} before it appended that itself")
    });
}

/// A list that is not there is empty.
fn seen(value: &Value) -> Option<&[Value]> {
    if *value == Value::Nil { Some(&[]) } else { value.as_list() }
}

fn append<'a>(lists: &mut Lists<'a>, known: &mut Known<'a>, txn: u32, value: &'a Value) {
    let nth = known.own.len() as u32;
    let append = Append { txn, list: known.list, value, nth, is_last: false, place: UNSEEN };
    known.last = Some(lists.append(append));
    known.own.push(value);
}

fn read<'a>(
    history: &'a History,
    lists: &mut Lists<'a>,
    known: &mut Known<'a>,
    txn: u32,
    seen: &'a [Value],
    findings: &mut Findings,
) {
    let before_len = seen.len().checked_sub(known.own.len());
    let before = before_len.filter(|len| seen[*len..].iter().eq(known.own.iter().copied())).map(|len| &seen[..len]);
    match (known.before, before) {
        (None, Some(before)) => {
            known.before = Some(before);
            let list: &mut List<'a> = &mut lists.lists[known.list as usize];
            list.reads.push(Read { txn, seen, own: known.own.len() as u32 });
        }
        (Some(known), Some(before)) if known == before => {}
        _ => {
            let call = &history.calls()[txn as usize];
            findings.add("internal", vec![call.began as usize, call.ended as usize], || {
                let key = lists.lists[known.list as usize].key;
                let (who, seen) = (prose::call(history, call), Value::list(seen.iter().cloned()));
                format!("{who} read {key} as {seen}, which its own earlier reads and appends contradict")
            });
        }
    }
}
