//! The nodes of the engine: one compute node with the volume driver, six storage nodes.

use compute::{ComputeConfig, ComputeNode};
use contract::Schema;
use node::{Member, NodeId, Role, Topology, Zone};

use crate::quorum::MEMBERS;
use crate::storage::{StorageConfig, storage_members};
use crate::writer::{VolumeDriver, WriterConfig};
use crate::{Geometry, VolumeId};

/// The compute node, which clients speak to.
pub const COMPUTE: NodeId = NodeId(1);
/// The six storage nodes, by member index: two in each zone.
pub const STORAGE: [NodeId; MEMBERS] = [NodeId(2), NodeId(3), NodeId(4), NodeId(5), NodeId(6), NodeId(7)];

/// Everything the engine's nodes are told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The compute layer.
    pub compute: ComputeConfig,
    /// The volume driver.
    pub writer: WriterConfig,
    /// The storage nodes.
    pub storage: StorageConfig,
}

impl Config {
    /// The defaults: pages of 16 KiB, protection groups of 64 MiB, so that a laptop's data set has several.
    pub fn new(schema: Schema, seed: u64) -> Config {
        let compute = ComputeConfig::new(schema);
        let volume = VolumeId(seed ^ 0x5e7a_9c01_d3b2_4f68);
        let geometry = Geometry { page_bytes: compute.page_bytes as u32, pages_per_pg: 4096 };
        let writer = WriterConfig::new(volume, geometry, STORAGE, seed);
        let storage = StorageConfig { lease: writer.lease, ..StorageConfig::new(volume, STORAGE, seed) };
        Config { compute, writer, storage }
    }

    /// Small everything, so that a short run splits, evicts, grows, coalesces and collects.
    pub fn tiny(schema: Schema, seed: u64) -> Config {
        let mut config = Config::new(schema, seed);
        config.compute.page_bytes = 512;
        config.compute.txn_pages_max = 24;
        config.compute.txn_bytes_max = 16 << 10;
        config.compute.cache_bytes = ComputeConfig::cache_bytes_min(512, 24);
        config.writer.geometry = Geometry { page_bytes: 512, pages_per_pg: 16 };
        let volume = config.writer.volume;
        config.storage = StorageConfig { lease: config.writer.lease, ..StorageConfig::small(volume, STORAGE, seed) };
        config
    }

    /// What is wrong with the values, for a person.
    pub fn check(&self) -> Result<(), String> {
        self.writer.check()?;
        self.storage.check()?;
        if self.writer.geometry.page_bytes as usize != self.compute.page_bytes {
            return Err("the volume's pages and the cache's must have one size".to_owned());
        }
        if self.storage.lease < self.writer.lease {
            return Err("storage nodes must remember leases at least as long as the writer believes in them".to_owned());
        }
        let driver = VolumeDriver::new(self.writer.clone(), 0)?;
        ComputeNode::new(self.compute.clone(), driver).map(|_| ()).map_err(|error| error.to_string())
    }
}

/// The engine's nodes. Fails when the configuration is impossible.
pub fn topology(config: &Config) -> Result<Topology, String> {
    config.check()?;
    let (compute, writer) = (config.compute.clone(), config.writer.clone());
    let build = move |start: u64| -> Box<dyn node::Node> {
        let driver = VolumeDriver::new(writer.clone(), start).expect("checked before");
        Box::new(ComputeNode::new(compute.clone(), driver).expect("checked before"))
    };
    let mut members = vec![Member {
        id: COMPUTE,
        name: "compute".into(),
        role: Role::Compute,
        zone: Zone::A,
        has_disk: false,
        build: Box::new(build),
    }];
    members.extend(storage_members(&config.storage)?);
    Ok(Topology { members })
}
