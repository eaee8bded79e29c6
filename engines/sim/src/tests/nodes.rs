//! Starting, crashing, pausing, halting; timers, disks and ledgers.

use node::fault::Fault;
use node::{DiskOp, Effect, IoClass, Nanos, NodeId, TimerId, Token};

use super::{Recorder, Seen, recorders, seen, send, set_timer};
use crate::{Sim, SimConfig, Status, Stop, Survival};

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);

fn disk(token: u64, op: DiskOp) -> Effect {
    Effect::Disk { token: Token(token), op, class: IoClass::Metadata }
}

fn settle(sim: &mut Sim) {
    assert_eq!(sim.run_until_idle(Nanos::from_secs(60)), Stop::Idle);
}

fn instant() -> SimConfig {
    SimConfig::instant(1)
}

#[test]
fn a_restart_builds_a_new_node_that_knows_how_often_it_started() {
    let mut sim = recorders(2, instant());
    sim.act(B, send(A, 1));
    settle(&mut sim);
    assert_eq!(seen(&sim, 0).len(), 2);
    for start in 1..4 {
        sim.apply(&Fault::Crash { node: A, power: false });
        assert_eq!(*sim.status(A), Status::Crashed);
        assert!(sim.node::<Recorder>(A).is_none());
        sim.apply(&Fault::Restart { node: A });
        settle(&mut sim);
        assert_eq!(sim.node::<Recorder>(A).expect("there").start, start);
        assert_eq!(seen(&sim, 0), [Seen::Start]);
    }
    sim.apply(&Fault::Restart { node: A });
    settle(&mut sim);
    assert_eq!(seen(&sim, 0), [Seen::Start], "a running node is not restarted");
}

#[test]
fn nothing_of_an_earlier_life_reaches_the_next() {
    let mut sim = recorders(2, SimConfig::shuffled(1));
    sim.act(A, set_timer(1, 100));
    sim.act(A, disk(1, DiskOp::List));
    sim.crash(A, false, Survival::None);
    sim.restart(A);
    settle(&mut sim);
    assert_eq!(seen(&sim, 0), [Seen::Start]);
}

#[test]
fn a_timer_fires_once_at_its_last_setting_and_not_when_cancelled() {
    let mut sim = recorders(1, instant());
    for effect in [set_timer(1, 50), set_timer(2, 60), set_timer(1, 80), set_timer(3, 70)] {
        sim.act(A, effect);
    }
    sim.act(A, Effect::CancelTimer { timer: TimerId(3) });
    sim.act(A, Effect::CancelTimer { timer: TimerId(9) });
    settle(&mut sim);
    let recorder: &Recorder = sim.node(A).expect("there");
    let timer = |us, timer| (Nanos::from_micros(us), Seen::Timer(TimerId(timer)));
    assert_eq!(recorder.seen[1..], [timer(60, 2), timer(80, 1)]);
    sim.act(A, set_timer(1, 20));
    settle(&mut sim);
    assert_eq!(seen(&sim, 0).len(), 4, "a timer that fired can be set again");
}

#[test]
fn a_paused_node_sees_everything_in_order_when_it_goes_on() {
    let mut sim = recorders(2, instant());
    sim.apply(&Fault::Pause { node: A });
    sim.act(A, set_timer(1, 10));
    sim.act(A, disk(5, DiskOp::List));
    sim.act(B, send(A, 1));
    let _ = sim.run_for(Nanos::from_micros(50));
    sim.act(B, send(A, 2));
    let _ = sim.run_for(Nanos::from_micros(50));
    assert_eq!(seen(&sim, 0), [Seen::Start]);
    assert_eq!(*sim.status(A), Status::Paused);
    sim.apply(&Fault::Resume { node: A });
    settle(&mut sim);
    let frame = |number| Seen::Frame(B, number);
    let disk = Seen::Disk(Token(5), true);
    assert_eq!(seen(&sim, 0), [Seen::Start, disk, frame(1), Seen::Timer(TimerId(1)), frame(2)]);
    let recorder: &Recorder = sim.node(A).expect("there");
    assert!(recorder.seen[1..].iter().all(|(at, _)| *at == Nanos::from_micros(100)));
}

#[test]
fn a_paused_node_that_crashes_loses_what_waited() {
    let mut sim = recorders(2, instant());
    sim.apply(&Fault::Pause { node: A });
    sim.act(B, send(A, 1));
    settle(&mut sim);
    sim.apply(&Fault::Crash { node: A, power: false });
    sim.apply(&Fault::Resume { node: A });
    assert_eq!(*sim.status(A), Status::Crashed, "resuming does not revive");
    sim.apply(&Fault::Restart { node: A });
    settle(&mut sim);
    assert_eq!(seen(&sim, 0), [Seen::Start]);
}

