//! Reads and writes of single keys, as clients of registers and key-value stores note them.
//!
//! - `{:f :read, :value v}`, `{:f :write, :value v}`, `{:f :cas, :value [from to]}`: one register;
//! - the same with `:value [k v]`: register `k`;
//! - `{:f :txn, :value [[:r k v] [:w k v] [:cas k [from to]] ...]}`: a transaction.
//!
//! `get` and `put` do for `read` and `write`.

use crate::history::{Call, History, Malformed, Op, Value};

/// A part of an operation that concerns one key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Access<'a> {
    /// The key; nil when there is but one register.
    pub key: &'a Value,
    /// What is done.
    pub what: What<'a>,
}

/// What is done to a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum What<'a> {
    /// It is read, and this was found; before the end of the operation nobody knows what.
    Read(&'a Value),
    /// It is written.
    Write(&'a Value),
    /// It is written if it holds the first.
    Cas(&'a Value, &'a Value),
}

static NIL: Value = Value::Nil;

/// The accesses of a call, into `out`, which is cleared before. Of a call that is not known to have ended well, what was
/// asked for.
pub(crate) fn accesses<'a>(history: &'a History, call: &Call, out: &mut Vec<Access<'a>>) -> Result<(), Malformed> {
    out.clear();
    let op = history.last_known(call);
    let at = if history.completion(call).is_some() { call.ended } else { call.began };
    collect(op, out).map_err(|reason| history.malformed(at as usize, reason))
}

fn collect<'a>(op: &'a Op, out: &mut Vec<Access<'a>>) -> Result<(), String> {
    if &*op.f != "txn" {
        out.push(single(&op.f, &op.value)?);
        return Ok(());
    }
    let parts = op.value.as_list().ok_or("a transaction's value is a list of [f k v]")?;
    for part in parts {
        let Some([f, key, value]) = part.as_list() else {
            return Err(format!("a part of a transaction is [f k v], not {part}"));
        };
        let f = f.name().ok_or_else(|| format!("a part of a transaction begins with a word, not {f}"))?;
        out.push(Access { key, what: what(f, value)? });
    }
    Ok(())
}

fn single<'a>(f: &str, value: &'a Value) -> Result<Access<'a>, String> {
    let is_cas = f == "cas";
    match value.as_list() {
        Some([key, value]) if !is_cas || value.as_list().is_some() => Ok(Access { key, what: what(f, value)? }),
        _ => Ok(Access { key: &NIL, what: what(f, value)? }),
    }
}

fn what<'a>(f: &str, value: &'a Value) -> Result<What<'a>, String> {
    match f {
        "read" | "r" | "get" => Ok(What::Read(value)),
        "write" | "w" | "put" => Ok(What::Write(value)),
        "cas" => match value.as_list() {
            Some([from, to]) => Ok(What::Cas(from, to)),
            _ => Err(format!("a cas has [from to], not {value}")),
        },
        _ => Err(format!("{f} is neither read, write, cas nor txn")),
    }
}
