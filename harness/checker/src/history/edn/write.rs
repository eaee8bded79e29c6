//! Writing EDN.

use std::fmt::{self, Write};

use super::super::op::{Op, Process};
use super::super::value::Value;
use super::is_keyword;

/// Writes a value.
pub fn write_value(out: &mut impl Write, value: &Value) -> fmt::Result {
    match value {
        Value::Nil => out.write_str("nil"),
        Value::Bool(truth) => write!(out, "{truth}"),
        Value::Int(number) => write!(out, "{number}"),
        Value::Real(number) => write!(out, "{:?}", number.get()),
        Value::Keyword(name) => write_name(out, name),
        Value::Text(text) => write_text(out, text),
        Value::List(items) => {
            out.write_char('[')?;
            for (at, item) in items.iter().enumerate() {
                out.write_str(if at == 0 { "" } else { " " })?;
                write_value(out, item)?;
            }
            out.write_char(']')
        }
        Value::Map(entries) => {
            out.write_char('{')?;
            for (at, (key, value)) in entries.iter().enumerate() {
                out.write_str(if at == 0 { "" } else { ", " })?;
                write_value(out, key)?;
                out.write_char(' ')?;
                write_value(out, value)?;
            }
            out.write_char('}')
        }
    }
}

/// Writes an operation as one line, without its end.
///
/// # Errors
///
/// Those of `out`.
pub fn write_op(out: &mut impl Write, op: &Op) -> fmt::Result {
    out.write_str("{:process ")?;
    match &op.process {
        Process::Client(number) => write!(out, "{number}")?,
        Process::Named(name) => write_name(out, name)?,
    }
    write!(out, ", :type :{}, :f ", op.kind.name())?;
    write_name(out, &op.f)?;
    out.write_str(", :value ")?;
    write_value(out, &op.value)?;
    for (name, number) in [(":time", op.time_ns), (":index", op.index)] {
        if let Some(number) = number {
            write!(out, ", {name} {number}")?;
        }
    }
    for (name, value) in &op.extra {
        out.write_str(", ")?;
        write_name(out, name)?;
        out.write_char(' ')?;
        write_value(out, value)?;
    }
    out.write_char('}')
}

/// A keyword, or a string where EDN has no such keyword.
fn write_name(out: &mut impl Write, name: &str) -> fmt::Result {
    if is_keyword(name) { write!(out, ":{name}") } else { write_text(out, name) }
}

fn write_text(out: &mut impl Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            letter => out.write_char(letter)?,
        }
    }
    out.write_char('"')
}
