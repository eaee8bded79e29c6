//! The simulated world: its nodes, its clock and what is going to happen.

use std::any::Any;
use std::rc::Rc;

use node::{Digest, Effect, Effects, Frame, Ledger, Nanos, Node, NodeId, Rng, TimerId, Topology};

use crate::cpu::Cores;
use crate::disk::Slot;
use crate::host::{Delivery, Halt, Host, Status};
use crate::links::{Links, Wire};
use crate::queue::Queue;
use crate::trace::Trace;
use crate::{SimConfig, SimDisk};

/// Something due at a virtual time.
#[derive(Clone)]
pub(crate) enum Occurrence {
    /// A frame reaches its receiver.
    Arrival { from: u32, to: u32, wire: Wire },
    /// A disk operation completes.
    Completion { host: u32, life: u32, slot: Slot },
    /// A node's turn has come.
    Delivery { host: u32, life: u32, delivery: Delivery },
    /// A timer may be due.
    Timer { host: u32, life: u32, timer: TimerId, entry: u64 },
    /// A core has done the work of an event.
    CoreFree { core: u32 },
    /// A fault asked for in advance.
    Fault(Box<node::fault::Fault>),
}

/// Effects of one event that are not carried out yet, because a run was stopped among them.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) host: usize,
    pub(crate) effects: Effects,
}

/// What never changes, and copies of a world share.
pub(crate) struct Setting {
    pub(crate) config: SimConfig,
    pub(crate) topology: Topology,
    /// Indexed by id; `NOBODY` where there is no such node.
    index_of: Vec<usize>,
}

const NOBODY: usize = usize::MAX;

impl Setting {
    fn new(topology: Topology, config: SimConfig) -> Setting {
        let ids_end = topology.members.iter().map(|member| member.id.0 as usize + 1).max().unwrap_or(0);
        assert!(ids_end <= 1 << 20, "ids are small and dense, not up to {}", ids_end - 1);
        let mut index_of = vec![NOBODY; ids_end];
        for (index, member) in topology.members.iter().enumerate() {
            let slot = &mut index_of[member.id.0 as usize];
            assert_eq!(*slot, NOBODY, "two members are {:?}", member.id);
            *slot = index;
        }
        Setting { config, topology, index_of }
    }
}

/// A topology hosted in virtual time. See the [crate's documentation](crate).
pub struct Sim {
    pub(crate) setting: Rc<Setting>,
    /// In the order of the topology; their places are the indexes used everywhere inside.
    pub(crate) hosts: Vec<Host>,
    /// What is going to happen; it holds the clock.
    pub(crate) queue: Queue<Occurrence>,
    pub(crate) links: Links,
    pub(crate) cores: Cores,
    pub(crate) digest: Digest,
    /// Events delivered to nodes.
    pub(crate) events: u64,
    /// Occurrences since the clock last moved.
    pub(crate) events_this_instant: u64,
    /// Effects of watched nodes that reach beyond their memory.
    pub(crate) effects: u64,
    /// At this count of effects the run stops and holds the rest back; `u64::MAX` is never.
    pub(crate) stop_at_effects: u64,
    /// What a stopped run held back: carried out before anything else.
    pub(crate) held: Option<Held>,
    /// The list that nodes append to, kept for its allocation.
    pub(crate) scratch: Effects,
    pub(crate) halts: Vec<Halt>,
    /// Decides what survives crashes that nobody decides about.
    pub(crate) crash_rng: Rng,
    pub(crate) trace: Option<Trace>,
}

impl Sim {
    /// Builds every node and makes it due to start at time zero. Panics when two members share an id, or when ids are
    /// not small.
    pub fn new(topology: Topology, config: SimConfig) -> Sim {
        let setting = Setting::new(topology, config);
        let Setting { config, topology, .. } = &setting;
        let root = Rng::new(config.seed);
        let (cores, core_of) = Cores::new(&config.cpu, topology.members.iter().map(|member| member.id));
        let mut hosts = Vec::new();
        for (member, core) in topology.members.iter().zip(core_of) {
            let disk_rng = root.fork("disk", u64::from(member.id.0));
            let disk = member.has_disk.then(|| SimDisk::new(config.disk.clone(), disk_rng));
            hosts.push(Host::new(member, core, disk));
        }
        let mut sim = Sim {
            queue: Queue::new(config.shuffle_ties.then(|| root.fork("schedule", 0))),
            links: Links::new(hosts.len(), config.links_in_order, root.fork("net", 0)),
            cores,
            hosts,
            digest: Digest::default(),
            events: 0,
            events_this_instant: 0,
            effects: 0,
            stop_at_effects: u64::MAX,
            held: None,
            scratch: Effects::new(),
            halts: Vec::new(),
            crash_rng: root.fork("crash", 0),
            trace: None,
            setting: Rc::new(setting),
        };
        for host in 0..sim.hosts.len() {
            sim.start(host);
        }
        sim
    }

