//! A script: what clients do and what goes wrong, and its file.
//!
//! The file has one JSON object a line. The first says which engine and world it is for; every other line has a time and
//! either a transaction (`txn`, see [`crate::operations`]) or a fault (`fault`, see [`crate::words`]) and the row it is of.
//! Lines may be removed; their order among equal times counts.

use node::{Nanos, NodeId};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::budget::Demand;
use crate::cast::{Cast, Names};
use crate::catalogue::{EngineClass, Row};
use crate::operations::{Operation, Verb};
use crate::schedule::{Schedule, Timed};
use crate::words;

/// The version that this program writes and reads.
pub const VERSION: u32 = 1;
const FORMAT: &str = "sextant-script";
/// The latest time in a script.
const SPAN_MAX: Nanos = Nanos::from_secs(3600);

/// What a script says of its world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Always `sextant-script`.
    pub format: String,
    /// The version of the format.
    pub version: u32,
    /// The suite that drew it.
    pub suite: String,
    /// The engine.
    pub engine: String,
    /// The seed that drew it; replaying draws nothing from it but the world's own noise.
    pub seed: u64,
    /// What is demanded: `liveness` or `safety`.
    pub demand: String,
    /// The rows in use.
    pub rows: Vec<String>,
    /// Clients.
    pub clients: u32,
    /// Tables.
    pub tables: u16,
    /// Rows in each table at first.
    pub keys: u64,
    /// Bytes of a page.
    pub page_bytes: u32,
    /// How long faults and operations go on.
    pub span: String,
    /// The nodes and their numbers.
    pub nodes: std::collections::BTreeMap<String, u32>,
}

/// A script.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// The world.
    pub header: Header,
    /// What clients do.
    pub operations: Vec<Operation>,
    /// What goes wrong.
    pub faults: Vec<Timed>,
}

/// Why a text is no script.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {why}")]
pub struct ScriptError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    at: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    txn: Option<Vec<String>>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    rollback: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    row: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    fault: Option<String>,
}

impl Header {
    /// The format's name and version, for a new script.
    pub fn format() -> (String, u32) {
        (FORMAT.to_owned(), VERSION)
    }

    /// What is demanded.
    ///
    /// # Errors
    ///
    /// It is neither word.
    pub fn demand(&self) -> Result<Demand, String> {
        [Demand::Liveness, Demand::Safety]
            .into_iter()
            .find(|demand| demand.name() == self.demand)
            .ok_or_else(|| format!("`{}` is no demand: liveness or safety", self.demand))
    }

    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT || self.version != VERSION {
            return Err(format!(
                "this is {} version {}; version {VERSION} of {FORMAT} is read",
                self.format, self.version
            ));
        }
        self.demand()?;
        within_an_hour(&self.span)?;
        EngineClass::find(&self.engine).ok_or_else(|| format!("no engine under chaos is named `{}`", self.engine))?;
        self.rows.iter().try_for_each(|row| find_row(row).map(|_| ()))?;
        let sizes = [
            (self.clients, 1, 1000, "clients"),
            (u32::from(self.tables), 1, 16, "tables"),
            (self.page_bytes, 512, 65536, "page_bytes"),
        ];
        for (value, low, high, name) in sizes {
            if !(low..=high).contains(&value) {
                return Err(format!("{name} is {value}, and must be {low} to {high}"));
            }
        }
        if !self.page_bytes.is_power_of_two() || !(2..=1_000_000).contains(&self.keys) {
            return Err("page_bytes must be a power of two and keys 2 to 1,000,000".to_owned());
        }
        Ok(())
    }
}

/// A time of a script. Simulated time is cheap, not free: a slip of the pen in one line must not become days of work.
fn within_an_hour(text: &str) -> Result<Nanos, String> {
    let at = words::parse_span(text)?;
    if at > SPAN_MAX {
        return Err(format!("`{text}` is more than an hour, which is the longest that a script goes on"));
    }
    Ok(at)
}

fn find_row(name: &str) -> Result<&'static Row, String> {
    Row::find(name).ok_or_else(|| format!("the catalogue has no row `{name}`"))
}

