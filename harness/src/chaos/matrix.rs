//! What each engine owes under each fault, what was seen, and how often the fault took effect.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use nemesis::{Carrier, EngineClass, Owed, ROWS, Row};

use super::play::Played;

/// Everything that may be seen, worst first.
pub const SEEN: [&str; 8] = ["violation", "liveness", "broken", "unknown", "known-limit", "halt", "degraded", "masked"];

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
    /// What the scripts were played on.
    pub carrier: Carrier,
    cells: BTreeMap<(&'static str, EngineClass), Cell>,
}

impl Matrix {
    /// Nothing was played yet.
    pub fn of(carrier: Carrier) -> Matrix {
        Matrix { carrier, ..Matrix::default() }
    }

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

    /// What was seen of a row on an engine, worst first, and in how many runs.
    pub fn seen(&self, id: &'static str, class: EngineClass) -> Vec<(&'static str, u64)> {
        let Some(cell) = self.cells.get(&(id, class)) else { return Vec::new() };
        SEEN.iter().filter_map(|name| cell.seen.get(name).map(|count| (*name, *count))).collect()
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
        if !row.strikes_on(self.carrier, class) {
            return format!(
                "{:>7}  {:18}",
                "–",
                row.reach(self.carrier).describe().chars().take(18).collect::<String>()
            );
        }
        let seen = self.seen(row.id, class);
        let seen: Vec<String> = seen.iter().take(2).map(|(name, count)| format!("{name} {count}")).collect();
        format!("{:>7}  {:18}", self.hits(row.id, class), seen.join(", "))
    }
}
