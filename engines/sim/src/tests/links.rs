//! What links do to frames.

use node::fault::{Fault, LinkRule};
use node::{Delay, LinkModel, LinkProfile, Nanos, NodeId, Zone};

use super::{Recorder, Seen, numbers, recorders, seen, send};
use crate::{Sim, SimConfig};

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);

fn rule(rule: LinkRule) -> Fault {
    Fault::Link { from: A, to: B, rule }
}

fn cut() -> Fault {
    rule(LinkRule { cut: true, ..LinkRule::default() })
}

/// A world whose links all take exactly `delay_us`.
fn constant(delay_us: u64, bandwidth_bytes_per_s: Option<u64>) -> SimConfig {
    let delay = Delay::Constant(Nanos::from_micros(delay_us));
    let model = LinkModel { delay, bandwidth_bytes_per_s, loss: 0.0 };
    let links = LinkProfile { name: "constant".into(), between: [[model; 3]; 3] };
    SimConfig { links, ..SimConfig::instant(1) }
}

fn send_all(sim: &mut Sim, count: u64) {
    for number in 0..count {
        sim.act(A, send(B, number));
    }
}

fn settle(sim: &mut Sim) {
    assert_eq!(sim.run_until_idle(Nanos::from_secs(60)), crate::Stop::Idle);
}

#[test]
fn frames_arrive_after_the_delay_of_their_zones() {
    let mut config = constant(10, None);
    config.links.between[Zone::A as usize][Zone::B as usize].delay = Delay::Constant(Nanos::from_micros(500));
    let mut sim = recorders(4, config);
    for to in [0, 1, 2, 3] {
        sim.act(A, send(NodeId(to), 1));
    }
    settle(&mut sim);
    let arrived_us = |id| {
        let recorder: &Recorder = sim.node(NodeId(id)).expect("there");
        recorder.seen[1].0.0 / 1_000
    };
    assert_eq!([0, 1, 2, 3].map(arrived_us), [0, 500, 10, 10], "a node reaches itself at once");
}

#[test]
fn bandwidth_makes_frames_wait_for_each_other() {
    // 24 bytes a frame at 24 MB/s: a microsecond each.
    let mut sim = recorders(2, constant(5, Some(24_000_000)));
    send_all(&mut sim, 4);
    settle(&mut sim);
    let recorder: &Recorder = sim.node(B).expect("there");
    let arrivals: Vec<u64> = recorder.seen[1..].iter().map(|(at, _)| at.0).collect();
    assert_eq!(arrivals, [6_000, 7_000, 8_000, 9_000]);
}

#[test]
fn a_cut_stops_frames_sent_and_frames_under_way() {
    let mut sim = recorders(2, constant(100, None));
    sim.act(A, send(B, 1));
    let _ = sim.run_for(Nanos::from_micros(50));
    sim.apply(&cut());
    sim.act(A, send(B, 2));
    sim.act(B, send(A, 3));
    let _ = sim.run_for(Nanos::from_micros(200));
    assert_eq!(numbers(&sim, 1), []);
    assert_eq!(numbers(&sim, 0), [3], "a cut has one direction");
    sim.apply(&Fault::Heal { from: A, to: B });
    sim.act(A, send(B, 4));
    settle(&mut sim);
    assert_eq!(numbers(&sim, 1), [4]);
    assert_eq!(sim.link_counts().cut, 2);
}

#[test]
fn frames_are_lost_and_duplicated_as_often_as_the_rule_says() {
    let mut sim = recorders(2, SimConfig::shuffled(2));
    sim.apply(&rule(LinkRule { loss: 0.25, duplicate: 0.5, ..LinkRule::default() }));
    send_all(&mut sim, 4_000);
    settle(&mut sim);
    let counts = sim.link_counts();
    assert!((900..1_100).contains(&counts.lost), "{counts:?}");
    assert!((1_400..1_600).contains(&counts.duplicated), "{counts:?}");
    let arrived = numbers(&sim, 1);
    assert_eq!(arrived.len() as u64, counts.sent - counts.lost + counts.duplicated);
    let mut distinct = arrived;
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len() as u64, counts.sent - counts.lost);
}

#[test]
fn a_profile_can_be_lossy_without_any_rule() {
    let mut config = constant(10, None);
    config.links.between[Zone::A as usize][Zone::B as usize].loss = 0.5;
    let mut sim = recorders(2, config);
    send_all(&mut sim, 1_000);
    settle(&mut sim);
    assert!((400..600).contains(&numbers(&sim, 1).len()));
}

#[test]
fn damaged_frames_are_counted_and_never_delivered() {
    let mut sim = recorders(2, SimConfig::shuffled(3));
    sim.apply(&rule(LinkRule { corrupt: 0.3, ..LinkRule::default() }));
    send_all(&mut sim, 2_000);
    settle(&mut sim);
    let damaged = sim.link_counts().damaged;
    assert!((500..700).contains(&damaged), "{damaged}");
    assert_eq!(sim.ledger(B).frames_refused, damaged);
    let arrived = numbers(&sim, 1);
    assert_eq!(arrived.len() as u64, 2_000 - damaged);
    assert!(arrived.iter().all(|&number| number < 2_000));
}

#[test]
fn delays_reorder_unless_links_keep_order() {
    let run = |links_in_order: bool, extra_delay: Option<Delay>| {
        let config = SimConfig { links_in_order, shuffle_ties: false, ..SimConfig::shuffled(4) };
        let mut sim = recorders(2, config);
        sim.apply(&rule(LinkRule { extra_delay, ..LinkRule::default() }));
        send_all(&mut sim, 200);
        settle(&mut sim);
        let arrived = numbers(&sim, 1);
        assert_eq!(arrived.len(), 200);
        (arrived.is_sorted(), sim.link_counts().overtaking)
    };
    let extra = Some(Delay::Tailed { base: Nanos::ZERO, tail: Nanos::from_micros(100) });
    assert_eq!(run(true, None), (true, 0));
    for (sorted, overtaking) in [run(false, None), run(true, extra)] {
        assert!(!sorted && overtaking > 20, "{overtaking} overtook");
    }
}

#[test]
fn a_frame_to_a_node_that_is_down_or_unknown_is_lost() {
    let mut sim = recorders(2, constant(10, None));
    sim.act(A, send(B, 1));
    sim.apply(&Fault::Crash { node: B, power: false });
    settle(&mut sim);
    assert_eq!(sim.link_counts().unreceived, 1);
    sim.act(A, send(NodeId(99), 2));
    sim.apply(&Fault::Restart { node: B });
    settle(&mut sim);
    assert_eq!(seen(&sim, 1), [Seen::Start]);
}

#[test]
fn an_injected_frame_needs_no_link() {
    let mut sim = recorders(2, constant(10, None));
    sim.apply(&cut());
    sim.inject(A, B, super::number_frame(super::PLAIN, 8));
    let _ = sim.run_for(Nanos::ZERO);
    assert_eq!(seen(&sim, 1), [Seen::Start, Seen::Frame(A, 8)]);
}
