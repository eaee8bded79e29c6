//! One node as its thread holds it.

use std::collections::VecDeque;
use std::sync::mpsc::Sender;

use bytes::Bytes;
use node::{Ledger, Member, Nanos, Node, NodeId, TimerId};

use crate::disk::Settled;
use crate::error::Error;

/// A node with everything its thread keeps about it.
pub(crate) struct Host {
    pub(crate) member: Member,
    pub(crate) node: Option<Box<dyn Node>>,
    pub(crate) state: State,
    /// The start in progress; the argument of the member's `build`.
    pub(crate) incarnation: u64,
    /// What happened while paused.
    pub(crate) held: VecDeque<Delivery>,
    pub(crate) held_timers: Vec<TimerId>,
    pub(crate) ledger: Ledger,
    pub(crate) busy: Nanos,
    pub(crate) events: u64,
    /// Whether frames to it go into the journal.
    pub(crate) journal_frames: bool,
    /// Files whose next write ends it, as a power cut does, and who waits for that.
    pub(crate) ends_writing: Option<(String, Sender<Result<usize, Error>>)>,
    /// Who waits until it is down and nothing of it is in flight.
    pub(crate) idle: Vec<Sender<Result<(), Error>>>,
    /// Who waits for it to be started again.
    pub(crate) restart: Option<Sender<Result<(), Error>>>,
}

/// Whether a node takes events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Up,
    Paused,
    /// Stopped by itself; its state can be looked at.
    Halted,
    /// Crashed; its state is gone.
    Down,
}

/// Something for a node, in the order of its thread.
#[derive(Debug)]
pub(crate) enum Delivery {
    Start { host: usize, incarnation: u64 },
    Frame { host: usize, from: NodeId, bytes: Bytes },
    Disk(Settled),
}

impl Delivery {
    pub(crate) fn host(&self) -> usize {
        match self {
            Delivery::Start { host, .. } | Delivery::Frame { host, .. } => *host,
            Delivery::Disk(settled) => settled.host,
        }
    }
}

impl Host {
    pub(crate) fn new(member: Member, journal_frames: bool) -> Host {
        let node = Some((member.build)(0));
        Host {
            member,
            node,
            state: State::Up,
            incarnation: 0,
            held: VecDeque::new(),
            held_timers: Vec::new(),
            ledger: Ledger::default(),
            busy: Nanos::ZERO,
            events: 0,
            journal_frames,
            ends_writing: None,
            idle: Vec::new(),
            restart: None,
        }
    }
}
