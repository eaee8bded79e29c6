//! Copying a world, to try several futures of one past.

use std::any::Any;
use std::rc::Rc;

use node::{Effects, Node, NodeId};

use crate::Sim;

/// Copies one node, or says that it cannot.
pub type CopyNode<'a> = &'a dyn Fn(NodeId, &dyn Node) -> Option<Box<dyn Node>>;

/// Copies `node` if it is a `T`.
pub fn copy_as<T: Node + Clone>(node: &dyn Node) -> Option<Box<dyn Node>> {
    let any: &dyn Any = node;
    any.downcast_ref::<T>().map(|node| Box::new(node.clone()) as Box<dyn Node>)
}

impl Sim {
    /// A copy of the world, traces excepted. Nodes in `without` are left out: they are crashed in the copy, with all
    /// their disk holds and has in flight as it is, for [`Sim::crash`] to decide upon. The others are copied by `copy`;
    /// `None` when it cannot copy one of them.
    pub fn fork(&self, without: &[NodeId], copy: CopyNode<'_>) -> Option<Sim> {
        let mut hosts = Vec::with_capacity(self.hosts.len());
        for host in &self.hosts {
            let node = match &host.node {
                Some(node) if !without.contains(&host.id) => Some(copy(host.id, node.as_ref())?),
                _ => None,
            };
            hosts.push(host.copy(node));
        }
        let held = self.held.clone().filter(|held| !without.contains(&self.hosts[held.host].id));
        let mut sim = Sim {
            setting: Rc::clone(&self.setting),
            hosts,
            queue: self.queue.clone(),
            links: self.links.clone(),
            cores: self.cores.clone(),
            digest: self.digest,
            events: self.events,
            events_this_instant: self.events_this_instant,
            effects: self.effects,
            stop_at_effects: u64::MAX,
            held,
            scratch: Effects::new(),
            halts: self.halts.clone(),
            crash_rng: self.crash_rng.clone(),
            trace: None,
        };
        for &id in without {
            sim.forget(id);
        }
        Some(sim)
    }

    /// Marks a node that was not copied as crashed, its disk untouched.
    fn forget(&mut self, id: NodeId) {
        let index = self.index(id);
        let host = &mut self.hosts[index];
        host.status = crate::Status::Crashed;
        host.end_life();
    }
}
