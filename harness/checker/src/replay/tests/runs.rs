//! Real loads against the model engine in virtual time, judged, and then spoilt and judged again.

use contract::{Key, Model, Outcome, Reply, Row, Transaction};
use load::reference_engines::ModelNode;
use load::{Config, LoadNode, Phase};
use node::fault::{Fault, LinkRule};
use node::{Delay, LinkModel, Member, Nanos, Node, NodeId, Rng, Role, Topology, Zone};
use sim::{Sim, SimConfig, Stop};
use workloads::{Settings, Workload, build};

use crate::bank::Bank;
use crate::durability::Check;
use crate::history::Value;
use crate::kv::Store;
use crate::recorded::Rows;
use crate::register::Register;
use crate::replay::check;
use crate::{list_append, recorded};

const LOAD: NodeId = NodeId(0);
const ENGINE: NodeId = NodeId(1);

struct Run {
    initial: Model,
    reached: Model,
    history: Vec<Transaction>,
    acks: Vec<contract::Ack>,
}

fn loaded(workload: &dyn Workload) -> Model {
    let mut model = Model::new(workload.schema());
    for shard in workload.load(1) {
        for (key, row) in shard.rows {
            model.load(shard.table, key, row);
        }
    }
    model
}

/// One second of eight clients over a link that loses replies for a while.
fn run(name: &str, seed: u64) -> Run {
    let workload = build(name, &Settings { tables: 1, rows: 40, distribution: None, seed }).unwrap();
    let initial = loaded(&*workload);
    let mut config = Config::closed(ENGINE, 8);
    (config.phase, config.seed, config.timeout) = (Phase::Measure, seed, Nanos::from_millis(40));
    (config.acks_max, config.history_max) = (1_000_000, 1_000_000);
    let model = initial.clone();
    let member =
        |id, role: Role, build| Member { id, name: role.name().into(), role, zone: Zone::A, has_disk: false, build };
    let load = Box::new(move |_| Box::new(LoadNode::new(config.clone(), workload.programs(seed, 1))) as Box<dyn Node>);
    let engine = Box::new(move |_| Box::new(ModelNode::new(model.clone(), Nanos::from_millis(20))) as Box<dyn Node>);
    let members = vec![member(LOAD, Role::Load, load), member(ENGINE, Role::Compute, engine)];
    let mut world = SimConfig::shuffled(seed);
    // Slow links, so that a second holds hundreds of transactions and not tens of thousands.
    let delay = Delay::Tailed { base: Nanos::from_micros(120), tail: Nanos::from_micros(120) };
    world.links.between = [[LinkModel { delay, ..LinkModel::DIRECT }; 3]; 3];
    let mut sim = Sim::new(Topology { members }, world);
    for round in 0..6 {
        let at = Nanos::from_millis(100 + 120 * round);
        let cut = LinkRule { loss: 0.5, ..LinkRule::default() };
        let (from, to) = if round % 3 == 0 { (LOAD, ENGINE) } else { (ENGINE, LOAD) };
        sim.schedule(at, Fault::Link { from, to, rule: cut });
        sim.schedule(at + Nanos::from_millis(15), Fault::Heal { from, to });
    }
    assert_eq!(sim.run_for(Nanos::from_secs(1)), Stop::Deadline);
    let now = sim.now();
    let core = sim.node_mut::<LoadNode>(LOAD).unwrap().core();
    core.abandon(now);
    assert_eq!(core.interval().findings, [] as [String; 0]);
    let (history, acks) = (core.take_history(), core.take_acks());
    let mut reached = sim.node::<ModelNode>(ENGINE).unwrap().model().clone();
    if reached.is_open() {
        reached.rollback().unwrap();
    }
    Run { initial, reached, history, acks }
}

fn rows(model: &Model) -> Vec<(contract::TableId, Key, Row)> {
    let tables = (0..model.schema().tables.len()).map(|table| contract::TableId(table as u16));
    tables.flat_map(|table| model.rows(table).map(move |(key, row)| (table, key.clone(), row.clone()))).collect()
}

#[test]
fn runs_against_the_model_are_valid_and_durable_whatever_was_lost() {
    let (mut unknown, mut applied) = (0, 0);
    for name in ["oltp_read_write", "oltp_write_only", "ycsb-a", "ycsb-e", "bank", "register", "list-append", "mixed"] {
        for seed in 0..2 {
            let run = run(name, seed);
            let report = check(run.initial.clone(), &run.history, 50);
            assert!(report.verdict.is_valid(), "{name} seed {seed}: {}", report.verdict);
            assert!(report.committed > 30, "{name} seed {seed}: {} committed", report.committed);
            unknown += report.unknown;
            applied += report.unknown_applied;
            let initial = rows(&run.initial);
            let durable = Check { unjournalled: 0 }.run(run.acks, initial.into_iter(), rows(&run.reached).into_iter());
            assert!(durable.verdict.is_valid(), "{name} seed {seed}: {}", durable.verdict);
        }
    }
    assert!(unknown > 40 && applied > 10, "{unknown} unknown, {applied} applied");
}

