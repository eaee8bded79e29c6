//! What happens to a node, and what it does about it.

use std::any::Any;

use crate::{Digest, DiskOp, DiskResult, Frame, IoClass, Nanos, NodeId, TimerId, Token};

/// A deterministic state machine hosted by a runtime.
///
/// It never blocks, never reads a clock and never draws from a global generator. [`Any`] lets the owner of a runtime
/// inspect a node it knows the type of (`probe`), between events and on the node's own thread.
pub trait Node: Any + Send {
    /// Handles one event, appending what must be done to `out`.
    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects);

    /// Chains a cheap fingerprint of the state into `digest`: the counters and positions that would differ first if
    /// two runs diverged. Called after every few events under simulation.
    fn digest(&self, digest: &mut Digest);
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The node was started; always the first event, and again after each crash with a newly built node.
    Start,
    /// A frame arrived, verified.
    Frame {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        frame: Frame,
    },
    /// A disk operation completed.
    Disk {
        /// The token it was submitted under.
        token: Token,
        /// What came of it.
        result: DiskResult,
    },
    /// A timer is due.
    Timer {
        /// Which.
        timer: TimerId,
    },
}

/// CPU work worth pricing, declared with [`Effects::charge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Work {
    /// One client statement, without the page work counted below.
    Statement,
    /// One level of a B+tree descent.
    Descend,
    /// One redo record applied to a page.
    Apply,
    /// One row visited by a scan.
    ScanRow,
    /// One kilobyte encoded, decoded, copied or checksummed.
    Kilobyte,
    /// One protocol message handled.
    Message,
}

impl Work {
    /// All kinds, in the order of their `repr`.
    pub const ALL: [Work; 6] =
        [Work::Statement, Work::Descend, Work::Apply, Work::ScanRow, Work::Kilobyte, Work::Message];

    /// The kind's name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Work::Statement => "statement",
            Work::Descend => "descend",
            Work::Apply => "apply",
            Work::ScanRow => "scan_row",
            Work::Kilobyte => "kilobyte",
            Work::Message => "message",
        }
    }
}

/// Something to be done by the runtime.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send a frame. It may be lost, duplicated, delayed and reordered.
    Send {
        /// To whom; a node may send to itself.
        to: NodeId,
        /// What.
        frame: Frame,
        /// Why.
        class: IoClass,
    },
    /// Submit a disk operation.
    Disk {
        /// The name its completion will carry.
        token: Token,
        /// What to do.
        op: DiskOp,
        /// Why.
        class: IoClass,
    },
    /// Deliver [`Event::Timer`] once, `after` from now. Replaces a pending timer of the same id.
    SetTimer {
        /// Which.
        timer: TimerId,
        /// How long from now.
        after: Nanos,
    },
    /// Forget a pending timer. Not an error when it is not set.
    CancelTimer {
        /// Which.
        timer: TimerId,
    },
    /// Declare CPU work done in this event.
    Charge {
        /// Of which kind.
        work: Work,
        /// How many units.
        units: u64,
    },
    /// Stop: deliver nothing more to this node. Operations in flight may or may not have taken place.
    Halt {
        /// Why, for a person: what was wrong, where, what to do.
        reason: String,
    },
}

impl FromIterator<Effect> for Effects {
    fn from_iter<I: IntoIterator<Item = Effect>>(effects: I) -> Effects {
        Effects { list: effects.into_iter().collect() }
    }
}

/// The ordered effects of one event.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    list: Vec<Effect>,
}

impl Effects {
    /// No effects.
    pub fn new() -> Effects {
        Effects::default()
    }

    /// Sends `frame` to `to`.
    #[inline]
    pub fn send(&mut self, to: NodeId, frame: Frame, class: IoClass) {
        self.list.push(Effect::Send { to, frame, class });
    }

    /// Submits `op` under `token`.
    #[inline]
    pub fn disk(&mut self, token: Token, op: DiskOp, class: IoClass) {
        self.list.push(Effect::Disk { token, op, class });
    }

    /// Sets or moves `timer` to `after` from now.
    #[inline]
    pub fn set_timer(&mut self, timer: TimerId, after: Nanos) {
        self.list.push(Effect::SetTimer { timer, after });
    }

    /// Cancels `timer`.
    #[inline]
    pub fn cancel_timer(&mut self, timer: TimerId) {
        self.list.push(Effect::CancelTimer { timer });
    }

    /// Declares CPU work.
    #[inline]
    pub fn charge(&mut self, work: Work, units: u64) {
        self.list.push(Effect::Charge { work, units });
    }

    /// Stops this node for `reason`.
    pub fn halt(&mut self, reason: impl Into<String>) {
        self.list.push(Effect::Halt { reason: reason.into() });
    }

    /// Adds an effect as it is.
    #[inline]
    pub fn push(&mut self, effect: Effect) {
        self.list.push(effect);
    }

    /// How many effects there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes the effects in order, leaving the allocation for the next event.
    #[inline]
    pub fn drain(&mut self) -> std::vec::Drain<'_, Effect> {
        self.list.drain(..)
    }

    /// No effects, in the same allocation.
    #[must_use]
    pub fn emptied(mut self) -> Effects {
        self.list.clear();
        self
    }

    /// The effects so far.
    #[inline]
    pub fn as_slice(&self) -> &[Effect] {
        &self.list
    }
}
