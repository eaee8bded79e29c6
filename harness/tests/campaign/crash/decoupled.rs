//! `decoupled`, with each way to fence reads.

use compute::ComputeNode;
use decoupled::storage::{StorageNode, StorageProbe};
use decoupled::topology::{COMPUTE, STORAGE};
use decoupled::writer::{ReadFence, VolumeDriver};
use decoupled::{Config, Geometry};
use harness::campaign::decoupled::Database;
use harness::campaign::{Decoupled, Mailbox, Subject};
use node::{Nanos, Node, NodeId};
use sim::{Sim, SimConfig, copy_as};

use super::{SETTLE, Stage, Victims, go_on, has_substance, once, twice};
use crate::teller::{self, Teller};

/// Pages of 512 bytes, eight to a protection group; a log of four blocks, a page coalesced at its second record; periods of
/// a few milliseconds, so that a crash is recovered from in as many and there are few idle events between points.
fn config(seed: u64, read_fence: ReadFence) -> Config {
    let mut config = Config::tiny(teller::schema(), seed);
    config.writer.geometry = Geometry { page_bytes: 512, pages_per_pg: 8 };
    config.writer.read_fence = read_fence;
    config.writer.heartbeat = Nanos::from_millis(2);
    config.writer.lease_margin = Nanos::from_millis(1);
    config.writer.lease = Nanos::from_millis(5);
    config.writer.resend_min = Nanos::from_millis(3);
    config.writer.resend_max = Nanos::from_millis(20);
    config.writer.read_timeout = Nanos::from_millis(100);
    let storage = &mut config.storage;
    storage.lease = config.writer.lease;
    storage.superblock_bytes = 2048;
    storage.block_bytes_max = 1024;
    storage.extent_bytes = 2048;
    storage.log_bytes_target = 4096;
    storage.log_bytes_max = 16 << 10;
    storage.coalesce_chain = 2;
    storage.coalesce_pages_max = 4;
    storage.pages_grow_bytes = 8 << 10;
    storage.index_log_bytes = 4096;
    storage.tick = Nanos::from_micros(400);
    storage.gossip_every = Nanos::from_millis(2);
    storage.catch_up_every = Nanos::from_millis(2);
    storage.scrub_every = Nanos::from_millis(50);
    config
}

struct Six {
    seed: u64,
    read_fence: ReadFence,
}

impl Stage for Six {
    fn name(&self) -> String {
        format!("decoupled, read fence {}", self.read_fence.name())
    }

    fn world(&self, transactions: u64) -> Sim {
        let mut topology = decoupled::topology(&config(self.seed, self.read_fence)).expect("sizes that work");
        topology.members.extend([Teller::member(transactions), Mailbox::member()]);
        Sim::new(topology, SimConfig::shuffled(self.seed))
    }

    fn serving(&self, sim: &Sim) -> bool {
        let database = sim.node::<Database>(COMPUTE).is_some_and(|database| database.is_serving());
        database && probes(sim).count() == STORAGE.len()
    }

    fn copy(&self, id: NodeId, node: &dyn Node) -> Option<Box<dyn Node>> {
        if id == COMPUTE { copy_as::<ComputeNode<VolumeDriver>>(node) } else { copy_as::<StorageNode>(node) }
    }

    fn rest(&self, sim: &mut Sim) -> Result<(), String> {
        rest(sim)
    }

    fn substance(&self, sim: &Sim) -> Option<String> {
        let splits = sim.node::<Database>(COMPUTE).map_or(0, |database| database.stats().splits);
        let probes: Vec<StorageProbe> = probes(sim).collect();
        let coalesced = probes.iter().filter(|probe| probe.coalesced > 0).count();
        let collected = probes.iter().filter(|probe| probe.segments.iter().any(|segment| segment.base.0 > 0)).count();
        let groups = probes.iter().map(|probe| probe.segments.len()).min().unwrap_or(0);
        let enough = splits >= 2 && coalesced >= 4 && collected >= 1 && groups >= 2;
        (!enough).then(|| format!("{splits} splits, {coalesced} coalesced, {collected} collected, {groups} groups"))
    }
}

/// The storage nodes that serve.
pub fn probes(sim: &Sim) -> impl Iterator<Item = StorageProbe> {
    STORAGE.iter().filter_map(|&id| sim.node::<StorageNode>(id)?.probe())
}

fn rest(sim: &mut Sim) -> Result<(), String> {
    let subject = Decoupled::any();
    let _ = sim.run_until(SETTLE, |sim| subject.unsettled(sim).is_none());
    match subject.unsettled(sim) {
        Some(what) => Err(format!("the copies do not become equal: {what}")),
        None => Ok(()),
    }
}

/// What is there is right at once; the workload goes on to its end; then all copies agree.
pub fn check(sim: &mut Sim, transactions: u64) -> Result<(), String> {
    teller::audit(sim)?;
    go_on(sim, transactions)?;
    rest(sim)
}

const FENCES: [ReadFence; 3] = [ReadFence::Lease, ReadFence::Confirm, ReadFence::Published];

fn fenced(read_fence: ReadFence) -> Six {
    Six { seed: 11, read_fence }
}

#[test]
fn the_workload_has_substance() {
    for fence in FENCES {
        has_substance(&fenced(fence), 10);
    }
}

#[test]
fn the_writer_dies_at_every_effect() {
    let victims = Victims::new("writer", &[COMPUTE]);
    for fence in FENCES {
        once(&fenced(fence), &victims, 10, 1);
    }
}

#[test]
fn the_writer_dies_again_at_every_point_of_recovery() {
    let victims = Victims::new("writer", &[COMPUTE]);
    for fence in FENCES {
        twice(&fenced(fence), &victims, 3, 12);
    }
}

#[test]
fn a_storage_node_loses_power_at_every_effect() {
    for (name, node) in [("storage in the writer's zone", STORAGE[0]), ("storage in another zone", STORAGE[3])] {
        let coverage = once(&fenced(ReadFence::Lease), &Victims::new(name, &[node]), 10, 1);
        assert!(coverage.units_max > 1, "{coverage}");
    }
}

#[test]
fn a_storage_node_loses_power_again_at_every_point_of_recovery() {
    for (name, node) in [("storage in the writer's zone", STORAGE[0]), ("storage in another zone", STORAGE[3])] {
        twice(&fenced(ReadFence::Lease), &Victims::new(name, &[node]), 2, 20);
    }
}

#[test]
fn a_zone_loses_power_at_every_effect() {
    once(&fenced(ReadFence::Lease), &Victims::new("zone az-b", &STORAGE[2..4]), 10, 9);
    once(&fenced(ReadFence::Lease), &Victims::new("writer's zone", &[COMPUTE, STORAGE[0], STORAGE[1]]), 10, 9);
}

#[test]
fn a_zone_loses_power_again_at_every_point_of_recovery() {
    twice(&fenced(ReadFence::Lease), &Victims::new("zone az-b", &STORAGE[2..4]), 2, 100);
    twice(&fenced(ReadFence::Lease), &Victims::new("writer's zone", &[COMPUTE, STORAGE[0], STORAGE[1]]), 2, 100);
}

fn everything() -> Victims {
    let all: Vec<NodeId> = STORAGE.into_iter().chain([COMPUTE]).collect();
    Victims::all("all seven nodes", &all)
}

#[test]
fn everything_loses_power_at_every_effect() {
    for fence in FENCES {
        once(&fenced(fence), &everything(), 10, 90);
    }
}

#[test]
fn everything_loses_power_again_at_every_point_of_recovery() {
    for fence in FENCES {
        twice(&fenced(fence), &everything(), 2, 400);
    }
}
