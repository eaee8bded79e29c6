//! Small random histories: the zones against every serial order there is, and against the search of the kv model.

use super::*;
use crate::history::{Call, Kind, Op, Outcome, Value};
use crate::kv::Store;
use crate::simulated::{Draw, Plan};

/// J. Wing and C. Gong, *Testing and verifying concurrent objects* (1993), without any cleverness: whether the calls left
/// can go on from `held` in some order that respects time.
fn can_go_on(history: &History, left: &[&Call], held: &[Value; 2]) -> bool {
    if left.iter().all(|call| call.outcome == Outcome::Info) {
        return true;
    }
    left.iter().enumerate().any(|(at, call)| {
        let is_first = left.iter().all(|other| other.ended > call.began);
        let mut after = held.clone();
        if !is_first || !fits(history.last_known(call), call.outcome, &mut after) {
            return false;
        }
        let rest: Vec<&Call> = left[..at].iter().chain(&left[at + 1..]).copied().collect();
        can_go_on(history, &rest, &after)
    })
}

/// Carries out a call; whether what it found is what there is.
fn fits(op: &Op, outcome: Outcome, held: &mut [Value; 2]) -> bool {
    let items = op.value.as_list().expect("a list");
    let parts = match &*op.f {
        "txn" => items.iter().map(|part| part.as_list().expect("a part").to_vec()).collect(),
        f => vec![vec![Value::keyword(&f[..1]), items[0].clone(), items[1].clone()]],
    };
    parts.iter().all(|part| {
        let place = &mut held[part[1].as_int().expect("a key") as usize];
        match &**part[0].name().expect("a word") {
            "r" => outcome == Outcome::Info || *place == part[2],
            _ => {
                *place = part[2].clone();
                true
            }
        }
    })
}

/// Makes one reply another one, as a broken store might.
fn mutate(ops: &mut [Op], draw: &mut Draw) {
    let replies: Vec<usize> =
        (0..ops.len()).filter(|at| ops[*at].kind == Kind::Ok && &*ops[*at].f != "write").collect();
    if replies.is_empty() {
        return;
    }
    let op = &mut ops[replies[draw.below(replies.len() as u64) as usize]];
    let seen = match draw.below(10) {
        0 => Value::Nil,
        number => Value::Int(number as i64),
    };
    let items = op.value.as_list().expect("a list");
    op.value = match &*op.f {
        "txn" => {
            let read = items[0].as_list().expect("a part");
            Value::list([Value::list([read[0].clone(), read[1].clone(), seen]), items[1].clone()])
        }
        _ => Value::list([items[0].clone(), seen]),
    };
}

#[test]
fn the_zones_say_what_every_serial_order_says() {
    let (mut valid, mut invalid) = (0, 0);
    for seed in 0..6_000 {
        let plan =
            Plan { clients: 2 + seed % 4, calls: 4 + seed % 6, lost_per_mille: 200, refused_per_mille: 100, seed };
        let mut draw = Draw::new(seed);
        let mut ops = plan.registers(1 + seed % 2, seed % 4);
        for _ in 0..seed % 3 {
            mutate(&mut ops, &mut draw);
        }
        let history = History::of(ops).expect("a history");
        let left: Vec<&Call> = history.calls().iter().filter(|call| call.outcome != Outcome::Fail).collect();
        let is_right = can_go_on(&history, &left, &[Value::Nil, Value::Nil]);
        let report = Register::default().check(&history).expect("registers");
        let searched = Store::default().check(&history).expect("registers");
        let text = crate::history::Format::Edn.text(&history);
        assert_eq!(report.verdict.is_valid(), is_right, "seed {seed}: {report:?}\n{text}");
        assert!(is_right || matches!(report.verdict, Verdict::Invalid(_)), "seed {seed}: {report:?}\n{text}");
        assert_eq!(searched.verdict.is_valid(), is_right, "seed {seed}: {searched:?}\n{text}");
        *if is_right { &mut valid } else { &mut invalid } += 1;
    }
    println!("{valid} valid and {invalid} invalid histories judged alike three ways");
    assert!(valid > 2_000 && invalid > 1_000, "{valid} valid, {invalid} invalid");
}

#[test]
fn a_contended_register_of_64_clients_is_valid_and_one_stale_read_in_it_is_found() {
    let plan = Plan { clients: 64, calls: 20_000, lost_per_mille: 10, refused_per_mille: 10, seed: 5 };
    let mut ops = plan.registers(1, 8);
    let report = Register::default().check(&History::of(ops.clone()).expect("a history")).expect("registers");
    assert_eq!(report.verdict, Verdict::Valid);
    let read_at = ops.iter().rposition(|op| op.kind == Kind::Ok && &*op.f == "read").expect("a read");
    let old = ops.iter().find(|op| op.kind == Kind::Ok && &*op.f == "write").expect("a write").value.clone();
    ops[read_at].value = old;
    let report = Register::default().check(&History::of(ops).expect("a history")).expect("registers");
    let found = report.anomalies.first().expect("an anomaly");
    assert!(found.kind == "stale-value" && found.ops.contains(&read_at), "{report:?}");
}
