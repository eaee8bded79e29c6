//! Random histories, written and read again.

use workloads::Rng;

use super::*;

const WORDS: [&str; 8] = ["append", "r", "w", "a/b", "é", "x.y", "123", "nil"];

pub fn value(rng: &mut Rng, depth: u64) -> Value {
    let text = |rng: &mut Rng| {
        let letters = [':', '#', '"', '\\', '\n', 'a', '7', ' ', 'ü', '\u{7f}', '\u{2}', '/'];
        let letters: String = (0..rng.below(6)).map(|_| letters[rng.below(12) as usize]).collect();
        Value::text(&letters)
    };
    match rng.below(if depth > 3 { 6 } else { 8 }) {
        0 => Value::Nil,
        1 => Value::Bool(rng.below(2) == 0),
        2 => Value::Int(rng.below(u64::MAX) as i64 >> rng.below(64)),
        3 => Value::Real(Real::new(f64::from_bits(rng.below(u64::MAX))).unwrap_or(Real::new(0.5).expect("finite"))),
        4 => Value::keyword(WORDS[rng.below(8) as usize]),
        5 => text(rng),
        6 => {
            let count = rng.below(5);
            Value::list((0..count).map(|_| value(rng, depth + 1)))
        }
        _ => {
            let mut entries: Vec<(Value, Value)> = Vec::new();
            for _ in 0..rng.below(5) {
                let key = value(rng, depth + 2);
                if entries.iter().all(|(known, _)| *known != key) {
                    entries.push((key, value(rng, depth + 1)));
                }
            }
            Value::Map(entries.into())
        }
    }
}

pub fn op(rng: &mut Rng) -> Op {
    let named = rng.below(8) == 0;
    let number = |rng: &mut Rng| (rng.below(2) == 0).then(|| rng.below(1 << 40) as i64);
    let mut extra: Vec<(std::sync::Arc<str>, Value)> = Vec::new();
    for name in ["error", "my field", ":odd", "7"] {
        if rng.below(4) == 0 {
            extra.push((name.into(), value(rng, 0)));
        }
    }
    Op {
        process: if named { Process::Named("nemesis".into()) } else { Process::Client(rng.below(1 << 20) as i64) },
        kind: Kind::Invoke,
        f: WORDS[rng.below(8) as usize].into(),
        value: value(rng, 0),
        time_ns: number(rng),
        index: number(rng),
        extra: extra.into(),
    }
}

#[test]
fn histories_survive_both_formats_and_the_way_between_them() {
    let mut rng = Rng::new(1);
    for _ in 0..2_000 {
        let op = op(&mut rng);
        for formats in [[Format::Jsonl, Format::Edn], [Format::Edn, Format::Jsonl]] {
            let mut kept = op.clone();
            for format in formats {
                let line = format.line(&kept);
                let again = read(&line, format).unwrap_or_else(|error| panic!("{error}: {line}"));
                assert_eq!(again.as_slice(), std::slice::from_ref(&op), "{line}");
                kept = again.into_iter().next().expect("one operation");
                assert_eq!(format.line(&kept), line);
            }
        }
    }
}
