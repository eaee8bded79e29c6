//! A runtime with the database node, and the processes of the storage nodes it dials.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use node::{Frame, Ledger, Nanos, NodeId, Role, Topology};
use uring::process::Signal;
use uring::{Config, Placement, Remote, Runtime, TcpConfig};

use super::attendant::overseer;
use super::children::{Addresses, Children, Program, own_listeners};
use super::report::ask_frame;
use super::{NodeReport, OVERSEER, Serving, Wires, attendant_of};
use crate::engines::{DATABASE, Gauges};
use crate::exit::Failure;
use crate::interrupt;
use crate::rig::{NodeCounts, Usage, runtime_failure};

/// A round of questions waits this long for those who answered the round before.
const ANSWER_PATIENCE: Duration = Duration::from_millis(250);
/// Processes of others that do not answer in this time are taken for down.
const CONTACT_PATIENCE: Duration = Duration::from_secs(5);
/// Our own are not: they were seen listening.
const OWN_CONTACT_PATIENCE: Duration = Duration::from_secs(30);

/// Where the storage nodes' processes come from.
#[derive(Clone, Debug)]
pub enum ProcessSite {
    /// Started by this one, and ended with it.
    Own {
        /// What they run.
        program: PathBuf,
        /// What they are told beside who and where they are.
        arguments: Vec<String>,
        /// Whether wires that can be cut lie between them all, see [`Wires`].
        wired: bool,
        /// The file that takes what they say on standard error; this process's own when absent.
        words: Option<PathBuf>,
    },
    /// Started by somebody else: where each is reached, by member.
    Others(Vec<SocketAddr>),
}

/// The runtime and the processes.
pub struct Fleet {
    runtime: Runtime,
    children: Option<Children>,
    wires: Option<Wires>,
    storage: Vec<Station>,
    reports: Receiver<NodeReport>,
    round: Cell<u64>,
    seen: RefCell<BTreeMap<NodeId, Seen>>,
}

/// One storage node.
#[derive(Clone, Debug)]
struct Station {
    id: NodeId,
    name: String,
    address: SocketAddr,
}

/// What is known of one storage node.
#[derive(Debug, Default)]
struct Seen {
    latest: NodeReport,
    /// What its earlier processes had counted.
    before: Ledger,
    before_cpu_ns: u64,
    is_halt_told: bool,
}

impl Fleet {
    /// Takes the storage nodes out of `topology`, has them as processes, and runs the rest.
    ///
    /// # Errors
    ///
    /// A process that cannot be started, refuses, or serves something else; or none that answers.
    pub fn start(topology: Topology, volume: u64, config: &Config, site: &ProcessSite) -> Result<Fleet, Failure> {
        let (remote, mut local): (Vec<_>, Vec<_>) =
            topology.members.into_iter().partition(|member| member.role == Role::Storage);
        let (children, wires, addresses) = match site {
            ProcessSite::Others(addresses) => {
                let both = Addresses { listening: addresses.clone(), reached: addresses.clone() };
                (None, None, both)
            }
            ProcessSite::Own { program, arguments, wired, words } => {
                let dir = |id| config.data_dirs[config.disk_of.get(&id).copied().unwrap_or(0)].clone();
                let nodes = remote.iter().map(|member| (member.name.clone(), dir(member.id))).collect();
                let (path, arguments, words) = (program.clone(), arguments.clone(), words.clone());
                let program = Program { path, arguments, words };
                let (addresses, wires) = own_places(remote.len(), *wired, config.seed)
                    .map_err(|error| Failure::io(format!("addresses for nodes: {error}")))?;
                (Some(Children::start(program, nodes, addresses.clone())?), wires, addresses)
            }
        };
        if addresses.reached.len() != remote.len() {
            let (given, needed) = (addresses.reached.len(), remote.len());
            return Err(Failure::usage(format!(
                "--nodes must name {needed} addresses, one for each node, not {given}"
            )));
        }
        let mut tcp = TcpConfig { seed: config.seed, ..TcpConfig::new(volume) };
        let mut storage = Vec::new();
        for (index, member) in remote.into_iter().enumerate() {
            let dialled = |id, address| Remote { id, zone: member.zone, address: Some(address) };
            // What is asked of attendants is no part of the engine, and passes no wire.
            let (reached, listening) = (addresses.reached[index], addresses.listening[index]);
            tcp.remotes.extend([dialled(member.id, reached), dialled(attendant_of(index), listening)]);
            storage.push(Station { id: member.id, name: member.name, address: reached });
        }
        let (reports_in, reports) = channel();
        local.push(overseer(reports_in));
        local.sort_by_key(|member| member.id);
        let topology = Topology { members: local };
        let config = Config {
            tcp: Some(tcp),
            shared_dirs: true,
            placement: Placement::single(&topology),
            disk_of: BTreeMap::new(),
            ..config.clone()
        };
        let runtime = Runtime::start(topology, &config).map_err(runtime_failure)?;
        let (round, seen) = (Cell::new(0), RefCell::default());
        let mut fleet = Fleet { runtime, children, wires, storage, reports, round, seen };
        fleet.make_contact()?;
        Ok(fleet)
    }

