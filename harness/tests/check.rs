//! `sextant check` on files: verdicts, exit codes, formats.

mod process;

use std::fs;
use std::path::Path;

use process::{expect, run, workplace};
use serde_json::Value;

const OK: i32 = 0;
const VIOLATION: i32 = 1;
const UNKNOWN: i32 = 2;
const USAGE: i32 = 64;
const IO: i32 = 74;

/// A read of 1 after 2 was written over it; with `seen` 2 it is as it should be.
fn registers(seen: u32) -> String {
    format!(
        "{{:process 0, :type :invoke, :f :write, :value 1}}\n{{:process 0, :type :ok, :f :write, :value 1}}\n\
         {{:process 0, :type :invoke, :f :write, :value 2}}\n{{:process 0, :type :ok, :f :write, :value 2}}\n\
         {{:process 1, :type :invoke, :f :read, :value nil}}\n{{:process 1, :type :ok, :f :read, :value {seen}}}\n"
    )
}

fn write(place: &Path, name: &str, text: &str) {
    fs::write(place.join(name), text).expect("written");
}

fn said(place: &Path, arguments: &[&str], code: i32) -> String {
    String::from_utf8(expect(place, arguments, code, &[]).stdout).expect("text")
}

#[test]
fn the_verdict_comes_first_and_the_exit_code_says_it() {
    let place = workplace();
    write(place.path(), "good.edn", &registers(2));
    write(place.path(), "bad.edn", &registers(1));
    for model in ["register", "kv"] {
        let good = said(place.path(), &["check", "good.edn", "--model", model], OK);
        assert!(good.starts_with("valid\n"), "{good}");
        let bad = said(place.path(), &["check", "bad.edn", "--model", model], VIOLATION);
        assert!(bad.starts_with("invalid: 1 ") && bad.contains("read 1 (4..5)"), "{bad}");
    }
    write(place.path(), "twice.edn", &(registers(2) + &registers(1)));
    let unknown = said(place.path(), &["check", "twice.edn", "--model", "register"], UNKNOWN);
    assert!(unknown.starts_with("unknown: "), "{unknown}");
    let other = ["check", "good.edn", "--model", "register", "--initial", "2"];
    assert!(said(place.path(), &other, UNKNOWN).contains("more than once"));
}

#[test]
fn every_model_tells_a_bad_history_from_its_clean_twin_in_both_formats() {
    let place = workplace();
    let call = |process: u32, f: &str, asked: &str, found: &str| {
        format!(
            "{{:process {process}, :type :invoke, :f :{f}, :value {asked}}}\n\
             {{:process {process}, :type :ok, :f :{f}, :value {found}}}\n"
        )
    };
    let append = call(0, "txn", "[[:append 1 7]]", "[[:append 1 7]]");
    let lists = |seen: &str| append.clone() + &call(1, "txn", "[[:r 1 nil]]", &format!("[[:r 1 {seen}]]"));
    let bank = |second: &str| call(0, "read", "nil", "{:a 40, :b 60}") + &call(0, "read", "nil", second);
    let cases: [(&[&str], String, String, &str); 4] = [
        (&["list-append"], lists("[7]"), lists("[]"), "invalid: 1 G-single-realtime"),
        (&["bank", "--total", "100"], bank("{:a 41, :b 59}"), bank("{:a 41, :b 60}"), "invalid: 1 wrong-total"),
        (&["bank", "--allow-negative"], bank("{:a -1, :b 101}"), bank("{:a -1, :b 100}"), "invalid: 1 wrong-total"),
        (&["register"], registers(2), registers(1), "invalid: 1 stale-value"),
    ];
    for (number, (model, good, bad, verdict)) in cases.into_iter().enumerate() {
        let [good_edn, good_json] = ["edn", "jsonl"].map(|format| format!("good{number}.{format}"));
        let [bad_edn, bad_json] = ["edn", "jsonl"].map(|format| format!("bad{number}.{format}"));
        write(place.path(), &good_edn, &good);
        write(place.path(), &bad_edn, &bad);
        let check = |file: &str, more: &[&str], code| {
            let arguments = [&["check", file, "--model"], model, more].concat();
            said(place.path(), &arguments, code)
        };
        assert!(check(&good_edn, &["--export", &good_json], OK).starts_with("valid\n"));
        assert!(check(&good_json, &[], OK).starts_with("valid\n"));
        let found = check(&bad_edn, &["--export", &bad_json], VIOLATION);
        assert!(found.starts_with(verdict), "{found}");
        assert_eq!(check(&bad_json, &[], VIOLATION), found);
    }
    let text = said(place.path(), &["check", "bad0.edn", "--model", "list-append"], VIOLATION);
    for words in ["T1 = process", "however, T2 < T1, because", ": a contradiction", "\nnot: strict-serializable\n"] {
        assert!(text.contains(words), "{text} does not say {words}");
    }
}

#[test]
fn a_history_goes_from_one_format_to_the_other_and_back() {
    let place = workplace();
    write(place.path(), "first.edn", &registers(1));
    let export = |from: &str, to: &str| {
        let text = said(place.path(), &["check", from, "--model", "register", "--export", to, "--json"], VIOLATION);
        let mut found: Value = serde_json::from_str(&text).expect("JSON and nothing else");
        (found["format"].take(), found)
    };
    let (format, found) = export("first.edn", "second.jsonl");
    assert_eq!((format, &found["verdict"]), ("edn".into(), &"invalid".into()));
    assert_eq!(found["anomalies"][0]["ops"], serde_json::json!([0, 1, 2, 3, 4, 5]));
    assert_eq!(export("second.jsonl", "third.edn"), ("jsonl".into(), found.clone()));
    // Nothing in a name: the content says what it is.
    fs::rename(place.path().join("second.jsonl"), place.path().join("nameless")).expect("renamed");
    assert_eq!(export("nameless", "fourth.edn"), ("jsonl".into(), found));
    let text = |name: &str| fs::read_to_string(place.path().join(name)).expect("text");
    assert_eq!((text("third.edn"), text("fourth.edn")), (registers(1), registers(1)));
    expect(place.path(), &["check", "first.edn", "--model", "kv", "--export", "third.edn"], IO, &["third.edn"]);
    expect(place.path(), &["check", "first.edn", "--model", "kv", "--export", "x.txt"], USAGE, &["x.txt"]);
}

#[test]
fn what_cannot_be_read_and_what_makes_no_sense_are_told_apart() {
    let place = workplace();
    write(place.path(), "cut.edn", &registers(2)[..60]);
    write(place.path(), "cut.jsonl", "{\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n\n{\"process\":0");
    write(place.path(), "other.edn", &registers(2).replace(":read", ":pop"));
    let register = |file| ["check", file, "--model", "register"];
    expect(place.path(), &register("none.edn"), IO, &["none.edn"]);
    expect(place.path(), &register("."), IO, &["history ."]);
    expect(place.path(), &register("cut.edn"), USAGE, &["history cut.edn: line 2, column 1: it has no closing }"]);
    expect(place.path(), &register("cut.jsonl"), USAGE, &["line 3, column 13: the line ends before }"]);
    expect(place.path(), &register("other.edn"), USAGE, &["line 6: pop is neither"]);
    expect(place.path(), &["check", "cut.edn", "--model", "stack"], USAGE, &["stack"]);
    expect(place.path(), &["check", "cut.edn"], USAGE, &["--model"]);
    let output = run(place.path(), &["check", "none.edn", "--model", "kv", "--json"]);
    assert!(output.stdout.is_empty());
}
