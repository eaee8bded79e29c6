//! Scripts as text.

use node::{NodeId, Rng, Zone};

use super::*;
use crate::catalogue::{Carrier, ROWS};
use crate::{Act, Cast, Generator, Plan};

fn cast(names: &Names) -> Cast {
    let others: Vec<(NodeId, Zone)> = (2..8).map(|id| (NodeId(id), Zone::ALL[(id as usize - 2) / 2])).collect();
    let with_disk = others.iter().map(|other| other.0).collect();
    let (clients, database, database_zone) = (NodeId(0), NodeId(1), Zone::A);
    let (class, names) = (EngineClass::Decoupled, names.clone());
    Cast { class, clients, database, database_zone, others, successor: None, with_disk, names }
}

fn script(seed: u64) -> Script {
    let nodes = (0..8).map(|id| (format!("node-{id}"), id)).collect();
    let (format, version) = Header::format();
    let span = Nanos::from_millis(300);
    let names = Names(nodes);
    let (rows, episodes_max) = (ROWS.iter().collect(), crate::EPISODES_MAX);
    let plan =
        Plan { rows, swarm: true, demand: Demand::Safety, span, episodes_max, divided: 0.0, carrier: Carrier::Sim };
    let schedule = Schedule::draw(&plan, &cast(&names), &mut Rng::new(seed));
    let header = Header {
        format,
        version,
        suite: "swarm".into(),
        engine: "decoupled".into(),
        seed,
        demand: "safety".into(),
        rows: schedule.rows.iter().map(|row| row.id.to_owned()).collect(),
        clients: 3,
        tables: 2,
        keys: 20,
        page_bytes: 512,
        span: words::span(span),
        nodes: names.0,
    };
    let generator = if seed.is_multiple_of(2) { Generator::Grammar } else { Generator::Stories };
    let operations = generator.draw(80, span, 2, 20, &mut Rng::new(seed));
    Script { header, operations, faults: schedule.faults }
}

#[test]
fn a_script_reads_back_as_it_was() {
    for seed in 0..200 {
        let script = script(seed);
        let again = Script::from_text(&script.to_text()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(again, script, "seed {seed}");
        assert_eq!(again.hash(), script.hash());
    }
    assert_ne!(script(1).hash(), script(2).hash());
}

#[test]
fn what_is_no_script_is_refused_with_its_line() {
    let text = script(2).to_text();
    let header = text.lines().next().expect("a header").to_owned();
    let cases = [
        ("", "line 1: the file is empty"),
        ("{}", "line 1: missing field"),
        (&header.replace("\"version\":1", "\"version\":7"), "line 1: this is sextant-script version 7"),
        (&header.replace("\"decoupled\"", "\"decopled\""), "no engine under chaos is named `decopled`"),
        (&header.replace("\"keys\":20", "\"kees\":20"), "unknown field `kees`"),
        (&format!("{header}\n{{\"at\":\"3\",\"txn\":[\"get 0 1\"]}}"), "line 2: `3` is no length of time"),
        (&format!("{header}\n{{\"at\":\"193645s\",\"txn\":[\"get 0 1\"]}}"), "line 2: `193645s` is more than an hour"),
        (&format!("{header}\n{{\"at\":\"3ms\",\"txn\":[\"got 0 1\"]}}"), "line 2: `got 0 1` is no statement"),
        (&format!("{header}\n{{\"at\":\"3ms\",\"txn\":[\"get 9 1\"]}}"), "line 2: a transaction has statements"),
        (&format!("{header}\n{{\"at\":\"3ms\",\"row\":\"D99\",\"fault\":\"wipe node-2\"}}"), "no row `D99`"),
        (
            &format!("{header}\n{{\"at\":\"3ms\",\"row\":\"D9\",\"fault\":\"wipe node-x\"}}"),
            "no node is named `node-x`",
        ),
        (
            &format!("{header}\n\n{{\"at\":\"3ms\",\"row\":\"N1\",\"fault\":\"link node-1 > node-2 loss 2\"}}"),
            "line 3: `2` is no probability",
        ),
    ];
    for (text, why) in cases {
        let error = Script::from_text(text).expect_err(why).to_string();
        assert!(error.contains(why), "{error}, where {why} is meant");
    }
}

/// A fuzzed script named a node that its header had and its world had not, and the simulator panicked about it.
#[test]
fn acts_about_nodes_that_a_world_has_not_are_found() {
    let mut script = script(1);
    let world = cast(&Names(script.header.nodes.clone()));
    assert_eq!(script.astray(&world), None);
    script.header.nodes.insert("successor".to_owned(), 8);
    let act = Act::Swap { one: NodeId(2), other: NodeId(8) };
    script.faults.push(Timed { at: Nanos::from_millis(7), row: &ROWS[0], act });
    let why = script.astray(&world).expect("somebody is not there");
    assert_eq!(why, "the act at 7ms is about `successor` (node 8), and no such node is in this world");
}
