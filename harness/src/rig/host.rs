//! What carries an engine: the real runtime, or the simulated one. The rest of the harness does not care which.

use std::any::Any;
use std::path::PathBuf;
use std::time::Duration;

use node::fault::Fault;
use node::{Frame, Ledger, Nanos, NodeId, Topology};
use sim::{Sim, Status};
use uring::{LinkDelays, Runtime};

use super::runtime_failure;
use crate::exit::Failure;
use crate::processes::Fleet;

/// A runtime with a topology on it.
pub enum Host {
    /// Real disks, real time.
    Real(Box<Runtime>),
    /// Virtual time, simulated disks and links.
    Simulated(Box<Simulation>),
    /// Real disks and time, the storage nodes in processes of their own.
    Processes(Box<Fleet>),
}

/// A simulated world, and how far its halts were told.
pub struct Simulation {
    world: Sim,
    halts_seen: usize,
}

/// What one node has counted since the start of the host.
#[derive(Clone, Debug)]
pub struct NodeCounts {
    /// Who.
    pub node: NodeId,
    /// I/O and declared work.
    pub ledger: Ledger,
    /// CPU time; `None` where nothing measures it.
    pub cpu: Option<Nanos>,
}

/// What all nodes have counted.
#[derive(Clone, Debug)]
pub struct Usage {
    /// On the host's clock.
    pub at: Nanos,
    /// In order of id.
    pub nodes: Vec<NodeCounts>,
    /// CPU time of each thread; empty where there are none.
    pub threads: Vec<Nanos>,
    /// CPU time of the whole process, kernel workers included.
    pub process_cpu: Option<Nanos>,
    /// Intended and realised link delays so far.
    pub delays: LinkDelays,
}

impl Host {
    /// A topology on a simulated world.
    pub fn simulated(topology: Topology, config: sim::SimConfig) -> Host {
        let world = Sim::new(topology, config);
        Host::Simulated(Box::new(Simulation { world, halts_seen: 0 }))
    }

    /// Time on the nodes' clock.
    pub fn now(&self) -> Nanos {
        match self {
            Host::Real(runtime) => runtime.now(),
            Host::Processes(fleet) => fleet.runtime().now(),
            Host::Simulated(simulation) => simulation.world.now(),
        }
    }

    /// Lets time pass: so much, or less when a node of this process halts meanwhile.
    pub fn sleep(&mut self, span: Duration) {
        match self {
            Host::Real(runtime) => {
                runtime.halts().wait_for_another(span);
            }
            Host::Processes(fleet) => {
                fleet.runtime().halts().wait_for_another(span);
            }
            Host::Simulated(simulation) => {
                let _stop = simulation.world.run_for(Nanos(span.as_nanos() as u64));
            }
        }
    }