    /// Waits until every process has answered. Some of those that others started may be down.
    fn make_contact(&mut self) -> Result<(), Failure> {
        let patience = if self.children.is_some() { OWN_CONTACT_PATIENCE } else { CONTACT_PATIENCE };
        let give_up = Instant::now() + patience;
        loop {
            interrupt::check()?;
            self.ask(|answered| answered.len() == self.storage.len());
            if let Some((node, refusal)) = self.runtime.refused_by().first() {
                let at = |(index, station): &(usize, &Station)| [station.id, attendant_of(*index)].contains(node);
                let station = self.storage.iter().enumerate().find(at).map_or(&self.storage[0], |(_, found)| found);
                return Err(Failure::usage(format!(
                    "{} at {} refuses: {refusal}; give the --seed that the nodes were started with",
                    station.name, station.address
                )));
            }
            if let Some((index, how)) = self.children.as_mut().and_then(Children::ended) {
                let words = self.children.as_ref().map(Children::last_words).unwrap_or_default();
                return Err(Failure::io(format!("{}: {how}; {words}", self.storage[index].name)));
            }
            let answered = self.seen.borrow().len();
            if answered == self.storage.len() || (answered > 0 && Instant::now() >= give_up) {
                return Ok(());
            }
            if Instant::now() >= give_up {
                let places: Vec<String> = self.storage.iter().map(|station| station.address.to_string()).collect();
                return Err(Failure::io(format!("no node answers at {}", places.join(", "))));
            }
        }
    }

    /// Asks all attendants. Gives the number of the round.
    fn ask_all(&self) -> u64 {
        let round = self.round.get() + 1;
        self.round.set(round);
        for index in 0..self.storage.len() {
            // Whoever cannot be reached does not answer.
            let _ = self.runtime.deliver(OVERSEER, attendant_of(index), &ask_frame(round));
        }
        round
    }

    /// Takes in what attendants have answered by now, and asks them all again.
    pub fn poll(&self) {
        while let Ok(report) = self.reports.try_recv() {
            self.take(report);
        }
        self.ask_all();
    }

    /// What the process of a storage node that runs said last, if it has said anything.
    pub fn report(&self, node: NodeId) -> Option<NodeReport> {
        let process = self.children.as_ref()?.process(self.index_of(node)?)?;
        let seen = self.seen.borrow();
        seen.get(&node).map(|seen| &seen.latest).filter(|latest| latest.process == process).cloned()
    }

    /// Asks all attendants, and waits until `is_enough` is content with who has answered.
    fn ask(&self, is_enough: impl Fn(&[NodeId]) -> bool) {
        let round = self.ask_all();
        let give_up = Instant::now() + ANSWER_PATIENCE;
        let mut answered = Vec::new();
        while !is_enough(&answered) {
            let left = give_up.saturating_duration_since(Instant::now());
            let Ok(report) = self.reports.recv_timeout(left) else { return };
            if report.round == round {
                answered.push(NodeId(report.node));
            }
            self.take(report);
        }
    }

    /// Asks all, and waits for those who answered the round before.
    fn refresh(&self) {
        let before = self.round.get();
        let expected: Vec<NodeId> = self.answering(before);
        self.ask(|answered| expected.iter().all(|node| answered.contains(node)));
    }

