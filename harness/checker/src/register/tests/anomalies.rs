//! One bad history of each kind, and its clean twin.

use super::*;

/// A short way to write a history: `3 invoke write 5` a line.
fn history(lines: &str) -> String {
    let op = |line: &str| {
        let mut words = line.trim().splitn(4, ' ');
        let mut word = || words.next().unwrap_or("nil");
        let (process, kind, f) = (word(), word(), word());
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value {}}}", word())
    };
    lines.split(',').map(op).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_stale_read_is_seen_and_a_concurrent_one_is_not() {
    let stale = "0 invoke write 1, 0 ok write 1, 0 invoke write 2, 0 ok write 2, 1 invoke read, 1 ok read 1";
    invalid(&history(stale), "stale-value", "process 0 write 1 (0..1) ended before process 0 write 2 (2..3) began");
    let during = "0 invoke write 1, 0 ok write 1, 0 invoke write 2, 1 invoke read, 0 ok write 2, 1 ok read 1";
    valid(&history(during));
}

#[test]
fn a_value_that_comes_back_is_seen() {
    let back = "0 invoke write 1, 1 invoke write 2, 2 invoke read, 2 ok read 1, 2 invoke read, 2 ok read 2, \
                2 invoke read, 2 ok read 1, 0 ok write 1, 1 ok write 2";
    invalid(&history(back), "stale-value", "cannot go and come back");
    let once = "0 invoke write 1, 1 invoke write 2, 2 invoke read, 2 ok read 1, 2 invoke read, 2 ok read 2, \
                2 invoke read, 2 ok read 2, 0 ok write 1, 1 ok write 2";
    valid(&history(once));
}

#[test]
fn the_first_value_does_not_return() {
    invalid(
        &history("0 invoke write 1, 0 ok write 1, 1 invoke read, 1 ok read nil"),
        "stale-value",
        "nil was there before 1, because it was there at first",
    );
    valid(&history("0 invoke write 1, 1 invoke read, 0 ok write 1, 1 ok read nil"));
}

#[test]
fn what_nobody_wrote_what_failed_and_what_comes_later_cannot_be_read() {
    invalid(&history("0 invoke read, 0 ok read 7"), "garbage-read", "found what nobody wrote");
    let failed = "0 invoke write 7, 0 fail write 7, 0 invoke read, 0 ok read 7";
    invalid(&history(failed), "aborted-read", "found what took no effect: process 0 write 7 (0..1)");
    let future = "0 invoke read, 0 ok read 7, 1 invoke write 7, 1 ok write 7";
    invalid(&history(future), "future-read", "ended before process 1 write 7 (2..3) began");
    valid(&history("1 invoke write 7, 0 invoke read, 0 ok read 7, 1 ok write 7, 0 invoke read, 0 ok read 7"));
}

#[test]
fn a_write_of_unknown_outcome_may_have_happened_at_any_later_time_but_once() {
    let late = "0 invoke write 1, 0 info write 1, 1 invoke write 2, 1 ok write 2, 1 invoke read, 1 ok read 2, \
                1 invoke read, 1 ok read 1";
    valid(&history(late));
    valid(&history("0 invoke write 1, 0 info write 1, 1 invoke read, 1 ok read nil"));
    valid(&history("0 invoke write 1, 1 invoke read, 1 ok read 1"));
    invalid(
        &history(&format!("{late}, 1 invoke read, 1 ok read 2")),
        "stale-value",
        "process 1 read 1 (6..7) ended before process 1 read 2 (8..9) began",
    );
}

#[test]
fn each_register_is_judged_by_itself() {
    let stale = "0 invoke write [:a 1], 0 ok write [:a 1], 0 invoke write [:b 2], 0 ok write [:b 2], \
                 1 invoke read [:a nil], 1 ok read [:a 1]";
    valid(&history(stale));
    invalid(&history(&format!("{stale}, 1 invoke read [:b nil], 1 ok read [:b nil]")), "stale-value", "at key :b, nil");
}

#[test]
fn updates_leave_no_room_between_what_they_found_and_what_they_left() {
    let update = |process: u32, from: &str, to: u32| {
        format!("{process} invoke txn [[:r 0 nil] [:w 0 {to}]], {process} ok txn [[:r 0 {from}] [:w 0 {to}]]")
    };
    let chain = [update(0, "nil", 1), update(1, "1", 2), update(0, "2", 3)].join(", ");
    valid(&history(&chain));
    let lost = [update(0, "nil", 1), update(1, "nil", 2)].join(", ");
    invalid(&history(&lost), "lost-update", "both found nil at key 0 and wrote over it");
    let between = format!(
        "2 invoke write [0 9], 2 ok write [0 9], {}, 3 invoke read [0 nil], 3 ok read [0 9]",
        update(0, "9", 1)
    );
    invalid(&history(&between), "stale-value", "9 was found and written over with 1, yet");
    let circle = "0 invoke txn [[:r 0 nil] [:w 0 1]], 1 invoke txn [[:r 0 nil] [:w 0 2]], \
                  0 ok txn [[:r 0 2] [:w 0 1]], 1 ok txn [[:r 0 1] [:w 0 2]]";
    invalid(&history(circle), "update-circle", "form a circle");
}

#[test]
fn a_transaction_agrees_with_itself_and_shows_only_its_last_write() {
    let own = "0 invoke txn [[:w 0 1] [:r 0 nil]], 0 ok txn [[:w 0 1] [:r 0 1]]";
    valid(&history(own));
    invalid(&history(&own.replace("[:r 0 1]", "[:r 0 nil]")), "internal", "it had to find 1");
    let two = "0 invoke txn [[:w 0 1] [:w 0 2]], 1 invoke read [0 nil], 1 ok read [0 2], 0 ok txn [[:w 0 1] [:w 0 2]]";
    valid(&history(two));
    invalid(&history(&two.replace("ok read [0 2]", "ok read [0 1]")), "intermediate-read", "already written over");
}

#[test]
fn a_value_written_twice_and_read_is_beyond_this_checker() {
    let twice = "0 invoke write 1, 0 ok write 1, 0 invoke write 1, 0 ok write 1";
    valid(&history(twice));
    let [report, _] = in_both(&history(&format!("{twice}, 0 invoke read, 0 ok read 1")));
    assert!(matches!(&report.verdict, Verdict::Unknown(why) if why.contains("more than once")), "{report:?}");
    let [report, _] = in_both(&history("0 invoke cas [1 2], 0 ok cas [1 2]"));
    assert!(matches!(&report.verdict, Verdict::Unknown(why) if why.contains("kv model")), "{report:?}");
}

#[test]
fn an_operation_of_another_model_is_an_error_with_its_line() {
    let text = history("0 invoke read, 0 ok read nil, 0 invoke pop, 0 ok pop 3");
    let found = Reader::new(text.as_bytes(), Format::Edn).history(|_| true).expect("a history");
    let error = Register::default().check(&found).expect_err("no register pops");
    assert_eq!(error.to_string(), "line 4: pop is neither read, write, cas nor txn");
}
