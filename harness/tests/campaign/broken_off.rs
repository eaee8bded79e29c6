//! Recoveries broken off half way, over a tail that is not the same on any two storage nodes.

use decoupled::topology::{COMPUTE, STORAGE};
use decoupled::writer::WriterStatus;
use harness::campaign::decoupled::Database;
use harness::campaign::{Decoupled, Mailbox};
use node::fault::{Fault, LinkRule};
use node::{Nanos, NodeId, Rng};
use sim::{Sim, SimConfig, Stop, Survival};

use crate::crash::{check, probes};
use crate::number;
use crate::teller::{self, Teller};

/// Transactions of one run.
const TRANSACTIONS: u64 = 8;
/// How long the database stays down between two lives.
const DOWN: Nanos = Nanos::from_millis(4);
/// The longest a step of the run may take, in virtual time.
const PATIENCE: Nanos = Nanos::from_secs(10);

/// Every page is a protection group of its own: each transaction is a record or two in many of them.
fn build(seed: u64, rng: &mut Rng) -> Sim {
    let mut config = Decoupled::any().config(teller::schema(), 512, seed, rng);
    config.writer.geometry.pages_per_pg = 1;
    config.writer.batch_bytes_max = 256;
    config.writer.lease = config.writer.heartbeat + config.writer.lease_margin + Nanos::from_millis(2);
    config.storage.lease = config.writer.lease;
    let mut topology = decoupled::topology(&config).expect("sizes that work");
    topology.members.extend([Teller::member(TRANSACTIONS), Mailbox::member()]);
    Sim::new(topology, SimConfig::shuffled(seed))
}

fn link(sim: &mut Sim, from: NodeId, to: NodeId, loss: f64) {
    sim.apply(&Fault::Link { from, to, rule: LinkRule { loss, ..LinkRule::default() } });
}

/// Nodes fill no holes of one another, until this is mended.
fn gossip_is_lost(sim: &mut Sim, is_lost: bool) {
    for from in STORAGE {
        for to in STORAGE.into_iter().filter(|to| *to != from) {
            link(sim, from, to, if is_lost { 1.0 } else { 0.0 });
        }
    }
}

fn status(sim: &Sim) -> Option<WriterStatus> {
    sim.node::<Database>(COMPUTE).map(|database| database.storage().status())
}

fn kill_database(sim: &mut Sim) {
    sim.crash(COMPUTE, false, Survival::All);
    let _ = sim.run_for(DOWN);
}

/// One run; gives whether the recovery that was broken off would have ended the volume above what any node knew durable.
fn broken_off(seed: u64) -> Result<bool, String> {
    let mut rng = Rng::new(seed).fork("broken off", 0);
    let mut sim = build(seed, &mut rng.fork("sizes", 0));
    let some = rng.between(1, TRANSACTIONS - 2);
    if sim.run_until(PATIENCE, |sim| teller::acknowledged(sim) >= some) != Stop::Reached {
        return Err(format!("the workload did not begin: {:?}", sim.halts()));
    }
    // The next transaction reaches other nodes in each group.
    gossip_is_lost(&mut sim, true);
    for id in STORAGE {
        link(&mut sim, COMPUTE, id, [0.3, 0.6, 0.9][rng.below(3) as usize]);
    }
    let _ = sim.run_for(Nanos::from_micros(rng.between(200, 4_000)));
    kill_database(&mut sim);
    STORAGE.iter().for_each(|&id| link(&mut sim, COMPUTE, id, 0.0));
    sim.restart(COMPUTE);
    let is_settling = |sim: &Sim| status(sim).is_some_and(|status| status.stage.starts_with("settling"));
    if sim.run_until(PATIENCE, is_settling) != Stop::Reached {
        return Err(format!("the recovery did not get to its truncation: {:?}", status(&sim)));
    }
    let planned = status(&sim).expect("it was just looked at").vdl;
    let known = probes(&sim).map(|probe| probe.vdl).max();
    let _ = sim.run_for(Nanos::from_micros(rng.between(50, 400)));
    kill_database(&mut sim);
    // The next recovery does without one of the nodes that this one counted on.
    let lost = STORAGE[rng.below(STORAGE.len() as u64) as usize];
    sim.crash(lost, false, Survival::All);
    gossip_is_lost(&mut sim, false);
    sim.restart(COMPUTE);
    let is_open = |sim: &Sim| status(sim).is_some_and(|status| status.stage == "open");
    if sim.run_until(PATIENCE, is_open) != Stop::Reached {
        return Err(format!("five nodes are there and the volume does not open: {:?}", status(&sim)));
    }
    sim.restart(lost);
    check(&mut sim, TRANSACTIONS)?;
    Ok(known.is_some_and(|known| planned > known))
}

/// A recovery found the volume's end with the help of one node, wrote that end into truncation tables, told it in its
/// heartbeats, and died before four segments of every group had it. The next recovery, without that node, took the end for
/// durable: it kept a transaction's records in the groups where they were and went on without them in the others. A user
/// would have had torn trees and half transactions, and a writer that repeats one batch for ever. (Campaign seed 248.)
#[test]
fn a_recovery_broken_off_binds_the_next_one_to_nothing() {
    let (first, count) = (number("SEXTANT_SEED", 1), number("SEXTANT_SEEDS", 60));
    let mut ends_above = 0;
    for seed in first..first + count {
        let above = broken_off(seed).unwrap_or_else(|what| {
            panic!("seed {seed}: {what}\n    SEXTANT_SEED={seed} SEXTANT_SEEDS=1 cargo test -p harness --test campaign broken_off")
        });
        ends_above += u64::from(above);
    }
    println!("{count} recoveries broken off, {ends_above} of them with an end that was not durable yet");
    assert!(count < 60 || ends_above > count / 10, "{ends_above} of {count} tell anything");
}
