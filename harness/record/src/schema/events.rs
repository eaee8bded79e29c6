//! Everything that is not a table.

use serde::{Deserialize, Serialize};

/// One line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The run.
    pub run_id: String,
    /// When, seconds from the start of the run.
    pub t_s: f64,
    /// The engine concerned, when it is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub engine: Option<String>,
    /// The workload concerned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub workload: Option<String>,
    /// The repeat concerned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub repeat: Option<u32>,
    /// What happened, one token, e.g. `phase`, `crash`, `opened`.
    pub event: String,
    /// Its particulars.
    #[serde(default)]
    pub detail: serde_json::Value,
}
