//! One seed, one run: the same hash twice, streams that do not shift each other, copies that go the same way.

use node::fault::{DiskRule, Fault, LinkRule};
use node::{Delay, Nanos, Node, NodeId, Rng};

use super::{Chatter, Seen, chatters, recorders, seen, send};
use crate::{CpuModel, Sim, SimConfig, Stop, copy_as};

const NODES: u32 = 5;

/// Faults of every kind at random times, every node up and every link healed in the end.
fn schedule_faults(sim: &mut Sim, seed: u64) {
    let mut rng = Rng::new(seed).fork("faults", 0);
    for _ in 0..60 {
        let at = Nanos::from_micros(rng.between(0, 8_000));
        let later = at + Nanos::from_micros(rng.between(1, 2_000));
        let node = NodeId(rng.below(NODES.into()) as u32);
        let to = NodeId(rng.below(NODES.into()) as u32);
        let tail = Some(Delay::Tailed { base: Nanos::ZERO, tail: Nanos::from_micros(300) });
        let (begin, end) = match rng.below(5) {
            0 => (Fault::Crash { node, power: rng.chance(0.5) }, Fault::Restart { node }),
            1 => (Fault::Pause { node }, Fault::Resume { node }),
            2 => {
                let rule =
                    LinkRule { loss: 0.2, duplicate: 0.3, corrupt: 0.2, extra_delay: tail, ..LinkRule::default() };
                (Fault::Link { from: node, to, rule }, Fault::Heal { from: node, to })
            }
            3 => {
                let rule = LinkRule { cut: true, ..LinkRule::default() };
                (Fault::Link { from: node, to, rule }, Fault::Heal { from: node, to })
            }
            _ => {
                let full = rng.chance(0.1);
                let rule =
                    DiskRule { extra_delay: tail, read_error: 0.02, write_error: 0.02, full, ..DiskRule::default() };
                (Fault::Disk { node, rule }, Fault::DiskClear { node })
            }
        };
        sim.schedule(at, begin);
        sim.schedule(later, end);
    }
    for node in (0..NODES).map(NodeId) {
        sim.schedule(Nanos::from_millis(12), Fault::Resume { node });
        sim.schedule(Nanos::from_millis(12), Fault::Restart { node });
    }
}

fn chaos(config: SimConfig) -> Sim {
    let mut sim = chatters(NODES, 400, config.clone());
    schedule_faults(&mut sim, config.seed);
    assert_eq!(sim.run_until_idle(Nanos::from_secs(10)), Stop::Idle);
    sim
}

fn priced(seed: u64) -> SimConfig {
    let cores = [(NodeId(0), 0), (NodeId(1), 0)].into();
    SimConfig { cpu: CpuModel { event: Nanos(900), work_ns: [500; 6], cores }, ..SimConfig::shuffled(seed) }
}

#[test]
fn the_same_seed_gives_the_same_hash_and_another_seed_another() {
    let mut digests = Vec::new();
    let mut totals = (0, 0, 0, 0, 0, 0);
    for seed in 0..40 {
        for config in [SimConfig::shuffled(seed), priced(seed)] {
            let (first, second) = (chaos(config.clone()), chaos(config));
            assert_eq!(first.digest(), second.digest(), "seed {seed}");
            assert_eq!(first.events(), second.events());
            digests.push(first.digest());
            let links = first.link_counts();
            totals.0 += links.lost;
            totals.1 += links.duplicated;
            totals.2 += links.damaged;
            totals.3 += links.cut;
            totals.4 += links.overtaking;
            totals.5 += first.halts().len();
        }
    }
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 80, "two runs share a hash");
    let (lost, duplicated, damaged, cut, overtaking, halts) = totals;
    assert!(lost > 100 && duplicated > 100 && damaged > 100 && cut > 100, "{totals:?}");
    assert!(overtaking > 1_000 && halts > 20, "{totals:?}");
}

/// Debug and release, this machine and another: a seed means the same run. The value changes only when what the
/// simulator does changes, and then on purpose.
#[test]
fn a_pinned_run_is_the_same_in_every_build_and_on_every_machine() {
    let sim = chaos(priced(2026));
    assert_eq!(
        (sim.events(), sim.digest()),
        (5_242, node::Digest(133_688_306_695_851_038_425_270_604_974_867_764_777))
    );
}