    /// Who answered since this round.
    fn answering(&self, round: u64) -> Vec<NodeId> {
        let seen = self.seen.borrow();
        seen.iter().filter(|(_, seen)| seen.latest.round >= round).map(|(node, _)| *node).collect()
    }

    fn take(&self, report: NodeReport) {
        let mut all = self.seen.borrow_mut();
        let Some(station) = self.storage.iter().find(|station| station.id.0 == report.node) else { return };
        let seen = all.entry(station.id).or_default();
        if seen.latest.process != report.process {
            seen.before.add(&seen.latest.ledger());
            seen.before_cpu_ns += seen.latest.cpu_ns;
            seen.is_halt_told = false;
        }
        seen.latest = report;
    }

    /// The wires between all processes, where there are any.
    pub fn wires(&self) -> Option<&Wires> {
        self.wires.as_ref()
    }

    /// Whether a node is in another process than this one.
    pub fn is_elsewhere(&self, node: NodeId) -> bool {
        self.index_of(node).is_some()
    }

    /// The runtime of this process.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Runs `look` on a node of this process.
    ///
    /// # Errors
    ///
    /// The node is down, or in another process.
    pub fn probe<R: Send + 'static>(
        &self,
        node: NodeId,
        look: impl FnOnce(&mut dyn Any) -> R + Send + 'static,
    ) -> Result<R, Failure> {
        self.runtime.probe(node, look).map_err(runtime_failure)
    }

    /// Delivers a frame, over a connection where it has to cross one.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn deliver(&self, from: NodeId, to: NodeId, frame: &Frame) -> Result<(), Failure> {
        self.runtime.deliver(from, to, frame).map_err(runtime_failure)
    }

    /// Kills a node: its process, where it has one of its own.
    ///
    /// # Errors
    ///
    /// Its process is somebody else's.
    pub fn crash(&mut self, node: NodeId) -> Result<(), Failure> {
        match self.index_of(node) {
            None => self.runtime.crash(node).map_err(runtime_failure),
            Some(index) => {
                self.own_children()?.kill(index);
                Ok(())
            }
        }
    }

    /// Starts a node again.
    ///
    /// # Errors
    ///
    /// Its process is somebody else's, or does not come up.
    pub fn restart(&mut self, node: NodeId) -> Result<(), Failure> {
        match self.index_of(node) {
            None => self.runtime.restart(node).map_err(runtime_failure),
            Some(index) => self.own_children()?.restart(index),
        }
    }

    /// Has a storage node's process stand still, or go on.
    ///
    /// # Errors
    ///
    /// Its process is somebody else's, or not running.
    pub fn signal(&mut self, node: NodeId, told: Signal) -> Result<(), Failure> {
        let index = self.index_of(node).ok_or_else(|| Failure::usage(format!("{node:?} has no process of its own")))?;
        self.own_children()?.signal(index, told)
    }

    fn own_children(&mut self) -> Result<&mut Children, Failure> {
        let others =
            || Failure::usage("the processes of --nodes are somebody else's: use --runtime process for faults");
        self.children.as_mut().ok_or_else(others)
    }

    fn index_of(&self, node: NodeId) -> Option<usize> {
        self.storage.iter().position(|station| station.id == node)
    }

    /// Where a storage node's files lie, when its process is our own.
    pub fn disk_directory(&self, node: NodeId) -> Option<PathBuf> {
        let index = self.index_of(node)?;
        self.children.as_ref().map(|children| children.disk_directory(index))
    }

    /// The next node that stopped by itself, with its reason.
    pub fn next_halt(&mut self) -> Option<(NodeId, String)> {
        if let Ok(halt) = self.runtime.halts().try_recv() {
            return Some((halt.node, halt.reason));
        }
        // One's own tell why when they end.
        let others = self.seen.get_mut().iter_mut().filter(|_| self.children.is_none());
        for (node, seen) in others {
            if let (Some(reason), false) = (&seen.latest.halted, seen.is_halt_told) {
                seen.is_halt_told = true;
                return Some((*node, reason.clone()));
            }
        }
        let (index, how) = self.children.as_mut()?.ended()?;
        Some((self.storage[index].id, how))
    }

    /// What the storage nodes say of themselves, as far as they answer.
    pub fn gauge(&self, gauges: &mut Gauges) {
        self.refresh();
        let seen = self.seen.borrow();
        for node in self.answering(self.round.get()) {
            let Some(serving) = seen.get(&node).and_then(|seen| seen.latest.serving.as_ref()) else { continue };
            *gauges.uncoalesced_records.get_or_insert(0) += serving.uncoalesced;
            *gauges.log_bytes.get_or_insert(0) += serving.log_bytes;
            gauges.full.extend(serving.is_full.then_some(node));
        }
    }

    /// What every node has counted so far, in every process.
    ///
    /// # Errors
    ///
    /// The runtime of this process has ended.
    pub fn usage(&self) -> Result<Usage, Failure> {
        self.refresh();
        Ok(with_storage(self.runtime.usage().map_err(runtime_failure)?, &self.seen.borrow()))
    }

    /// What a reader of the record should know of the processes, in words: what they refused, and what was mended.
    pub fn notices(&self) -> Vec<String> {
        self.refresh();
        let seen = self.seen.borrow();
        let of_one = |station: &Station| {
            let report = &seen.get(&station.id)?.latest;
            let counts: Vec<String> =
                report.refused.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            let refused = (!counts.is_empty()).then(|| format!("{} refused {}", station.name, counts.join(", ")));
            let mended = report.serving.as_ref().filter(|serving| serving.damaged > 0).map(|serving| {
                let Serving { damaged, records_given, pages_given, .. } = serving;
                format!(
                    "{} found {damaged} blocks and pages damaged; peers gave it {records_given} records and {pages_given} pages",
                    station.name
                )
            });
            Some(refused.into_iter().chain(mended).collect::<Vec<_>>())
        };
        self.storage.iter().filter_map(of_one).flatten().collect()
    }

    /// Stops the nodes of this process, and the processes that are its own.
    ///
    /// # Errors
    ///
    /// The runtime of this process has ended before.
    pub fn stop(self) -> Result<Usage, Failure> {
        self.refresh();
        self.end().map(|(usage, _)| usage)
    }

    /// The same at once, whatever its processes have counted since they were last asked. Gives also who did not end when asked
    /// to, and was killed.
    ///
    /// # Errors
    ///
    /// As [`Fleet::stop`].
    pub fn end(self) -> Result<(Usage, Vec<String>), Failure> {
        let Fleet { runtime, children, seen, .. } = self;
        let stopped = runtime.stop().map_err(runtime_failure)?;
        let killed = children.map_or_else(Vec::new, Children::end);
        Ok((with_storage(stopped.usage, &seen.borrow()), killed))
    }
}

