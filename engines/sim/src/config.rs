//! What a simulated world is made of, besides its nodes.

use std::collections::BTreeMap;

use node::{Delay, Effect, LinkModel, LinkProfile, Nanos, NodeId, Work};

use crate::DiskModel;

/// How long node code takes. All zero means that handling an event takes no virtual time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CpuModel {
    /// Every event, whatever it does.
    pub event: Nanos,
    /// Nanoseconds per declared unit, one entry for each of [`Work::ALL`].
    pub work_ns: [u64; Work::ALL.len()],
    /// Which core a node runs on. Nodes on one core take turns; a node not listed has a core of its own.
    pub cores: BTreeMap<NodeId, u32>,
}

impl CpuModel {
    /// Node code takes no time.
    pub fn free() -> CpuModel {
        CpuModel::default()
    }

    pub(crate) fn is_free(&self) -> bool {
        self.event == Nanos::ZERO && self.work_ns.iter().all(|&ns| ns == 0)
    }

    /// What an event with `effects` costs.
    pub(crate) fn price(&self, effects: &[Effect]) -> Nanos {
        let work_ns = effects.iter().map(|effect| match effect {
            Effect::Charge { work, units } => self.work_ns[*work as usize].saturating_mul(*units),
            _ => 0,
        });
        work_ns.fold(self.event, |sum, ns| sum + Nanos(ns))
    }
}

/// The configuration of a [`Sim`](crate::Sim).
#[derive(Clone, Debug, PartialEq)]
pub struct SimConfig {
    /// Everything random derives from it.
    pub seed: u64,
    /// Delay, bandwidth and loss between zones. A node reaches itself without any of them.
    pub links: LinkProfile,
    /// Whether the profile's delays keep the frames of one direction in order, as TCP would. A
    /// [`LinkRule`](node::fault::LinkRule) may still duplicate and reorder.
    pub links_in_order: bool,
    /// Every node's disk.
    pub disk: DiskModel,
    /// What node code costs.
    pub cpu: CpuModel,
    /// Whether things due at the same nanosecond happen in random order rather than in the order they were caused.
    pub shuffle_ties: bool,
    /// A virtual instant with more occurrences than this is taken for a livelock.
    pub events_per_instant_max: u64,
}

impl SimConfig {
    /// A world for finding faults: delays of no place in particular that reorder frames and completions, ties in random
    /// order, free CPU.
    pub fn shuffled(seed: u64) -> SimConfig {
        let delay = Delay::Tailed { base: Nanos::from_micros(20), tail: Nanos::from_micros(40) };
        let link = LinkModel { delay, bandwidth_bytes_per_s: None, loss: 0.0 };
        SimConfig {
            seed,
            links: LinkProfile { name: "shuffled".into(), between: [[link; 3]; 3] },
            links_in_order: false,
            disk: DiskModel::shuffled(),
            cpu: CpuModel::free(),
            shuffle_ties: true,
            events_per_instant_max: 5_000_000,
        }
    }

    /// A world without delays, where everything happens in the order it was caused: for the speed of node code and for
    /// tests of logic alone.
    pub fn instant(seed: u64) -> SimConfig {
        SimConfig {
            links: LinkProfile::none(),
            links_in_order: true,
            disk: DiskModel::instant(),
            shuffle_ties: false,
            events_per_instant_max: 200_000_000,
            ..SimConfig::shuffled(seed)
        }
    }
}
