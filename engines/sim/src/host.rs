//! What the simulator keeps for each node.

use std::collections::VecDeque;

use node::{DiskResult, Event, Frame, Ledger, Member, Nanos, Node, NodeId, TimerId, Token, Zone};

use crate::SimDisk;
use crate::clock::Clock;
use crate::timers::Timers;

/// Whether a node is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It handles events.
    Running,
    /// Its events queue up.
    Paused,
    /// It stopped itself. Its state can still be inspected.
    Halted {
        /// What it said.
        reason: String,
    },
    /// It lost its memory and has not been built again.
    Crashed,
}

/// A node that stopped itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// When.
    pub at: Nanos,
    /// Who.
    pub node: NodeId,
    /// Why, in its own words.
    pub reason: String,
}

/// A delivery that waits for its node or for a core.
#[derive(Clone, Debug)]
pub(crate) enum Delivery {
    Start,
    Frame {
        from: NodeId,
        frame: Frame,
    },
    Disk {
        token: Token,
        result: DiskResult,
    },
    /// `set` tells which setting of the timer is due, so that a moved or cancelled timer stays silent.
    Timer {
        timer: TimerId,
        set: u64,
    },
}

/// One node with all that is its own.
pub(crate) struct Host {
    pub(crate) id: NodeId,
    pub(crate) zone: Zone,
    pub(crate) core: usize,
    /// Absent when crashed.
    pub(crate) node: Option<Box<dyn Node>>,
    pub(crate) status: Status,
    /// Counts lives: whatever was meant for an earlier one is ignored.
    pub(crate) life: u32,
    /// Whether its first event, the start, was delivered in this life.
    pub(crate) started: bool,
    /// Counts starts: the argument of the next build.
    pub(crate) starts: u64,
    pub(crate) timers: Timers,
    /// Its own clock, which goes on while it is down.
    pub(crate) clock: Clock,
    /// Timers that came up sooner or later than a true clock would have had it.
    pub(crate) timers_drifted: u64,
    pub(crate) disk: Option<SimDisk>,
    pub(crate) ledger: Ledger,
    /// Events delivered to it.
    pub(crate) events: u64,
    /// Time of a core spent on it.
    pub(crate) cpu: Nanos,
    /// What came while paused, or before its start.
    pub(crate) inbox: VecDeque<Delivery>,
    /// Whether its effects are counted and can stop a run.
    pub(crate) watched: bool,
}

impl Host {
    /// A host whose node is yet to be built.
    pub(crate) fn new(member: &Member, core: usize, disk: Option<SimDisk>) -> Host {
        Host {
            id: member.id,
            zone: member.zone,
            core,
            node: None,
            status: Status::Crashed,
            life: 0,
            started: false,
            starts: 0,
            timers: Timers::default(),
            clock: Clock::default(),
            timers_drifted: 0,
            disk,
            ledger: Ledger::default(),
            events: 0,
            cpu: Nanos::ZERO,
            inbox: VecDeque::new(),
            watched: true,
        }
    }

    /// Whether the node exists and has not stopped.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.status, Status::Running | Status::Paused)
    }

    /// The event a delivery has become by now, or `None` when it no longer applies.
    pub(crate) fn event(&mut self, delivery: Delivery) -> Option<Event> {
        Some(match delivery {
            Delivery::Start => Event::Start,
            Delivery::Frame { from, frame } => Event::Frame { from, frame },
            Delivery::Disk { token, result } => Event::Disk { token, result },
            Delivery::Timer { timer, set } => {
                if !self.timers.take(timer, set) {
                    return None;
                }
                Event::Timer { timer }
            }
        })
    }

    /// Forgets everything that a process forgets.
    pub(crate) fn end_life(&mut self) {
        self.life += 1;
        self.started = false;
        self.timers.clear();
        self.inbox.clear();
    }

    /// Everything but the node itself, which is `node`.
    pub(crate) fn copy(&self, node: Option<Box<dyn Node>>) -> Host {
        Host {
            id: self.id,
            zone: self.zone,
            core: self.core,
            node,
            status: self.status.clone(),
            life: self.life,
            started: self.started,
            starts: self.starts,
            timers: self.timers.clone(),
            clock: self.clock,
            timers_drifted: self.timers_drifted,
            disk: self.disk.clone(),
            ledger: self.ledger.clone(),
            events: self.events,
            cpu: self.cpu,
            inbox: self.inbox.clone(),
            watched: self.watched,
        }
    }
}
