//! `--json`: standard output is one JSON value and nothing else, whatever the command.

mod process;

use process::{bench, expect, run, workplace};
use serde_json::Value;

#[test]
fn every_command_prints_json_and_nothing_else() {
    let place = workplace();
    let mut measure = bench("coupled", "data", "1s");
    measure.extend(["--acks", "acks", "--json"]);
    let mut compare = vec!["compare", "--engines", "null,coupled", "--rows", "300", "--tables", "2", "--json"];
    compare.extend(["--duration", "300ms", "--warmup", "50ms", "--repeats", "1", "--sessions", "8", "--out", "runs"]);
    let said = |arguments: &[&str]| -> Value {
        let output = expect(place.path(), arguments, 0, &[]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{arguments:?}: {error}: {}", String::from_utf8_lossy(&output.stdout));
        })
    };
    let list = said(&["list", "--json"]);
    for section in ["engines", "workloads", "distributions", "profiles", "faults"] {
        let entries = list[section].as_array().unwrap_or_else(|| panic!("no {section}: {list}"));
        assert!(entries.iter().all(|entry| entry["name"].is_string() && entry["about"].is_string()), "{section}");
    }
    let measured = said(&measure);
    assert_eq!((&measured["run"]["status"], &measured["run"]["verdict"]), (&"ok".into(), &"ok".into()));
    assert!(measured["summary"].as_array().is_some_and(|rows| !rows.is_empty()));
    assert!(measured["conclusions"].as_array().is_some_and(|sentences| !sentences.is_empty()));
    let verified = said(&["verify", "--data-dir", "data", "--acks", "acks", "--json"]);
    assert!(verified["verdict"].as_str().is_some_and(|verdict| verdict.starts_with("valid")), "{verified}");
    let compared = said(&compare);
    assert_eq!(compared["run"]["command"], "compare");
    let doctor = said(&["doctor", "--json"]);
    let floors = doctor["floors"].as_array().expect("floors");
    assert!(floors.iter().all(|floor| floor["p50_ns"].as_u64().is_some_and(|ns| ns > 0)), "{doctor}");
}

#[test]
fn an_error_leaves_standard_output_empty() {
    let place = workplace();
    for arguments in
        [&["bench", "--engine", "mars", "--json"][..], &["verify", "--data-dir", "x", "--acks", "y", "--json"]]
    {
        let output = run(place.path(), arguments);
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}
