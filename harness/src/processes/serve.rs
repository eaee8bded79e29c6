//! `sextant node`: storage nodes of a volume, at the service of whoever dials.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use decoupled::VolumeId;
use decoupled::storage::StorageNode;
use node::{LinkProfile, Member, NodeId, Topology, Zone};
use uring::{Backend, Config, Placement, Refusals, Remote, Runtime, TcpConfig};

use super::attendant::{Ask, attendant};
use super::{NodeReport, OVERSEER, Serving, attendant_of};
use crate::campaign::successor::SUCCESSOR;
use crate::engines::DATABASE;
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::printed::errln;
use crate::rig::{CONSOLE, runtime_failure};

/// What stands between a node's name and the reason why it stopped.
pub(super) const HALTED: &str = "halted: ";
/// How often it is looked whether something is to be told, or the process is to end.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// What is served, and where.
#[derive(Clone, Debug)]
pub struct ServePlan {
    /// The volume.
    pub volume: VolumeId,
    /// The seed of the runtime's own randomness.
    pub seed: u64,
    /// The nodes hosted here, by name.
    pub members: Vec<String>,
    /// Where all six are reached, by member.
    pub addresses: Vec<SocketAddr>,
    /// Where to listen, when not at the first hosted node's address.
    pub listen: Option<SocketAddr>,
    /// Where the nodes' directories lie.
    pub data_dir: PathBuf,
    /// What lies between the zones.
    pub links: LinkProfile,
    /// What carries out disk operations.
    pub backend: Backend,
    /// Disk operations in the kernel at once; as many as there are when absent.
    pub queue_depth: Option<u32>,
}

/// One hosted node.
struct Hosted {
    id: NodeId,
    name: String,
    halted: Option<String>,
}

struct Server {
    runtime: Runtime,
    /// By attendant.
    hosted: BTreeMap<NodeId, Hosted>,
    asks: Receiver<Ask>,
    refused: Refusals,
}

/// Serves those of `all` storage nodes that the plan names, until the process is asked to end, or they have stopped by
/// themselves.
///
/// # Errors
///
/// A plan that makes no sense, an address or a directory that cannot be used, or nodes that all had to stop.
pub fn serve(plan: &ServePlan, all: Vec<Member>) -> Result<Exit, Failure> {
    if plan.addresses.len() != all.len() {
        let (given, needed) = (plan.addresses.len(), all.len());
        return Err(Failure::usage(format!("--nodes must name {needed} addresses, one for each node, not {given}")));
    }
    let (asks_in, asks) = channel();
    let (mut members, mut hosted, mut remotes) = (Vec::new(), BTreeMap::new(), Vec::new());
    let names: Vec<String> = all.iter().map(|member| member.name.clone()).collect();
    if let Some(unknown) = plan.members.iter().find(|name| !names.contains(name)) {
        return Err(Failure::usage(format!("there is no node {unknown}, only {}", names.join(", "))));
    }
    let first = names.iter().position(|name| plan.members.contains(name));
    let first = first.ok_or_else(|| Failure::usage("--member must name at least one node"))?;
    for (index, member) in all.into_iter().enumerate() {
        if plan.members.contains(&member.name) {
            let attendant_id = attendant_of(index);
            let host = Hosted { id: member.id, name: member.name.clone(), halted: None };
            hosted.insert(attendant_id, host);
            members.push(attendant(attendant_id, member.zone, asks_in.clone()));
            members.push(member);
        } else {
            // Of two nodes the earlier one dials the other.
            let address = (index > first).then_some(plan.addresses[index]);
            remotes.push(Remote { id: member.id, zone: member.zone, address });
        }
    }
    remotes.extend([DATABASE, CONSOLE, OVERSEER].map(|id| Remote { id, zone: Zone::A, address: None }));
    remotes.push(Remote { id: SUCCESSOR, zone: Zone::B, address: None });
    let listen = Some(plan.listen.unwrap_or(plan.addresses[first]));
    let tcp = TcpConfig { listen, remotes, seed: plan.seed, ..TcpConfig::new(plan.volume.0) };
    let runtime = start(plan, members, tcp)?;
    announce(&hosted, plan.volume.0, &runtime);
    Server { runtime, hosted, asks, refused: Refusals::default() }.run()
}

