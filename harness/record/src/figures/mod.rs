//! The comparison's figures, once, for the terminal's table and the report alike.
//!
//! Each cell is the median over repeats; with two or more repeats it carries their range. A percentile is shown only
//! when at least ten samples lie above it.

pub mod format;
mod groups;
mod notes;
mod ratios;

use crate::index::Headline;
use crate::schema::Summary;
use crate::stats::median;
use crate::{Key, RunInfo};

pub use ratios::ratios_to_first;

/// What is shown where nothing was measured.
pub const NOT_MEASURED: &str = "–";

/// Metrics by engines.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Column heads: engine names, with the workload when there are several.
    pub engines: Vec<String>,
    /// Rows in groups.
    pub groups: Vec<Group>,
    /// What must be read with the table.
    pub notes: Vec<String>,
}

/// Rows under one heading.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The heading.
    pub title: String,
    /// The rows.
    pub rows: Vec<FigureRow>,
}

/// One metric of every engine.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureRow {
    /// The metric's name, with its unit where the cells have none.
    pub label: String,
    /// One cell for each engine.
    pub cells: Vec<Figure>,
}

/// One metric of one engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figure {
    /// The median over repeats, `None` when it was not measured.
    pub value: Option<String>,
    /// The lowest and highest repeat.
    pub range: Option<String>,
}

impl Figure {
    /// The cell as one text.
    pub fn text(&self) -> String {
        match (&self.value, &self.range) {
            (Some(value), Some(range)) => format!("{value} ({range})"),
            (Some(value), None) => value.clone(),
            (None, _) => NOT_MEASURED.to_owned(),
        }
    }

    fn of(values: &[f64], show: impl Fn(f64) -> String) -> Figure {
        let Some(middle) = median(values) else { return Figure::default() };
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (value, low, high) = (show(middle), show(low), show(high));
        let range = (values.len() > 1 && low != high).then(|| {
            let unit = value.find(' ').map_or("", |at| &value[at..]);
            match (low.strip_suffix(unit), high.strip_suffix(unit)) {
                (Some(low), Some(high)) => format!("{low}–{high}"),
                _ => format!("{low} – {high}"),
            }
        });
        Figure { value: Some(value), range }
    }

    fn from_text(value: Option<String>) -> Figure {
        Figure { value: value.filter(|text| !text.is_empty()), range: None }
    }
}

impl Figures {
    /// The figures of a run.
    pub fn of(info: &RunInfo, summary: &[(Key, Summary)]) -> Figures {
        let pairs = pairs(info, summary);
        let has_workloads = pairs.iter().any(|(_, workload)| *workload != pairs[0].1);
        let name = |(engine, workload): &(&str, &str)| match has_workloads {
            true => format!("{engine} / {workload}"),
            false => (*engine).to_owned(),
        };
        let engines: Vec<String> = pairs.iter().map(name).collect();
        let headlines: Vec<Headline<'_>> =
            pairs.iter().map(|(engine, workload)| Headline::new(summary, engine, workload)).collect();
        let mut groups = groups::all(info, &pairs, &headlines);
        for group in &mut groups {
            // A row that was measured of nobody says nothing.
            group.rows.retain(|row| row.cells.iter().any(|cell| cell.value.is_some()));
        }
        groups.retain(|group| !group.rows.is_empty());
        Figures { engines, groups, notes: notes::of(info, &headlines) }
    }
}

/// The engines and workloads of a run, in the order they were configured.
pub(crate) fn pairs<'a>(info: &'a RunInfo, summary: &'a [(Key, Summary)]) -> Vec<(&'a str, &'a str)> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (key, _) in summary {
        let pair = (key.engine.as_str(), key.workload.as_str());
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    let place = |engine: &str| info.engines.iter().position(|known| known.name == engine).unwrap_or(usize::MAX);
    pairs.sort_by_key(|(engine, _)| place(engine));
    pairs
}

#[cfg(test)]
mod tests;
