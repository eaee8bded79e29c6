//! Writing JSON lines.

use std::fmt::{self, Write};

use super::super::op::{Op, Process};
use super::super::value::Value;
use super::as_integer;

/// Writes an operation as one line, without its end.
///
/// # Errors
///
/// Those of `out`.
pub fn write_op(out: &mut impl Write, op: &Op) -> fmt::Result {
    out.write_str("{\"process\":")?;
    match &op.process {
        Process::Client(number) => write!(out, "{number}")?,
        Process::Named(name) => write_word(out, name)?,
    }
    write!(out, ",\"type\":\"{}\",\"f\":", op.kind.name())?;
    write_word(out, &op.f)?;
    out.write_str(",\"value\":")?;
    write_value(out, &op.value)?;
    for (name, number) in [("time", op.time_ns), ("index", op.index)] {
        if let Some(number) = number {
            write!(out, ",\"{name}\":{number}")?;
        }
    }
    for (name, value) in &op.extra {
        out.write_char(',')?;
        write_key(out, &Value::Text(name.clone()))?;
        out.write_char(':')?;
        write_value(out, value)?;
    }
    out.write_char('}')
}

fn write_value(out: &mut impl Write, value: &Value) -> fmt::Result {
    match value {
        Value::Nil => out.write_str("null"),
        Value::Bool(truth) => write!(out, "{truth}"),
        Value::Int(number) => write!(out, "{number}"),
        Value::Real(number) => write!(out, "{:?}", number.get()),
        Value::Keyword(name) => write_string(out, &[":", name]),
        Value::Text(text) => write_word(out, text),
        Value::List(items) => {
            out.write_char('[')?;
            for (at, item) in items.iter().enumerate() {
                out.write_str(if at == 0 { "" } else { "," })?;
                write_value(out, item)?;
            }
            out.write_char(']')
        }
        Value::Map(entries) => {
            out.write_char('{')?;
            for (at, (key, value)) in entries.iter().enumerate() {
                out.write_str(if at == 0 { "" } else { "," })?;
                write_key(out, key)?;
                out.write_char(':')?;
                write_value(out, value)?;
            }
            out.write_char('}')
        }
    }
}

fn write_key(out: &mut impl Write, key: &Value) -> fmt::Result {
    match key {
        Value::Int(number) => write!(out, "\"{number}\""),
        Value::Keyword(name) => write_string(out, &[":", name]),
        Value::Text(text) if as_integer(text).is_none() && !text.starts_with('#') => write_word(out, text),
        key => write_string(out, &["#", &key.to_string()]),
    }
}

/// A string that is not to be taken for a keyword.
fn write_word(out: &mut impl Write, text: &str) -> fmt::Result {
    write_string(out, &[if text.starts_with(':') { ":" } else { "" }, text])
}

fn write_string(out: &mut impl Write, parts: &[&str]) -> fmt::Result {
    out.write_char('"')?;
    for letter in parts.iter().flat_map(|part| part.chars()) {
        match letter {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\0'..' ' => write!(out, "\\u{:04x}", u32::from(letter))?,
            letter => out.write_char(letter)?,
        }
    }
    out.write_char('"')
}
