//! Input and output by class, and resources over time.

use serde::{Deserialize, Serialize};

use crate::Phase;
use crate::row::row;

/// Where a node stands in the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Site {
    /// The database node, and in a coupled engine also its standby instance.
    Database,
    /// A storage node, a volume, or a mirror.
    Storage,
    /// The load generator.
    Load,
}

row! {
    /// What one node did for one class of I/O during one phase. Classes without any I/O are left out.
    pub struct Io in "io.csv" {
        /// The phase the counts cover.
        pub phase: Phase,
        /// The node's name, e.g. `storage-a1`.
        pub node: String,
        /// The node's role, e.g. `compute`, `storage`, `volume`, `standby`, `load`.
        pub role: String,
        /// Which side of the comparison the node stands on.
        pub site: Site,
        /// The node's availability zone.
        pub az: String,
        /// What the I/O was for, e.g. `redo`, `log_shipping`, `double_write`.
        pub class: String,
        /// Disk reads.
        pub reads: u64,
        /// Bytes of those reads.
        pub read_bytes: u64,
        /// Disk writes.
        pub writes: u64,
        /// Bytes of those writes.
        pub write_bytes: u64,
        /// Durability points asked of the disk: syncs, directory syncs, durable writes, and files made or extended.
        pub syncs: u64,
        /// Frames sent to other nodes; a six-way ship is six.
        pub sends: u64,
        /// Bytes of those frames, headers included.
        pub send_bytes: u64,
    }
}

row! {
    /// What one node had used up at one moment. Counters are cumulative since the node's start; gauges are marked.
    pub struct Resource in "resources.csv" {
        /// When, seconds from the start of the run.
        pub t_s: f64,
        /// The node's name; `process` for the whole process.
        pub node: String,
        /// The node's role.
        pub role: String,
        /// CPU seconds, user and system.
        pub cpu_s: Option<f64>,
        /// Resident memory (gauge).
        pub rss_bytes: Option<u64>,
        /// Bytes read from disk.
        pub read_bytes: Option<u64>,
        /// Bytes written to disk.
        pub write_bytes: Option<u64>,
        /// Disk reads.
        pub read_ios: Option<u64>,
        /// Disk writes.
        pub write_ios: Option<u64>,
        /// Durability points.
        pub fsyncs: Option<u64>,
        /// Bytes sent over links.
        pub net_tx_bytes: Option<u64>,
        /// Bytes received over links.
        pub net_rx_bytes: Option<u64>,
        /// Bytes of log held (gauge).
        pub log_bytes: Option<u64>,
        /// Bytes of pages held on disk (gauge).
        pub page_bytes: Option<u64>,
        /// Disk operations in flight (gauge).
        pub queue_depth: Option<u64>,
    }
}
