//! Small random histories, of a store that keeps its promise and of stores that do not, against every serial order.

use super::*;
use crate::history::{Call, Kind, Op, Outcome, Value};
use crate::simulated::{Draw, Plan};

const LISTS: u64 = 2;

/// Whether the calls left can go on from `held` in some order, which respects time if `in_time`.
fn can_go_on(history: &History, left: &[&Call], held: &[Vec<Value>], in_time: bool) -> bool {
    if left.iter().all(|call| call.outcome == Outcome::Info) {
        return true;
    }
    left.iter().enumerate().any(|(at, call)| {
        let is_first = !in_time || left.iter().all(|other| other.ended > call.began);
        let mut after = held.to_vec();
        if !is_first || !fits(history.last_known(call), call.outcome, &mut after) {
            return false;
        }
        let rest: Vec<&Call> = left[..at].iter().chain(&left[at + 1..]).copied().collect();
        can_go_on(history, &rest, &after, in_time)
    })
}

/// Carries out a transaction; whether what it found is what there is.
fn fits(op: &Op, outcome: Outcome, held: &mut [Vec<Value>]) -> bool {
    op.value.as_list().expect("a list").iter().all(|part| {
        let part = part.as_list().expect("a part");
        let list = &mut held[part[1].as_int().expect("a key") as usize];
        if part[0] == Value::keyword("r") {
            return outcome == Outcome::Info || part[2].as_list().expect("a list") == &list[..];
        }
        list.push(part[2].clone());
        true
    })
}

/// A store whose reads may see the lists as they were some transactions ago: all reads of a transaction together, or each apart.
fn stale(plan: &Plan, lag: u64, apart: bool) -> Vec<Op> {
    let mut draw = Draw::new(plan.seed ^ 0x57a1e);
    let mut versions = vec![vec![Vec::<Value>::new(); LISTS as usize]];
    let request = |draw: &mut Draw, number: i64| {
        let part = |at: i64, draw: &mut Draw| {
            let key = Value::Int(draw.below(LISTS) as i64);
            match draw.below(2) {
                0 => Value::list([Value::keyword("r"), key, Value::Nil]),
                _ => Value::list([Value::keyword("append"), key, Value::Int(4 * number + at)]),
            }
        };
        let count = 1 + draw.below(3) as i64;
        ("txn", Value::list((0..count).map(|at| part(at, draw)).collect::<Vec<_>>()))
    };
    plan.run(request, |_, value| {
        let mut now = versions.last().expect("one").clone();
        let mut own = vec![Vec::new(); LISTS as usize];
        let mut ago = draw.below(lag + 1) as usize;
        let mut parts = Vec::new();
        for part in value.as_list().expect("as requested") {
            let items = part.as_list().expect("as requested");
            let key = items[1].as_int().expect("as requested") as usize;
            if items[2] == Value::Nil {
                ago = if apart { draw.below(lag + 1) as usize } else { ago };
                let seen = &versions[versions.len() - 1 - ago.min(versions.len() - 1)][key];
                let seen = Value::list(seen.iter().chain(&own[key]).cloned());
                parts.push(Value::list([items[0].clone(), items[1].clone(), seen]));
            } else {
                own[key].push(items[2].clone());
                now[key].push(items[2].clone());
                parts.push(part.clone());
            }
        }
        versions.push(now);
        Value::list(parts)
    })
}

/// Loses, adds, doubles or swaps elements of one read.
fn mutate(ops: &mut [Op], draw: &mut Draw) {
    let at = draw.below(ops.len() as u64) as usize;
    if ops[at].kind != Kind::Ok {
        return;
    }
    let mut parts = ops[at].value.as_list().expect("a list").to_vec();
    let number = draw.below(parts.len() as u64) as usize;
    let part = parts[number].as_list().expect("a part").to_vec();
    let Some(seen) = part[2].as_list() else { return };
    let mut seen = seen.to_vec();
    match draw.below(5) {
        0 => drop(seen.pop()),
        1 => seen.reverse(),
        2 => seen.push(Value::Int(draw.below(24) as i64)),
        3 if !seen.is_empty() => drop(seen.remove(0)),
        _ => seen.extend(seen.first().cloned()),
    }
    parts[number] = Value::list([part[0].clone(), part[1].clone(), Value::list(seen)]);
    ops[at].value = Value::list(parts);
}

fn needs_time(kind: &str) -> bool {
    kind.ends_with("-process") || kind.ends_with("-realtime")
}

#[test]
fn cycles_say_what_every_serial_order_says() {
    let (mut strict, mut serializable, mut neither) = (0, 0, 0);
    let mut kinds: Vec<&str> = Vec::new();
    for seed in 0..12_000 {
        let plan =
            Plan { clients: 2 + seed % 3, calls: 2 + seed % 5, lost_per_mille: 150, refused_per_mille: 80, seed };
        let mut draw = Draw::new(seed);
        let mut ops = stale(&plan, seed / 5 % 3, seed % 2 == 0);
        for _ in 0..(seed % 7).saturating_sub(4) {
            mutate(&mut ops, &mut draw);
        }
        let history = History::of(ops).expect("a history");
        let left: Vec<&Call> = history.calls().iter().filter(|call| call.outcome != Outcome::Fail).collect();
        if left.iter().all(|call| call.outcome == Outcome::Info) {
            continue;
        }
        let empty = vec![Vec::new(); LISTS as usize];
        let report = check(&history);
        let text = Format::Edn.text(&history);
        let is_strict = can_go_on(&history, &left, &empty, true);
        assert_eq!(report.verdict.is_valid(), is_strict, "seed {seed}: {report:?}\n{text}");
        assert!(is_strict || matches!(report.verdict, Verdict::Invalid(_)), "seed {seed}: {report:?}\n{text}");
        let is_serializable = can_go_on(&history, &left, &empty, false);
        let needs_only_time = report.found.iter().all(|(kind, _)| needs_time(kind));
        assert_eq!(needs_only_time, is_serializable, "seed {seed}: {report:?}\n{text}");
        assert_eq!(report.ruled_out.contains(&"serializable"), !is_serializable, "seed {seed}: {report:?}");
        match (is_strict, is_serializable) {
            (true, _) => strict += 1,
            (false, true) => serializable += 1,
            (false, false) => neither += 1,
        }
        kinds.extend(report.found.iter().map(|(kind, _)| *kind));
    }
    kinds.sort_unstable();
    let counts: Vec<String> = kinds.chunk_by(|a, b| a == b).map(|same| format!("{} {}", same.len(), same[0])).collect();
    println!("{strict} strictly serializable, {serializable} only serializable, {neither} neither");
    println!("found {}", counts.join(", "));
    assert!(strict > 4_000 && serializable > 300 && neither > 1_000, "{strict}, {serializable}, {neither}");
    assert!(counts.len() >= 15, "{counts:?}");
}
