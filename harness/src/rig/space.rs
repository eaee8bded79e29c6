//! Disks that are full while an engine runs: which, where, and what a person does about it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use node::NodeId;

use super::Rig;
use crate::engines::Gauges;
use crate::exit::Failure;

/// Looks in a row at which too many disks are full before the engine is taken to be held up: what a full disk refuses is
/// tried again, and collected log may make room.
const LOOKS: u32 = 2;

/// A node whose disk has no space for its files to grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullDisk {
    /// The node's name.
    pub node: String,
    /// Its directory; none in a simulated world.
    pub directory: Option<PathBuf>,
}

/// Watches an engine for full disks.
#[derive(Clone, Debug, Default)]
pub struct SpaceWatch {
    seen: BTreeSet<NodeId>,
    looks: u32,
}

impl SpaceWatch {
    /// Takes what the engine said of itself at one moment. Gives the disks that are full for the first time.
    ///
    /// # Errors
    ///
    /// More of them are full than the engine can do without, and have been for a while: writes are refused or wait.
    pub fn look(&mut self, rig: &Rig, gauges: &Gauges) -> Result<Vec<FullDisk>, Failure> {
        let new: Vec<NodeId> = gauges.full.iter().copied().filter(|node| self.seen.insert(*node)).collect();
        let held_up = gauges.full.len() > rig.engine.full_disks_max();
        self.looks = if held_up { self.looks + 1 } else { 0 };
        if self.looks >= LOOKS {
            return Err(Failure::io(no_space(&rig.full_disks(&gauges.full))));
        }
        Ok(rig.full_disks(&new))
    }
}

impl Rig {
    fn full_disks(&self, nodes: &[NodeId]) -> Vec<FullDisk> {
        let disk = |id: &NodeId| FullDisk {
            node: self.nodes.iter().find(|info| info.id == *id).map_or_else(String::new, |info| info.name.clone()),
            directory: self.host.disk_directory(*id),
        };
        nodes.iter().map(disk).collect()
    }
}

fn no_space(disks: &[FullDisk]) -> String {
    let place = |disk: &FullDisk| match &disk.directory {
        Some(directory) => format!("{} ({})", disk.node, directory.display()),
        None => disk.node.clone(),
    };
    let places: Vec<String> = disks.iter().map(place).collect();
    format!(
        "no space left on the disk of {}: files there cannot grow, so commits are refused or wait. Everything acknowledged is \
         kept: free some space there, then go on with --reuse, or check with `sextant verify`",
        places.join(", ")
    )
}
