//! What is refused, with its line and the reason.

use super::*;

/// A good first line in each format, so that the fault is on the second.
fn second_line(format: Format, line: &str) -> String {
    let first = Format::line(format, &Op::new(0, Kind::Invoke, "read", Value::Nil));
    let text = format!("{first}\n{line}");
    let error = read(&text, format).expect_err("it is not a history");
    assert!(error.starts_with("line 2"), "{error}: {text}");
    error
}

#[test]
fn malformed_edn_names_line_and_reason() {
    for (text, reason) in [
        ("{:process 0", "no closing }"),
        ("{:process}", "has no value"),
        ("{:process 0 :process 1}", "occurs twice"),
        ("}", "closes nothing"),
        ("17", "an operation is a map"),
        ("{1 2}", "named by a word"),
        ("{:type :ok, :f :read}", "has no process"),
        ("{:process 0, :f :read}", "has no type"),
        ("{:process 0, :type :ok}", "has no f"),
        ("{:process 0, :type :okay, :f :read}", "one of invoke, ok, fail, info"),
        ("{:process [], :type :ok, :f :read}", "a number or a name"),
        ("{:process 0, :type :ok, :f 3}", "f is a word"),
        ("{:process 0, :type :ok, :f :read, :time \"late\"}", "time is a whole number"),
        ("{:process 0, :type :ok, :f :read, :value 9223372036854775808}", "does not fit in 64 bits"),
        ("{:value 007}", "leading zeros"),
        ("{:value 1/2}", "no number"),
        ("{:value 1.}", "no number"),
        ("{:value \"open}", "the string has no end"),
        ("{:value \"\\q\"}", "no escape"),
        ("{:value \"\\u12g4\"}", "four hexadecimal digits"),
        ("{:value \\nope}", "no character"),
        ("{:value #}", "after # comes"),
        ("{:value ##Infinite}", "no number"),
        ("{:value :}", "no keyword"),
        ("{:value ::a}", "no keyword"),
        ("{:value @a}", "begins no form"),
        ("{:value #_}", "closes nothing"),
    ] {
        let error = second_line(Format::Edn, text);
        assert!(error.contains(reason), "{error:?} does not say {reason:?}: {text}");
    }
}

#[test]
fn malformed_json_names_line_and_reason() {
    for (text, reason) in [
        (r#"{"process":0"#, "the line ends before }"),
        (r#"{"process"}"#, "a colon is due"),
        (r#"{"process":0,}"#, "a key is a string"),
        (r#"{"process":0 "f":1}"#, "a comma or } is due"),
        (r#"{"process":0,"process":1}"#, "occurs twice"),
        (r#"{"value":[1,]}"#, "begins no JSON value"),
        (r#"{"value":[1"#, "the line ends before ]"),
        (r#"{"value":nul}"#, "begins no JSON value"),
        (r#"{"value":01}"#, "no number"),
        (r#"{"value":-}"#, "no number"),
        (r#"{"value":1.}"#, "no number"),
        (r#"{"value":1e999}"#, "no number"),
        (r#"{"value":9223372036854775808}"#, "does not fit in 64 bits"),
        (r#"{"value":"open"#, "no end on its line"),
        (r#"{"value":"\q"}"#, "no escape"),
        (r#"{"value":"\ud800"}"#, "half a character"),
        (r##"{"value":{"#[1":2}}"##, "one form of EDN"),
        ("{\"value\":\"\u{1}\"}", "control character"),
        ("{} {}", "follows the value"),
        ("[1,2]", "an operation is a map"),
        (r#"{"type":"ok","f":"read"}"#, "has no process"),
        (r#"{"process":0,"type":"okay","f":"read"}"#, "one of invoke, ok, fail, info"),
    ] {
        let error = second_line(Format::Jsonl, text);
        assert!(error.contains(reason), "{error:?} does not say {reason:?}: {text}");
    }
}

#[test]
fn calls_that_cannot_be_are_malformed() {
    for format in [Format::Jsonl, Format::Edn] {
        for (op, reason) in [
            (Op::new(0, Kind::Invoke, "read", Value::Nil), "process 0 is still at something else"),
            (Op::new(1, Kind::Ok, "read", Value::Nil), "process 1 has not begun this"),
            (Op::new(0, Kind::Ok, "write", Value::Nil), "process 0 began read and ends write"),
        ] {
            let error = second_line(format, &format.line(&op));
            assert!(error.contains(reason), "{error:?} does not say {reason:?}");
        }
    }
}

#[test]
fn bytes_that_are_no_text_and_forms_without_end_are_malformed() {
    for (format, open) in [(Format::Edn, "["), (Format::Jsonl, "[")] {
        let error = read(&open.repeat(100_000), format).expect_err("too deep");
        assert!(error.contains("nest deeper than 100"), "{error}");
    }
    for (format, bytes) in [(Format::Edn, &b"{:value \"\xff\"}"[..]), (Format::Jsonl, b"{\"value\":\"\xff\"}")] {
        let error = Reader::new(bytes, format).history(|_| true).expect_err("not text");
        assert!(error.to_string().contains("not UTF-8"), "{error}");
    }
}
