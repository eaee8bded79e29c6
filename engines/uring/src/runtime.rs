//! The owner's side of a runtime: start, look, disturb, stop.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use node::fault::Fault;
use node::{Frame, Ledger, Nanos, NodeId, Topology};

use crate::clock::Clock;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::disk::pool::Pool;
use crate::error::Error;
use crate::journal::Journal;
use crate::launch;
use crate::link::{CarrierThread, LinkDelays, Refusal, TcpCounts};
use crate::mail::{Mail, Order, Passage, ThreadEnd, ThreadSnapshot};
use crate::report::{Description, Halts, NodeUsage, Stopped, StoppedNode, ThreadUsage, Usage};
use crate::sys;
use crate::thread::Routes;

/// A topology at work on real threads and disks. Dropping it stops it.
#[derive(Debug)]
pub struct Runtime {
    pub(crate) routes: Arc<Routes>,
    pub(crate) clock: Clock,
    pub(crate) threads: Vec<JoinHandle<()>>,
    pub(crate) halts: Halts,
    pub(crate) description: Description,
    pub(crate) journal: Option<Arc<Journal>>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) carrier_thread: Option<CarrierThread>,
    pub(crate) _data_dirs: Vec<DataDir>,
}

impl Runtime {
    /// Locks the data directories, starts the threads and delivers [`node::Event::Start`] to every node.
    ///
    /// # Errors
    ///
    /// A directory in use or not usable, a configuration that does not fit the topology, io_uring demanded and
    /// refused, or no threads to be had. Nothing is left running.
    pub fn start(topology: Topology, config: &Config) -> Result<Runtime, Error> {
        launch::launch(topology, config)
    }

    /// How it was set up, fallbacks included.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Time on the nodes' clock.
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Nodes that stopped by themselves, in the order they did.
    pub fn halts(&self) -> &Halts {
        &self.halts
    }

    /// The record of disk operations, when the configuration asked for one.
    pub fn journal(&self) -> Option<&Arc<Journal>> {
        self.journal.as_ref()
    }

