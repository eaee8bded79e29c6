//! `sextant chaos` as a process.

use std::fs;
use std::path::Path;

use crate::process::{Running, expect, sextant, workplace};

const OK: i32 = 0;
const VIOLATION: i32 = 1;
const USAGE: i32 = 64;
const IO: i32 = 74;
const INTERRUPTED: i32 = 130;

#[test]
fn the_list_names_every_row_and_says_what_is_not_injected() {
    let place = workplace();
    let output = expect(place.path(), &["chaos", "list"], OK, &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    for row in &nemesis::ROWS {
        assert!(text.contains(row.slug), "{} is not listed", row.id);
    }
    assert!(text.contains("not injected yet") && text.contains("swarm"), "{text}");
}

#[test]
fn a_run_leaves_a_matrix_and_a_line_for_every_script() {
    let place = workplace();
    let arguments = ["chaos", "run", "rows", "--engine", "coupled,decoupled", "--seeds", "3..7", "--out", "out"];
    let output = expect(place.path(), &arguments, OK, &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("bit-rot") && text.contains("8 scripts, 0 failed"), "{text}");
    let verdicts = fs::read_to_string(place.path().join("out/verdicts.csv")).expect("verdicts");
    let lines: Vec<&str> = verdicts.lines().collect();
    assert_eq!(lines.len(), 9, "{verdicts}");
    assert_eq!(lines[0], harness::chaos::verdicts::COLUMNS.join(","));
    let page = fs::read_to_string(place.path().join("out/report.html")).expect("a report");
    assert!(page.contains("Verdict: ok") && page.contains("sextant chaos run rows"), "{page}");
    assert_eq!(text.lines().last(), Some("report    out/report.html"));
    // The same seeds in two shards are the same scripts and runs.
    let hashes = |lines: &[&str]| -> Vec<String> {
        let mut hashes: Vec<String> = lines[1..]
            .iter()
            .map(|line| {
                line.split(',').enumerate().filter(|(at, _)| [1, 2, 3, 8].contains(at)).map(|(_, cell)| cell).collect()
            })
            .collect();
        hashes.sort();
        hashes
    };
    let mut parts = Vec::new();
    for shard in ["1/2", "2/2"] {
        let out = shard.replace('/', "-");
        let mut arguments = arguments.to_vec();
        arguments[8] = &out;
        arguments.extend(["--shard", shard, "--jobs", "1"]);
        expect(place.path(), &arguments, OK, &[]);
        let text = fs::read_to_string(place.path().join(&out).join("verdicts.csv")).expect("verdicts");
        parts.extend(hashes(&text.lines().collect::<Vec<_>>()));
    }
    parts.sort();
    assert_eq!(parts, hashes(&lines));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = workplace();
    fs::write(place.path().join("mine.toml"), "name = \"mine\"\nfautls = [\"D9\"]\n").expect("written");
    fs::write(place.path().join("torn.jsonl"), "{\"format\":\"sextant-script\"").expect("written");
    let cases: [(&[&str], i32, &str); 10] = [
        (&["chaos", "run", "swrm"], USAGE, "did you mean `swarm`?"),
        (&["chaos", "run", "mine.toml"], USAGE, "did you mean `faults`?"),
        (&["chaos", "run", "none.toml"], IO, "none.toml"),
        (&["chaos", "run", "swarm", "--engine", "decopled"], USAGE, "did you mean `decoupled`?"),
        (&["chaos", "run", "swarm", "--seeds", "7..3"], USAGE, "--seeds 7..3"),
        (&["chaos", "run", "swarm", "--shard", "3/2"], USAGE, "--shard 3/2"),
        (&["chaos", "replay", "torn.jsonl"], USAGE, "line 1"),
        (&["chaos", "shrink", "none.jsonl"], IO, "none.jsonl"),
        (&["chaos", "mutants", "--mutant", "fantom"], USAGE, "did you mean `phantom`?"),
        (&["chaos", "mutants", "--seeds", "0"], USAGE, "--seeds"),
    ];
    for (arguments, code, about) in cases {
        expect(place.path(), arguments, code, &[about]);
    }
}

#[test]
fn a_script_is_replayed_and_told() {
    let place = workplace();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chaos/scripts/lost-disk.jsonl");
    let kept = kept.to_str().expect("a path of text");
    let output = expect(place.path(), &["chaos", "replay", kept], OK, &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("wipe compute") && text.contains("seen halt"), "{text}");
    let output = expect(place.path(), &["chaos", "shrink", kept], OK, &[]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("does not fail"));
}

/// The names in the first column of a file's section of the schema page.
fn described(file: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/README.md");
    let text = fs::read_to_string(page).expect("the schema page");
    let section =
        text.split(&format!("### `{file}`")).nth(1).and_then(|rest| rest.split("\n### ").next()).expect("a section");
    section.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned())).collect()
}