impl Script {
    /// Its faults as a schedule.
    pub fn schedule(&self) -> Schedule {
        let rows = self.header.rows.iter().filter_map(|row| Row::find(row)).collect();
        Schedule { rows, faults: self.faults.clone(), span: self.span() }
    }

    /// An act about a node that a world has not, in words.
    pub fn astray(&self, cast: &Cast) -> Option<String> {
        let is_there = |node: &NodeId| cast.names.0.values().any(|id| *id == node.0);
        self.faults.iter().find_map(|timed| {
            let stranger = timed.act.nodes().into_iter().find(|node| !is_there(node))?;
            let (at, name) = (words::span(timed.at), Names(self.header.nodes.clone()).name(stranger));
            Some(format!("the act at {at} is about `{name}` (node {}), and no such node is in this world", stranger.0))
        })
    }

    /// How long it goes on.
    pub fn span(&self) -> Nanos {
        words::parse_span(&self.header.span).unwrap_or_default()
    }

    /// Which engine it is for.
    pub fn class(&self) -> EngineClass {
        EngineClass::find(&self.header.engine).expect("checked when it was made or read")
    }

    /// Operations and faults together.
    pub fn events(&self) -> usize {
        self.operations.len() + self.faults.len()
    }

    /// Names its text: equal scripts have equal hashes.
    pub fn hash(&self) -> u64 {
        xxh3_64(self.to_text().as_bytes())
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let names = Names(self.header.nodes.clone());
        let mut lines: Vec<(Nanos, Line)> = Vec::with_capacity(self.events());
        for fault in &self.faults {
            let line = Line {
                at: words::span(fault.at),
                txn: None,
                rollback: false,
                row: Some(fault.row.id.to_owned()),
                fault: Some(words::of_act(&fault.act, &names)),
            };
            lines.push((fault.at, line));
        }
        for operation in &self.operations {
            let txn = Some(operation.verbs.iter().map(Verb::to_string).collect());
            let line =
                Line { at: words::span(operation.at), txn, rollback: operation.rolls_back, row: None, fault: None };
            lines.push((operation.at, line));
        }
        lines.sort_by_key(|(at, _)| *at);
        let json = |value: serde_json::Result<String>| value.expect("text, numbers and maps by text");
        let mut text = json(serde_json::to_string(&self.header));
        text.push('\n');
        for (_, line) in &lines {
            text.push_str(&json(serde_json::to_string(line)));
            text.push('\n');
        }
        text
    }

    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// The first line that makes no sense, and why.
    pub fn from_text(text: &str) -> Result<Script, ScriptError> {
        let at = |line: usize| move |why: String| ScriptError { line: line + 1, why };
        let first = text.lines().next().ok_or_else(|| at(0)("the file is empty".to_owned()))?;
        let header: Header = serde_json::from_str(first).map_err(|error| at(0)(error.to_string()))?;
        header.check().map_err(at(0))?;
        let names = Names(header.nodes.clone());
        let mut script = Script { header, operations: Vec::new(), faults: Vec::new() };
        for (number, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
            let line: Line = serde_json::from_str(line).map_err(|error| at(number)(error.to_string()))?;
            script.take(&line, &names).map_err(at(number))?;
        }
        script.operations.sort_by_key(|operation| operation.at);
        script.faults.sort_by_key(|fault| fault.at);
        Ok(script)
    }

    fn take(&mut self, line: &Line, names: &Names) -> Result<(), String> {
        let at = within_an_hour(&line.at)?;
        match (&line.txn, &line.row, &line.fault) {
            (Some(verbs), None, None) => {
                let verbs: Vec<Verb> = verbs.iter().map(|verb| Verb::parse(verb)).collect::<Result<_, _>>()?;
                if verbs.is_empty() || verbs.iter().any(|verb| verb.table() >= self.header.tables) {
                    return Err("a transaction has statements, and they are about tables that there are".to_owned());
                }
                self.operations.push(Operation { at, verbs, rolls_back: line.rollback });
            }
            (None, Some(row), Some(fault)) => {
                self.faults.push(Timed { at, row: find_row(row)?, act: words::parse_act(fault, names)? });
            }
            _ => return Err("a line has either `txn`, or `row` and `fault`".to_owned()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