/// Addresses for so many processes, and the wires before them if there are to be any.
fn own_places(count: usize, wired: bool, seed: u64) -> std::io::Result<(Addresses, Option<Wires>)> {
    // Held until the wires have theirs, so that they are others.
    let listeners = own_listeners(count)?;
    let listening = listeners.iter().map(TcpListener::local_addr).collect::<std::io::Result<Vec<_>>>()?;
    let wires = wired.then(|| Wires::before(&listening, seed)).transpose()?;
    let reached = wires.as_ref().map_or_else(|| listening.clone(), |wires| wires.addresses.clone());
    Ok((Addresses { listening, reached }, wires))
}

/// The counts of this process with those of the storage nodes'. The links' thread works for the database node.
fn with_storage(of_runtime: uring::Usage, seen: &BTreeMap<NodeId, Seen>) -> Usage {
    let links_cpu = of_runtime.links_cpu;
    let mut usage = Usage::of(of_runtime);
    let database = usage.nodes.iter_mut().find(|counts| counts.node == DATABASE);
    if let Some(cpu) = database.and_then(|counts| counts.cpu.as_mut()) {
        *cpu += links_cpu;
    }
    for (node, seen) in seen {
        let mut ledger = seen.before.clone();
        ledger.add(&seen.latest.ledger());
        let cpu = Some(Nanos(seen.before_cpu_ns + seen.latest.cpu_ns));
        usage.nodes.push(NodeCounts { node: *node, ledger, cpu });
    }
    usage.nodes.sort_by_key(|counts| counts.node);
    usage
}
