//! What can go wrong with a runtime, as opposed to inside one of its nodes.

use std::io;
use std::path::PathBuf;

use node::NodeId;
use thiserror::Error;

/// A runtime could not start, or could not do what its owner asked.
#[derive(Debug, Error)]
pub enum Error {
    /// Another live process, or another runtime of this one, holds the directory's lock.
    #[error("{directory} is in use by another process: stop it, or choose another data directory")]
    InUse {
        /// The data directory.
        directory: PathBuf,
    },
    /// A file or directory could not be used.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration demands io_uring and the kernel, or whoever confines this process, refuses it.
    #[error("io_uring was demanded and is not available: {reason}; use the automatic choice or the thread pool")]
    RingRefused {
        /// What was refused.
        reason: String,
    },
    /// The configuration contradicts itself or the topology.
    #[error("configuration: {reason}")]
    Config {
        /// What is wrong and what to do.
        reason: String,
    },
    /// The system refused a thread or a descriptor.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Connections cannot be taken where the configuration says.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// No such node in the topology.
    #[error("{node:?} is not in this topology")]
    NoSuchNode {
        /// The id asked for.
        node: NodeId,
    },
    /// The node is crashed, so there is no state to look at.
    #[error("{node:?} is down")]
    Down {
        /// The node.
        node: NodeId,
    },
    /// The node is running, so it cannot be started again.
    #[error("{node:?} is up: crash it first")]
    Up {
        /// The node.
        node: NodeId,
    },
    /// The runtime's thread is gone; its panic, if any, was printed.
    #[error("the thread hosting {node:?} has ended")]
    ThreadEnded {
        /// The node.
        node: NodeId,
    },
    /// Real devices keep what they were given.
    #[error("a real disk does not lose sectors on demand: record a journal, and cut the power at a position of it")]
    PowerLoss,
    /// All nodes read the machine's clock.
    #[error("the machine's clock cannot be made to drift: use the simulator")]
    Clock,
}

impl Error {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Error {
        Error::Io { what, path: path.into(), source }
    }
}
