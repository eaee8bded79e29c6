//! What connections carried, lost and refused.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the runtime's start, over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpCounts {
    /// Handshakes that ended well, on either side.
    pub connections: u64,
    /// Connections that ended after such a handshake.
    pub broken: u64,
    /// Frames handed to the kernel.
    pub sent: u64,
    /// Calls that took to do so.
    pub writes: u64,
    /// Frames taken from connections, whole and undamaged.
    pub received: u64,
    /// Frames lost here: without a connection, without room in an outbox, or on their way when a connection broke.
    pub lost: u64,
    /// What was refused.
    pub refused: Refusals,
}

/// What was refused, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Connections that did not open with a handshake, or not in time.
    pub strangers: u64,
    /// Connections closed unheard, since too many were opening at once.
    pub crowded: u64,
    /// Handshakes of another protocol version.
    pub versions: u64,
    /// Handshakes that named another volume.
    pub volumes: u64,
    /// Handshakes that named a node that is not here, or none that may call.
    pub nodes: u64,
    /// Frames that announced more than a frame may hold.
    pub oversized: u64,
    /// Frames whose header or checksum was damaged.
    pub damaged: u64,
}

impl Refusals {
    /// The reasons with their names, for people and records.
    pub fn named(&self) -> [(&'static str, u64); 7] {
        [
            ("strangers", self.strangers),
            ("crowded", self.crowded),
            ("other versions", self.versions),
            ("other volumes", self.volumes),
            ("unknown nodes", self.nodes),
            ("oversized frames", self.oversized),
            ("damaged frames", self.damaged),
        ]
    }
}

/// The same, counted by several threads.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: Counter,
    pub(super) broken: Counter,
    pub(super) sent: Counter,
    pub(super) writes: Counter,
    pub(super) received: Counter,
    pub(super) lost: Counter,
    pub(super) strangers: Counter,
    pub(super) crowded: Counter,
    pub(super) versions: Counter,
    pub(super) volumes: Counter,
    pub(super) nodes: Counter,
    pub(super) oversized: Counter,
    pub(super) damaged: Counter,
}

/// One count. Nothing is ordered by it.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(super) fn snapshot(&self) -> TcpCounts {
        TcpCounts {
            connections: self.connections.get(),
            broken: self.broken.get(),
            sent: self.sent.get(),
            writes: self.writes.get(),
            received: self.received.get(),
            lost: self.lost.get(),
            refused: Refusals {
                strangers: self.strangers.get(),
                crowded: self.crowded.get(),
                versions: self.versions.get(),
                volumes: self.volumes.get(),
                nodes: self.nodes.get(),
                oversized: self.oversized.get(),
                damaged: self.damaged.get(),
            },
        }
    }
}
