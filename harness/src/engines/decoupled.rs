//! The Aurora-style engine.

use std::any::Any;

use compute::ComputeNode;
use contract::Schema;
use decoupled::VolumeId;
use decoupled::message::settle_frame;
use decoupled::storage::{StorageNode, storage_members};
use decoupled::topology::{Config, STORAGE};
use decoupled::writer::VolumeDriver;
use node::{Frame, Member, NodeId, Topology};
use serde_json::{Value, json};

use super::{Engine, Gauges, Setup, compute_gauges};
use crate::exit::Failure;
use crate::floors;

/// The storage nodes of the volume that `seed` names, for processes of their own, and the volume.
///
/// # Errors
///
/// None with the sizes there are.
pub fn storage_nodes(seed: u64) -> Result<(VolumeId, Vec<Member>), Failure> {
    let storage = Config::new(Schema::default(), seed).storage;
    let members = storage_members(&storage).map_err(|error| Failure::usage(format!("decoupled: {error}")))?;
    Ok((storage.volume, members))
}

/// Log shipping to six storage nodes in three zones.
#[derive(Debug)]
pub struct Decoupled;

fn config(setup: &Setup) -> Config {
    let mut config = Config::new(setup.schema.clone(), setup.seed);
    config.compute.page_bytes = setup.page_bytes;
    config.compute.cache_bytes = setup.cache_bytes as usize;
    config.writer.geometry.page_bytes = setup.page_bytes as u32;
    config.writer.create = setup.create;
    // An epoch's owner is drawn from this seed. Were it the same in two processes, the second would not fence the first.
    config.writer.seed = node::Rng::new(setup.seed).fork("writer's process", u64::from(setup.era)).next_u64();
    config.writer.read_fence = setup.options.read_fence;
    config
}

impl Engine for Decoupled {
    fn name(&self) -> &'static str {
        "decoupled"
    }

    fn about(&self) -> &'static str {
        "ships only redo to six segments in three zones; storage makes the pages"
    }

    fn durability_class(&self) -> &'static str {
        "4 of 6 copies, 3 zones"
    }

    fn protection(&self) -> &'static str {
        "masked"
    }

    fn floor(&self) -> Option<&'static str> {
        Some(floors::QUORUM)
    }

    fn full_disks_max(&self) -> usize {
        2
    }

    fn topology(&self, setup: &Setup) -> Result<Topology, Failure> {
        decoupled::topology(&config(setup)).map_err(|error| Failure::usage(format!("decoupled: {error}")))
    }

    fn volume(&self, setup: &Setup) -> Option<u64> {
        Some(config(setup).writer.volume.0)
    }

    fn parameters(&self, setup: &Setup) -> Value {
        let config = config(setup);
        json!({
            "page_bytes": config.compute.page_bytes,
            "cache_bytes": config.compute.cache_bytes,
            "pages_per_pg": config.writer.geometry.pages_per_pg,
            "lal_records": config.writer.lal_records,
            "batches_in_flight": config.writer.batches_in_flight,
            "batch_bytes_max": config.writer.batch_bytes_max,
            "read_fence": config.writer.read_fence.name(),
            "lease_ns": config.writer.lease.0,
            "heartbeat_ns": config.writer.heartbeat.0,
            "extent_bytes": config.storage.extent_bytes,
            "log_bytes_target": config.storage.log_bytes_target,
            "log_bytes_max": config.storage.log_bytes_max,
            "coalesce_chain": config.storage.coalesce_chain,
            "gossip_every_ns": config.storage.gossip_every.0,
        })
    }

    fn settle(&self, on: bool) -> Vec<(NodeId, Frame)> {
        STORAGE.into_iter().map(|node| (node, settle_frame(on))).collect()
    }

    fn gauge(&self, id: NodeId, node: &mut dyn Any, gauges: &mut Gauges) {
        if let Some(compute) = node.downcast_ref::<ComputeNode<VolumeDriver>>() {
            compute_gauges(compute, gauges);
            let status = compute.storage().status();
            gauges.waiting = (status.stage != "open").then_some(status.stage);
        }
        if let Some(storage) = node.downcast_ref::<StorageNode>() {
            let Some(probe) = storage.probe() else { return };
            *gauges.uncoalesced_records.get_or_insert(0) += probe.uncoalesced;
            *gauges.log_bytes.get_or_insert(0) += probe.log_bytes;
            gauges.full.extend(probe.is_full.then_some(id));
        }
    }
}