#[test]
fn a_halted_node_hears_nothing_more_and_can_be_looked_at_and_restarted() {
    let mut sim = recorders(2, instant());
    sim.act(A, set_timer(1, 10));
    sim.act(A, disk(1, DiskOp::List));
    let _ = sim.run_for(Nanos::from_micros(5));
    sim.act(A, Effect::Halt { reason: "page 7 does not match its checksum".into() });
    sim.act(B, send(A, 1));
    settle(&mut sim);
    assert_eq!(*sim.status(A), Status::Halted { reason: "page 7 does not match its checksum".into() });
    assert_eq!(sim.halts().len(), 1);
    assert_eq!((sim.halts()[0].at, sim.halts()[0].node), (Nanos::from_micros(5), A));
    assert_eq!(seen(&sim, 0), [Seen::Start, Seen::Disk(Token(1), true)]);
    sim.apply(&Fault::Restart { node: A });
    settle(&mut sim);
    assert_eq!(*sim.status(A), Status::Running);
    assert_eq!(sim.halts().len(), 1, "a halt stays on record");
}

#[test]
fn the_power_can_fail_under_a_node_that_is_already_down() {
    let mut sim = recorders(1, instant());
    let name = node::FileName::new("data");
    sim.act(A, disk(1, DiskOp::Create { file: node::FileId(1), name: name.clone(), len_bytes: 512 }));
    settle(&mut sim);
    sim.crash(A, false, Survival::None);
    assert_eq!(sim.disk(A).expect("a disk").list().len(), 1);
    assert_eq!(sim.undurable(A, true).len(), 1);
    sim.crash(A, true, Survival::None);
    assert_eq!(sim.disk(A).expect("a disk").list(), []);
}

#[test]
fn a_node_without_a_disk_gets_an_error_for_every_operation() {
    let mut topology = super::members(1, |_, start| Box::new(Recorder { start, seen: Vec::new() }));
    topology.members[0].has_disk = false;
    let mut sim = Sim::new(topology, instant());
    sim.act(A, disk(3, DiskOp::List));
    settle(&mut sim);
    assert!(seen(&sim, 0).contains(&Seen::Disk(Token(3), false)));
    assert!(sim.disk(A).is_none() && sim.undurable(A, true).is_empty());
}

#[test]
fn ledgers_count_what_a_node_did_in_all_its_lives() {
    let mut sim = recorders(2, instant());
    sim.act(A, send(B, 1));
    sim.act(A, send(B, 2));
    sim.act(A, disk(1, DiskOp::SyncDir));
    sim.act(A, Effect::Charge { work: node::Work::Apply, units: 12 });
    let control = *sim.ledger(A).class(IoClass::Control);
    assert_eq!((control.sends, control.send_bytes), (2, 48));
    assert_eq!(sim.ledger(A).class(IoClass::Metadata).syncs, 1);
    assert_eq!(sim.ledger(A).work[node::Work::Apply as usize], 12);
    assert_eq!(*sim.ledger(B), node::Ledger::default());
    sim.crash(A, true, Survival::None);
    sim.restart(A);
    sim.act(A, send(B, 3));
    settle(&mut sim);
    assert_eq!(sim.ledger(A).class(IoClass::Control).sends, 3);
    assert_eq!((sim.events_of(A), sim.events_of(B)), (2, 4));
}

#[test]
fn faults_happen_when_they_are_scheduled() {
    let mut sim = recorders(2, instant());
    sim.schedule(Nanos::from_micros(20), Fault::Crash { node: A, power: true });
    sim.schedule(Nanos::from_micros(30), Fault::Restart { node: A });
    let _ = sim.run_for(Nanos::from_micros(19));
    assert_eq!(*sim.status(A), Status::Running);
    let _ = sim.run_for(Nanos::from_micros(1));
    assert_eq!(*sim.status(A), Status::Crashed);
    let _ = sim.run_for(Nanos::from_micros(20));
    assert_eq!(sim.node::<Recorder>(A).expect("there").seen, [(Nanos::from_micros(30), Seen::Start)]);
}

#[test]
fn the_start_is_the_first_event_whatever_is_due_at_the_same_instant() {
    for seed in 0..50 {
        for shuffle_ties in [false, true] {
            let mut sim = recorders(2, SimConfig { shuffle_ties, ..SimConfig::instant(seed) });
            sim.crash(A, true, Survival::None);
            for number in 0..5 {
                sim.schedule(Nanos::from_micros(10), Fault::Pause { node: B });
                sim.schedule(Nanos::from_micros(10), Fault::Resume { node: B });
                sim.act(B, send(A, number));
            }
            sim.restart(A);
            sim.act(B, send(A, 9));
            settle(&mut sim);
            let seen = seen(&sim, 0);
            assert_eq!(seen[0], Seen::Start, "seed {seed}");
            assert_eq!(seen.len(), 7, "and nothing that waited is lost");
        }
    }
}
