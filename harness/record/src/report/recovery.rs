//! What each fault cost, as a table.

use super::charts;
use super::svg::escape;
use crate::Run;
use crate::figures::NOT_MEASURED;
use crate::figures::format::{count, duration_ns, seconds_text, significant};
use crate::schema::{Fault, Recovery};

const TITLE: &str = "Faults and recovery";

const HOW_TO_READ: &str = "Throughput before is the median of the intervals before the fault, worst the lowest \
    interval from the fault on. An interval counts as down below 95 % of before, or lower where intervals scatter more; \
    back means two intervals in a row that are not. Times are as coarse as the intervals. After a crash, back is the time \
    from reopening, caches dropped, to the first commit.";

const HEADS: [&str; 12] = [
    "engine",
    "repeat",
    "fault",
    "owed",
    "txn/s before",
    "worst",
    "noticed after",
    "back after",
    "txn lost",
    "errors",
    "p99 before",
    "worst p99",
];

/// The section; empty without faults.
pub(super) fn section(run: &Run) -> String {
    if run.faults.is_empty() {
        return String::new();
    }
    let heads: String = HEADS.iter().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
    let mut rows = String::new();
    for engine in run.engines() {
        for (key, fault) in run.faults.iter().filter(|(key, _)| key.engine == engine) {
            let of_fault = |metric: &str| {
                let found = run
                    .recovery
                    .iter()
                    .find(|(of, row)| of == key && row.fault_id == fault.fault_id && row.metric == metric);
                found.map(|(_, row)| row)
            };
            let cells = cells(fault, of_fault("throughput_per_s"), of_fault("p99_ns"), of_fault("reopen_s"));
            let cells: String = cells.iter().map(|text| format!("<td>{}</td>", escape(text))).collect();
            rows.push_str(&format!(
                "<tr><th scope=\"row\">{}</th><td>{}</td>{cells}</tr>\n",
                escape(engine),
                key.repeat
            ));
        }
    }
    let table = format!(
        "<div class=\"scroll\"><table class=\"dense\">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    );
    charts::section(TITLE, HOW_TO_READ, &table)
}

fn cells(
    fault: &Fault,
    throughput: Option<&Recovery>,
    p99: Option<&Recovery>,
    reopen: Option<&Recovery>,
) -> [String; 10] {
    let show = |value: Option<f64>, show: fn(f64) -> String| value.map_or(NOT_MEASURED.to_owned(), show);
    let of = |pick: fn(&Recovery) -> Option<f64>| throughput.and_then(pick);
    let p99_ns = |pick: fn(&Recovery) -> Option<f64>| show(p99.and_then(pick), duration_ns);
    let back = match (throughput, reopen) {
        (_, Some(reopen)) => show(reopen.worst, seconds_text),
        (Some(row), None) if row.t_detect_s.is_some() && row.t_recover95_s.is_none() => "not in this window".to_owned(),
        (row, None) => show(row.and_then(|row| row.t_recover95_s), seconds_text),
    };
    [
        format!("{} {}", fault.kind, fault.target),
        fault.expected.clone(),
        show(of(|row| row.baseline), significant),
        show(of(|row| row.worst), significant),
        show(of(|row| row.t_detect_s), seconds_text),
        back,
        show(of(|row| row.area_lost_ops), count),
        show(of(|row| row.errors.map(|errors| errors as f64)), count),
        p99_ns(|row| row.baseline),
        p99_ns(|row| row.worst),
    ]
}
