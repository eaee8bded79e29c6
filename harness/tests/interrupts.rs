//! Ctrl-C at every step: the documented code, and what was measured is kept, whole and consistent.

mod process;

use std::fs;
use std::path::Path;

use process::{Running, bench, only_run, workplace};
use record::{Run, Status};

const INTERRUPTED: i32 = 130;

/// Interrupts `running` once it has said `words`, and holds what it leaves under `place` against itself.
fn interrupted(mut running: Running, words: &str, place: &Path) -> Run {
    running.hear(words);
    running.signal("INT");
    let (code, said) = running.end();
    assert_eq!(code, Some(INTERRUPTED), "at `{words}`: {said}");
    assert!(!said.contains("panicked"), "at `{words}`: {said}");
    let dir = only_run(place);
    assert_eq!(record::check(&dir), [], "at `{words}`");
    let run = Run::open(&dir).expect("a run directory");
    assert_eq!(run.info.status, Status::Aborted, "at `{words}`");
    assert!(run.info.reasons.iter().any(|reason| reason.contains("interrupted")), "{:?}", run.info.reasons);
    run
}

#[test]
fn while_rows_are_loaded() {
    let place = workplace();
    let mut arguments = bench("decoupled", "data", "60s");
    let rows = arguments.iter().position(|argument| *argument == "300").expect("a number of rows");
    arguments[rows] = "200000";
    let run = interrupted(Running::start(place.path(), &arguments), "loading rows", place.path());
    assert!(run.intervals.is_empty());
    assert!(!place.path().join("data").exists(), "half a load is worth nothing, and would refuse the next run");
}

#[test]
fn during_the_warm_up() {
    let place = workplace();
    let mut arguments = bench("coupled", "data", "60s");
    let warmup = arguments.iter().position(|argument| *argument == "50ms").expect("a warm-up");
    arguments[warmup] = "60s";
    let run = interrupted(Running::start(place.path(), &arguments), "warm-up", place.path());
    assert!(run.intervals.is_empty());
    assert!(place.path().join("data").exists(), "loaded data is kept for --reuse");
}

#[test]
fn in_the_measured_window() {
    let place = workplace();
    let mut running = Running::start(place.path(), &bench("coupled", "data", "60s"));
    running.hear("measure");
    let measured = || {
        let found = process::runs(place.path()).pop();
        let text = found.and_then(|run| fs::read_to_string(run.join("intervals.csv")).ok());
        text.is_some_and(|text| text.lines().count() > 4)
    };
    assert!(running.wait_until(measured), "intervals are written as the run goes");
    let run = interrupted(running, "", place.path());
    assert!(run.intervals.len() >= 4 && !run.percentiles.is_empty() && !run.summary.is_empty());
}

#[test]
fn in_the_crash_phase_of_a_comparison() {
    for words in ["crashing under load", "reopening", "reading everything back"] {
        let place = workplace();
        let mut arguments = vec!["compare", "--engines", "coupled", "--rows", "20000", "--duration", "300ms"];
        arguments.extend(["--warmup", "50ms", "--repeats", "1", "--sessions", "8", "--out", "runs"]);
        let run = interrupted(Running::start(place.path(), &arguments), words, place.path());
        assert!(!run.intervals.is_empty(), "what was measured before the crash is there");
        assert_eq!(fs::read_dir(place.path().join(".sextant")).expect("made").count(), 0, "temporary data is removed");
    }
}

#[test]
fn before_anything_was_measured_in_a_comparison() {
    let place = workplace();
    let arguments = ["compare", "--engines", "coupled", "--rows", "300", "--duration", "60s", "--out", "runs"];
    interrupted(Running::start(place.path(), &arguments), "warm-up", place.path());
    assert_eq!(fs::read_dir(place.path().join(".sextant")).expect("made").count(), 0, "temporary data is removed");
}
