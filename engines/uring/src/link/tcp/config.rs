//! Which nodes are in other processes, and how they are reached.

use std::net::SocketAddr;
use std::time::Duration;

use node::{NodeId, Zone};

/// The links of a runtime to other processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpConfig {
    /// What both ends must serve. A connection that names another volume is refused.
    pub volume: u64,
    /// Where to take connections; nowhere when absent.
    pub listen: Option<SocketAddr>,
    /// The nodes of other processes.
    pub remotes: Vec<Remote>,
    /// Bytes of frames that may wait for one pair's connection before further ones are lost.
    pub outbox_bytes_max: usize,
    /// The wait before a connection that broke is dialled again. Doubled each time it fails, or breaks soon.
    pub backoff_min: Duration,
    /// Where the doubling ends. A connection that lived so long starts over.
    pub backoff_max: Duration,
    /// How long a handshake may take, on either side.
    pub handshake_timeout: Duration,
    /// How long a connection may take not a single byte before it is given up.
    pub stall_timeout: Duration,
    /// Handshakes awaited at once. Connections beyond are closed unheard.
    pub handshakes_max: usize,
    /// Seeds the jitter of the backoff.
    pub seed: u64,
}

/// A node of another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its id.
    pub id: NodeId,
    /// Where it lives.
    pub zone: Zone,
    /// Where to dial it; without an address it is the one to dial.
    pub address: Option<SocketAddr>,
}

impl TcpConfig {
    /// The usual sizes and times, without a listener and without remotes.
    pub fn new(volume: u64) -> TcpConfig {
        TcpConfig {
            volume,
            listen: None,
            remotes: Vec::new(),
            outbox_bytes_max: 64 << 20,
            backoff_min: Duration::from_millis(10),
            backoff_max: Duration::from_millis(500),
            handshake_timeout: Duration::from_secs(3),
            stall_timeout: Duration::from_secs(10),
            handshakes_max: 64,
            seed: 0,
        }
    }
}