    /// The virtual clock.
    pub fn now(&self) -> Nanos {
        self.queue.now()
    }

    /// The hash chained over every event delivered, the effects it had, and the node's fingerprint after every few.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How many events were delivered to nodes.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How many effects of watched nodes were carried out that reach beyond the node's memory: frames sent, disk
    /// operations submitted, halts. These are the boundaries at which a crash can make a difference.
    pub fn effects(&self) -> u64 {
        self.effects
    }

    /// Counts from now on only the effects of `nodes`.
    pub fn watch(&mut self, nodes: &[NodeId]) {
        for host in &mut self.hosts {
            host.watched = nodes.contains(&host.id);
        }
    }

    /// What the links did.
    pub fn link_counts(&self) -> node::fault::LinkCounts {
        self.links.counts
    }

    /// Every halt so far, in order.
    pub fn halts(&self) -> &[Halt] {
        &self.halts
    }

    /// All ids, in the order of the topology.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.hosts.iter().map(|host| host.id)
    }

    /// Whether and how `id` runs. Panics for an id outside the topology, as everything below does.
    pub fn status(&self, id: NodeId) -> &Status {
        &self.host(id).status
    }

    /// The node `id` as a `T`; `None` when it is crashed or of another type.
    pub fn node<T: Node>(&self, id: NodeId) -> Option<&T> {
        let node: &dyn Any = self.host(id).node.as_deref()?;
        node.downcast_ref()
    }

    /// As [`Sim::node`], to change the node behind its back. That is not part of the digest.
    pub fn node_mut<T: Node>(&mut self, id: NodeId) -> Option<&mut T> {
        let index = self.index(id);
        let node: &mut dyn Any = self.hosts[index].node.as_deref_mut()?;
        node.downcast_mut()
    }

    /// The node `id` as whatever it is, for owners of several kinds of node; `None` when it is crashed.
    pub fn node_any(&mut self, id: NodeId) -> Option<&mut dyn Any> {
        let index = self.index(id);
        Some(self.hosts[index].node.as_deref_mut()?)
    }

    /// What `id` did in all its lives.
    pub fn ledger(&self, id: NodeId) -> &Ledger {
        &self.host(id).ledger
    }

    /// How many timers `id` set, in all its lives, that its clock's rate moved.
    pub fn timers_drifted(&self, id: NodeId) -> u64 {
        self.host(id).timers_drifted
    }

    /// How many events were delivered to `id` in all its lives.
    pub fn events_of(&self, id: NodeId) -> u64 {
        self.host(id).events
    }

    /// The time of a core that `id` has taken in all its lives, by the prices of the [`CpuModel`](crate::CpuModel).
    pub fn cpu(&self, id: NodeId) -> Nanos {
        self.host(id).cpu
    }

    /// The disk of `id`, if it has one.
    pub fn disk(&self, id: NodeId) -> Option<&SimDisk> {
        self.host(id).disk.as_ref()
    }

    /// The disk of `id`, to damage or replace what it stores.
    pub fn disk_mut(&mut self, id: NodeId) -> Option<&mut SimDisk> {
        let index = self.index(id);
        self.hosts[index].disk.as_mut()
    }

    /// Delivers `frame` to `to` at once, as if `from` had sent it over a perfect link.
    pub fn inject(&mut self, from: NodeId, to: NodeId, frame: Frame) {
        let (to, now) = (self.index(to), self.now());
        let life = self.hosts[to].life;
        self.queue.push(now, Occurrence::Delivery { host: to as u32, life, delivery: Delivery::Frame { from, frame } });
    }

    /// Carries out `effect` as if `id` had asked for it, for drivers that stand in for a node's own decisions. A node
    /// that is down asks for nothing.
    pub fn act(&mut self, id: NodeId, effect: Effect) {
        let host = self.index(id);
        if self.hosts[host].is_up() {
            self.carry_out(host, effect);
        }
    }

    pub(crate) fn host(&self, id: NodeId) -> &Host {
        &self.hosts[self.index(id)]
    }

    pub(crate) fn index(&self, id: NodeId) -> usize {
        self.find(id).unwrap_or_else(|| panic!("{id:?} is not in the topology"))
    }

    /// The index of `id`, or `None` for a frame sent to nobody.
    pub(crate) fn find(&self, id: NodeId) -> Option<usize> {
        self.setting.index_of.get(id.0 as usize).copied().filter(|&index| index != NOBODY)
    }
}
