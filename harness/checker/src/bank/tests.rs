//! Histories with known verdicts, in both formats.

use super::*;
use crate::Verdict;
use crate::history::{Format, Reader};

fn check(bank: &Bank, edn: &str) -> Report {
    let read = |text: &str, format| Reader::new(text.as_bytes(), format).history(|_| true).expect("a history");
    let history = read(edn, Format::Edn);
    let report = bank.check(&history).expect("a bank's operations");
    assert_eq!(bank.check(&read(&Format::Jsonl.text(&history), Format::Jsonl)), Ok(report.clone()));
    report
}

/// Reads, one after the other, with a transfer between them.
fn reads(values: &[&str]) -> String {
    let call = |process: u32, f: &str, value: &str| {
        format!(
            "{{:process {process}, :type :invoke, :f :{f}, :value nil}}\n\
             {{:process {process}, :type :ok, :f :{f}, :value {value}}}\n"
        )
    };
    values.iter().map(|value| call(0, "read", value) + &call(1, "transfer", "{:from 1, :to 0, :amount 5}")).collect()
}

fn invalid(bank: &Bank, edn: &str, kind: &str, why: &str) {
    let report = check(bank, edn);
    let kinds: Vec<&str> = report.found.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [kind], "{report:?}");
    assert!(report.anomalies[0].why.contains(why), "{:?} does not say {why:?}", report.anomalies[0].why);
}

const GOOD: [&str; 2] = ["{0 40, 1 60}", "{1 55, 0 45}"];

#[test]
fn totals_stay() {
    for bank in [Bank::default(), Bank { total: Some(100), negative: false }] {
        assert_eq!(check(&bank, &reads(&GOOD)).verdict, Verdict::Valid);
        let why = "process 0 read {1 50, 0 45} (4..5) comes to 95 and not to 100";
        invalid(&bank, &reads(&[GOOD[0], "{1 50, 0 45}"]), "wrong-total", why);
        assert_eq!(check(&bank, &reads(&["100", GOOD[0]])).verdict, Verdict::Valid);
        invalid(&bank, &reads(&["100", "101"]), "wrong-total", "+1");
    }
    invalid(&Bank { total: Some(90), negative: false }, &reads(&GOOD), "wrong-total", "not to 90");
}

#[test]
fn accounts_are_never_missing_new_or_overdrawn() {
    let bank = Bank::default();
    invalid(&bank, &reads(&[GOOD[0], "{0 nil, 1 60}"]), "nil-balance", "found nothing in account 0");
    invalid(&bank, &reads(&[GOOD[0], "{0 40, 2 60}"]), "other-accounts", "(4..5)");
    invalid(&bank, &reads(&[GOOD[0], "{0 -5, 1 105}"]), "negative-balance", "found -5 in account 0");
    let overdraft = Bank { negative: true, ..bank };
    assert_eq!(check(&overdraft, &reads(&[GOOD[0], "{0 -5, 1 105}"])).verdict, Verdict::Valid);
}

#[test]
fn huge_balances_do_not_overflow() {
    let huge = format!("{{0 {max}, 1 {max}}}", max = i64::MAX);
    assert_eq!(check(&Bank::default(), &reads(&[&huge, &huge])).verdict, Verdict::Valid);
    invalid(&Bank::default(), &reads(&[&huge, GOOD[0]]), "wrong-total", "comes to 100 and not to 18446744073709551614");
}

#[test]
fn without_a_read_nothing_is_known_and_what_is_no_read_is_an_error() {
    assert!(matches!(check(&Bank::default(), "").verdict, Verdict::Unknown(_)));
    for (value, reason) in [("[1 2]", "or their sum"), ("{0 :rich}", "holds a whole number")] {
        let text = reads(&[GOOD[0], value]);
        let history = Reader::new(text.as_bytes(), Format::Edn).history(|_| true).expect("a history");
        let error = Bank::default().check(&history).expect_err("no read").to_string();
        assert!(error.starts_with("line 6: ") && error.contains(reason), "{error}");
    }
}
