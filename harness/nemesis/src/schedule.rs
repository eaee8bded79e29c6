//! Faults over virtual time.

use node::fault::Fault;
use node::{Nanos, NodeId};

use crate::act::Act;
use crate::cast::Cast;
use crate::catalogue::Row;

/// A database node stays down at least so long: no frame on its way to it when it crashed may reach its next life, as no
/// connection outlives a process. The slowest client frame takes less.
pub const DATABASE_DOWN_MIN: Nanos = Nanos::from_millis(4);

/// An operation that takes longer is stuck: only a reset of its node ends it.
pub const STUCK: Nanos = Nanos::from_secs(3600);

/// One act, when it takes place, and of which row it is a part.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// When, from the schedule's start.
    pub at: Nanos,
    /// The row.
    pub row: &'static Row,
    /// What.
    pub act: Act,
}

/// Faults in order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The rows in use, whether they drew anything or not.
    pub rows: Vec<&'static Row>,
    /// What happens.
    pub faults: Vec<Timed>,
    /// When it is over.
    pub span: Nanos,
}

impl Schedule {
    /// Whether nodes may halt because of their disks.
    pub fn fails_disks(&self) -> bool {
        let halts = |row: &Row| row.damages() || ["D7", "D11", "D12", "D13", "D16", "D21", "K3"].contains(&row.id);
        self.rows.iter().any(|row| halts(row))
    }
}

/// Every fault undone that can be: links healed, disks cleared, nodes resumed. Crashed nodes are left to the caller.
pub fn healing(cast: &Cast) -> Vec<Fault> {
    let all: Vec<NodeId> = std::iter::once(cast.clients).chain(cast.engine()).chain(cast.successor).collect();
    let mut faults = Vec::new();
    for &from in &all {
        faults.push(Fault::Resume { node: from });
        faults.push(Fault::Clock { node: from, drift_ppm: 0 });
        faults.extend(all.iter().filter(|to| **to != from).map(|&to| Fault::Heal { from, to }));
    }
    faults.extend(cast.with_disk.iter().map(|&node| Fault::DiskClear { node }));
    faults
}
