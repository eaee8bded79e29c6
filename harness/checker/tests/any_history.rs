//! Every checker on histories that nobody sane recorded: a verdict or an error with its line, never a panic, and the same from
//! either format.
//!
//! `SEXTANT_FUZZ_CASES` sets how many histories there are; the default is short.

use checker::bank::Bank;
use checker::history::{Format, History, Kind, Malformed, Op, Process, Reader, Value};
use checker::kv::Store;
use checker::register::Register;
use checker::simulated::Draw;
use checker::{Report, Verdict, list_append};

const CASES: u64 = 3_000;
const WORDS: [&str; 8] = ["r", "append", "w", "cas", "read", "write", "txn", "transfer"];

fn cases() -> u64 {
    std::env::var("SEXTANT_FUZZ_CASES").map_or(CASES, |text| text.parse().expect("SEXTANT_FUZZ_CASES is a number"))
}

fn number(draw: &mut Draw) -> Value {
    match draw.below(12) {
        0 => Value::Nil,
        1 => Value::Int(i64::MIN),
        2 => Value::text("3"),
        number => Value::Int(number as i64 % 4),
    }
}

/// What an operation of some model may carry, and now and then something else.
fn value(draw: &mut Draw, f: &str, lists: bool) -> Value {
    let numbers = |draw: &mut Draw| {
        let count = draw.below(4);
        Value::list((0..count).map(|_| number(draw)))
    };
    if draw.below(40) == 0 {
        return Value::keyword("junk");
    }
    match (f, draw.below(6)) {
        ("txn", _) => {
            let part = |draw: &mut Draw| {
                let f = if lists { draw.below(2) } else { 2 * draw.below(2) };
                let is_odd = draw.below(50) == 0;
                let found = if lists && f == 0 || is_odd { numbers(draw) } else { number(draw) };
                Value::list([Value::keyword(WORDS[f as usize]), number(draw), found])
            };
            let count = draw.below(4);
            Value::list((0..count).map(|_| part(draw)))
        }
        ("read", 0) => Value::Map([(Value::Int(0), number(draw)), (Value::Int(1), number(draw))].into()),
        ("cas", _) => Value::list([number(draw), number(draw)]),
        (_, 1) => Value::list([number(draw), number(draw)]),
        _ => number(draw),
    }
}

fn history(draw: &mut Draw) -> Vec<Op> {
    // Mostly one model's operations, so that many histories are judged and not refused.
    let fs: &[&str] = [&WORDS[6..7], &WORDS[4..6], &WORDS[3..6], &WORDS[4..]][draw.below(4) as usize];
    let lists = draw.below(2) == 0;
    let mut open: Vec<Option<&str>> = vec![None; 4];
    let mut ops = Vec::new();
    for _ in 0..draw.below(24) {
        let process = draw.below(4) as usize;
        let (kind, f) = match open[process].take() {
            Some(f) => ([Kind::Ok, Kind::Ok, Kind::Ok, Kind::Fail, Kind::Info][draw.below(5) as usize], f),
            None => {
                let f = fs[draw.below(fs.len() as u64) as usize];
                open[process] = Some(f);
                (Kind::Invoke, f)
            }
        };
        let mut op = Op::new(process as i64, kind, f, value(draw, f, lists));
        if draw.below(3) > 0 {
            op.extra = [("position".into(), Value::Int(draw.below(9) as i64 - 1))].into();
        }
        if draw.below(30) == 0 {
            op = Op { process: Process::Named("nemesis".into()), ..op };
            open[process] = if kind == Kind::Invoke { None } else { Some(f) };
        }
        ops.push(op);
    }
    ops
}

fn judge(history: &History) -> [Result<Report, Malformed>; 4] {
    [
        list_append::check(history),
        Register::default().check(history),
        Bank::default().check(history),
        Store::default().check(history),
    ]
}

#[test]
fn every_history_gets_a_verdict_or_an_error_and_the_same_from_both_formats() {
    let mut verdicts = [[0u64; 4]; 4];
    for case in 0..cases() {
        let ops = history(&mut Draw::new(case));
        let read = |format: Format| {
            let text: String = ops.iter().map(|op| format.line(op) + "\n").collect();
            Reader::new(text.as_bytes(), format).history(|_| true).unwrap_or_else(|error| panic!("{error}: {text}"))
        };
        let found = judge(&read(Format::Edn));
        assert_eq!(found, judge(&read(Format::Jsonl)), "case {case}");
        for (counts, found) in verdicts.iter_mut().zip(found) {
            match found {
                Ok(Report { verdict: Verdict::Valid, .. }) => counts[0] += 1,
                Ok(Report { verdict: Verdict::Invalid(_), anomalies, .. }) => {
                    assert!(!anomalies.is_empty(), "case {case}");
                    counts[1] += 1;
                }
                Ok(Report { verdict: Verdict::Unknown(_), .. }) => counts[2] += 1,
                Err(error) => {
                    assert!(error.to_string().starts_with("line "), "case {case}: {error}");
                    counts[3] += 1;
                }
            }
        }
    }
    println!("valid, invalid, unknown, refused of list-append, register, bank, kv: {verdicts:?}");
    let is_judged = |counts: &[u64; 4]| counts[0] > 50 && counts[1] > 50 && counts[3] > 50;
    assert!(verdicts.iter().all(is_judged), "{verdicts:?}");
}
