//! How long it took from the mending of everything to the first commit.

use super::availability::at;
use super::{Chaos, Engine};
use crate::figures::format::{count, seconds_text};
use crate::report::charts::{self, colour};
use crate::report::svg::escape;

const TITLE: &str = "Recovery";

const HOW_TO_READ: &str = "Virtual time from the mending of everything to the first commit after it. Runs that never came \
    so far are left out, and counted beside: a fault that nothing mends may end in a refusal.";

/// The section; empty when no run recovered.
pub(super) fn section(chaos: &Chaos) -> String {
    if chaos.engines.iter().all(|engine| engine.recoveries_s.is_empty()) {
        return String::new();
    }
    let rows: String = chaos.engines.iter().enumerate().map(|(place, engine)| row(place, engine)).collect();
    let heads = ["median", "p95", "max", "runs", "without"];
    let heads: String = heads.map(|head| format!("<th scope=\"col\">{head}</th>")).concat();
    let table = format!(
        "<div class=\"scroll\"><table>\n<thead><tr><th></th>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    );
    charts::section(TITLE, HOW_TO_READ, &table)
}

fn row(place: usize, engine: &Engine) -> String {
    let mut sorted = engine.recoveries_s.clone();
    sorted.sort_by(f64::total_cmp);
    let quantile = |q: f64| match sorted.is_empty() {
        true => "<td class=\"none\">–</td>".to_owned(),
        false => format!("<td>{}</td>", seconds_text(at(&sorted, q))),
    };
    let without = engine.scripts - sorted.len() as u64;
    format!(
        "<tr><th scope=\"row\"><i class=\"key {}\"></i>{}</th>{}{}{}<td>{}</td><td>{}</td></tr>\n",
        colour(place),
        escape(&engine.name),
        quantile(0.5),
        quantile(0.95),
        quantile(1.0),
        count(sorted.len() as f64),
        count(without as f64)
    )
}
