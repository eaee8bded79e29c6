//! The block volume below the engine: one local disk, or a mirrored one reached over links.
//!
//! The engine issues the same disk operations either way and hears of their completions through
//! [`Volume::next_completion`].

mod local;
mod mirrored;

use node::{Digest, DiskOp, DiskResult, Effects, Event, IoClass, Nanos, Token};

pub use local::LocalVolume;
pub use mirrored::MirroredVolume;

/// What carries out the engine's disk operations.
pub trait Volume: Send {
    /// The node was started.
    fn start(&mut self, now: Nanos, out: &mut Effects);

    /// Whether operations may be submitted. Once true it stays so.
    fn is_ready(&self) -> bool;

    /// Submits an operation; its completion carries `token`.
    fn submit(&mut self, now: Nanos, token: Token, op: DiskOp, class: IoClass, out: &mut Effects);

    /// Submits a read of another copy than the one that [`Volume::submit`] reads. `partner` counts them from 0; says whether
    /// there is such a copy and it has every acknowledged write.
    fn read_partner(&mut self, _: Nanos, _: Token, _partner: u32, _: DiskOp, _: &mut Effects) -> bool {
        false
    }

    /// Submits a write that puts right the copy that [`Volume::submit`] reads, and only that: were it cut short, the others
    /// must still be whole.
    fn mend(&mut self, now: Nanos, token: Token, op: DiskOp, out: &mut Effects) {
        self.submit(now, token, op, IoClass::Repair, out);
    }

    /// Handles a completion, frame or timer that may be the volume's.
    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects);

    /// The next completion to be taken up.
    fn next_completion(&mut self) -> Option<(Token, DiskResult)>;

    /// What the copies stand at.
    fn status(&self) -> VolumeStatus;

    /// Chains a fingerprint of the state.
    fn digest(&self, digest: &mut Digest);

    /// A copy, for copies of simulated worlds.
    fn copy(&self) -> Box<dyn Volume>;
}

impl Clone for Box<dyn Volume> {
    fn clone(&self) -> Box<dyn Volume> {
        self.as_ref().copy()
    }
}

/// Where the copies of a volume stand; the durability class of what is acknowledged now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeStatus {
    /// One copy on one disk.
    Local,
    /// Four copies in two zones acknowledge every write.
    Attached {
        /// Rises with every detachment and attachment.
        epoch: u64,
    },
    /// Two copies in the writer's zone acknowledge; the standby's zone is away or being resynced.
    Detached {
        /// Rises with every detachment and attachment.
        epoch: u64,
        /// Regions still to be compared, when a resync is running.
        resync_left: Option<u64>,
    },
    /// Not yet ready.
    Connecting,
}

impl VolumeStatus {
    /// The durability class as printed on every row.
    pub const fn durability_class(&self) -> &'static str {
        match self {
            VolumeStatus::Local => "1 of 1 copies, one disk",
            VolumeStatus::Attached { .. } => "4 of 4 copies, two zones",
            VolumeStatus::Detached { .. } => "2 of 2 copies, one zone (standby detached)",
            VolumeStatus::Connecting => "none: not serving",
        }
    }
}
