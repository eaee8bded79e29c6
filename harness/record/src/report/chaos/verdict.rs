//! The verdict, and what failed.

use super::{Chaos, Failure, Tone};
use crate::Verdict;
use crate::figures::format::{count, seconds_text};
use crate::report::charts;
use crate::report::svg::escape;

/// Text of a failure that stands on the page; all of it is in `verdicts.csv`.
const WHAT_MAX: usize = 1_200;

/// Verdict first: how many scripts, how they came out.
pub(super) fn header(chaos: &Chaos) -> String {
    let (tone, name, sentence) = match chaos.verdict {
        Some(Verdict::Ok) => (Tone::Good, "ok", "No engine did worse than it owes."),
        Some(Verdict::Violation) => (Tone::Bad, "violation", "An engine broke a promise."),
        Some(Verdict::Liveness) => (Tone::Bad, "liveness", "An engine did not make the progress it owed."),
        Some(Verdict::Unknown) => (Tone::Warn, "unknown", "Of some scripts nobody can say how they came out."),
        None => (Tone::Warn, "none", "No script was played."),
    };
    let outcomes: Vec<String> =
        chaos.outcomes.iter().map(|seen| format!("{} {}", count(seen.runs as f64), seen.name)).collect();
    let counts = format!(
        "{} scripts: {} as owed, {} not.",
        count(chaos.scripts() as f64),
        count((chaos.scripts() - chaos.failed) as f64),
        count(chaos.failed as f64)
    );
    let mut boxes = banner(tone, &format!("Verdict: {name}"), &format!("{sentence} {counts}"));
    boxes += &match &chaos.cut_short {
        Some(why) => banner(Tone::Warn, "Not all seeds were played", why),
        None => banner(
            Tone::Good,
            "All seeds were played",
            &format!(
                "{} of virtual time in {} on the clock. Seen: {}.",
                seconds_text(chaos.virtual_s),
                seconds_text(chaos.elapsed_s),
                outcomes.join(", ")
            ),
        ),
    };
    if chaos.unsteady > 0 {
        let what = format!("{} failing scripts ran in another way when they were played again.", chaos.unsteady);
        boxes += &banner(Tone::Bad, "Not deterministic", &what);
    }
    let names: Vec<&str> = chaos.suites.iter().map(|suite| suite.name.as_str()).collect();
    let engines: Vec<&str> = chaos.engines.iter().map(|engine| engine.name.as_str()).collect();
    format!(
        "<header>\n<p class=\"kicker\">Sextant · chaos</p>\n<h1>{}</h1>\n<p class=\"meta\">{}</p>\n\
         <div class=\"verdicts\">\n{boxes}</div>\n</header>\n",
        escape(&names.join(", ")),
        escape(&format!("{} · commit {}", engines.join(", "), super::about::commit(&chaos.code))),
    )
}

pub(super) fn banner(tone: Tone, title: &str, text: &str) -> String {
    let (tone, title, text) = (tone.class(), escape(title), escape(text));
    format!("<div class=\"verdict {tone}\"><b>{title}</b><span>{text}</span></div>\n")
}

/// What failed, with the commands that show it again; empty when nothing did.
pub(super) fn failures(chaos: &Chaos) -> String {
    if chaos.failed == 0 {
        return String::new();
    }
    let items: String = chaos.failures.iter().map(failure).collect();
    let more = chaos.failed.saturating_sub(chaos.failures.len() as u64);
    let more = if more > 0 { format!("<p class=\"how\">{more} more are only counted.</p>\n") } else { String::new() };
    let how = "Each script lies beside this page and is the whole run: it plays the same way on any machine.";
    charts::section("Failures", how, &format!("<ul class=\"failures\">\n{items}</ul>\n{more}"))
}

fn failure(failure: &Failure) -> String {
    let what: String = failure.what.chars().take(WHAT_MAX).collect();
    let cut = if what.len() < failure.what.len() { " …" } else { "" };
    format!(
        "<li><p><b class=\"chip {}\">{}</b> {} on <b>{}</b>, seed {}, owed {}</p>\n<p class=\"what\">{}{cut}</p>\n\
         <pre>{}\n{}</pre></li>\n",
        failure.seen.tone.class(),
        escape(&failure.seen.name),
        escape(&failure.suite),
        escape(&failure.engine),
        failure.seed,
        escape(&failure.owed),
        escape(&what),
        escape(&failure.replay),
        escape(&failure.shrink),
    )
}
