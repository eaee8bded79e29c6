//! Faults that no script tells of, planted behind the engine's back: they must be found, and what finds them made small.

use harness::chaos::play::{Playing, Seen, play};
use harness::chaos::shrink::{alike, shrink};
use harness::chaos::{Suite, author};
use nemesis::{Act, EngineClass, Script};
use node::fault::Fault;
use node::{FileName, NodeId};
use sim::Sim;

/// After a power failure of the database node, a stretch of its log is gone: as if it had acknowledged before the log was
/// durable.
fn forget_the_log(sim: &mut Sim, act: &Act) {
    let Act::Primitive(Fault::Crash { node, power: true }) = *act else { return };
    let Some(disk) = sim.disk_mut(node) else { return };
    for (name, len_bytes) in disk.list() {
        if name.as_str().starts_with("log") {
            disk.damage(&name, 0, &vec![0; len_bytes as usize]);
        }
    }
}

/// Every storage node that is cut off takes a stranger's superblock.
fn exchange_identity(sim: &mut Sim, act: &Act) {
    let Act::Primitive(Fault::Crash { node, .. }) = *act else { return };
    let name = FileName::new("superblock");
    let other = NodeId(if node == NodeId(2) { 3 } else { 2 });
    let Some(bytes) = sim.disk(other).and_then(|disk| disk.contents(&name)) else { return };
    if let Some(disk) = sim.disk_mut(node) {
        disk.damage(&name, 0, &bytes);
    }
}

fn found(suite: &str, class: EngineClass, playing: Playing) -> Script {
    let suite = Suite::find(suite).expect("built in");
    let scripts = (1..400).map(|seed| author(&suite, class, seed).expect("a script"));
    let mut failing = scripts.filter(|script| play(script, &playing).seen.failure().is_some());
    failing.next().expect("a planted fault is found within 400 seeds")
}

#[test]
fn a_log_that_is_lost_is_found_and_its_script_made_small() {
    let playing = Playing { sabotage: Some(forget_the_log), ..Playing::default() };
    let script = found("swarm", EngineClass::Coupled, playing);
    assert!(play(&script, &Playing::default()).seen.failure().is_none(), "without the planted fault all is well");
    let small = shrink(&script, playing, || true).expect("it fails");
    assert!(alike(&play(&script, &playing).seen, &small.played.seen));
    assert!(small.script.events() <= 4, "{} events are left:\n{}", small.script.events(), small.script.to_text());
    assert!(small.tries < 400, "{} tries", small.tries);
    let again = Script::from_text(&small.script.to_text()).expect("its own text");
    assert_eq!(play(&again, &playing).seen, small.played.seen, "the small script fails when it is read back");
}

#[test]
fn a_node_with_anothers_identity_is_found() {
    let playing = Playing { timeline: true, sabotage: Some(exchange_identity), ..Playing::default() };
    let script = found("swarm", EngineClass::Decoupled, playing);
    let played = play(&script, &playing);
    assert!(matches!(played.seen, Seen::Violation(_) | Seen::Liveness(_) | Seen::Broken { .. }), "{:?}", played.seen);
    assert!(played.timeline.iter().any(|(_, what)| what.contains("belongs to")), "{:?}", played.timeline);
}

#[test]
fn a_script_that_does_not_fail_is_not_made_small() {
    let script = author(&Suite::find("quiet").expect("built in"), EngineClass::Coupled, 1).expect("a script");
    assert!(shrink(&script, Playing::default(), || true).is_none());
}
