//! `coupled`: one node, one disk.

use contract::Schema;
use coupled::topology::COMPUTE;
use coupled::{Config, CoupledNode, ZoneLoss};
use harness::campaign::Mailbox;
use node::{Node, NodeId};
use sim::{Sim, SimConfig, Stop, copy_as};

use super::{SETTLE, Stage, Victims, has_substance, once, twice};
use crate::teller::{self, Teller};

/// Pages of 512 bytes, a log of three segments of 4 KiB and the smallest cache that works.
pub(super) fn config(schema: Schema, seed: u64, zone_loss: ZoneLoss) -> Config {
    let mut config = Config::tiny(schema, seed);
    config.compute.txn_pages_max = 12;
    config.compute.txn_bytes_max = 3072;
    config.compute.cache_bytes = compute::ComputeConfig::cache_bytes_min(512, 12);
    config.log.segment_bytes = 4096;
    config.log.segments = 3;
    config.log.block_bytes_max = 2048;
    config.page_file_chunk_bytes = 8 * 512;
    config.recovery.chunk_bytes = 4096;
    config.mirror.zone_loss = zone_loss;
    config.mirror.region_bytes = 4096;
    config
}

/// Waits until nothing is dirty and the checkpoint is at the log's end.
pub(super) fn settle(sim: &mut Sim) -> Result<(), String> {
    match sim.run_until(SETTLE, is_settled) {
        Stop::Reached => Ok(()),
        stop => Err(format!("deferred work is not done ({stop:?}); halts: {:?}", sim.halts())),
    }
}

/// Whether the database has no work put off, and nothing in flight.
pub(super) fn is_settled(sim: &Sim) -> bool {
    sim.node::<CoupledNode>(COMPUTE).is_some_and(|node| node.storage().is_settled())
}

/// Splits, pages flushed and checkpoints that a workload lacks.
pub(super) fn lacks(sim: &Sim) -> Option<String> {
    let node = sim.node::<CoupledNode>(COMPUTE)?;
    let (splits, probe) = (node.stats().splits, node.storage().probe()?);
    let enough = splits >= 2 && probe.pages_flushed > 4 && probe.checkpoints >= 2;
    (!enough).then(|| format!("{splits} splits, {probe:?}"))
}

struct One;

impl Stage for One {
    fn name(&self) -> String {
        "coupled".into()
    }

    fn world(&self, transactions: u64) -> Sim {
        let config = config(teller::schema(), 4, ZoneLoss::Stop);
        let mut topology = coupled::local(&config).expect("sizes that work");
        topology.members.extend([Teller::member(transactions), Mailbox::member()]);
        Sim::new(topology, SimConfig::shuffled(4))
    }

    fn serving(&self, sim: &Sim) -> bool {
        sim.node::<CoupledNode>(COMPUTE).is_some_and(CoupledNode::is_serving)
    }

    fn copy(&self, _: NodeId, node: &dyn Node) -> Option<Box<dyn Node>> {
        copy_as::<CoupledNode>(node)
    }

    fn rest(&self, sim: &mut Sim) -> Result<(), String> {
        settle(sim)
    }

    fn substance(&self, sim: &Sim) -> Option<String> {
        lacks(sim)
    }
}

#[test]
fn power_fails_at_every_effect() {
    has_substance(&One, 8);
    let coverage = once(&One, &Victims::all("database", &[COMPUTE]), 8, 1);
    assert!(coverage.units_max > 1, "{coverage}");
}

#[test]
fn power_fails_again_at_every_point_of_recovery() {
    twice(&One, &Victims::all("database", &[COMPUTE]), 4, 1);
}
