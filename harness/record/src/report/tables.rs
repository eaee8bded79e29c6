//! The metrics by engine, and ratios between engines.

use super::svg::escape;
use super::{charts, charts::engine_class};
use crate::Run;
use crate::figures::{Figure, Figures, NOT_MEASURED, ratios_to_first};

/// The table of all metrics.
pub(super) fn metrics(run: &Run) -> String {
    let figures = Figures::of(&run.info, &run.summary);
    if figures.engines.is_empty() {
        let how = "The run ended before a window was summarised; what there is stands in the run's directory.";
        return charts::section("Metrics", how, "");
    }
    let head = |name: &String| {
        let engine = name.split(" / ").next().unwrap_or(name);
        format!(
            "<th scope=\"col\" class=\"engine\"><i class=\"key {}\"></i>{}</th><th></th>",
            engine_class(run, engine),
            escape(name)
        )
    };
    let heads: String = figures.engines.iter().map(head).collect();
    let mut body = String::new();
    for group in &figures.groups {
        let span = figures.engines.len() * 2 + 1;
        body.push_str(&format!(
            "<tr class=\"group\"><th colspan=\"{span}\" scope=\"rowgroup\">{}</th></tr>\n",
            escape(&group.title)
        ));
        for row in &group.rows {
            let cells: String = row.cells.iter().map(cell).collect();
            body.push_str(&format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", escape(&row.label)));
        }
    }
    let table = format!(
        "<div class=\"scroll\"><table>\n<thead><tr><th></th>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n"
    );
    charts::section("Metrics", &figures.notes.join(" "), &table)
}

/// A cell longer than this holds words, not a quantity.
const PLAIN_LEN: usize = 14;

/// Two cells: the value, and the range of repeats, so that values line up with each other.
fn cell(figure: &Figure) -> String {
    let range = figure.range.as_ref().map(|range| escape(range)).unwrap_or_default();
    match &figure.value {
        // Words may break over lines; a value and its range stand side by side.
        Some(value) if figure.range.is_none() && value.len() > PLAIN_LEN => {
            format!("<td class=\"words\" colspan=\"2\">{}</td>", escape(value))
        }
        Some(value) => format!("<td>{}</td><td class=\"range\">{range}</td>", escape(value)),
        None => format!("<td class=\"none\">{NOT_MEASURED}</td><td class=\"range\"></td>"),
    }
}

/// The table of ratios to the first engine; empty with one engine.
pub(super) fn ratios(run: &Run) -> String {
    let figures = Figures::of(&run.info, &run.summary);
    let rows = ratios_to_first(&run.info, &run.summary);
    let Some((first, others)) = figures.engines.split_first().filter(|(_, others)| !others.is_empty()) else {
        return String::new();
    };
    let heads: String = others
        .iter()
        .map(|name| format!("<th scope=\"col\">{} ÷ {}</th><th></th>", escape(name), escape(first)))
        .collect();
    let body: String = rows
        .iter()
        .map(|row| {
            let cells: String = row.cells.iter().map(cell).collect();
            format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", escape(&row.label))
        })
        .collect();
    let table = format!(
        "<div class=\"scroll\"><table>\n<thead><tr><th></th>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n"
    );
    let how = "Ratio of medians over repeats, its 95 % bootstrap interval where there are three repeats or more, and \
               the p-value of Mann-Whitney U. ~ marks a difference that may be chance; with two repeats every one may.";
    charts::section(&format!("Ratios to {first}"), how, &table)
}
