//! What each engine owes under each fault, what was seen, and how often the fault took effect.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use nemesis::{EngineClass, Owed, ROWS, Row};

use super::play::Played;

/// What was seen of one row on one engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cell {
    hits: u64,
    runs: u64,
    seen: BTreeMap<&'static str, u64>,
}

/// Rows by engines.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    cells: BTreeMap<(&'static str, EngineClass), Cell>,
}

impl Matrix {
    /// Takes a run into account.
    pub fn add(&mut self, class: EngineClass, played: &Played) {
        for (&id, &hits) in &played.hits {
            let cell = self.cells.entry((id, class)).or_default();
            cell.hits += hits;
            cell.runs += 1;
            *cell.seen.entry(played.seen.name()).or_default() += 1;
        }
    }

    /// Effects of a row on an engine.
    pub fn hits(&self, id: &'static str, class: EngineClass) -> u64 {
        self.cells.get(&(id, class)).map_or(0, |cell| cell.hits)
    }

    /// The table. A row that nothing injects says so; one that took no effect has 0 hits.
    pub fn render(&self, classes: &[EngineClass]) -> String {
        let mut text = format!("{:4} {:26}", "", "");
        for class in classes {
            let _ = write!(text, " {:>40}", class.name());
        }
        let _ = write!(text, "\n{:4} {:26}", "row", "fault");
        for _ in classes {
            let _ = write!(text, " {:>12} {:>7}  {:18}", "owed", "hits", "seen");
        }
        for row in &ROWS {
            let _ = write!(text, "\n{:4} {:26}", row.id, row.slug);
            for &class in classes {
                let _ = write!(text, " {:>12} {}", row.owed_by(class), self.cell(row, class));
            }
            text.truncate(text.trim_end().len());
        }
        text
    }

    fn cell(&self, row: &'static Row, class: EngineClass) -> String {
        if row.owed_by(class) == Owed::NotApplicable {
            return format!("{:>7}  {:18}", "", "");
        }
        if !row.strikes(class) {
            return format!("{:>7}  {:18}", "–", row.sim.describe().chars().take(18).collect::<String>());
        }
        let cell = self.cells.get(&(row.id, class)).cloned().unwrap_or_default();
        let order = ["violation", "liveness", "broken", "unknown", "known-limit", "halt", "degraded", "masked"];
        let seen: Vec<String> = order
            .iter()
            .filter_map(|name| cell.seen.get(name).map(|count| format!("{name} {count}")))
            .take(2)
            .collect();
        format!("{:>7}  {:18}", cell.hits, seen.join(", "))
    }
}
