//! One bad history of each kind, and its clean twin.

use super::*;

/// A line: the process, how it goes on, and its parts. `0 invoke [[:append :x 1]]`.
fn history(lines: &[&str]) -> String {
    let op = |line: &&str| {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().expect("a word");
        let (process, kind) = (word(), word());
        format!("{{:process {process}, :type :{kind}, :f :txn, :value {}}}\n", word())
    };
    lines.iter().map(op).collect()
}

/// Transactions that all overlap, by different clients; what failed or is unknown is said with `fail` or `info`.
fn together(txns: &[&str]) -> String {
    let kind = |txn: &str| match txn.split_once(' ') {
        Some((kind @ ("fail" | "info"), parts)) => (kind.to_owned(), parts.to_owned()),
        _ => ("ok".to_owned(), txn.to_owned()),
    };
    let line = |process: usize, kind: &str, parts: &str| format!("{process} {kind} {parts}");
    let begin = txns.iter().enumerate().map(|(at, txn)| line(at, "invoke", &kind(txn).1));
    let end = txns.iter().enumerate().map(|(at, txn)| line(at, &kind(txn).0, &kind(txn).1));
    let lines: Vec<String> = begin.chain(end).collect();
    history(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

fn valid(edn: &str) {
    let report = in_both(edn);
    assert_eq!((&report.verdict, report.ruled_out.len()), (&Verdict::Valid, 0), "{edn}");
}

/// It has just these kinds of anomaly, and the first of them is explained so.
fn invalid(edn: &str, kinds: &[&str], why: &[&str]) -> Report {
    let report = in_both(edn);
    let found: Vec<&str> = report.found.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(found, kinds, "{report:?}");
    for why in why {
        let said = &report.anomalies[0].why;
        assert!(said.contains(why), "{said} does not say {why:?}");
    }
    report
}

#[test]
fn g0_writes_that_go_around() {
    let report = invalid(
        &together(&["[[:append 1 1] [:append 2 1]]", "[[:append 1 2] [:append 2 2]]", "[[:r 1 [1 2]] [:r 2 [2 1]]]"]),
        &["G0"],
        &[
            "T1 = process 0 txn [[:append 1 1] [:append 2 1]] (0..3)",
            "T1 < T2, because T2 appended 2 to 1 after T1 appended 1",
            "however, T2 < T1, because T1 appended 1 to 2 after T2 appended 2: a contradiction",
        ],
    );
    assert_eq!(report.ruled_out[0], "read-uncommitted");
    assert_eq!(report.ruled_out.len(), 9);
    valid(&together(&[
        "[[:append 1 1] [:append 2 1]]",
        "[[:append 1 2] [:append 2 2]]",
        "[[:r 1 [1 2]] [:r 2 [1 2]]]",
    ]));
}

#[test]
fn g1a_reads_of_what_failed() {
    let failed = ["fail [[:append 1 1]]", "[[:append 1 2]]", "[[:r 1 [1]]]"];
    let report = invalid(&together(&failed), &["G1a"], &["read 1 with 1, which process 0 txn [[:append 1 1]]"]);
    assert_eq!(report.ruled_out[0], "read-committed");
    valid(&together(&["fail [[:append 1 1]]", "[[:append 1 2]]", "[[:r 1 [2]]]"]));
    invalid(&together(&["fail [[:append 1 1]]", "[[:append 1 2]]", "[[:r 1 [1 2]]]"]), &["dirty-update", "G1a"], &[]);
}

#[test]
fn g1b_reads_in_the_middle() {
    invalid(
        &together(&["[[:append 1 1] [:append 1 2]]", "[[:r 1 [1]]]"]),
        &["G1b", "G-single"],
        &["read 1 up to 1, in the middle of process 0"],
    );
    valid(&together(&["[[:append 1 1] [:append 1 2]]", "[[:r 1 [1 2]]]"]));
    valid(&together(&["[[:append 1 1] [:r 1 [1]] [:append 1 2]]", "[[:r 1 []]]"]));
}

#[test]
fn g1c_information_that_goes_around() {
    let around = ["[[:append 1 1] [:r 2 [2]]]", "[[:append 2 2] [:r 1 [1]]]"];
    let report = invalid(
        &together(&around),
        &["G1c"],
        &["T1 < T2, because T2 saw T1's append of 1 to 1", "T2 < T1, because T1 saw T2's append of 2 to 2"],
    );
    assert_eq!(report.ruled_out[0], "read-committed");
    valid(&together(&["[[:append 1 1] [:r 2 nil]]", "[[:append 2 2] [:r 1 [1]]]"]));
}

#[test]
fn g_single_a_snapshot_that_is_none() {
    let report = invalid(
        &together(&["[[:append 1 1] [:append 2 1]]", "[[:r 1 [1]] [:r 2 []]]", "[[:r 2 [1]]]"]),
        &["G-single"],
        &["did not see T", "'s append of 1 to 2", "saw T"],
    );
    assert_eq!(report.ruled_out[0], "snapshot-isolation");
    valid(&together(&["[[:append 1 1] [:append 2 1]]", "[[:r 1 [1]] [:r 2 [1]]]", "[[:r 2 []]]"]));
}

#[test]
fn g2_item_write_skew_also_when_nobody_saw_the_writes() {
    let skew = ["[[:r 1 []] [:append 2 1]]", "[[:r 2 []] [:append 1 1]]"];
    let report = invalid(&together(&skew), &["G2-item"], &["T1 did not see T2's append of 1 to 1"]);
    assert_eq!(report.ruled_out[..2], ["repeatable-read", "serializable"]);
    invalid(&together(&[skew[0], skew[1], "[[:r 1 [1]] [:r 2 [1]]]"]), &["G2-item"], &[]);
    valid(&together(&["[[:r 1 []] [:append 2 1]]", "[[:r 2 [1]] [:append 1 1]]"]));
}

#[test]
fn updates_that_nobody_saw_are_lost_all_the_same() {
    let update = |value: u32| format!("[[:r 1 []] [:append 1 {value}]]");
    invalid(&together(&[&update(1), &update(2)]), &["G2-item"], &[]);
    invalid(&together(&[&update(1), &update(2), &update(3), &update(4)]), &["G2-item"], &[]);
    valid(&together(&[&update(1), "[[:r 1 [1]] [:append 1 2]]"]));
}

#[test]
fn process_a_client_that_forgets() {
    let lines = |second: &str| {
        history(&[
            "1 invoke [[:r 1 nil]]",
            "0 invoke [[:append 1 1]]",
            "0 ok [[:append 1 1]]",
            "0 invoke [[:r 1 nil]]",
            &format!("0 ok [[:r 1 {second}]]"),
            "1 ok [[:r 1 [1]]]",
        ])
    };
    let report = invalid(&lines("nil"), &["G-single-process"], &["process 0 ran both, and T"]);
    assert_eq!(
        report.ruled_out,
        ["strong-session-snapshot-isolation", "strong-session-serializable", "strict-serializable"]
    );
    valid(&lines("[1]"));
}

#[test]
fn realtime_a_read_that_comes_too_late_to_see_nothing() {
    let lines = |second: &str| {
        history(&[
            "0 invoke [[:append 1 1]]",
            "0 ok [[:append 1 1]]",
            "2 invoke [[:append 9 9]]",
            "2 ok [[:append 9 9]]",
            "1 invoke [[:r 1 nil]]",
            &format!("1 ok [[:r 1 {second}]]"),
        ])
    };
    let report = invalid(&lines("[]"), &["G-single-realtime"], &["ended (at 1) before T", "began (at 4)"]);
    assert_eq!(report.ruled_out, ["strict-serializable"]);
    valid(&lines("[1]"));
}

#[test]
fn realtime_around_writes_and_around_reads() {
    let writes = |order: &str| {
        history(&[
            "0 invoke [[:append 1 1]]",
            "0 ok [[:append 1 1]]",
            "1 invoke [[:append 1 2]]",
            "1 ok [[:append 1 2]]",
            "2 invoke [[:r 1 nil]]",
            &format!("2 ok [[:r 1 {order}]]"),
        ])
    };
    invalid(&writes("[2 1]"), &["G0-realtime"], &[]);
    valid(&writes("[1 2]"));
    let future = |first: &str, second: &str| history(&[first, "0 ok [[:r 1 [1]]]", second, "1 ok [[:append 1 1]]"]);
    invalid(&future("0 invoke [[:r 1 nil]]", "1 invoke [[:append 1 1]]"), &["G1c-realtime"], &[]);
    valid(&history(&[
        "1 invoke [[:append 1 1]]",
        "0 invoke [[:r 1 nil]]",
        "0 ok [[:r 1 [1]]]",
        "1 ok [[:append 1 1]]",
    ]));
}

#[test]
fn internal_a_transaction_that_disagrees_with_itself() {
    invalid(&together(&["[[:append 1 1] [:r 1 []]]"]), &["internal"], &["which its own earlier reads and appends"]);
    invalid(&together(&["[[:r 1 []] [:append 1 1] [:r 1 [2 1]]]", "[[:append 1 2]]"]), &["internal"], &[]);
    invalid(
        &together(&["[[:r 1 [2 1]] [:append 1 1]]", "[[:append 1 2]]"]),
        &["internal"],
        &["with 1 before it appended"],
    );
    valid(&together(&["[[:r 1 []] [:append 1 1] [:r 1 [1]]]", "[[:append 1 2]]"]));
    valid(&together(&["[[:append 1 1] [:r 1 [2 1]]]", "[[:append 1 2]]"]));
}

#[test]
fn orders_that_do_not_fit_and_elements_from_nowhere() {
    let appends = ["[[:append 1 1]]", "[[:append 1 2]]"];
    let both = |reads: &[&str]| together(&[&appends[..], reads].concat());
    invalid(
        &both(&["[[:r 1 [1 2]]]", "[[:r 1 [2]]]"]),
        &["incompatible-order"],
        &["with 2 at place 0, where", "has 1"],
    );
    valid(&both(&["[[:r 1 [1 2]]]", "[[:r 1 [1]]]"]));
    invalid(&both(&["[[:r 1 [1 3]]]"]), &["garbage-read"], &["read 1 with 3, which nobody appended"]);
    invalid(&both(&["[[:r 1 [1 2 1]]]"]), &["duplicate-elements"], &["with 1 twice"]);
    invalid(&together(&["[[:append 1 1] [:append 1 2]]", "[[:r 1 [2 1]]]"]), &["incompatible-order", "G1b"], &[]);
}

#[test]
fn what_is_unknown_counts_once_it_was_seen_and_then_all_of_it() {
    let unknown = "info [[:append 1 1] [:append 2 1]]";
    valid(&together(&[unknown, "[[:r 1 []] [:r 2 []]]"]));
    valid(&together(&[unknown, "[[:r 1 [1]] [:r 2 [1]]]"]));
    invalid(&together(&[unknown, "[[:r 1 [1]] [:r 2 []]]"]), &["G-single"], &["(0..never known)"]);
}

#[test]
fn what_cannot_be_judged_is_unknown_and_what_is_no_transaction_an_error() {
    let twice = in_both(&together(&["[[:append 1 1]]", "[[:append 1 1]]"]));
    assert!(matches!(&twice.verdict, Verdict::Unknown(why) if why.contains("appended twice")), "{twice:?}");
    valid(&together(&["fail [[:append 1 1]]", "[[:append 1 1]]", "[[:r 1 [1]]]"]));
    valid(&together(&["[[:append 1 1]]", "fail [[:append 1 1]]", "[[:r 1 [1]]]"]));
    let nothing = in_both(&together(&["info [[:append 1 1]]"]));
    assert!(matches!(nothing.verdict, Verdict::Unknown(_)), "{nothing:?}");
    for (parts, reason) in [
        ("[[:append 1]]", "a part of a transaction is [f k v]"),
        ("[[:push 1 2]]", "neither append nor r"),
        ("[[:r 1 2]]", "a read finds a list"),
        ("7", "a list of [f k v]"),
    ] {
        let text = together(&[parts]);
        let history = Reader::new(text.as_bytes(), Format::Edn).history(|_| true).expect("a history");
        let error = super::super::check(&history).expect_err("no transaction").to_string();
        assert!(error.starts_with("line 2: ") && error.contains(reason), "{error}");
    }
}
