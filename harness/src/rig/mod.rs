//! One engine at work on a runtime, with a load generator and a console beside it.
//!
//! The load generator and the console are nodes like any other: the former runs a workload's transactions, the latter
//! carries single requests of the harness itself (bulk load, verification).

mod console;
mod host;
mod load;
mod simulated;
mod space;

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::load::{Core, LoadNode};
use node::{Delay, LinkProfile, Member, Nanos, NodeId, Role, Topology, Zone};
use uring::{Backend, Config, JournalConfig, Placement, Runtime};
use workloads::Workload;

use crate::engines::{DATABASE, Engine, Gauges, LOAD, Setup};
use crate::exit::Failure;
use crate::processes::{Fleet, OVERSEER, ProcessSite};

pub use console::Console;
pub use host::{Host, NodeCounts, Usage};
pub use load::{LoadProgress, bulk_load};
pub use space::{FullDisk, SpaceWatch};

/// The console's node.
pub const CONSOLE: NodeId = NodeId(1000);

/// Which runtime carries an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum RuntimeKind {
    /// Real disks and the wall clock.
    #[default]
    Real,
    /// Simulated disks, links and time; its figures are models, not calibrated against a device.
    Sim,
    /// The same as `real`, with each storage node a process of its own, reached over TCP (decoupled only).
    Process,
}

impl RuntimeKind {
    /// Its name in records.
    pub const fn name(self) -> &'static str {
        match self {
            RuntimeKind::Real => "real",
            RuntimeKind::Sim => "sim",
            RuntimeKind::Process => "process",
        }
    }

    /// Whether disks and time are models, so that nothing is kept.
    pub const fn is_simulated(self) -> bool {
        matches!(self, RuntimeKind::Sim)
    }
}

/// Which nodes share which thread. The load and the database node always share the first, as an embedded database and its
/// caller do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Threads {
    /// All other nodes on one more thread: the least CPU, but a node that recovers holds the others up.
    #[default]
    Shared,
    /// The other nodes of each zone on a thread of the zone's own: what one zone does, another does not feel, as far as there
    /// are cores.
    Zones,
}

/// Where and how an engine runs.
#[derive(Clone, Debug)]
pub struct Site {
    /// On what.
    pub runtime: RuntimeKind,
    /// Directories; the engine's nodes are spread over them.
    pub data_dirs: Vec<PathBuf>,
    /// What lies between the zones.
    pub links: LinkProfile,
    /// Service time added to every disk operation.
    pub disk_delay: Option<Delay>,
    /// Which nodes share which thread.
    pub threads: Threads,
    /// What carries out disk operations.
    pub backend: Backend,
    /// Disk operations of one thread in the kernel at once; as many as there are when absent.
    pub queue_depth: Option<u32>,
    /// The processes of storage nodes, for [`RuntimeKind::Process`].
    pub processes: Option<ProcessSite>,
    /// What is recorded of the disks' operations, for crash images.
    pub journal: Option<JournalConfig>,
    /// Seed of everything random in the runtime.
    pub seed: u64,
}

/// What the load generator is started with.
#[derive(Clone)]
pub struct LoadPlan {
    /// The load's settings.
    pub config: ::load::Config,
    /// What it runs.
    pub workload: Arc<dyn Workload>,
    /// Numbers the runs over one data set, so that no stamp is used twice.
    pub era: u16,
}

/// A node, as reports name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// What it is there for.
    pub role: Role,
    /// Where it lives.
    pub zone: Zone,
}

/// A node that stopped by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halted {
    /// Its name.
    pub node: String,
    /// Why, in its own words.
    pub reason: String,
    /// Whether the disk of any node had refused something by then: the disk is to blame, not the engine.
    pub by_disk: bool,
}

impl Halted {
    /// The command's end, when nothing can be said without the node: the disk's fault where the disk refused something.
    pub fn failure(&self, doing: &str) -> Failure {
        let message = format!("{doing}: {self}");
        if self.by_disk { Failure::io(message) } else { Failure::unknown(message) }
    }
}

impl fmt::Display for Halted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} halted: {}", self.node, self.reason)
    }
}

/// An engine at work.
pub struct Rig {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// Its nodes, the load generator and the console.
    pub nodes: Vec<NodeInfo>,
    host: Host,
    console: Console,
    data_dirs: Vec<PathBuf>,
}

