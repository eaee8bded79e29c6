//! How runs end, and stopping among the effects of one event.

use node::{Digest, DiskOp, Effects, Event, IoClass, Nanos, Node, NodeId, TimerId, Token};

use super::{Chatter, Recorder, Seen, chatters, members, number_frame, numbers, recorders, seen, send, set_timer};
use crate::{Sim, SimConfig, Stop, Survival};

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);

#[test]
fn runs_end_idle_at_the_deadline_or_when_reached() {
    let mut sim = recorders(1, SimConfig::instant(1));
    assert_eq!(sim.run_until_idle(Nanos::from_secs(1)), Stop::Idle);
    assert_eq!(sim.now(), Nanos::ZERO, "an idle world has no reason to move its clock");
    sim.act(A, set_timer(1, 100));
    assert_eq!(sim.run_for(Nanos::from_micros(40)), Stop::Deadline);
    assert_eq!(sim.now(), Nanos::from_micros(40));
    let fired = |sim: &Sim| seen(sim, 0).contains(&Seen::Timer(TimerId(1)));
    assert_eq!(sim.run_until(Nanos::from_micros(100), fired), Stop::Reached);
    assert_eq!(sim.now(), Nanos::from_micros(100));
    assert_eq!(sim.run_for(Nanos::from_micros(7)), Stop::Idle);
    assert_eq!(sim.now(), Nanos::from_micros(107));
}

#[test]
fn a_run_in_parts_is_the_run_in_one() {
    let mut parts = chatters(4, 100, SimConfig::shuffled(3));
    let mut whole = chatters(4, 100, SimConfig::shuffled(3));
    let mut events = 0;
    while parts.run_until_event(events, Nanos::from_secs(1)) == Stop::Reached {
        events += 37;
    }
    for effects in 0.. {
        if parts.run_until_effect(effects, Nanos::from_secs(1)) != Stop::Reached {
            break;
        }
    }
    assert_eq!(whole.run_for(Nanos::from_secs(2)), Stop::Idle);
    assert_eq!(parts.digest(), whole.digest());
    let mut by_effect = chatters(4, 100, SimConfig::shuffled(3));
    while by_effect.run_until_next_effect(Nanos::from_secs(1)) == Stop::Reached {
        let next = by_effect.effects() + 1;
        assert_eq!(by_effect.run_until_effect(next, Nanos::from_secs(1)), Stop::Reached);
        assert_eq!(by_effect.effects(), next);
    }
    assert_eq!(by_effect.digest(), whole.digest());
    assert_eq!(by_effect.effects(), whole.effects());
}

/// Sends three frames to its peer and writes in between, all in one event.
struct Burst;

impl Node for Burst {
    fn handle(&mut self, _: Nanos, event: Event, out: &mut Effects) {
        if let Event::Start = event {
            for number in 0..3 {
                out.set_timer(TimerId(number), Nanos::from_millis(1));
                out.send(B, number_frame(super::PLAIN, number), IoClass::Control);
            }
            out.disk(Token(0), DiskOp::List, IoClass::Control);
        }
    }

    fn digest(&self, _: &mut Digest) {}
}

#[test]
fn a_run_can_stop_among_the_effects_of_one_event_and_lose_the_rest() {
    let world = || {
        let build = |id, start| match id {
            A => Box::new(Burst) as Box<dyn Node>,
            _ => Box::new(Recorder { start, seen: Vec::new() }),
        };
        let mut sim = Sim::new(members(2, build), SimConfig::instant(1));
        sim.watch(&[A]);
        sim
    };
    for count in 0..=4 {
        let mut sim = world();
        assert_eq!(sim.run_until_effect(count, Nanos::from_secs(1)), Stop::Reached);
        assert_eq!(sim.effects(), count);
        let mut unharmed = world();
        let _ = unharmed.run_until_effect(count, Nanos::from_secs(1));
        sim.crash(A, true, Survival::None);
        assert_eq!(sim.run_until_idle(Nanos::from_secs(1)), Stop::Idle);
        assert_eq!(numbers(&sim, 1), (0..count.min(3)).collect::<Vec<_>>());
        assert_eq!(unharmed.run_until_idle(Nanos::from_secs(1)), Stop::Idle);
        assert_eq!(numbers(&unharmed, 1), [0, 1, 2], "held effects are carried out by the next run");
        assert_eq!(unharmed.effects(), 4);
    }
}

/// Answers every frame at once.
struct Echo;

impl Node for Echo {
    fn handle(&mut self, _: Nanos, event: Event, out: &mut Effects) {
        if let Event::Frame { from, frame } = event {
            out.send(from, frame, IoClass::Control);
        }
    }

    fn digest(&self, _: &mut Digest) {}
}

#[test]
fn two_nodes_that_answer_each_other_for_ever_at_one_instant_are_a_livelock() {
    let config = SimConfig { events_per_instant_max: 10_000, ..SimConfig::instant(1) };
    let mut sim = Sim::new(members(2, |_, _| Box::new(Echo)), config);
    assert_eq!(sim.run_until_idle(Nanos::from_secs(1)), Stop::Idle);
    sim.act(A, send(B, 1));
    assert_eq!(sim.run_for(Nanos::from_secs(1)), Stop::Livelock);
    assert_eq!(sim.now(), Nanos::ZERO);
}

#[test]
fn a_trace_tells_events_effects_and_faults() {
    let lines = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let sink = std::rc::Rc::clone(&lines);
    let mut sim = chatters(2, 10, SimConfig::shuffled(1));
    sim.trace_to(move |line| sink.borrow_mut().push(line.to_owned()));
    sim.schedule(Nanos::from_micros(300), node::fault::Fault::Pause { node: B });
    let _ = sim.run_for(Nanos::from_millis(5));
    let lines = lines.borrow();
    assert_eq!(lines[0].split_once(' ').expect("time and text").0, "0.000000000s");
    for part in ["<- start", "<- frame 0x0001 of 24 bytes", "-> send 0x0001", "set timer", "fault Pause"] {
        assert!(lines.iter().any(|line| line.contains(part)), "no {part:?} among {lines:#?}");
    }
    assert!(sim.node::<Chatter>(A).is_some());
}