    /// Runs `look` on the node between two of its events, on its own thread, and returns what it found. A panic in
    /// `look` continues here.
    ///
    /// # Errors
    ///
    /// The node is unknown or crashed.
    pub fn probe<R: Send + 'static>(
        &self,
        node: NodeId,
        look: impl FnOnce(&mut dyn Any) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let (done, answer) = channel();
        let run = move |state: &mut dyn Any| {
            // A probe that stopped waiting has no use for the answer.
            let _ = done.send(catch_unwind(AssertUnwindSafe(|| look(state))));
        };
        self.order(node, Order::Probe { node, run: Box::new(run) })?;
        match answer.recv() {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(Error::Down { node }),
        }
    }

    /// Drops the node's memory, as a kill of its process would: operations in flight may still take place.
    ///
    /// # Errors
    ///
    /// The node is unknown.
    pub fn crash(&self, node: NodeId) -> Result<(), Error> {
        self.ask(node, |done| Order::Crash { node, done })
    }

    /// Builds a crashed or halted node again from its disk, once everything its last incarnation had in flight has
    /// ended. Returns when it is up.
    ///
    /// # Errors
    ///
    /// The node is unknown or up.
    pub fn restart(&self, node: NodeId) -> Result<(), Error> {
        self.ask(node, |done| Order::Restart { node, done })
    }

    /// Stops delivering events to the node; they queue up.
    ///
    /// # Errors
    ///
    /// The node is unknown or not running.
    pub fn pause(&self, node: NodeId) -> Result<(), Error> {
        self.ask(node, |done| Order::Pause { node, done })
    }

    /// Lets a paused node go on.
    ///
    /// # Errors
    ///
    /// The node is unknown or not paused.
    pub fn resume(&self, node: NodeId) -> Result<(), Error> {
        self.ask(node, |done| Order::Resume { node, done })
    }

    /// Puts a primitive fault into force, or ends one.
    ///
    /// # Errors
    ///
    /// The node is unknown, the fault does not fit its state, or it is a power loss ([`Error::PowerLoss`]): see
    /// [`Runtime::cut_power`], or a clock that is to drift ([`Error::Clock`]).
    pub fn inject(&self, fault: &Fault) -> Result<(), Error> {
        match *fault {
            Fault::Crash { power: true, .. } => Err(Error::PowerLoss),
            Fault::Crash { node, power: false } => self.crash(node),
            Fault::Restart { node } => self.restart(node),
            Fault::Pause { node } => self.pause(node),
            Fault::Resume { node } => self.resume(node),
            Fault::Link { from, to, rule } => self.set_link(from, to, Some(rule)),
            Fault::Heal { from, to } => self.set_link(from, to, None),
            Fault::Disk { node, rule } => self.ask(node, |done| Order::Disk { node, rule: Some(rule), done }),
            Fault::DiskClear { node } => self.ask(node, |done| Order::Disk { node, rule: None, done }),
            Fault::Clock { drift_ppm: 0, .. } => Ok(()),
            Fault::Clock { .. } => Err(Error::Clock),
        }
    }

    /// Delivers a frame to the node as if `from` had sent it over a direct link. It counts in no ledger.
    ///
    /// # Errors
    ///
    /// The node is unknown.
    pub fn deliver(&self, from: NodeId, to: NodeId, frame: &Frame) -> Result<(), Error> {
        if let (None, true, Some(carrier)) = (self.routes.place(to), self.routes.reaches(to), &self.routes.carrier) {
            carrier.send(from, to, frame.bytes().clone());
            return Ok(());
        }
        let (thread, _) = self.routes.place(to).ok_or(Error::NoSuchNode { node: to })?;
        let passage = Passage { from, to, bytes: frame.bytes().clone(), sent: Nanos::ZERO, due: Nanos::ZERO };
        self.routes.inboxes[thread].put(Mail::Passage(passage));
        Ok(())
    }

    /// What the connections to other processes carried, lost and refused; nothing without any.
    pub fn tcp_counts(&self) -> TcpCounts {
        self.routes.carrier.as_ref().map(|carrier| carrier.counts()).unwrap_or_default()
    }

    /// Nodes of other processes that refused the last handshake, and why.
    pub fn refused_by(&self) -> Vec<(NodeId, Refusal)> {
        self.routes.carrier.as_ref().map(|carrier| carrier.refused_by()).unwrap_or_default()
    }

    /// What every node, thread and link has counted so far, in order of node id.
    ///
    /// # Errors
    ///
    /// A thread has ended, which only a defect of the runtime does.
    pub fn usage(&self) -> Result<Usage, Error> {
        let mut snapshots = Vec::new();
        for (thread, inbox) in self.routes.inboxes.iter().enumerate() {
            let (done, answer) = channel();
            inbox.put(Mail::Order(Order::Snapshot { done }));
            snapshots.push(answer.recv().map_err(|_| self.thread_ended(thread))?);
        }
        Ok(self.usage_of(snapshots))
    }

    /// The ledgers of all nodes, in order of id.
    ///
    /// # Errors
    ///
    /// As [`Runtime::usage`].
    pub fn ledgers(&self) -> Result<Vec<(NodeId, Ledger)>, Error> {
        Ok(self.usage()?.nodes.into_iter().map(|usage| (usage.node, usage.ledger)).collect())
    }

    /// Stops all nodes between two events, waits for the operations in flight, and returns what is left.
    ///
    /// # Errors
    ///
    /// A thread has ended before, which only a defect of the runtime does.
    pub fn stop(mut self) -> Result<Stopped, Error> {
        let ends = self.stop_threads()?;
        let mut nodes = Vec::new();
        let mut snapshots = Vec::new();
        for end in ends {
            nodes.extend(end.nodes.into_iter().map(|(id, node)| StoppedNode { id, node }));
            snapshots.push(end.snapshot);
        }
        nodes.sort_by_key(|node| node.id);
        Ok(Stopped { nodes, usage: self.usage_of(snapshots) })
    }

    fn stop_threads(&mut self) -> Result<Vec<ThreadEnd>, Error> {
        let mut answers = Vec::new();
        for inbox in &self.routes.inboxes {
            let (done, answer) = channel();
            inbox.put(Mail::Order(Order::Stop { done }));
            answers.push(answer);
        }
        let ends: Vec<_> = answers.into_iter().map(|answer| answer.recv()).collect();
        for thread in self.threads.drain(..) {
            // A panic was printed when it happened; its missing answer is reported below.
            let _ = thread.join();
        }
        let mut all = Vec::new();
        for (thread, end) in ends.into_iter().enumerate() {
            all.push(end.map_err(|_| self.thread_ended(thread))?);
        }
        Ok(all)
    }

    fn set_link(&self, from: NodeId, to: NodeId, rule: Option<node::fault::LinkRule>) -> Result<(), Error> {
        if !self.routes.reaches(to) {
            return Err(Error::NoSuchNode { node: to });
        }
        // A direction from another process is ruled where its frames arrive.
        let ruled_at = if self.routes.place(from).is_some() { from } else { to };
        self.ask(ruled_at, |done| Order::Link { from, to, rule, done })
    }

    pub(crate) fn ask(
        &self,
        node: NodeId,
        order: impl FnOnce(Sender<Result<(), Error>>) -> Order,
    ) -> Result<(), Error> {
        let (done, answer) = channel();
        self.order(node, order(done))?;
        answer.recv().map_err(|_| Error::ThreadEnded { node })?
    }

    pub(crate) fn order(&self, node: NodeId, order: Order) -> Result<(), Error> {
        let (thread, _) = self.routes.place(node).ok_or(Error::NoSuchNode { node })?;
        self.routes.inboxes[thread].put(Mail::Order(order));
        Ok(())
    }

    pub(crate) fn thread_ended(&self, thread: usize) -> Error {
        Error::ThreadEnded { node: self.description.threads[thread].nodes[0] }
    }

    fn usage_of(&self, snapshots: Vec<ThreadSnapshot>) -> Usage {
        let mut nodes = Vec::new();
        let mut threads = vec![ThreadUsage { cpu: Nanos::ZERO, events: 0, sleeps: 0 }; snapshots.len()];
        let mut delays = LinkDelays::default();
        for snapshot in snapshots {
            let ThreadSnapshot { thread, cpu, events, sleeps, .. } = snapshot;
            threads[thread] = ThreadUsage { cpu, events, sleeps };
            delays.add(&snapshot.delays);
            let busy: u64 = snapshot.nodes.iter().map(|node| node.busy.0).sum();
            nodes.extend(snapshot.nodes.into_iter().map(|node| {
                let share = if busy == 0 { 0.0 } else { node.busy.0 as f64 / busy as f64 };
                let cpu = Nanos((cpu.0 as f64 * share) as u64);
                NodeUsage { node: node.node, ledger: node.ledger, events: node.events, cpu }
            }));
        }
        nodes.sort_by_key(|usage| usage.node);
        Usage {
            at: self.clock.now(),
            nodes,
            threads,
            pool_cpu: self.pool.cpu(),
            links_cpu: self.routes.carrier.as_ref().map_or(Nanos::ZERO, |carrier| carrier.cpu()),
            process_cpu: sys::process_cpu(),
            delays,
        }
    }
}

/// A runtime may be watched, disturbed and measured from several threads at once.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Runtime>();
};

impl Drop for Runtime {
    fn drop(&mut self) {
        drop(self.carrier_thread.take());
        if !self.threads.is_empty() {
            // Whoever drops a runtime without stopping it does not want its remains.
            let _ = self.stop_threads();
        }
    }
}
