//! Bad input: a clear message, the documented code, no panic, nothing left behind and nothing lost.

mod process;

use std::fs;

use process::{DURABLE, Running, bench, expect, workplace};

const OK: i32 = 0;
const USAGE: i32 = 64;
const IO: i32 = 74;
const INTERRUPTED: i32 = 130;

#[test]
fn unknown_names_suggest_the_nearest_and_list_the_known_ones() {
    let place = workplace();
    let cases: [(&[&str], &[&str]); 9] = [
        (&["bench", "--engine", "mars"], &["known are", "coupled-mirrored", "decoupled"]),
        (&["bench", "--engine", "decuopled"], &["did you mean `decoupled`?", "coupled-mirrored"]),
        (&["compare", "--engines", "coupled,decopled"], &["did you mean `decoupled`?"]),
        (
            &["bench", "--engine", "coupled", "--workload", "oltp_writ_only"],
            &["did you mean `oltp_write_only`?", "bank"],
        ),
        (&["bench", "--engine", "coupled", "--profile", "tree-az"], &["did you mean `three-az`?", ".toml"]),
        (&["bench", "--engine", "coupled", "--distribution", "unifrom"], &["did you mean `uniform`?", "zipf"]),
        (&["bench", "--engine", "coupled", "--fault", "az-los"], &["az-loss", "writer-az-loss"]),
        (&["bench", "--engine", "coupled", "--sesions", "3"], &["--sessions"]),
        (&["comapre"], &["compare"]),
    ];
    for (arguments, known) in cases {
        let output = expect(place.path(), arguments, USAGE, known);
        assert!(output.stdout.is_empty(), "results go to standard output, and there are none: {output:?}");
    }
    assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 0, "nothing is left behind");
}

#[test]
fn settings_that_make_no_sense_are_refused_before_anything_is_touched() {
    let place = workplace();
    fs::write(place.path().join("torn.toml"), "name = \"x\n").expect("written");
    fs::write(place.path().join("odd.toml"), "name = \"x\"\nabout = \"\"\nsource = \"\"\nspeed = 3\n")
        .expect("written");
    for (flag, value, about) in [
        ("--rate", "0", "--rate"),
        ("--rate", "-3", "--rate"),
        ("--rate", "fast", "--rate"),
        ("--cache", "64KiB", "too small"),
        ("--cache", "lots", "256MiB"),
        ("--sessions", "0", "--sessions"),
        ("--rows", "0", "rows"),
        ("--duration", "soon", "10s"),
        ("--profile", "torn.toml", "torn.toml"),
        ("--profile", "torn.toml", "line 1, column 10"),
        ("--profile", "odd.toml", "unknown field `speed`"),
        ("--profile", "odd.toml", "line 4, column 1"),
    ] {
        let value = format!("{flag}={value}");
        expect(place.path(), &["bench", "--engine", "coupled", "--data-dir", "d", &value], USAGE, &[about]);
    }
    expect(place.path(), &["bench", "--engine", "coupled", "--profile", "none.toml"], IO, &["none.toml"]);
    assert!(!place.path().join("d").exists());
}

#[test]
fn a_cache_too_small_for_one_transaction_is_refused_for_every_engine() {
    let place = workplace();
    for engine in DURABLE {
        let mut arguments = bench(engine, "d", "100ms");
        arguments.extend(["--cache", "64KiB"]);
        expect(place.path(), &arguments, USAGE, &["too small"]);
    }
    assert!(!place.path().join("d").exists());
}

#[test]
fn places_that_cannot_be_used_are_named() {
    let place = workplace();
    fs::write(place.path().join("file"), "").expect("written");
    for data in ["file/data", "/proc/self/data"] {
        expect(place.path(), &bench("coupled", data, "100ms"), IO, &[data]);
    }
    let mut arguments = bench("coupled", "data", "100ms");
    arguments.extend(["--acks", "file"]);
    expect(place.path(), &arguments, IO, &["file"]);
    let mut arguments = bench("coupled", "data", "100ms");
    *arguments.last_mut().expect("the parent of runs") = "file/runs";
    expect(place.path(), &arguments, IO, &["file/runs"]);
    assert!(!place.path().join("data").exists(), "a run that did not begin leaves no data behind");
    expect(place.path(), &["verify", "--data-dir", "none", "--acks", "none"], IO, &["none"]);
    expect(place.path(), &["verify", "--data-dir", ".", "--acks", "file"], IO, &["no data directory"]);
}

#[test]
fn data_of_another_format_or_another_run_is_refused_and_kept() {
    let place = workplace();
    expect(place.path(), &bench("coupled", "data", "1s"), OK, &[]);
    expect(place.path(), &bench("coupled", "data", "100ms"), USAGE, &["--reuse"]);
    let mut other = bench("decoupled", "data", "100ms");
    other.push("--reuse");
    expect(place.path(), &other, USAGE, &["coupled data"]);
    let manifest = place.path().join("data/sextant.json");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    fs::write(&manifest, text.replace("\"format_version\": 1", "\"format_version\": 9")).expect("written");
    let mut again = bench("coupled", "data", "1s");
    again.push("--reuse");
    expect(place.path(), &again, USAGE, &["format version 9"]);
    fs::write(&manifest, "{ torn").expect("written");
    expect(place.path(), &again, USAGE, &["sextant.json"]);
    fs::write(&manifest, text).expect("written");
    expect(place.path(), &again, OK, &[]);
}

#[test]
fn two_processes_cannot_share_a_data_directory() {
    let place = workplace();
    let mut first = Running::start(place.path(), &bench("coupled", "data", "60s"));
    first.hear("measure");
    let mut second = bench("coupled", "data", "100ms");
    second.push("--reuse");
    expect(place.path(), &second, IO, &["in use"]);
    first.signal("INT");
    assert_eq!(first.end().0, Some(INTERRUPTED));
}

/// A transaction that only reads, right after a recovery, once waited for the next write: recovery skips LSNs, and the reply
/// waited for the log to pass them. `verify` of a decoupled database never ended.
#[test]
fn what_a_finished_bench_acknowledged_verifies_in_another_process() {
    for engine in DURABLE {
        let place = workplace();
        let mut arguments = bench(engine, "data", "1s");
        arguments.extend(["--acks", "acks"]);
        expect(place.path(), &arguments, OK, &[]);
        let verified = expect(place.path(), &["verify", "--data-dir", "data", "--acks", "acks"], OK, &[]);
        assert!(String::from_utf8_lossy(&verified.stdout).contains("nothing acknowledged is lost"));
    }
}
