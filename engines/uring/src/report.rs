//! What a runtime says about itself, for the record of a run.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use node::{Ledger, Nanos, Node, NodeId};

use crate::link::LinkDelays;

/// How a runtime came to be set up.
#[derive(Clone, Debug)]
pub struct Description {
    /// What carries out disk operations.
    pub backend: BackendReport,
    /// One entry for each thread.
    pub threads: Vec<ThreadReport>,
    /// One entry for each node with a disk.
    pub disks: Vec<DiskReport>,
    /// The link profile's name.
    pub links: String,
    /// Where connections of other processes are taken.
    pub listening: Option<SocketAddr>,
    /// What a reader of the figures must know: fallbacks, a RAM disk, late timers.
    pub notices: Vec<String>,
}

/// Which disk backend runs, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendReport {
    /// `io_uring` or `thread_pool`.
    pub name: &'static str,
    /// Why this one: demanded, found by probe, or what refused the ring.
    pub reason: String,
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadReport {
    /// The nodes on it.
    pub nodes: Vec<NodeId>,
    /// What its ring was granted; `None` without a ring.
    pub ring: Option<RingReport>,
    /// Whether the kernel fires its timeouts on time.
    pub timer_slack_min: bool,
}

/// What the kernel granted to a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingReport {
    /// SINGLE_ISSUER and DEFER_TASKRUN.
    pub deferred_taskrun: bool,
    /// Places for registered files; zero when refused.
    pub registered_files: u32,
    /// Bytes of registered buffers; zero when refused.
    pub registered_buffer_bytes: usize,
}

/// One node's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskReport {
    /// Whose.
    pub node: NodeId,
    /// Its directory.
    pub directory: PathBuf,
    /// The file system, e.g. `ext4`.
    pub file_system: String,
    /// Whether the file system keeps files in memory only.
    pub in_memory: bool,
    /// Whether files are opened with O_DIRECT.
    pub direct: bool,
    /// Why not, when not.
    pub buffered_because: Option<String>,
}

/// A node that stopped by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// Who.
    pub node: NodeId,
    /// Which start of it, from 0.
    pub incarnation: u64,
    /// When, on the runtime's clock.
    pub at: Nanos,
    /// Why.
    pub reason: String,
}

/// Where halts are learnt of, in the order they happened. Any thread may ask; each halt is given out once.
#[derive(Debug)]
pub struct Halts(Mutex<Coming>);

/// What arrives, behind what somebody who only waited has seen arrive.
#[derive(Debug)]
struct Coming {
    arrived: VecDeque<Halt>,
    receiver: Receiver<Halt>,
}

impl Halts {
    pub(crate) fn new(receiver: Receiver<Halt>) -> Halts {
        Halts(Mutex::new(Coming { arrived: VecDeque::new(), receiver }))
    }

    /// The next halt, if there is one by now.
    ///
    /// # Errors
    ///
    /// There is none, or all threads have ended.
    pub fn try_recv(&self) -> Result<Halt, TryRecvError> {
        let mut coming = self.lock();
        coming.arrived.pop_front().map_or_else(|| coming.receiver.try_recv(), Ok)
    }

    /// The next halt, waiting for it at most so long.
    ///
    /// # Errors
    ///
    /// There was none in time, or all threads have ended.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Halt, RecvTimeoutError> {
        let mut coming = self.lock();
        coming.arrived.pop_front().map_or_else(|| coming.receiver.recv_timeout(timeout), Ok)
    }

    /// Lets so much time pass, or less when a node halts meanwhile. The halt is still to be received. Returns whether there
    /// was one.
    pub fn wait_for_another(&self, span: Duration) -> bool {
        let mut coming = self.lock();
        match coming.receiver.recv_timeout(span) {
            Ok(halt) => {
                coming.arrived.push_back(halt);
                true
            }
            // Where all threads have ended no time passes: whoever asks anything next is told so.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Coming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts of one node so far.
#[derive(Clone, Debug)]
pub struct NodeUsage {
    /// Who.
    pub node: NodeId,
    /// What it did.
    pub ledger: Ledger,
    /// Events delivered to it.
    pub events: u64,
    /// CPU time of its thread, shared out by the time spent on each node's events and effects.
    pub cpu: Nanos,
}

/// Counts of one thread so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadUsage {
    /// CPU time, user and kernel.
    pub cpu: Nanos,
    /// Events delivered.
    pub events: u64,
    /// Times it went to sleep.
    pub sleeps: u64,
}

/// Counts of the whole runtime so far.
#[derive(Clone, Debug)]
pub struct Usage {
    /// On the runtime's clock.
    pub at: Nanos,
    /// One entry for each node, in order of id.
    pub nodes: Vec<NodeUsage>,
    /// One entry for each thread.
    pub threads: Vec<ThreadUsage>,
    /// CPU time of the blocking threads.
    pub pool_cpu: Nanos,
    /// CPU time of the links to other processes.
    pub links_cpu: Nanos,
    /// CPU time of the whole process, kernel workers of the rings included.
    pub process_cpu: Nanos,
    /// Intended and realised delays by pair of zones.
    pub delays: LinkDelays,
}

/// One node at the end.
pub struct StoppedNode {
    /// Who.
    pub id: NodeId,
    /// Its final state; `None` when it is crashed.
    pub node: Option<Box<dyn Node>>,
}

impl std::fmt::Debug for StoppedNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.id, if self.node.is_some() { "up" } else { "down" })
    }
}

/// What is left of a runtime that was stopped.
#[derive(Debug)]
pub struct Stopped {
    /// In order of id.
    pub nodes: Vec<StoppedNode>,
    /// Final counts.
    pub usage: Usage,
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn halt(node: u32) -> Halt {
        Halt { node: NodeId(node), incarnation: 0, at: Nanos::ZERO, reason: String::new() }
    }

    #[test]
    fn a_halt_ends_one_wait_and_is_received_in_its_turn() {
        let (sender, receiver) = channel();
        let halts = Halts::new(receiver);
        assert!(!halts.wait_for_another(Duration::ZERO), "nobody halted");
        (1..=3).for_each(|node| sender.send(halt(node)).expect("it is heard"));
        assert!(halts.wait_for_another(Duration::MAX) && halts.wait_for_another(Duration::MAX));
        assert_eq!(halts.try_recv(), Ok(halt(1)));
        assert_eq!(halts.recv_timeout(Duration::ZERO), Ok(halt(2)));
        assert_eq!(halts.try_recv(), Ok(halt(3)));
        assert_eq!(halts.try_recv(), Err(TryRecvError::Empty));
        assert!(!halts.wait_for_another(Duration::ZERO), "one halt ends one wait");
    }
}
