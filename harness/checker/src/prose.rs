//! Operations for a person to read.

use crate::history::{Call, History, Value};

/// Characters of a value that are shown.
const LETTERS_MAX: usize = 200;

/// Who did what, and where in the history it began and ended, counted from 0.
pub(crate) fn call(history: &History, call: &Call) -> String {
    let op = history.last_known(call);
    let text = op.value.to_string();
    let value = match text.char_indices().nth(LETTERS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    };
    let ended = match call.ended {
        Call::NEVER => "never known".to_owned(),
        ended => ended.to_string(),
    };
    format!("{} {} {value} ({}..{ended})", op.process, op.f, call.began)
}

/// A register by its key, or the only one.
pub(crate) fn register(key: &Value) -> String {
    match key {
        Value::Nil => "the register".to_owned(),
        key => format!("key {key}"),
    }
}
