//! Declared work takes time, and nodes on one core take turns.

use node::fault::Fault;
use node::{Nanos, NodeId, Work};

use super::{Recorder, WORK, number_frame, numbers, recorders};
use crate::{CpuModel, Sim, SimConfig};

const ASKER: NodeId = NodeId(2);

/// A world where a statement takes a microsecond and an event 100 ns, with nodes 0 and 1 on one core if `shared`.
fn world(shared: bool) -> Sim {
    let mut work_ns = [0; Work::ALL.len()];
    work_ns[Work::Statement as usize] = 1_000;
    let cores = if shared { [(NodeId(0), 4), (NodeId(1), 4)].into() } else { Default::default() };
    let cpu = CpuModel { event: Nanos(100), work_ns, cores };
    let mut sim = recorders(3, SimConfig { cpu, ..SimConfig::instant(1) });
    let _ = sim.run_for(Nanos::from_micros(1));
    sim
}

/// When answers reached the asker, since the questions were put.
fn answers_ns(sim: &Sim, asked_at: Nanos) -> Vec<(u32, u64)> {
    let recorder: &Recorder = sim.node(ASKER).expect("there");
    let answer = |(at, seen): &(Nanos, super::Seen)| match seen {
        super::Seen::Frame(from, _) => Some((from.0, (*at - asked_at).0)),
        _ => None,
    };
    recorder.seen.iter().filter_map(answer).collect()
}

fn ask(sim: &mut Sim, node: u32, statements: u64) {
    sim.inject(ASKER, NodeId(node), number_frame(WORK, statements));
}

#[test]
fn effects_take_place_when_the_work_is_done() {
    let mut sim = world(false);
    let asked_at = sim.now();
    ask(&mut sim, 0, 7);
    ask(&mut sim, 0, 1);
    ask(&mut sim, 1, 2);
    let _ = sim.run_for(Nanos::from_millis(1));
    assert_eq!(answers_ns(&sim, asked_at), [(1, 2_100), (0, 7_100), (0, 8_200)]);
    assert_eq!(sim.ledger(NodeId(0)).work[Work::Statement as usize], 8);
    // Its start is an event too.
    assert_eq!(sim.cpu(NodeId(0)), Nanos(8_300));
}

#[test]
fn nodes_on_one_core_wait_for_each_other() {
    let mut sim = world(true);
    let asked_at = sim.now();
    ask(&mut sim, 0, 3);
    ask(&mut sim, 1, 2);
    ask(&mut sim, 0, 1);
    let _ = sim.run_for(Nanos::from_millis(1));
    assert_eq!(answers_ns(&sim, asked_at), [(0, 3_100), (1, 5_200), (0, 6_300)]);
}

#[test]
fn a_crash_loses_work_in_progress_and_frees_the_core() {
    let mut sim = world(true);
    let asked_at = sim.now();
    ask(&mut sim, 0, 5);
    ask(&mut sim, 0, 5);
    ask(&mut sim, 1, 1);
    let _ = sim.run_for(Nanos::from_micros(2));
    sim.apply(&Fault::Crash { node: NodeId(0), power: true });
    sim.apply(&Fault::Restart { node: NodeId(0) });
    let _ = sim.run_for(Nanos::from_millis(1));
    let answers = answers_ns(&sim, asked_at);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].0, 1);
    assert_eq!(numbers(&sim, 0), [], "the new life begins with nothing but its start");
}