/// What the checkers of anybody's histories say of a run.
fn as_anybody(name: &str, history: &[Transaction]) -> crate::Report {
    let initial = Value::Int(0);
    let recorded = |rows| recorded::history(history, rows).expect("sessions do one thing at a time");
    match name {
        "register" => Register { initial }.check(&recorded(Rows::Registers)),
        "kv" => Store { initial, ..Store::default() }.check(&recorded(Rows::Registers)),
        "list-append" => list_append::check(&recorded(Rows::Lists)),
        _ => Bank { total: Some(40 * 1_000), negative: false }.check(&recorded(Rows::Accounts)),
    }
    .expect("a history of the model")
}

#[test]
fn the_checkers_of_anybodys_histories_agree_on_whole_runs_and_on_spoilt_ones() {
    let mut spoilt = 0;
    for (name, model) in
        [("register", "register"), ("register", "kv"), ("list-append", "list-append"), ("bank", "bank")]
    {
        for seed in 0..3 {
            let run = run(name, seed);
            let report = as_anybody(model, &run.history);
            assert!(report.verdict.is_valid(), "{model} seed {seed}: {report:?}");
            let mut rng = Rng::new(seed);
            for _ in 0..20 {
                let mut history = run.history.clone();
                let Some(at) = spoil(&mut history, &mut rng) else { continue };
                // A bank's transfers are nothing to a checker of totals, nor is a register's own name to one of its writers.
                if model == "list-append" || (model == "bank" && history[at].name == "check") {
                    let report = as_anybody(model, &history);
                    assert_eq!(report.verdict.name(), "invalid", "{model} seed {seed}: {report:?}");
                    spoilt += 1;
                }
            }
        }
    }
    assert!(spoilt > 20, "{spoilt} spoilt");
}

/// Changes one reply of a committed transaction as a broken engine would have given it.
fn spoil(history: &mut [Transaction], rng: &mut Rng) -> Option<usize> {
    let at = rng.below(history.len() as u64) as usize;
    let txn = &mut history[at];
    if !matches!(txn.outcome, Outcome::Ok(_)) {
        return None;
    }
    for (_, reply) in &mut txn.calls {
        match reply {
            Some(Ok(Reply::Row { row: Some(row), .. })) => {
                let zero = [0u8; 8];
                *row = row.with_field(0, &zero).unwrap();
                return Some(at);
            }
            Some(Ok(Reply::Value { value, .. })) => {
                *value += 1;
                return Some(at);
            }
            _ => {}
        }
    }
    None
}

#[test]
fn one_wrong_reply_among_thousands_is_found() {
    let mut found = 0;
    for seed in 0..4 {
        let run = run("bank", seed);
        let mut rng = Rng::new(seed);
        for _ in 0..20 {
            let mut history = run.history.clone();
            if spoil(&mut history, &mut rng).is_some() {
                let report = check(run.initial.clone(), &history, 50);
                assert_eq!(report.verdict.name(), "invalid", "{}", report.verdict);
                found += 1;
            }
        }
    }
    assert!(found > 20, "{found} spoilt");
}

#[test]
fn a_forgotten_commit_is_found_by_both_checkers() {
    for seed in 0..4 {
        let run = run("oltp_write_only", seed);
        // The engine forgot its last acknowledged write: the data is as if that transaction had never been.
        let mut history: Vec<Transaction> =
            run.history.iter().filter(|txn| matches!(txn.outcome, Outcome::Ok(_))).cloned().collect();
        history.sort_by_key(|txn| txn.outcome_position());
        let mut model = run.initial.clone();
        let kept = &history[..history.len() - 1];
        for txn in kept {
            model.begin().unwrap();
            for (statement, _) in &txn.calls {
                model.execute(statement).unwrap();
            }
            model.commit().unwrap();
        }
        let acks: Vec<_> = run.acks.iter().filter(|ack| ack.position.is_some()).cloned().collect();
        let check = |unjournalled| {
            let (initial, found) = (rows(&run.initial), rows(&model));
            Check { unjournalled }.run(acks.clone(), initial.into_iter(), found.into_iter()).verdict
        };
        assert_eq!(check(0).name(), "invalid");
        assert_eq!(check(8).name(), "invalid", "a killed journal does not excuse it");
    }
}

trait Position {
    fn outcome_position(&self) -> Option<contract::CommitPosition>;
}

impl Position for Transaction {
    fn outcome_position(&self) -> Option<contract::CommitPosition> {
        match self.outcome {
            Outcome::Ok(position) => Some(position),
            Outcome::Fail | Outcome::Info => None,
        }
    }
}
