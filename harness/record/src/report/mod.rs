//! `report.html`: a run on one page, drawn from its directory alone.
//!
//! One file, no script, no font, no remote asset: charts are inline SVG that follows the reader's light or dark
//! scheme, and marks carry their figures as tooltips. The verdict stands first, then the table, then the charts, then
//! the limits and the command that runs it again.
//!
//! # Caveats
//!
//! - The heat map and the throughput lanes place each repeat at the start of its measured window; repeats were not
//!   simultaneous.
//! - The page does not look for differences; it prints ratios with their p-value, and `~` where chance may explain them.

mod about;
pub mod chaos;
mod charts;
mod heatmap;
mod io;
mod percentiles;
mod recovery;
mod svg;
mod tables;
mod throughput;
mod window;

use std::path::{Path, PathBuf};

use crate::{RecordError, Run, Status, Verdict, conclusions};
use svg::escape;

/// The file's name.
pub const FILE: &str = "report.html";

const STYLE: &str = include_str!("style.css");

/// Reads a run directory and writes its `report.html`. Returns the file.
pub fn render(dir: &Path) -> Result<PathBuf, RecordError> {
    let path = dir.join(FILE);
    crate::writer::replace(&path, html(&Run::open(dir)?).as_bytes())?;
    Ok(path)
}

/// The page.
pub fn html(run: &Run) -> String {
    let windows = window::measured(run);
    let sections = [
        header(run),
        tables::metrics(run),
        tables::ratios(run),
        throughput::section(run, &windows),
        percentiles::section(run),
        heatmap::section(run, &windows),
        io::section(run),
        recovery::section(run),
        about::section(run),
    ];
    page(&format!("{} {}", run.info.command, run.info.run_id), &sections.concat())
}

/// The frame of every page: one file, one style sheet, both colour schemes.
fn page(title: &str, sections: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Sextant {title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{sections}</main>\n</body>\n</html>\n"
    )
}

/// Verdict first: what was checked, and whether the figures below may be used.
fn header(run: &Run) -> String {
    let info = &run.info;
    let (tone, verdict) = match info.verdict {
        Some(Verdict::Ok) => ("good", "Every check passed."),
        Some(Verdict::Violation) => ("bad", "A check failed: an engine broke a promise."),
        Some(Verdict::Unknown) => ("warn", "The checks could not decide."),
        Some(Verdict::Liveness) => ("bad", "An engine did not make the progress it owed."),
        None => ("warn", "Nothing was checked."),
    };
    let (status_tone, status) = match info.status {
        Status::Ok => ("good", "The figures stand."),
        Status::Saturated => {
            ("warn", "The offered rate was not reached: response times grow with the length of the run.")
        }
        Status::Aborted => ("warn", "The run did not reach its end; what it measured until then is below."),
        Status::Invalid => ("bad", "The figures must not be used."),
    };
    let name = |verdict: Option<Verdict>| verdict.map_or("not checked", Verdict::name);
    format!(
        "<header>\n<p class=\"kicker\">Sextant · {}</p>\n<h1>{}</h1>\n<p class=\"meta\">{}</p>\n\
         <div class=\"verdicts\">\n<div class=\"verdict {tone}\"><b>Verdict: {}</b><span>{verdict}</span></div>\n\
         <div class=\"verdict {status_tone}\"><b>Measurement: {}</b><span>{status}</span></div>\n</div>\n{}{}</header>\n",
        escape(&info.command),
        escape(&run.workloads().join(", ")),
        escape(&about::line(info)),
        name(info.verdict),
        info.status,
        list("conclusions", &conclusions::of(info, &run.summary)),
        notices(&info.notices),
    )
}

fn list(class: &str, items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: String = items.iter().map(|item| format!("<li>{}</li>", escape(item))).collect();
    format!("<ul class=\"{class}\">{items}</ul>\n")
}

/// What differed from what was asked: a few stand open, many are folded so that they do not push the figures down.
fn notices(items: &[String]) -> String {
    let all = list("notices", items);
    match items.len() {
        0..=2 => all,
        many => format!(
            "<details class=\"notices\"><summary>{many} notices on how it was measured</summary>{all}</details>\n"
        ),
    }
}

#[cfg(test)]
mod tests;
