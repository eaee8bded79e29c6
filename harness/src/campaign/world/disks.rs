//! What is done to disks behind a node's back: damaged, emptied, put back as they were, exchanged.
//!
//! # Invariants
//!
//! - A disk that is in another's place is neither emptied nor put back, and one that was emptied is not exchanged: whoever
//!   finds it blank, or with a stranger's name at home, would take it for its own.
//! - What can be done to a disk only while nobody has it open is done after its node has crashed.

use std::collections::{BTreeMap, BTreeSet};

use nemesis::{Act, DamageKind, STUCK};
use node::fault::{DiskRule, Fault};
use node::{Delay, NodeId};
use sim::{Ailment, SimDisk, Status, Survival};

use super::{LOST, UNREFUTED, World};

/// What was done to the disks of a world.
#[derive(Default)]
pub(super) struct Handled {
    /// Disks as they were when a script said to keep them.
    kept: BTreeMap<NodeId, SimDisk>,
    /// Disks that were emptied.
    wiped: BTreeSet<NodeId>,
    /// Disks that took each other's place, in order.
    swapped: Vec<(NodeId, NodeId)>,
    /// Nodes whose disks stick now, with what the disk had slowed before it stuck.
    sticking: BTreeMap<NodeId, u64>,
    /// Nodes that asked something of a disk while it stuck: that never completes.
    stuck: BTreeSet<NodeId>,
}

impl World<'_> {
    /// Carries out an act that concerns disks; others do nothing here.
    pub(super) fn carry_out_on_disk(&mut self, act: &Act) -> Result<(), String> {
        match act {
            Act::Damage { node, kind, files, place, sectors } => {
                let ailment = match kind {
                    DamageKind::Rot => Ailment::Rotten,
                    DamageKind::Unreadable => Ailment::Unreadable,
                };
                let files = if files == "any" { "" } else { files };
                let disk = self.sim.disk_mut(*node);
                let struck = disk.and_then(|disk| disk.ail(files, *place, u64::from(*sectors), ailment));
                if let Some((file, sectors)) = struck {
                    self.damaged(*node, false);
                    self.tell(format!("     {} sectors {sectors:?}", file.as_str()));
                }
            }
            Act::RotAlike { nodes, files, place } => self.rot_alike(nodes, files, *place),
            Act::Wipe { node } | Act::Keep { node } | Act::Rollback { node } if self.is_exchanged(*node) => {}
            Act::Wipe { node } => {
                self.put_down(*node)?;
                self.damaged(*node, true);
                self.disks.wiped.insert(*node);
                if let Some(disk) = self.sim.disk_mut(*node) {
                    disk.wipe();
                }
            }
            Act::Keep { node } => {
                if let Some(disk) = self.sim.disk(*node) {
                    self.disks.kept.insert(*node, disk.clone());
                }
            }
            Act::Rollback { node } => self.roll_back(*node)?,
            Act::Swap { one, other } if [one, other].iter().any(|node| self.disks.wiped.contains(node)) => {}
            Act::Swap { one, other } => self.swap(*one, *other)?,
            Act::Primitive(_) | Act::CrashWriting { .. } | Act::CrashLosing { .. } | Act::Crowd { .. } => {}
        }
        Ok(())
    }

    fn rot_alike(&mut self, nodes: &[NodeId], files: &str, place: u32) {
        let first = nodes.first().and_then(|node| self.sim.disk(*node));
        let Some((file, sector, sample)) = first.and_then(|disk| disk.sample(files, place)) else { return };
        self.tell(format!("     {} sector {sector}, and what is like it", file.as_str()));
        for &node in nodes {
            if self.sim.disk_mut(node).is_some_and(|disk| disk.rot_wherever(files, &sample) > 0) {
                self.damaged(node, false);
                self.beyond_mending = true;
            }
        }
    }

    fn roll_back(&mut self, node: NodeId) -> Result<(), String> {
        let Some(mut kept) = self.disks.kept.get(&node).cloned() else { return Ok(()) };
        self.substance.add(UNREFUTED, u64::from(!self.subject.would_refute(&self.sim, node)));
        self.put_down(node)?;
        self.damaged(node, true);
        kept.crash(false, Survival::All);
        self.put_in(node, kept);
        Ok(())
    }

    fn swap(&mut self, one: NodeId, other: NodeId) -> Result<(), String> {
        [one, other].into_iter().try_for_each(|node| self.put_down(node))?;
        let (Some(first), Some(second)) = (self.sim.disk(one).cloned(), self.sim.disk(other).cloned()) else {
            return Ok(());
        };
        for (node, disk) in [(one, second), (other, first)] {
            self.damaged(node, false);
            self.put_in(node, disk);
        }
        match self.disks.swapped.last() {
            Some(last) if *last == (one, other) => drop(self.disks.swapped.pop()),
            _ => self.disks.swapped.push((one, other)),
        }
        Ok(())
    }

    /// Takes back every exchange, backwards: what was exchanged three ways comes apart in no other order.
    pub(super) fn bring_disks_home(&mut self) -> Result<(), String> {
        for (one, other) in std::mem::take(&mut self.disks.swapped).into_iter().rev() {
            self.swap(one, other)?;
        }
        self.disks.swapped.clear();
        Ok(())
    }

    /// Takes note of the rule that a disk follows from now on. Only a node that asked something of it while it stuck waits
    /// for what never completes.
    pub(super) fn note_rule(&mut self, node: NodeId, rule: &DiskRule) {
        let slowed = self.sim.disk(node).map_or(0, |disk| disk.counts().slowed);
        if self.disks.sticking.remove(&node).is_some_and(|before| slowed > before) {
            self.disks.stuck.insert(node);
        }
        if rule.extra_delay == Some(Delay::Constant(STUCK)) {
            self.disks.sticking.insert(node, slowed);
        }
    }

    /// Resets the nodes that wait for what never completes, as whoever mends a device does. In the course of a script they
    /// are left to themselves; what one still waits for afterwards would end its life in the middle of an audit.
    pub(super) fn reset_stuck(&mut self) -> Result<(), String> {
        let sticking: Vec<NodeId> = self.disks.sticking.keys().copied().collect();
        sticking.into_iter().for_each(|node| self.note_rule(node, &DiskRule::default()));
        std::mem::take(&mut self.disks.stuck).into_iter().try_for_each(|node| self.put_down(node))
    }

    /// Puts a disk in a node's place. It behaves as disks do there now.
    fn put_in(&mut self, node: NodeId, mut disk: SimDisk) {
        if let Some(place) = self.sim.disk_mut(node) {
            disk.set_rule(place.rule());
            if let Some(before) = self.disks.sticking.get_mut(&node) {
                *before = disk.counts().slowed;
            }
            *place = disk;
        }
    }

    fn is_exchanged(&self, node: NodeId) -> bool {
        self.disks.swapped.iter().any(|(one, other)| [*one, *other].contains(&node))
    }

    /// Crashes a node unless it is down, for what can be done to a disk only then.
    pub(super) fn put_down(&mut self, node: NodeId) -> Result<(), String> {
        if *self.sim.status(node) == Status::Crashed {
            Ok(())
        } else {
            self.apply(&Fault::Crash { node, power: false })
        }
    }

    pub(super) fn damaged(&mut self, node: NodeId, lost: bool) {
        self.damage = true;
        self.substance.add(LOST, u64::from(lost));
        self.watch.damaged(node);
        self.subject.disk_damaged(node, lost);
    }
}
