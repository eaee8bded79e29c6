//! The traditional engine: write-ahead log, double-write buffer, page file.

use std::any::Any;

use compute::ComputeNode;
use coupled::mirror::VolumeNode;
use coupled::{Config, CoupledStorage, VolumeStatus, ZoneLoss};
use node::{Frame, Nanos, NodeId, Topology};
use serde_json::{Value, json};

use super::{DATABASE, Engine, Gauges, Setup, StandbyLoss, compute_gauges};
use crate::exit::Failure;
use crate::floors;

/// How long `detach` waits for a standby before it goes on without.
const DETACH_AFTER: Nanos = Nanos::from_millis(500);

/// One database node and its local disk.
#[derive(Debug)]
pub struct Coupled;

/// The mirrored set-up of Verbitski et al. (SIGMOD 2017, figure 2).
#[derive(Debug)]
pub struct CoupledMirrored;

fn config(setup: &Setup) -> Config {
    let mut config = Config::new(setup.schema.clone(), setup.seed);
    if setup.options.binlog {
        config = config.with_binlog();
    }
    config.create = setup.create;
    config.compute.page_bytes = setup.page_bytes;
    config.compute.cache_bytes = setup.cache_bytes as usize;
    config.mirror.zone_loss = match setup.options.standby_loss {
        StandbyLoss::Stop => ZoneLoss::Stop,
        StandbyLoss::Detach => ZoneLoss::Detach(DETACH_AFTER),
    };
    config
}

fn parameters(config: &Config) -> Value {
    json!({
        "page_bytes": config.compute.page_bytes,
        "cache_bytes": config.compute.cache_bytes,
        "log_segment_bytes": config.log.segment_bytes,
        "log_segments": config.log.segments,
        "log_align_bytes": config.log.align_bytes,
        "log_writes_max": config.log.writes_max,
        "binlog": config.binlog.as_ref().map(|binlog| json!({
            "segment_bytes": binlog.segment_bytes,
            "segments": binlog.segments,
        })),
        "double_write_slots": config.flush.slots,
        "flush_log_low": config.flush.log_low,
        "flush_log_high": config.flush.log_high,
        "flush_dirty_high": config.flush.dirty_high,
    })
}

fn gauge(node: &mut dyn Any, gauges: &mut Gauges) {
    let Some(compute) = node.downcast_ref::<ComputeNode<CoupledStorage>>() else { return };
    compute_gauges(compute, gauges);
    if let VolumeStatus::Detached { resync_left, .. } = compute.storage().volume_status() {
        let resync = resync_left.map_or(String::new(), |left| format!(", {left} regions to resynchronise"));
        gauges.degraded = Some(format!("2 of 2 copies, 1 zone: the standby is detached{resync}"));
    }
    match compute.storage().probe() {
        Some(probe) => {
            gauges.dirty_pages = Some(probe.dirty_pages);
            gauges.log_bytes = Some(probe.log_bytes_since_checkpoint);
        }
        None => gauges.waiting = Some("recovering".to_owned()),
    }
}

impl Engine for Coupled {
    fn name(&self) -> &'static str {
        "coupled"
    }

    fn about(&self) -> &'static str {
        "write-ahead log, double-write buffer and page file on one local disk"
    }

    fn durability_class(&self) -> &'static str {
        "1 copy"
    }

    fn protection(&self) -> &'static str {
        "not protected"
    }

    fn floor(&self) -> Option<&'static str> {
        Some(floors::ONE_COPY)
    }

    fn topology(&self, setup: &Setup) -> Result<Topology, Failure> {
        coupled::local(&config(setup)).map_err(|error| Failure::usage(format!("coupled: {error}")))
    }

    fn parameters(&self, setup: &Setup) -> Value {
        parameters(&config(setup))
    }

    fn settle(&self, on: bool) -> Vec<(NodeId, Frame)> {
        vec![(DATABASE, coupled::settle_frame(on))]
    }

    fn gauge(&self, id: NodeId, node: &mut dyn Any, gauges: &mut Gauges) {
        gauge(node, gauges);
        let compute = node.downcast_ref::<ComputeNode<CoupledStorage>>();
        let is_full = compute.and_then(|compute| compute.storage().probe()).is_some_and(|probe| probe.page_file_full);
        gauges.full.extend(is_full.then_some(id));
    }
}

impl Engine for CoupledMirrored {
    fn name(&self) -> &'static str {
        "coupled-mirrored"
    }

    fn about(&self) -> &'static str {
        "the same over synchronous mirrors in two zones: figure 2 of the Aurora paper"
    }

    fn durability_class(&self) -> &'static str {
        "4 of 4 copies, 2 zones"
    }

    fn protection(&self) -> &'static str {
        "degraded"
    }

    /// Of one copy as well: what its steps one after the other cost on top is the architecture's own.
    fn floor(&self) -> Option<&'static str> {
        Some(floors::ONE_COPY)
    }

    fn topology(&self, setup: &Setup) -> Result<Topology, Failure> {
        coupled::mirrored(&config(setup)).map_err(|error| Failure::usage(format!("coupled-mirrored: {error}")))
    }

    fn parameters(&self, setup: &Setup) -> Value {
        let config = config(setup);
        let mut parameters = parameters(&config);
        parameters["zone_loss"] = match config.mirror.zone_loss {
            ZoneLoss::Stop => json!("stop"),
            ZoneLoss::Detach(after) => json!({ "detach_after_ns": after.0 }),
        };
        parameters
    }

    fn settle(&self, on: bool) -> Vec<(NodeId, Frame)> {
        vec![(DATABASE, coupled::settle_frame(on))]
    }

    /// The compute node has no disk of its own: the volumes know which is full.
    fn gauge(&self, id: NodeId, node: &mut dyn Any, gauges: &mut Gauges) {
        gauge(node, gauges);
        let volume = node.downcast_ref::<VolumeNode>();
        gauges.full.extend(volume.is_some_and(VolumeNode::is_full).then_some(id));
    }
}
