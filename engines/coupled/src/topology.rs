//! The engine's nodes: one with a local disk, or the six of the mirrored topology.

use compute::ComputeNode;
use node::{Member, NodeId, Rng, Role, Topology, Zone};
use thiserror::Error;

use crate::config::{Config, ConfigError};
use crate::io::WATCHDOG_TIMER;
use crate::mirror::{Identity, StandbyNode, VolumeNode, VolumeNodeConfig};
use crate::storage::CoupledStorage;
use crate::volume::{LocalVolume, MirroredVolume, Volume};

/// The compute node's id. The load generator's is 0; whoever hosts the topology adds it.
pub const COMPUTE: NodeId = NodeId(1);
/// The writer's volume.
pub const EBS_A1: NodeId = NodeId(2);
/// Its mirror.
pub const EBS_A2: NodeId = NodeId(3);
/// The standby instance.
pub const STANDBY: NodeId = NodeId(4);
/// The standby's volume.
pub const EBS_B1: NodeId = NodeId(5);
/// Its mirror.
pub const EBS_B2: NodeId = NodeId(6);

/// A configuration that cannot make a topology.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TopologyError {
    /// The storage's part.
    #[error(transparent)]
    Storage(#[from] ConfigError),
    /// The compute layer's part.
    #[error(transparent)]
    Compute(#[from] compute::ConfigError),
}

/// The compute node of both topologies, to look into it from a runtime.
pub type CoupledNode = ComputeNode<CoupledStorage>;

/// `coupled`: one node with a local disk.
pub fn local(config: &Config) -> Result<Topology, TopologyError> {
    let volume =
        |config: &Config, _: &Rng| -> Box<dyn Volume> { Box::new(LocalVolume::new(config.io_timeout, WATCHDOG_TIMER)) };
    Ok(Topology { members: vec![compute_member(config, true, volume)?] })
}

/// `coupled-mirrored`: SIGMOD 2017, figure 2. The compute node has no disk; it reaches its volume and the standby over
/// links.
pub fn mirrored(config: &Config) -> Result<Topology, TopologyError> {
    let mut members = vec![compute_member(config, false, mirrored_volume)?];
    members.extend(mirrored_servers(config));
    Ok(Topology { members })
}

/// The volume of `coupled-mirrored` as its compute node sees it.
pub fn mirrored_volume(config: &Config, rng: &Rng) -> Box<dyn Volume> {
    Box::new(MirroredVolume::new(config.mirror.clone(), config.planted, EBS_A1, STANDBY, rng))
}

/// The nodes of `coupled-mirrored` besides the compute node: volumes, mirrors and the standby.
pub fn mirrored_servers(config: &Config) -> Vec<Member> {
    let volume = |id, name: &str, zone, client, mirror| {
        let (seed, retransmit, planted) = (config.seed, config.mirror.retransmit, config.planted);
        let io_timeout = config.io_timeout;
        let identity = Identity { database: config.volume, name: name.into() };
        let first_hop = client == COMPUTE;
        Member {
            id,
            name: name.into(),
            role: Role::Volume,
            zone,
            has_disk: true,
            build: Box::new(move |starts| {
                let (identity, clients) = (identity.clone(), vec![client]);
                let config = VolumeNodeConfig { identity, clients, mirror, first_hop, retransmit, io_timeout, planted };
                Box::new(VolumeNode::new(config, &rng_of(seed, id, starts)))
            }),
        }
    };
    let (seed, retransmit) = (config.seed, config.mirror.retransmit);
    vec![
        volume(EBS_A1, "ebs-a1", Zone::A, COMPUTE, Some(EBS_A2)),
        volume(EBS_A2, "ebs-a2", Zone::A, EBS_A1, None),
        Member {
            id: STANDBY,
            name: "standby".into(),
            role: Role::Standby,
            zone: Zone::B,
            has_disk: false,
            build: Box::new(move |starts| {
                Box::new(StandbyNode::new(COMPUTE, EBS_B1, retransmit, &rng_of(seed, STANDBY, starts)))
            }),
        },
        volume(EBS_B1, "ebs-b1", Zone::B, STANDBY, Some(EBS_B2)),
        volume(EBS_B2, "ebs-b2", Zone::B, EBS_B1, None),
    ]
}

/// The generator of one life of a node.
pub fn rng_of(seed: u64, id: NodeId, starts: u64) -> Rng {
    Rng::new(seed).fork("node", u64::from(id.0)).fork("start", starts)
}

fn compute_member(
    config: &Config,
    has_disk: bool,
    volume: impl Fn(&Config, &Rng) -> Box<dyn Volume> + Send + 'static,
) -> Result<Member, TopologyError> {
    config.check()?;
    let config = config.clone();
    let make = move |starts| {
        let volume = volume(&config, &rng_of(config.seed, COMPUTE, starts));
        ComputeNode::new(config.compute.clone(), CoupledStorage::new(config.clone(), volume))
    };
    make(0)?;
    Ok(Member {
        id: COMPUTE,
        name: "compute".into(),
        role: Role::Compute,
        zone: Zone::A,
        has_disk,
        build: Box::new(move |starts| Box::new(make(starts).expect("checked when the topology was made"))),
    })
}