impl Rig {
    /// Starts `engine` with everything beside it. The load is idle.
    ///
    /// # Errors
    ///
    /// A setting the engine refuses, or directories that cannot be used.
    pub fn start(engine: Arc<dyn Engine>, setup: &Setup, site: &Site, plan: &LoadPlan) -> Result<Rig, Failure> {
        let mut topology = engine.topology(setup)?;
        topology.members.push(load_member(plan.clone()));
        let (console, member) = Console::new(CONSOLE);
        topology.members.push(member);
        topology.members.sort_by_key(|member| member.id);
        let nodes = topology.members.iter().map(NodeInfo::of).collect();
        let host = match site.runtime {
            RuntimeKind::Real => {
                let config = config(&topology, site);
                Host::Real(Box::new(Runtime::start(topology, &config).map_err(runtime_failure)?))
            }
            RuntimeKind::Sim => Host::simulated(topology, simulated::world(site)),
            RuntimeKind::Process => {
                let volume = engine.volume(setup).expect("an engine without storage nodes was refused");
                let processes = site.processes.as_ref().expect("whoever asks for processes says which");
                let config = config(&topology, site);
                Host::Processes(Box::new(Fleet::start(topology, volume, &config, processes)?))
            }
        };
        Ok(Rig { engine, nodes, host, console, data_dirs: site.data_dirs.clone() })
    }

    /// The runtime under it all.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Lets time pass.
    pub fn sleep(&mut self, span: Duration) {
        self.host.sleep(span);
    }

    /// Time on the nodes' clock.
    pub fn now(&self) -> Nanos {
        self.host.now()
    }

    /// Looks at the load generator between two of its events.
    pub fn load<R: Send + 'static>(
        &mut self,
        look: impl FnOnce(&mut Core) -> R + Send + 'static,
    ) -> Result<R, Failure> {
        let look = move |node: &mut dyn Any| {
            let load = node.downcast_mut::<LoadNode>().expect("the load generator's node");
            look(load.core())
        };
        self.host.probe(LOAD, look)
    }

    /// The console, and the runtime it speaks through.
    pub fn console(&mut self) -> (&mut Console, &mut Host) {
        (&mut self.console, &mut self.host)
    }

    /// What the engine's nodes say of themselves. Nodes that are down say nothing.
    pub fn gauges(&mut self) -> Gauges {
        let mut gauges = Gauges::default();
        for id in self.in_zone(None) {
            let engine = Arc::clone(&self.engine);
            let seen = gauges.clone();
            let look = move |node: &mut dyn Any| {
                let mut gauges = seen;
                engine.gauge(id, node, &mut gauges);
                gauges
            };
            if let Ok(with_node) = self.host.probe(id, look) {
                gauges = with_node;
            }
        }
        if let Host::Processes(fleet) = &self.host {
            fleet.gauge(&mut gauges);
        }
        gauges
    }

    /// The engine's own nodes.
    pub fn engine_nodes(&self) -> impl Iterator<Item = &NodeInfo> {
        self.nodes.iter().filter(|info| ![LOAD, CONSOLE, OVERSEER].contains(&info.id))
    }

    /// Whether the database node is on this thread of the runtime.
    pub fn thread_has_database(&self, thread: usize) -> bool {
        let threads = self.host.real().map(|runtime| &runtime.description().threads);
        threads.and_then(|threads| threads.get(thread)).is_some_and(|thread| thread.nodes.contains(&DATABASE))
    }

    /// Where the engine's files lie.
    pub fn data_dirs(&self) -> &[PathBuf] {
        &self.data_dirs
    }

    /// What every node has counted so far.
    pub fn usage(&self) -> Result<Usage, Failure> {
        self.host.usage()
    }

    /// The first node that stopped by itself since the last call.
    pub fn halted(&mut self) -> Option<Halted> {
        let (node, reason) = self.host.next_halt()?;
        let name = self.nodes.iter().find(|info| info.id == node).map_or("a node", |info| &info.name);
        let usage = self.host.usage();
        let by_disk = usage.is_ok_and(|usage| usage.nodes.iter().any(|counts| counts.ledger.disk_refused > 0));
        Some(Halted { node: name.to_owned(), reason, by_disk })
    }

    /// Crashes every engine node in `zone`, or everywhere. Nodes that are down already stay down.
    pub fn crash(&mut self, zone: Option<Zone>) -> Result<(), Failure> {
        for id in self.in_zone(zone) {
            self.host.crash(id)?;
        }
        Ok(())
    }

    /// Builds the crashed engine nodes in `zone`, or everywhere, again from their disks. Clients of a database that starts
    /// again find their connections broken.
    pub fn restart(&mut self, zone: Option<Zone>) -> Result<(), Failure> {
        let nodes = self.in_zone(zone);
        for &id in &nodes {
            self.host.restart(id)?;
        }
        if nodes.contains(&DATABASE) {
            let now = self.now();
            self.load(move |core| core.disconnect(now))?;
        }
        Ok(())
    }

    fn in_zone(&self, zone: Option<Zone>) -> Vec<NodeId> {
        let inside = self.engine_nodes().filter(|info| zone.is_none_or(|zone| info.zone == zone));
        inside.map(|info| info.id).collect()
    }

    /// Waits until the deferred work left is at most `share` of `start` (or nothing), for at most `patience`. Gives the
    /// gauges at the end.
    pub fn settle(&mut self, start: &Gauges, share: f64, patience: Duration) -> Gauges {
        let give_up = self.now() + Nanos(patience.as_nanos() as u64);
        self.ask_to_settle(true);
        let gauges = loop {
            let gauges = self.gauges();
            if gauges.is_settled(start, share) || self.now() >= give_up {
                break gauges;
            }
            self.sleep(Duration::from_millis(20));
        };
        self.ask_to_settle(false);
        gauges
    }

    fn ask_to_settle(&mut self, on: bool) {
        for (node, frame) in self.engine.settle(on) {
            // A node that is down has nothing to settle.
            let _ = self.host.deliver(CONSOLE, node, frame);
        }
    }

    /// Stops everything in order, once all operations under way have ended. Gives what every node counted in all.
    pub fn stop(self) -> Result<Usage, Failure> {
        self.host.stop()
    }
}

