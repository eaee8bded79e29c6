//! Cores: nodes take turns on them, for as long as their declared work costs.

use std::collections::{BTreeMap, VecDeque};

use node::{Effects, NodeId};

use crate::CpuModel;
use crate::host::Delivery;

/// An event handled, whose effects take place when its work is done.
#[derive(Clone)]
pub(crate) struct Turn {
    pub(crate) host: usize,
    pub(crate) life: u32,
    pub(crate) effects: Effects,
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

/// All cores.
#[derive(Clone)]
pub(crate) struct Cores {
    pub(crate) cores: Vec<Core>,
    pub(crate) is_free: bool,
}

impl Cores {
    /// The cores that `model` gives the nodes `ids`, and the index of each node's core.
    pub(crate) fn new(model: &CpuModel, ids: impl Iterator<Item = NodeId>) -> (Cores, Vec<usize>) {
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
        (Cores { cores, is_free: model.is_free() }, core_of)
    }
}
