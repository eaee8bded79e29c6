//! Histories as text: what is read, what is refused and why, and that nothing makes a reader panic.

mod fuzz;
mod malformed;
mod random;

use super::*;

fn read(text: &str, format: Format) -> Result<Vec<Op>, String> {
    let history = Reader::new(text.as_bytes(), format).history(|_| true).map_err(|error| error.to_string())?;
    Ok(history.ops().to_vec())
}

fn edn(text: &str) -> Vec<Op> {
    read(text, Format::Edn).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn jsonl(text: &str) -> Vec<Op> {
    read(text, Format::Jsonl).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn word(name: &str) -> Value {
    Value::keyword(name)
}

#[test]
fn both_formats_say_the_same() {
    let from_edn = edn("{:process 3, :type :invoke, :f :txn, :value [[:append 9 1] [:r 8 nil]], :time 7, :index 0}
         {:process 3, :type :ok, :f :txn, :value [[:append 9 1] [:r 8 [4 5]]], :time 9, :index 1}
         {:process :nemesis, :type :info, :f :kill, :value {\"n1\" :killed}}");
    let from_json = jsonl(
        r#"{"process":3,"type":"invoke","f":"txn","value":[[":append",9,1],[":r",8,null]],"time":7,"index":0}
           {"process":3,"type":"ok","f":"txn","value":[[":append",9,1],[":r",8,[4,5]]],"time":9,"index":1}

           {"process":"nemesis","type":"info","f":"kill","value":{"n1":":killed"}}"#,
    );
    assert_eq!(from_edn, from_json);
    let expected = Value::list([
        Value::list([word("append"), 9.into(), 1.into()]),
        Value::list([word("r"), 8.into(), Value::Nil]),
    ]);
    assert_eq!(from_edn[0].value, expected);
    assert_eq!((from_edn[1].time_ns, from_edn[1].index), (Some(9), Some(1)));
}

#[test]
fn what_jepsen_writes_besides_is_taken_or_passed_over() {
    let ops = edn("; a comment
        [#jepsen.history.Op{:index 0, :time 1, :type :invoke, :process 0, :f :read, :value nil}
         #_ {:this \"is discarded\"} #_ #_ one two
         #jepsen.history.Op {:index 1, :time 2, :type :info, :process 0, :f :read, :value #{1 2},
                             :error [:timeout \"no\\n\\u00e9\" #inst \"2020-01-01\" #object[a.b \"x\"] a.b/c ##NaN \\a \\newline]}]
        ; nothing after it");
    assert_eq!(ops[1].value, Value::list([1.into(), 2.into()]));
    let error = ops[1].extra("error").and_then(Value::as_list).expect("an error");
    assert_eq!(error[1], Value::text("no\né"));
    assert_eq!(error[3], Value::list([Value::text("a.b"), Value::text("x")]));
    assert_eq!((&error[5], &error[7]), (&Value::text("##NaN"), &Value::text("\n")));
}

#[test]
fn strings_that_look_like_something_else_in_json_stay_strings() {
    let tricky = ["", ":", ":a", "::a", "#", "#[1]", "7", "-7", "07", ": b", ":a b", "é\u{1}\"\\\n"];
    for text in tricky {
        let key = Value::Map([(Value::text(text), Value::text(text)), (word("k"), Value::Bool(true))].into());
        let op = Op::new(1, Kind::Invoke, "f", key);
        for format in [Format::Jsonl, Format::Edn] {
            assert_eq!(read(&format.line(&op), format), Ok(vec![op.clone()]), "{text:?}");
        }
    }
    assert_eq!(
        jsonl(r##"{"process":0,"type":"invoke","f":"f","value":{"#[:a]":"\ud83d\ude00","3":1.5}}"##)[0].value,
        {
            let emoji = (Value::list([word("a")]), Value::text("😀"));
            Value::Map([emoji, (3.into(), Value::Real(Real::new(1.5).expect("finite")))].into())
        }
    );
}

#[test]
fn the_format_is_known_by_extension_and_by_content() {
    assert_eq!(Format::of_extension("jsonl"), Some(Format::Jsonl));
    assert_eq!(Format::of_extension("edn"), Some(Format::Edn));
    assert_eq!(Format::of_extension("txt"), None);
    assert_eq!(Format::of_content(b" \n{ \"process\": 1}"), Format::Jsonl);
    for text in ["{:process 1}", "[{:process 1}]", "; comment", "#jepsen.history.Op{}", ""] {
        assert_eq!(Format::of_content(text.as_bytes()), Format::Edn, "{text}");
    }
}

#[test]
fn calls_are_paired_by_process() {
    let op = |process, kind| Op::new(process, kind, "f", Value::Nil);
    let ops = [
        op(1, Kind::Invoke),
        op(2, Kind::Invoke),
        op(2, Kind::Fail),
        op(2, Kind::Invoke),
        op(1, Kind::Ok),
        op(2, Kind::Info),
        op(2, Kind::Invoke),
    ];
    let history = History::of(ops).expect("a history");
    let found: Vec<_> = history.calls().iter().map(|call| (call.began, call.ended, call.outcome)).collect();
    let never = Call::NEVER;
    assert_eq!(
        found,
        [(0, 4, Outcome::Ok), (1, 2, Outcome::Fail), (3, never, Outcome::Info), (6, never, Outcome::Info)]
    );
}
