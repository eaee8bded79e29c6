//! Cores: nodes take turns on them, for as long as their declared work costs.

use std::collections::{BTreeMap, VecDeque};

use node::{Effect, Nanos, NodeId};

use crate::CpuModel;
use crate::host::Delivery;

/// An event handled, whose effects take place when its work is done.
#[derive(Clone)]
pub(crate) struct Turn {
    pub(crate) host: usize,
    pub(crate) life: u32,
    pub(crate) effects: Vec<Effect>,
}

/// A delivery that waits for a core.
#[derive(Clone)]
pub(crate) struct Waiting {
    pub(crate) host: usize,
    pub(crate) life: u32,
    pub(crate) delivery: Delivery,
}

#[derive(Clone, Default)]
pub(crate) struct Core {
    pub(crate) turn: Option<Turn>,
    pub(crate) waiting: VecDeque<Waiting>,
}

/// All cores, and the prices.
#[derive(Clone)]
pub(crate) struct Cores {
    core_of: Vec<usize>,
    pub(crate) cores: Vec<Core>,
    model: CpuModel,
    pub(crate) is_free: bool,
}

impl Cores {
    pub(crate) fn new(model: &CpuModel, ids: impl Iterator<Item = NodeId>) -> Cores {
        let mut shared: BTreeMap<u32, usize> = BTreeMap::new();
        let mut cores = Vec::new();
        let core_of = ids
            .map(|id| {
                let fresh = cores.len();
                let core = match model.cores.get(&id) {
                    Some(&name) => *shared.entry(name).or_insert(fresh),
                    None => fresh,
                };
                if core == fresh {
                    cores.push(Core::default());
                }
                core
            })
            .collect();
        Cores { core_of, cores, model: model.clone(), is_free: model.is_free() }
    }

    pub(crate) fn core_of(&self, index: usize) -> usize {
        self.core_of[index]
    }

    /// What an event with `effects` costs.
    pub(crate) fn price(&self, effects: &[Effect]) -> Nanos {
        let work_ns = effects.iter().map(|effect| match effect {
            Effect::Charge { work, units } => self.model.work_ns[*work as usize].saturating_mul(*units),
            _ => 0,
        });
        work_ns.fold(self.model.event, |sum, ns| sum + Nanos(ns))
    }
}
