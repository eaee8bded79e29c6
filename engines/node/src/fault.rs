//! Primitive faults, the only ones a runtime knows. Everything a nemesis says is compiled to these.
//!
//! A primitive either holds until it is undone ([`Fault::Heal`], [`Fault::DiskClear`]) or takes place once.

mod ailing;
mod counts;

use crate::{Delay, NodeId};

pub use ailing::{Ailing, Ailment};
pub use counts::{DiskCounts, LinkCounts};

/// One change to the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The node loses its memory and its unfinished effects; what its disk holds is up to `power`.
    Crash {
        /// Who.
        node: NodeId,
        /// With `true`, sectors that are not durable may be lost or garbled; with `false` (a killed process)
        /// everything that completed stays.
        power: bool,
    },
    /// A crashed or halted node is built again from its disk.
    Restart {
        /// Who.
        node: NodeId,
    },
    /// The node stops handling events, which queue up.
    Pause {
        /// Who.
        node: NodeId,
    },
    /// The node goes on where it paused.
    Resume {
        /// Who.
        node: NodeId,
    },
    /// One direction of a link misbehaves, until healed. Replaces an earlier rule of that direction.
    Link {
        /// The sender.
        from: NodeId,
        /// The receiver.
        to: NodeId,
        /// How.
        rule: LinkRule,
    },
    /// One direction of a link is as the profile says again.
    Heal {
        /// The sender.
        from: NodeId,
        /// The receiver.
        to: NodeId,
    },
    /// A node's disk misbehaves, until cleared. Replaces an earlier rule of that node.
    Disk {
        /// Whose.
        node: NodeId,
        /// How.
        rule: DiskRule,
    },
    /// A node's disk behaves again. Damage done to stored bytes stays.
    DiskClear {
        /// Whose.
        node: NodeId,
    },
    /// A node's clock runs at another rate from now on; it never jumps.
    Clock {
        /// Whose.
        node: NodeId,
        /// How fast, in millionths of the true rate; negative is slow.
        drift_ppm: i32,
    },
}

/// How a link misbehaves. Probabilities are per frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkRule {
    /// Nothing passes.
    pub cut: bool,
    /// Probability of loss.
    pub loss: f64,
    /// Probability that a second copy is delivered, with its own delay.
    pub duplicate: f64,
    /// Probability that a byte is damaged.
    pub corrupt: f64,
    /// Added to the profile's delay; a distribution reorders frames.
    pub extra_delay: Option<Delay>,
    /// Added to the delay of second copies alone: old messages that come back much later.
    pub duplicate_delay: Option<Delay>,
    /// Bytes a second, when fewer than the profile's.
    pub bandwidth_bytes_per_s: Option<u64>,
}

/// How a disk misbehaves. Probabilities are per operation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DiskRule {
    /// Added to each operation's service time.
    pub extra_delay: Option<Delay>,
    /// Probability that a read fails with EIO.
    pub read_error: f64,
    /// Probability that a write or sync fails with EIO; a failed write may have taken place.
    pub write_error: f64,
    /// Probability that a sync fails with EIO although writes succeed.
    pub sync_error: f64,
    /// Creations, extensions and writes fail with ENOSPC.
    pub full: bool,
    /// Probability that a write is acknowledged, and durable if asked for, without having taken place.
    pub lost_write: f64,
    /// Probability that a write takes place elsewhere in its file, and what it was meant to replace stays.
    pub misdirected_write: f64,
    /// Probability that a read returns what lies elsewhere in its file.
    pub misdirected_read: f64,
}

impl DiskRule {
    /// Whether the disk may say what is not so. Only a simulated disk can be made to.
    pub fn lies(&self) -> bool {
        self.lost_write > 0.0 || self.misdirected_write > 0.0 || self.misdirected_read > 0.0
    }
}
