//! The engines, behind one trait.
//!
//! To add an engine, implement [`Engine`] and add it to [`all`]; every command and suite then applies to it.

mod coupled;
mod decoupled;
mod reference;

use std::any::Any;
use std::sync::Arc;

use ::decoupled::writer::ReadFence;
use compute::{ComputeNode, Storage};
use contract::Schema;
use node::{Frame, NodeId, Topology};
use serde_json::Value;

use crate::exit::Failure;
use crate::names;

pub use self::decoupled::storage_nodes;

/// The node that clients speak to, in every topology.
pub const DATABASE: NodeId = NodeId(1);
/// The load generator, which the harness adds to every topology.
pub const LOAD: NodeId = NodeId(0);

/// What an engine is built with. Equal for all engines of a comparison.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Tables and indexes.
    pub schema: Schema,
    /// The database node's cache.
    pub cache_bytes: u64,
    /// Bytes of a page.
    pub page_bytes: usize,
    /// Seed of everything random in the engine.
    pub seed: u64,
    /// Whether the database is to be created, or must exist.
    pub create: bool,
    /// Which run over its data this is. Nobody may take a process for its predecessor: what tells incarnations apart starts
    /// from here, since a new process starts to count its nodes' lives at zero.
    pub era: u16,
    /// Engine-specific settings, by name.
    pub options: Options,
}

/// Settings that some engines have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `coupled-mirrored`: what to do when the standby's zone is lost.
    pub standby_loss: StandbyLoss,
    /// `coupled`, `coupled-mirrored`: whether row changes are logged besides the redo.
    pub binlog: bool,
    /// `decoupled`: how reads are fenced.
    pub read_fence: ReadFence,
}

impl Default for Options {
    fn default() -> Options {
        Options { standby_loss: StandbyLoss::Detach, binlog: false, read_fence: ReadFence::Lease }
    }
}

/// `coupled-mirrored` without its standby's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum StandbyLoss {
    /// Writes wait until the zone is back: nothing is ever less protected than promised.
    Stop,
    /// After a while the standby is detached: writes go on, visibly less protected, and it is resynchronised on return.
    Detach,
}

/// What an engine says of itself at one moment. `None` where the engine has no such thing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gauges {
    /// Transactions committed that wrote.
    pub commits: u64,
    /// Page requests answered from the cache.
    pub cache_hits: u64,
    /// Page requests that had to fetch.
    pub cache_misses: u64,
    /// Pages changed in the cache and not written yet.
    pub dirty_pages: Option<u64>,
    /// Records not yet in any page version, over all copies.
    pub uncoalesced_records: Option<u64>,
    /// Bytes of log that recovery would read or storage still holds, over all copies.
    pub log_bytes: Option<u64>,
    /// The durability class now, when it differs from the engine's own (a detached standby).
    pub degraded: Option<String>,
    /// Nodes whose disk has no space for their files to grow.
    pub full: Vec<NodeId>,
    /// What the engine is doing, when it does not serve.
    pub waiting: Option<String>,
}

impl Gauges {
    /// Whether the deferred work is at most `share` of what it was at `start`, or next to nothing.
    pub fn is_settled(&self, start: &Gauges, share: f64) -> bool {
        let pairs =
            [(self.dirty_pages, start.dirty_pages, 16), (self.uncoalesced_records, start.uncoalesced_records, 1024)];
        pairs.iter().all(|(now, then, little)| {
            let (now, then) = (now.unwrap_or(0), then.unwrap_or(0));
            now <= *little || now as f64 <= then as f64 * share
        })
    }

    /// The share of page requests that the cache answered since `earlier`; `None` when there were none.
    pub fn hit_ratio_since(&self, earlier: &Gauges) -> Option<f64> {
        let hits = self.cache_hits.saturating_sub(earlier.cache_hits);
        let misses = self.cache_misses.saturating_sub(earlier.cache_misses);
        (hits + misses > 0).then(|| hits as f64 / (hits + misses) as f64)
    }
}

/// One storage architecture.
pub trait Engine: Send + Sync {
    /// Its name, one token.
    fn name(&self) -> &'static str;

    /// One line for `list`.
    fn about(&self) -> &'static str;

    /// What an acknowledged commit survives.
    fn durability_class(&self) -> &'static str;

    /// What is to be expected when the zone `az-b` is lost: `masked`, `degraded`, or `not protected`.
    fn protection(&self) -> &'static str;

    /// Which of [`crate::floors`] its commit is held against.
    fn floor(&self) -> Option<&'static str> {
        None
    }

    /// How many nodes may be without space on their disks while commits go on.
    fn full_disks_max(&self) -> usize {
        0
    }

    /// Whether it keeps anything on disk.
    fn is_durable(&self) -> bool {
        true
    }

    /// Its nodes. The node that clients speak to is [`DATABASE`].
    ///
    /// # Errors
    ///
    /// A setting that the engine cannot work with.
    fn topology(&self, setup: &Setup) -> Result<Topology, Failure>;

    /// The volume that its storage nodes serve, where they may be processes of their own.
    fn volume(&self, _setup: &Setup) -> Option<u64> {
        None
    }

    /// Its full parameters, for the record.
    fn parameters(&self, setup: &Setup) -> Value;

    /// Frames that tell nodes to do all their deferred work now (`on`), or to go back to doing it when it suits them.
    fn settle(&self, _on: bool) -> Vec<(NodeId, Frame)> {
        Vec::new()
    }

    /// Reads what the node `id` says of itself into `gauges`. Called with every node of the topology in turn.
    fn gauge(&self, id: NodeId, node: &mut dyn Any, gauges: &mut Gauges);
}

/// What the compute layer says of itself, for every engine that has one.
fn compute_gauges<S: Storage>(compute: &ComputeNode<S>, gauges: &mut Gauges) {
    let stats = compute.stats();
    gauges.commits = stats.commits;
    gauges.cache_hits = stats.page_hits;
    gauges.cache_misses = stats.page_misses;
}

/// Every engine there is.
pub fn all() -> Vec<Arc<dyn Engine>> {
    vec![
        Arc::new(coupled::Coupled),
        Arc::new(coupled::CoupledMirrored),
        Arc::new(decoupled::Decoupled),
        Arc::new(reference::Null),
        Arc::new(reference::InMemoryModel),
    ]
}

/// The engine `name`.
pub fn find(name: &str) -> Result<Arc<dyn Engine>, Failure> {
    let mut engines = all();
    match engines.iter().position(|engine| engine.name() == name) {
        Some(index) => Ok(engines.swap_remove(index)),
        None => Err(Failure::usage(names::unknown("engine", name, engines.iter().map(|engine| engine.name())))),
    }
}
