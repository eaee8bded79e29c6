//! Faults by engines: owed, effects, seen.

use super::{Cell, Chaos, Fault, Seen, Tone};
use crate::figures::format::count;
use crate::report::charts::{self, colour};
use crate::report::svg::escape;

const TITLE: &str = "Faults and engines";

const HOW_TO_READ: &str = "Owed is the worst that an engine may show under the fault alone. Effects counts how often the \
    fault changed what a node did; one that changed nothing was not survived. Seen counts runs in which it took effect: \
    with several faults in a script, what the worst of them allows may be seen of each. Grey rows are not injected.";

/// The section.
pub(super) fn section(chaos: &Chaos) -> String {
    let heads: String = chaos
        .engines
        .iter()
        .enumerate()
        .map(|(place, engine)| {
            let name = escape(&engine.name);
            format!("<th scope=\"colgroup\" colspan=\"3\"><i class=\"key {}\"></i>{name}</th>", colour(place))
        })
        .collect();
    let columns =
        "<th scope=\"col\" class=\"first\">owed</th><th scope=\"col\">effects</th><th scope=\"col\">seen</th>";
    let rows: String = chaos.faults.iter().map(row).collect();
    let table = format!(
        "<div class=\"scroll\"><table class=\"matrix\">\n<thead><tr><th colspan=\"2\"></th>{heads}</tr>\n\
         <tr><th scope=\"col\">row</th><th scope=\"col\">fault</th>{}</tr></thead>\n<tbody>\n{rows}</tbody>\n\
         </table></div>\n",
        columns.repeat(chaos.engines.len())
    );
    let struck = |cell: &Cell| matches!(cell, Cell::Struck { .. });
    let cells = || chaos.faults.iter().flat_map(|fault| &fault.cells);
    let (injected, effective) =
        (cells().filter(|cell| struck(cell)).count(), cells().filter(|cell| took(cell)).count());
    let covered = format!(
        "{HOW_TO_READ} Of {injected} pairs of a fault and an engine that scripts can make, {effective} took effect here."
    );
    charts::section(TITLE, &covered, &table)
}

fn took(cell: &Cell) -> bool {
    matches!(cell, Cell::Struck { hits: 1.., .. })
}

fn row(fault: &Fault) -> String {
    let (id, name, about) = (escape(&fault.id), escape(&fault.name), escape(&fault.about));
    let cells: String = fault.cells.iter().map(cell).collect();
    let (class, why) = match &fault.left_out {
        Some(why) => (" class=\"left-out\"", format!("<small>{}</small>", escape(why))),
        None => ("", String::new()),
    };
    format!("<tr{class}><th scope=\"row\">{id}</th><th scope=\"row\" title=\"{about}\">{name}{why}</th>{cells}</tr>\n")
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::NotApplicable => "<td class=\"first none\">n/a</td><td></td><td></td>".to_owned(),
        Cell::NotInjected { owed } => {
            format!("<td class=\"first none\">{}</td><td class=\"none\">–</td><td></td>", escape(owed))
        }
        Cell::Struck { owed, hits: 0, .. } => {
            let owed = escape(owed);
            format!("<td class=\"first\">{owed}</td><td class=\"none\">0</td><td class=\"none\">no effect</td>")
        }
        Cell::Struck { owed, hits, seen } => {
            let (owed, hits, worst) = (escape(owed), count(*hits as f64), worst(seen).class());
            let seen = seen.iter().map(entry).collect::<Vec<_>>().join(", ");
            format!("<td class=\"first\">{owed}</td><td>{hits}</td><td class=\"seen {worst}\">{seen}</td>")
        }
    }
}

fn entry(seen: &Seen) -> String {
    let name = escape(&seen.name);
    let runs = count(seen.runs as f64);
    match seen.tone {
        Tone::Good => format!("<span>{name}&#160;{runs}</span>"),
        Tone::Warn | Tone::Bad => format!("<span><b>{name}&#160;{runs}</b></span>"),
    }
}

fn worst(seen: &[Seen]) -> Tone {
    let any = |tone: Tone| seen.iter().any(|seen| seen.tone == tone);
    match (any(Tone::Bad), any(Tone::Warn)) {
        (true, _) => Tone::Bad,
        (false, true) => Tone::Warn,
        (false, false) => Tone::Good,
    }
}
