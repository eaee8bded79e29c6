//! What threads put into each other's inboxes.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

use bytes::Bytes;
use node::fault::{Ailing, Ailment, DiskRule, LinkRule};
use node::{FileName, Ledger, Nanos, Node, NodeId};

use crate::disk::FileAnswer;
use crate::disk::executor::Completion;
use crate::disturb::Disturbances;
use crate::error::Error;
use crate::link::LinkDelays;

/// One piece of mail.
pub(crate) enum Mail {
    /// A frame from a node of another thread.
    Passage(Passage),
    /// A frame from a node of another process.
    Arrival { from: NodeId, to: NodeId, bytes: Bytes },
    /// A read, write or sync done by the pool.
    Disk(Completion),
    /// A file opened, made, removed or listed by the pool.
    File { op: u64, answer: FileAnswer },
    /// An order of the runtime's owner.
    Order(Order),
}

/// A frame on its way.
#[derive(Debug)]
pub(crate) struct Passage {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) bytes: Bytes,
    pub(crate) sent: Nanos,
    /// When it is to arrive; no later than `sent` on a direct link.
    pub(crate) due: Nanos,
}

/// What a probe runs on a node.
pub(crate) type ProbeFn = Box<dyn FnOnce(&mut dyn Any) + Send>;

/// What an owner may ask of a thread. Answers go to the sender inside.
pub(crate) enum Order {
    Probe {
        node: NodeId,
        run: ProbeFn,
    },
    Crash {
        node: NodeId,
        done: Sender<Result<(), Error>>,
    },
    Restart {
        node: NodeId,
        done: Sender<Result<(), Error>>,
    },
    Pause {
        node: NodeId,
        done: Sender<Result<(), Error>>,
    },
    Resume {
        node: NodeId,
        done: Sender<Result<(), Error>>,
    },
    Disk {
        node: NodeId,
        rule: Option<DiskRule>,
        done: Sender<Result<(), Error>>,
    },
    Link {
        from: NodeId,
        to: NodeId,
        rule: Option<LinkRule>,
        done: Sender<Result<(), Error>>,
    },
    /// Crashes the node, at once or with a write to such a file on its way. Answered with the position of the journal.
    CutPower {
        node: NodeId,
        writing: Option<String>,
        done: Sender<Result<usize, Error>>,
    },
    /// Answered once nothing of a node that is down is in flight.
    AwaitIdle {
        node: NodeId,
        done: Sender<Result<(), Error>>,
    },
    Ail {
        node: NodeId,
        name: FileName,
        sectors: Vec<u64>,
        ailment: Ailment,
        done: Sender<Result<(), Error>>,
    },
    Ailing {
        node: NodeId,
        put: Option<BTreeMap<FileName, Ailing>>,
        done: Sender<BTreeMap<FileName, Ailing>>,
    },
    Disturbances {
        done: Sender<Disturbances>,
    },
    Snapshot {
        done: Sender<ThreadSnapshot>,
    },
    Stop {
        done: Sender<ThreadEnd>,
    },
}

/// What one thread has counted so far.
#[derive(Debug)]
pub(crate) struct ThreadSnapshot {
    pub(crate) thread: usize,
    pub(crate) cpu: Nanos,
    pub(crate) events: u64,
    pub(crate) sleeps: u64,
    pub(crate) nodes: Vec<NodeSnapshot>,
    pub(crate) delays: LinkDelays,
}

/// What one node has counted so far.
#[derive(Debug)]
pub(crate) struct NodeSnapshot {
    pub(crate) node: NodeId,
    pub(crate) ledger: Ledger,
    /// Time spent handling its events and carrying out their effects.
    pub(crate) busy: Nanos,
    pub(crate) events: u64,
}

/// What is left when a thread has ended.
pub(crate) struct ThreadEnd {
    pub(crate) snapshot: ThreadSnapshot,
    pub(crate) nodes: Vec<(NodeId, Option<Box<dyn Node>>)>,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mail")
    }
}