impl NodeInfo {
    fn of(member: &Member) -> NodeInfo {
        NodeInfo { id: member.id, name: member.name.clone(), role: member.role, zone: member.zone }
    }
}

fn load_member(plan: LoadPlan) -> Member {
    let build = move |start: u64| -> Box<dyn node::Node> {
        let era = plan.era + u16::try_from(start).expect("a load is restarted a few times at most");
        let programs = plan.workload.programs(plan.config.seed, era);
        Box::new(LoadNode::new(plan.config.clone(), programs))
    };
    Member { id: LOAD, name: "load".into(), role: Role::Load, zone: Zone::A, has_disk: false, build: Box::new(build) }
}

fn config(topology: &Topology, site: &Site) -> Config {
    let mut config = Config::new(topology, &site.data_dirs[0]);
    config.data_dirs = site.data_dirs.clone();
    config.spread_disks(topology);
    config.placement = placement(topology, site.threads);
    config.links = site.links.clone();
    config.disk_delay = site.disk_delay;
    config.backend = site.backend;
    config.seed = site.seed;
    if let Some(depth) = site.queue_depth {
        config.ring.in_kernel_max = Some(depth);
        config.pool_threads = depth as usize;
    }
    config.journal = site.journal.clone();
    config
}

/// Which nodes share which thread.
pub fn placement(topology: &Topology, threads: Threads) -> Placement {
    if threads == Threads::Shared {
        return Placement::spread(topology, 2);
    }
    let is_first = |member: &&Member| matches!(member.role, Role::Load | Role::Compute);
    let first = topology.members.iter().filter(is_first).map(|member| member.id).collect();
    let of_zone = |zone: Zone| {
        let inside = topology.members.iter().filter(|member| member.zone == zone && !is_first(member));
        inside.map(|member| member.id).collect::<Vec<_>>()
    };
    let zones = Zone::ALL.into_iter().map(of_zone).filter(|nodes| !nodes.is_empty());
    Placement { threads: std::iter::once(first).chain(zones).collect() }
}

/// What went wrong with a runtime, with the code that says so.
pub fn runtime_failure(error: uring::Error) -> Failure {
    match error {
        uring::Error::Config { .. } | uring::Error::RingRefused { .. } => Failure::usage(error.to_string()),
        _ => Failure::io(error.to_string()),
    }
}
