//! A second database node for the decoupled engine's volume, and clients of its own.
//!
//! It is not started unless a script says so. Whoever opens the volume fences the other; the supervisor starts the first one
//! again when it halts, and the second one never. Its clients do what the load does, so that what either database answers is
//! seen by the other's clients, and both histories are judged as one.

use std::sync::Arc;

use ::decoupled::Config;
use ::decoupled::writer::VolumeDriver;
use compute::ComputeNode;
use load::{LoadNode, Phase};
use node::{Member, Nanos, Node, NodeId, Role, Zone};
use workloads::Workload;

use super::World;
use crate::engines::LOAD;

/// The database node that may replace the first one.
pub const SUCCESSOR: NodeId = NodeId(8);

/// The clients of a successor.
pub const HEIRS: NodeId = NodeId(97);
/// How many, and how long they wait for an answer of a database that may be gone.
const HEIRS_COUNT: u32 = 2;
const HEIRS_PATIENCE: Nanos = Nanos::from_millis(40);
/// Above the sessions of any load.
const HEIRS_SESSION: u32 = 1 << 20;

/// A second database node for the same volume, with a generator of its own.
pub(super) fn successor(config: &Config) -> Member {
    let (compute, mut writer) = (config.compute.clone(), config.writer.clone());
    (writer.seed, writer.create) = (writer.seed ^ 1, false);
    let build = move |start| -> Box<dyn Node> {
        let driver = VolumeDriver::new(writer.clone(), start).expect("sizes of the first one");
        Box::new(ComputeNode::new(compute.clone(), driver).expect("sizes of the first one"))
    };
    let (role, zone, name) = (Role::Compute, Zone::B, "successor".into());
    Member { id: SUCCESSOR, name, role, zone, has_disk: false, build: Box::new(build) }
}

/// A load as a member: its programs are the workload's under `seed`, of an era of their own.
pub fn clients(load: load::Config, workload: Arc<dyn Workload>, id: NodeId, seed: u64) -> Member {
    let (name, first_era) = if id == LOAD { ("load", 1) } else { ("heirs", 2) };
    let build = move |life: u64| -> Box<dyn Node> {
        Box::new(LoadNode::new(load.clone(), workload.programs(seed, life as u16 + first_era)))
    };
    let (role, zone) = (Role::Load, Zone::A);
    Member { id, name: name.into(), role, zone, has_disk: false, build: Box::new(build) }
}

/// The clients of a successor: they do what the load does, with rows that tell who wrote them.
pub fn heirs(load: &load::Config, workload: Arc<dyn Workload>) -> Member {
    let mut config = load::Config::closed(SUCCESSOR, HEIRS_COUNT);
    (config.seed, config.first_session, config.timeout) = (load.seed ^ 1, HEIRS_SESSION, HEIRS_PATIENCE);
    (config.attempts_max, config.unavailable_pause, config.tick) =
        (load.attempts_max, load.unavailable_pause, load.tick);
    (config.acks_max, config.history_max) = (load.acks_max, load.history_max);
    let seed = config.seed;
    clients(config, workload, HEIRS, seed)
}

impl World<'_> {
    /// The clients of the successor, where there is one.
    pub fn heirs(&mut self) -> Option<&mut load::Core> {
        self.cast.successor?;
        Some(self.sim.node_mut::<LoadNode>(HEIRS)?.core())
    }

    /// The successor's clients work while it is up.
    pub(super) fn set_heirs(&mut self, node: NodeId, phase: Phase) {
        if self.cast.successor == Some(node)
            && let Some(heirs) = self.heirs()
        {
            heirs.set_phase(phase);
        }
    }
}
