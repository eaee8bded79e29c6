//! The durable engines at sizes that make a short run split, evict, wrap its logs, coalesce and collect.

use std::any::Any;
use std::sync::Arc;

use compute::ComputeConfig;
use harness::campaign::Decoupled;
use harness::engines::{self, Engine, Gauges, Setup};
use harness::exit::Failure;
use node::{Nanos, NodeId, Rng, Topology};
use serde_json::Value;

/// Real disks of a busy machine take longer now and then than what is drawn for simulated ones.
const IO_PATIENCE: Nanos = Nanos::from_secs(30);
/// Bytes of a page: a row of the workload and its index entries are small beside it, its trees have several levels.
const PAGE_BYTES: usize = 1024;
/// Pages that a transaction may touch.
const TXN_PAGES_MAX: usize = 48;

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Coupled,
    CoupledMirrored,
    Decoupled,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Coupled => "coupled",
            Kind::CoupledMirrored => "coupled-mirrored",
            Kind::Decoupled => "decoupled",
        }
    }
}

/// An engine whose sizes are drawn from a seed. Everything else is the engine of that name.
pub struct Small {
    kind: Kind,
    sizes: u64,
    full: Arc<dyn Engine>,
}

impl Small {
    pub fn new(kind: Kind, sizes: u64) -> Small {
        Small { kind, sizes, full: engines::find(kind.name()).expect("an engine of this name") }
    }

    fn coupled(&self, setup: &Setup) -> coupled::Config {
        let mut rng = Rng::new(self.sizes);
        let mut config = coupled::Config::tiny(setup.schema.clone(), setup.seed);
        config.compute.page_bytes = PAGE_BYTES;
        config.compute.txn_pages_max = TXN_PAGES_MAX;
        config.compute.txn_bytes_max = 32 * PAGE_BYTES;
        config.compute.cache_bytes =
            ComputeConfig::cache_bytes_min(PAGE_BYTES, TXN_PAGES_MAX) * rng.between(1, 2) as usize;
        config.page_file_chunk_bytes = 8 * PAGE_BYTES as u64;
        config.log.segment_bytes = 32 << 10;
        config.log.segments = rng.between(8, 16) as u32;
        config.log.writes_max = rng.between(1, 3) as u32;
        config.flush.slots = rng.between(4, 16) as u32;
        config.mirror.retransmit = Nanos::from_millis(50);
        config
    }

    fn decoupled(&self, setup: &Setup) -> decoupled::Config {
        let mut rng = Rng::new(self.sizes);
        let draws = Decoupled::any().patient(IO_PATIENCE);
        let mut config = draws.config(setup.schema.clone(), PAGE_BYTES, setup.seed, &mut rng);
        config.writer.create = setup.create;
        // As the engine at its full size does it: no process may own the epoch of an earlier one.
        config.writer.seed = Rng::new(setup.seed).fork("writer's process", u64::from(setup.era)).next_u64();
        config
    }
}

impl Engine for Small {
    fn name(&self) -> &'static str {
        self.full.name()
    }

    fn about(&self) -> &'static str {
        self.full.about()
    }

    fn durability_class(&self) -> &'static str {
        self.full.durability_class()
    }

    fn protection(&self) -> &'static str {
        self.full.protection()
    }

    fn topology(&self, setup: &Setup) -> Result<Topology, Failure> {
        let topology = match self.kind {
            Kind::Coupled => coupled::local(&self.coupled(setup)).map_err(|error| error.to_string()),
            Kind::CoupledMirrored => coupled::mirrored(&self.coupled(setup)).map_err(|error| error.to_string()),
            Kind::Decoupled => decoupled::topology(&self.decoupled(setup)),
        };
        topology.map_err(|error| Failure::usage(format!("{}: {error}", self.name())))
    }

    fn parameters(&self, setup: &Setup) -> Value {
        self.full.parameters(setup)
    }

    fn gauge(&self, id: NodeId, node: &mut dyn Any, gauges: &mut Gauges) {
        self.full.gauge(id, node, gauges);
    }
}
