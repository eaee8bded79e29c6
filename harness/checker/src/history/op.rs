//! One line of a history.

use std::fmt;
use std::sync::Arc;

use super::value::Value;

/// Something that happened: a process asked for an operation, or learned what came of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// Who.
    pub process: Process,
    /// Whether it began or ended, and how.
    pub kind: Kind,
    /// What was asked for: `read`, `write`, `txn`, ...
    pub f: Arc<str>,
    /// With what, or with what result.
    pub value: Value,
    /// When, in nanoseconds; `None` where nobody noted it. Judgement goes by the order of the history, not by this.
    pub time_ns: Option<i64>,
    /// The number that its writer gave it.
    pub index: Option<i64>,
    /// Its other fields: `error` and whatever else a client noted.
    pub extra: Box<[(Arc<str>, Value)]>,
}

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Process {
    /// A client: it does one thing at a time.
    Client(i64),
    /// Anything else, as a nemesis. Checkers pass over it.
    Named(Arc<str>),
}

/// Whether an operation began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It was asked for.
    Invoke,
    /// It took effect.
    Ok,
    /// It took no effect, and never will.
    Fail,
    /// Nobody knows: it may take effect, now or at any later time.
    Info,
}

impl Kind {
    /// The word for it in files.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Invoke => "invoke",
            Kind::Ok => "ok",
            Kind::Fail => "fail",
            Kind::Info => "info",
        }
    }

    fn named(name: &str) -> Option<Kind> {
        [Kind::Invoke, Kind::Ok, Kind::Fail, Kind::Info].into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Process::Client(number) => write!(f, "process {number}"),
            Process::Named(name) => f.write_str(name),
        }
    }
}

impl Op {
    /// An operation of a client, without time, number or other fields.
    pub fn new(process: i64, kind: Kind, f: &str, value: Value) -> Op {
        let process = Process::Client(process);
        Op { process, kind, f: f.into(), value, time_ns: None, index: None, extra: Box::default() }
    }

    /// One of its other fields.
    pub fn extra(&self, name: &str) -> Option<&Value> {
        self.extra.iter().find(|(known, _)| &**known == name).map(|(_, value)| value)
    }

    /// The operation that a map says. The error is what is wrong with it.
    pub fn from_value(value: Value) -> Result<Op, String> {
        let Value::Map(fields) = value else { return Err(format!("an operation is a map, not {}", shortened(&value))) };
        let (mut process, mut kind, mut f, mut extra) = (None, None, None, Vec::new());
        let (mut value, mut time_ns, mut index) = (Value::Nil, None, None);
        for (key, field) in fields {
            let Some(name) = key.name() else { return Err(format!("a field is named by a word, not by {key}")) };
            match &**name {
                "process" => process = Some(process_of(&field)?),
                "type" => kind = Some(kind_of(&field)?),
                "f" => f = Some(field.name().cloned().ok_or_else(|| wrong("f", "a word", &field))?),
                "value" => value = field,
                "time" => time_ns = number_of("time", &field)?,
                "index" => index = number_of("index", &field)?,
                _ => extra.push((Arc::clone(name), field)),
            }
        }
        let process = process.ok_or("the operation has no process")?;
        let kind = kind.ok_or("the operation has no type")?;
        let f = f.ok_or("the operation has no f")?;
        Ok(Op { process, kind, f, value, time_ns, index, extra: extra.into() })
    }
}

fn process_of(field: &Value) -> Result<Process, String> {
    match (field, field.name()) {
        (Value::Int(number), _) => Ok(Process::Client(*number)),
        (_, Some(name)) => Ok(Process::Named(Arc::clone(name))),
        _ => Err(wrong("process", "a number or a name", field)),
    }
}

fn kind_of(field: &Value) -> Result<Kind, String> {
    let kind = field.name().and_then(|name| Kind::named(name));
    kind.ok_or_else(|| wrong("type", "one of invoke, ok, fail, info", field))
}

fn number_of(name: &str, field: &Value) -> Result<Option<i64>, String> {
    match field {
        Value::Int(number) => Ok(Some(*number)),
        Value::Nil => Ok(None),
        _ => Err(wrong(name, "a whole number", field)),
    }
}

fn wrong(name: &str, wanted: &str, field: &Value) -> String {
    format!("{name} is {wanted}, not {}", shortened(field))
}

/// A value for a message, which need not repeat a megabyte.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