#[test]
fn a_difference_inside_a_node_shows_in_the_hash() {
    let run = |meddle: bool| {
        let mut sim = chatters(3, 50, SimConfig::shuffled(1));
        let _ = sim.run_for(Nanos::from_micros(400));
        if meddle {
            sim.node_mut::<Chatter>(NodeId(1)).expect("there").sum ^= 1;
        }
        let _ = sim.run_until_idle(Nanos::from_secs(1));
        sim.digest()
    };
    assert_eq!(run(false), run(false));
    assert_ne!(run(false), run(true));
}

/// A draw added to one concern must not move another: with a lossy link between two nodes, the disk and the frames of
/// the others take place at the same times.
#[test]
fn streams_of_different_concerns_do_not_shift_each_other() {
    let run = |noisy: bool| {
        let mut config = SimConfig::shuffled(9);
        config.shuffle_ties = false;
        let mut sim = recorders(4, config);
        for round in 0..50 {
            sim.act(
                NodeId(2),
                node::Effect::Disk { token: node::Token(round), op: node::DiskOp::List, class: node::IoClass::Control },
            );
            if noisy {
                let rule = LinkRule { loss: 0.5, duplicate: 0.5, ..LinkRule::default() };
                sim.apply(&Fault::Link { from: NodeId(0), to: NodeId(1), rule });
                sim.act(NodeId(0), send(NodeId(1), round));
                sim.act(
                    NodeId(3),
                    node::Effect::Disk {
                        token: node::Token(round),
                        op: node::DiskOp::SyncDir,
                        class: node::IoClass::Control,
                    },
                );
            }
            let _ = sim.run_for(Nanos::from_micros(70));
        }
        let _ = sim.run_until_idle(Nanos::from_secs(1));
        sim.node::<super::Recorder>(NodeId(2)).expect("there").seen.clone()
    };
    let quiet = run(false);
    assert_eq!(quiet.len(), 51);
    assert_eq!(quiet, run(true));
}

#[test]
fn a_node_that_acts_differently_does_not_shift_what_its_disk_draws_for_others() {
    let order = |extra: bool| {
        let mut sim = recorders(2, SimConfig::shuffled(4));
        for token in 0..20 {
            if extra {
                sim.act(
                    NodeId(1),
                    node::Effect::Disk {
                        token: node::Token(token),
                        op: node::DiskOp::List,
                        class: node::IoClass::Control,
                    },
                );
            }
            sim.act(
                NodeId(0),
                node::Effect::Disk { token: node::Token(token), op: node::DiskOp::List, class: node::IoClass::Control },
            );
        }
        let _ = sim.run_until_idle(Nanos::from_secs(1));
        seen(&sim, 0)
    };
    assert_eq!(order(false), order(true));
    let submitted: Vec<_> = (0..20).map(|token| Seen::Disk(node::Token(token), true)).collect();
    assert_ne!(order(false)[1..], submitted, "completions keep no order");
}

#[test]
fn a_copy_goes_the_way_of_its_original_and_leaves_it_alone() {
    let copy = |_, node: &dyn Node| copy_as::<Chatter>(node);
    let mut original = chatters(NODES, 200, priced(6));
    schedule_faults(&mut original, 6);
    let mut reference = chatters(NODES, 200, priced(6));
    schedule_faults(&mut reference, 6);
    for _ in 0..40 {
        let _ = original.run_for(Nanos::from_micros(250));
        let mut fork = original.fork(&[], &copy).expect("chatters can be copied");
        assert_eq!(fork.digest(), original.digest());
        fork.apply(&Fault::Crash { node: NodeId(2), power: true });
        assert_eq!(fork.run_until_idle(Nanos::from_secs(1)), Stop::Idle);
    }
    let mut fork = original.fork(&[], &copy).expect("chatters can be copied");
    for sim in [&mut original, &mut fork, &mut reference] {
        assert_eq!(sim.run_until_idle(Nanos::from_secs(10)), Stop::Idle);
    }
    assert_eq!(original.digest(), reference.digest(), "copying disturbed the original");
    assert_eq!(fork.digest(), reference.digest(), "the copy went astray");
}

#[test]
fn a_world_with_a_node_that_cannot_be_copied_cannot_be_copied_unless_without_it() {
    let mut sim = chatters(3, 10, SimConfig::shuffled(1));
    let _ = sim.run_for(Nanos::from_micros(100));
    let picky = |id, node: &dyn Node| if id == NodeId(1) { None } else { copy_as::<Chatter>(node) };
    assert!(sim.fork(&[], &picky).is_none());
    let fork = sim.fork(&[NodeId(1)], &picky).expect("node 1 is left out");
    assert_eq!(*fork.status(NodeId(1)), crate::Status::Crashed);
    assert_eq!(fork.undurable(NodeId(1), true), sim.undurable(NodeId(1), true));
}
