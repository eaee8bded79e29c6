//! Long histories: valid ones stay valid, one wrong reply in them is found, and a broken store does not hang the checker.

use super::*;
use crate::history::{Kind, Value};
use crate::simulated::Plan;

const PLAN: Plan = Plan { clients: 32, calls: 10_000, lost_per_mille: 10, refused_per_mille: 10, seed: 3 };

#[test]
fn a_long_valid_history_is_valid_and_one_lost_element_is_found() {
    let mut ops = PLAN.lists(8, 4, 30);
    assert_eq!(check(&History::of(ops.clone()).expect("a history")).verdict, Verdict::Valid);
    // A read late in the history that loses its last three elements did not see transactions that had ended long before.
    let (at, number) = (0..ops.len())
        .rev()
        .filter(|at| ops[*at].kind == Kind::Ok)
        .find_map(|at| {
            let parts = ops[at].value.as_list()?;
            let is_long = |part: &Value| Some(part.as_list()?[2].as_list()?.len() >= 25);
            Some((at, parts.iter().position(|part| is_long(part) == Some(true))?))
        })
        .expect("a long read");
    let mut parts = ops[at].value.as_list().expect("parts").to_vec();
    let items = parts[number].as_list().expect("a part");
    let seen = items[2].as_list().expect("a list");
    parts[number] = Value::list([items[0].clone(), items[1].clone(), Value::list(seen[..5].iter().cloned())]);
    ops[at].value = Value::list(parts);
    let report = check(&History::of(ops).expect("a history"));
    assert!(matches!(report.verdict, Verdict::Invalid(_)));
    assert!(report.anomalies.iter().any(|anomaly| anomaly.ops.contains(&at)), "{report:?}");
}

#[test]
fn a_history_that_is_one_big_cycle_is_judged_with_short_witnesses() {
    let mut ops = PLAN.lists(8, 4, 30);
    // Every client's replies come one transaction late: nearly everything contradicts something.
    let ends: Vec<usize> = (0..ops.len()).filter(|at| ops[*at].kind == Kind::Ok).collect();
    for pair in ends.windows(40).step_by(40) {
        let (a, b) = (pair[0], pair[39]);
        let value = ops[a].value.clone();
        ops[a].value = std::mem::replace(&mut ops[b].value, value);
    }
    let report = check(&History::of(ops).expect("a history"));
    let cycles = report.anomalies.iter().filter(|anomaly| anomaly.kind.starts_with("G-single"));
    assert!(cycles.clone().count() > 0, "{:?}", report.found);
    for cycle in cycles {
        assert!(cycle.ops.len() <= 12, "{}", cycle.why);
    }
}