fn start(plan: &ServePlan, mut members: Vec<Member>, tcp: TcpConfig) -> Result<Runtime, Failure> {
    members.sort_by_key(|member| member.id);
    let topology = Topology { members };
    let mut config = Config::new(&topology, &plan.data_dir);
    config.placement = Placement::single(&topology);
    config.shared_dirs = true;
    config.links = plan.links.clone();
    config.backend = plan.backend;
    config.seed = plan.seed;
    if let Some(depth) = plan.queue_depth {
        config.ring.in_kernel_max = Some(depth);
        config.pool_threads = depth as usize;
    }
    config.tcp = Some(tcp);
    Runtime::start(topology, &config).map_err(runtime_failure)
}

/// The one line that whoever started the process waits for.
fn announce(hosted: &BTreeMap<NodeId, Hosted>, volume: u64, runtime: &Runtime) {
    let names: Vec<&str> = hosted.values().map(|host| host.name.as_str()).collect();
    let at = runtime.description().listening.map_or_else(String::new, |address| address.to_string());
    // Who does not listen to standard output is not waiting.
    let _ = writeln!(std::io::stdout(), "{} of volume {volume:016x}, listening on {at}", names.join(", "));
}

impl Server {
    fn run(mut self) -> Result<Exit, Failure> {
        while !interrupt::asked() {
            if let Ok(ask) = self.asks.recv_timeout(LOOK_EVERY) {
                self.answer(ask);
            }
            self.take_halts();
            self.tell_refusals();
            if self.hosted.values().all(|host| host.halted.is_some()) {
                return Err(Failure::io("every node of this process has stopped"));
            }
        }
        self.runtime.stop().map_err(runtime_failure)?;
        Ok(Exit::Ok)
    }

    fn take_halts(&mut self) {
        while let Ok(halt) = self.runtime.halts().try_recv() {
            if let Some(host) = self.hosted.values_mut().find(|host| host.id == halt.node) {
                errln!("{} halted: {}", host.name, halt.reason);
                // One line, for whoever started the process and asks why it ended.
                let reason = halt.reason.replace('\n', " ");
                let _ = writeln!(std::io::stdout(), "{} {HALTED}{reason}", host.name);
                host.halted = Some(halt.reason);
            }
        }
    }

    fn tell_refusals(&mut self) {
        let refused = self.runtime.tcp_counts().refused;
        if refused != self.refused {
            let names: Vec<&str> = self.hosted.values().map(|host| host.name.as_str()).collect();
            let counts: Vec<String> = counted(&refused).map(|(reason, count)| format!("{count} {reason}")).collect();
            errln!("{} refused so far: {}", names.join(", "), counts.join(", "));
            self.refused = refused;
        }
    }

    fn answer(&self, ask: Ask) {
        let Some(host) = self.hosted.get(&ask.attendant) else { return };
        let look = |node: &mut dyn std::any::Any| {
            let probe = node.downcast_ref::<StorageNode>().and_then(StorageNode::probe)?;
            Some(Serving::of(&probe))
        };
        let Ok(usage) = self.runtime.usage() else { return };
        let mut report = NodeReport {
            round: ask.round,
            node: host.id.0,
            process: std::process::id(),
            cpu_ns: usage.process_cpu.0 / self.hosted.len() as u64,
            halted: host.halted.clone(),
            serving: self.runtime.probe(host.id, look).ok().flatten(),
            refused: counted(&self.runtime.tcp_counts().refused).map(|(why, n)| (why.to_owned(), n)).collect(),
            ..NodeReport::default()
        };
        if let Some(of_node) = usage.nodes.iter().find(|usage| usage.node == host.id) {
            report.set_ledger(&of_node.ledger);
        }
        // Whoever asked and cannot be reached any more asks again.
        let _ = self.runtime.deliver(ask.attendant, ask.from, &report.frame());
    }
}

fn counted(refused: &Refusals) -> impl Iterator<Item = (&'static str, u64)> {
    refused.named().into_iter().filter(|(_, count)| *count > 0)
}