    /// Runs `look` on a node between two of its events.
    ///
    /// # Errors
    ///
    /// The node is down.
    pub fn probe<R: Send + 'static>(
        &mut self,
        node: NodeId,
        look: impl FnOnce(&mut dyn Any) -> R + Send + 'static,
    ) -> Result<R, Failure> {
        match self {
            Host::Real(runtime) => runtime.probe(node, look).map_err(runtime_failure),
            Host::Processes(fleet) => fleet.probe(node, look),
            Host::Simulated(simulation) => match simulation.world.node_any(node) {
                Some(state) => Ok(look(state)),
                None => Err(Failure::unknown(format!("{node:?} is down"))),
            },
        }
    }

    /// Delivers a frame as if `from` had sent it over a direct link.
    pub fn deliver(&mut self, from: NodeId, to: NodeId, frame: Frame) -> Result<(), Failure> {
        match self {
            Host::Real(runtime) => runtime.deliver(from, to, &frame).map_err(runtime_failure),
            Host::Processes(fleet) => fleet.deliver(from, to, &frame),
            Host::Simulated(simulation) => {
                simulation.world.inject(from, to, frame);
                Ok(())
            }
        }
    }

    /// Drops a node's memory.
    pub fn crash(&mut self, node: NodeId) -> Result<(), Failure> {
        match self {
            Host::Real(runtime) => runtime.crash(node).map_err(runtime_failure),
            Host::Processes(fleet) => fleet.crash(node),
            Host::Simulated(simulation) => {
                simulation.crash(node);
                Ok(())
            }
        }
    }

    /// Builds a node again from its disk.
    pub fn restart(&mut self, node: NodeId) -> Result<(), Failure> {
        match self {
            Host::Real(runtime) => runtime.restart(node).map_err(runtime_failure),
            Host::Processes(fleet) => fleet.restart(node),
            Host::Simulated(simulation) => {
                simulation.world.restart(node);
                Ok(())
            }
        }
    }

    /// The next node that stopped by itself, with its reason.
    pub fn next_halt(&mut self) -> Option<(NodeId, String)> {
        match self {
            Host::Real(runtime) => runtime.halts().try_recv().ok().map(|halt| (halt.node, halt.reason)),
            Host::Processes(fleet) => fleet.next_halt(),
            Host::Simulated(simulation) => {
                let halt = simulation.world.halts().get(simulation.halts_seen)?;
                simulation.halts_seen += 1;
                Some((halt.node, halt.reason.clone()))
            }
        }
    }

    /// What every node has counted so far.
    pub fn usage(&self) -> Result<Usage, Failure> {
        match self {
            Host::Real(runtime) => Ok(Usage::of(runtime.usage().map_err(runtime_failure)?)),
            Host::Processes(fleet) => fleet.usage(),
            Host::Simulated(simulation) => Ok(simulation.usage()),
        }
    }

    /// Stops everything in order, once all operations under way have ended. Gives what was counted in all.
    pub fn stop(self) -> Result<Usage, Failure> {
        match self {
            Host::Real(runtime) => runtime.stop().map(|stopped| Usage::of(stopped.usage)).map_err(runtime_failure),
            Host::Processes(fleet) => fleet.stop(),
            Host::Simulated(simulation) => Ok(simulation.usage()),
        }
    }

    /// The real runtime, where it is one; of several processes, this one's.
    pub fn real(&self) -> Option<&Runtime> {
        match self {
            Host::Real(runtime) => Some(runtime),
            Host::Processes(fleet) => Some(fleet.runtime()),
            Host::Simulated(_) => None,
        }
    }

    /// Where the node's files lie; `None` where that is not on this machine, as far as is known, or nowhere.
    pub fn disk_directory(&self, node: NodeId) -> Option<PathBuf> {
        if let Host::Processes(fleet) = self {
            return fleet.disk_directory(node);
        }
        let disk = self.real()?.description().disks.iter().find(|disk| disk.node == node)?;
        Some(disk.directory.clone())
    }

    /// Events delivered so far; only a simulated world counts them as one.
    pub fn events(&self) -> Option<u64> {
        match self {
            Host::Real(_) | Host::Processes(_) => None,
            Host::Simulated(simulation) => Some(simulation.world.events()),
        }
    }

    /// The hash chained over every event; only a simulated world has one.
    pub fn digest(&self) -> Option<node::Digest> {
        match self {
            Host::Real(_) | Host::Processes(_) => None,
            Host::Simulated(simulation) => Some(simulation.world.digest()),
        }
    }
}

impl Usage {
    /// What a real runtime has counted.
    pub fn of(usage: uring::Usage) -> Usage {
        let of_node = |node: uring::NodeUsage| NodeCounts { node: node.node, ledger: node.ledger, cpu: Some(node.cpu) };
        Usage {
            at: usage.at,
            nodes: usage.nodes.into_iter().map(of_node).collect(),
            threads: usage.threads.iter().map(|thread| thread.cpu).collect(),
            process_cpu: Some(usage.process_cpu),
            delays: usage.delays,
        }
    }
}

impl Simulation {
    fn crash(&mut self, node: NodeId) {
        if *self.world.status(node) != Status::Crashed {
            self.world.apply(&Fault::Crash { node, power: false });
        }
    }

    fn usage(&self) -> Usage {
        let counts = |node: NodeId| NodeCounts { node, ledger: self.world.ledger(node).clone(), cpu: None };
        let mut nodes: Vec<_> = self.world.ids().map(counts).collect();
        nodes.sort_by_key(|counts| counts.node);
        Usage { at: self.world.now(), nodes, threads: Vec::new(), process_cpu: None, delays: LinkDelays::default() }
    }
}