#[test]
fn every_column_of_the_verdicts_and_of_the_mutants_is_described() {
    assert_eq!(described("verdicts.csv"), harness::chaos::verdicts::COLUMNS);
    assert_eq!(described("mutants.csv"), harness::chaos::mutants::COLUMNS);
    assert_eq!(described("shrunk.csv"), harness::chaos::mutants::SHRUNK_COLUMNS);
}

/// Two planted bugs, each found by its own suite; a bug that no seed of those played can find is a violation.
#[test]
fn planted_bugs_are_hunted_and_told() {
    let place = workplace();
    let hunt = |slugs: &str, seeds: &str, code| {
        let arguments = ["chaos", "mutants", "--mutant", slugs, "--seeds", seeds, "--out", "out"];
        let output = expect(place.path(), &arguments, code, &[]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let text = hunt("ack-before-persist,commit-on-send", "2", OK);
    assert!(text.contains("found by its own suite: 2 of 2"), "{text}");
    assert!(text.contains("without a planted bug: ") && text.contains(", 0 failed"), "{text}");
    let table = fs::read_to_string(place.path().join("out/mutants.csv")).expect("a table");
    assert_eq!(table.lines().count(), 3, "{table}");
    let script = place.path().join("out/ack-before-persist-coupled-own.jsonl");
    let script = script.to_str().expect("a path of text");
    expect(place.path(), &["chaos", "replay", script, "--mutant", "ack-before-persist"], VIOLATION, &[]);
    expect(place.path(), &["chaos", "replay", script], OK, &[]);
    let text = hunt("page-before-log", "1", VIOLATION);
    assert!(text.contains("found by its own suite: 0 of 1"), "{text}");
}

/// What detects a bug is made small on request: it still fails with the bug, and passes without it.
#[test]
fn a_detecting_script_of_each_bug_is_made_small() {
    let place = workplace();
    let slug = "ack-before-persist";
    let arguments = ["chaos", "mutants", "--mutant", slug, "--seeds", "4", "--out", "out", "--shrink"];
    let output = expect(place.path(), &arguments, OK, &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("made small: 1 scripts"), "{text}");
    let table = fs::read_to_string(place.path().join("out/shrunk.csv")).expect("a table");
    let cells: Vec<&str> = table.lines().nth(1).expect("a line").split(',').collect();
    let [before, operations, faults, events] = [4, 5, 6, 7].map(|at| cells[at].parse::<u64>().expect("a number"));
    assert_eq!((cells[0], cells[1], operations + faults), (slug, "coupled", events), "{table}");
    assert!(events <= 20 && events < before, "{table}");
    let small = place.path().join(format!("out/{slug}-coupled.small.jsonl"));
    let small = small.to_str().expect("a path of text");
    expect(place.path(), &["chaos", "replay", small, "--mutant", slug], VIOLATION, &[]);
    expect(place.path(), &["chaos", "replay", small], OK, &[]);
    let page = fs::read_to_string(place.path().join("out/report.html")).expect("a report");
    assert!(page.contains("Made small"), "{page}");
}

/// A hunt that is broken off keeps the bugs it was done with, and says nothing about the one it was at.
#[test]
fn an_interrupted_hunt_keeps_what_it_has_found() {
    let place = workplace();
    let mut arguments = vec!["chaos", "mutants", "--mutant", "ack-before-persist,wiped-votes", "--seeds", "1000000"];
    arguments.extend(["--out", "out", "--shrink"]);
    let mut running = Running::start(place.path(), &arguments);
    running.hear("wiped-votes on decoupled: ");
    running.signal("INT");
    let (code, said) = running.end();
    assert_eq!(code, Some(INTERRUPTED), "{said}");
    let table = fs::read_to_string(place.path().join("out/mutants.csv")).expect("a table");
    assert_eq!(table.lines().count(), 2, "{table}");
    let page = fs::read_to_string(place.path().join("out/report.html")).expect("a report");
    assert!(page.contains("a part of them, were played") && !page.contains("wiped-votes on"), "{page}");
}

/// `sextant chaos replay FILE | head` died of a panic as soon as `head` had what it wanted, and a campaign would have died so, too.
#[test]
fn a_reader_that_has_read_enough_changes_nothing() {
    let place = workplace();
    let run = ["chaos", "run", "rows", "--engine", "coupled", "--seeds", "3..5", "--out", "out"];
    let hunt = ["chaos", "mutants", "--mutant", "commit-on-send", "--seeds", "2", "--out", "hunted"];
    for arguments in [&["chaos", "list"][..], &["chaos", "replay", "no-such-file"], &hunt, &run] {
        let read = sextant(place.path(), arguments).output().expect("the binary starts");
        let _ = fs::remove_dir_all(place.path().join("out"));
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = sextant(place.path(), arguments);
        let unread = command.stdout(writer.try_clone().expect("a pipe")).stderr(writer).status();
        assert_eq!(unread.expect("the binary starts").code(), read.status.code(), "{arguments:?}");
    }
    let verdicts = fs::read_to_string(place.path().join("out/verdicts.csv")).expect("verdicts");
    assert_eq!(verdicts.lines().count(), 3, "{verdicts}");
}
