//! What each engine owes under each fault, what was seen, and how often the fault took effect.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use nemesis::{Carrier, EngineClass, Owed, ROWS, Reach, Row};

use super::play::Played;

/// Everything that may be seen, worst first.
pub const SEEN: [&str; 8] = ["violation", "liveness", "broken", "unknown", "known-limit", "halt", "degraded", "masked"];

/// Columns of the table: the longest outcome, and counts of up to eight digits.
const OWED_WIDTH: usize = 11;
const HITS_WIDTH: usize = 8;
const SEEN_WIDTH_MIN: usize = 8;

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

    /// The table. A row that nothing injects has a dash, and its reason stands below; one that took no effect has 0 hits.
    pub fn render(&self, classes: &[EngineClass]) -> String {
        let width = |class: &EngineClass| {
            let seen = ROWS.iter().map(|row| self.told(row, *class).chars().count());
            seen.max().unwrap_or(0).max(SEEN_WIDTH_MIN)
        };
        let widths: Vec<usize> = classes.iter().map(width).collect();
        let mut text = format!("{:4} {:26}", "", "");
        for (class, width) in classes.iter().zip(&widths) {
            let _ = write!(text, "  {:width$}", class.name(), width = OWED_WIDTH + HITS_WIDTH + 3 + width);
        }
        text.truncate(text.trim_end().len());
        let _ = write!(text, "\n{:4} {:26}", "row", "fault");
        for width in &widths {
            let _ = write!(text, "  {:OWED_WIDTH$} {:>HITS_WIDTH$}  {:width$}", "owed", "hits", "seen");
        }
        text.truncate(text.trim_end().len());
        for row in &ROWS {
            let _ = write!(text, "\n{:4} {:26}", row.id, row.slug);
            for (&class, width) in classes.iter().zip(&widths) {
                let (owed, hits) = (row.owed_by(class), self.hits_told(row, class));
                let _ = write!(text, "  {owed:OWED_WIDTH$} {hits:>HITS_WIDTH$}  {:width$}", self.told(row, class));
            }
            text.truncate(text.trim_end().len());
        }
        text.push_str("\n\nnot injected by scripts, or by other means");
        for row in ROWS.iter().filter(|row| row.reach(self.carrier) != Reach::Script) {
            let _ = write!(text, "\n{:4} {:26}  {}", row.id, row.slug, row.reach(self.carrier).describe());
        }
        text
    }

    fn hits_told(&self, row: &'static Row, class: EngineClass) -> String {
        match row.owed_by(class) {
            Owed::NotApplicable => String::new(),
            _ if !row.strikes_on(self.carrier, class) => "–".to_owned(),
            _ => self.hits(row.id, class).to_string(),
        }
    }

    fn told(&self, row: &'static Row, class: EngineClass) -> String {
        let seen: Vec<String> =
            self.seen(row.id, class).iter().map(|(name, count)| format!("{name} {count}")).collect();
        seen.join(", ")
    }

    /// Rows that took effect less than `least` times on an engine that they strike, and how often.
    pub fn rare(&self, classes: &[EngineClass], least: u64) -> Vec<(&'static Row, EngineClass, u64)> {
        let pairs = ROWS.iter().flat_map(|row| classes.iter().map(move |class| (row, *class)));
        let striking = pairs.filter(|(row, class)| row.strikes_on(self.carrier, *class));
        let counted = striking.map(|(row, class)| (row, class, self.hits(row.id, class)));
        counted.filter(|(_, _, hits)| *hits < least).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::play::{Played, Seen};

    fn played(hits: &[(&'static str, u64)]) -> Played {
        Played { hits: hits.iter().copied().collect(), ..Played::nothing(Seen::Kept(Owed::Masked)) }
    }

    #[test]
    fn rows_that_took_effect_too_seldom_are_named() {
        let mut matrix = Matrix::default();
        for row in ROWS.iter().filter(|row| row.strikes(EngineClass::Coupled) && row.id != "D9") {
            matrix.add(EngineClass::Coupled, &played(&[(row.id, 100)]));
        }
        matrix.add(EngineClass::Coupled, &played(&[("D9", 60)]));
        matrix.add(EngineClass::Coupled, &played(&[("D9", 39)]));
        let rare = matrix.rare(&[EngineClass::Coupled], 100);
        let rare: Vec<_> = rare.into_iter().map(|(row, class, hits)| (row.id, class, hits)).collect();
        assert_eq!(rare, [("D9", EngineClass::Coupled, 99)]);
    }

    #[test]
    fn everything_is_told_whole() {
        for carrier in [Carrier::Sim, Carrier::Real, Carrier::Process] {
            let mut matrix = Matrix::of(carrier);
            matrix.add(EngineClass::Decoupled, &played(&[("D9", 7)]));
            let text = matrix.render(&[EngineClass::Decoupled]);
            let of = |row: &Row, line: &&str| line.split_whitespace().next() == Some(row.id);
            let lines = |row: &Row| text.lines().filter(|line| of(row, line)).collect::<Vec<_>>().join("\n");
            assert!(lines(Row::find("D9").expect("known")).ends_with("7  masked 1"), "{text}");
            for row in ROWS.iter().filter(|row| row.reach(carrier) != Reach::Script) {
                assert!(lines(row).ends_with(&row.reach(carrier).describe()), "{text}");
            }
        }
    }
}
