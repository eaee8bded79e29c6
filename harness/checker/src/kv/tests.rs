//! Histories with known verdicts, in both formats.

use super::*;
use crate::Verdict;
use crate::history::{Format, Reader};

fn in_both(edn: &str) -> Report {
    let read = |text: &str, format| Reader::new(text.as_bytes(), format).history(|_| true).expect("a history");
    let check = |history: &History| Store::default().check(history).expect("a store's operations");
    let history = read(edn, Format::Edn);
    let report = check(&history);
    assert_eq!(report, check(&read(&Format::Jsonl.text(&history), Format::Jsonl)));
    report
}

fn valid(edn: &str) -> Report {
    let report = in_both(edn);
    assert_eq!(report.verdict, Verdict::Valid, "{edn}");
    report
}

fn invalid(edn: &str, why: &str) {
    let report = in_both(edn);
    let Verdict::Invalid(said) = &report.verdict else { panic!("{report:?}: {edn}") };
    assert!(said.contains(why), "{said:?} does not say {why:?}");
}

/// One call after the other: `f` with what it was asked for, and with its result.
fn serial(calls: &[(&str, &str)]) -> String {
    let one = |(f, value): &(&str, &str)| {
        format!(
            "{{:process 0, :type :invoke, :f :{f}, :value {value}}}\n{{:process 0, :type :ok, :f :{f}, :value {value}}}\n"
        )
    };
    calls.iter().map(one).collect()
}

#[test]
fn values_may_repeat() {
    valid(&serial(&[("put", "[:a 1]"), ("put", "[:a 1]"), ("get", "[:a 1]")]));
    invalid(&serial(&[("put", "[:a 1]"), ("put", "[:a 2]"), ("put", "[:a 1]"), ("get", "[:a 2]")]), ":a = 1");
}

#[test]
fn compare_and_set_finds_what_it_replaces() {
    valid(&serial(&[("write", "1"), ("cas", "[1 2]"), ("cas", "[2 1]"), ("read", "1")]));
    invalid(&serial(&[("write", "1"), ("cas", "[2 3]")]), "process 0 cas [2 3] (2..3) fits nowhere");
    valid(&serial(&[("put", "[:a 1]"), ("cas", "[:a [1 2]]"), ("get", "[:a 2]")]));
}

#[test]
fn transactions_over_several_keys_are_atomic() {
    let swap = "[[:w :a 1] [:w :b 1]]";
    valid(&serial(&[("txn", swap), ("txn", "[[:r :a 1] [:r :b 1]]"), ("get", "[:c nil]")]));
    let torn = "{:process 0, :type :invoke, :f :txn, :value [[:w :a 1] [:w :b 1]]}
                {:process 1, :type :invoke, :f :txn, :value [[:r :a nil] [:r :b nil]]}
                {:process 1, :type :ok, :f :txn, :value [[:r :a 1] [:r :b nil]]}
                {:process 0, :type :ok, :f :txn, :value [[:w :a 1] [:w :b 1]]}";
    invalid(torn, "could only be :a = nil, :b = nil or :a = 1, :b = 1");
    valid(&torn.replace("[:r :b nil]]}\n                {:process 0", "[:r :b 1]]}\n                {:process 0"));
}

#[test]
fn more_open_calls_than_can_be_followed_are_unknown() {
    let lost: String = (0..200)
        .map(|process| format!("{{:process {process}, :type :invoke, :f :write, :value {process}}}\n"))
        .collect();
    let read = "{:process 900, :type :invoke, :f :read}\n{:process 900, :type :ok, :f :read, :value 7}";
    valid(&format!("{lost}{read}"));
    let reads: String = (0..200).map(|value| read.replace('7', &value.to_string()) + "\n").collect();
    let report = in_both(&format!("{lost}{reads}"));
    assert!(matches!(&report.verdict, Verdict::Unknown(why) if why.contains("128")), "{report:?}");
}

#[test]
fn positions_are_replayed_and_believed() {
    let at = |process: u32, f: &str, value: &str, position: u32| {
        let call = |kind, more: &str| format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}{more}}}\n");
        call("invoke", "") + &call("ok", &format!(", :position {position}"))
    };
    let good = at(0, "put", "[:a 1]", 1) + &at(0, "get", "[:a 1]", 1) + &at(0, "put", "[:a 2]", 2);
    let report = valid(&good);
    assert!(report.counts.contains(&("replayed", 3)), "{report:?}");
    invalid(&(good.clone() + &at(0, "get", "[:a 1]", 2)), "the commit order gives");
    invalid(&(good + &at(0, "get", "[:a 1]", 1)), "yet has the later position");
}
