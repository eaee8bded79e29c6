//! What is done to disks behind a node's back on a stage, by the rules of [`crate::campaign::world`]: a disk in another's place
//! is neither emptied nor put back, and one that was emptied is not exchanged.

use std::collections::BTreeSet;

use nemesis::{Act, STUCK, Timed};
use node::fault::{DiskRule, Fault};
use node::{Delay, NodeId};
use uring::Standing;

use super::player::Player;
use super::stage::Stage;

/// What was done to disks.
#[derive(Default)]
pub(super) struct Handled {
    /// Disks of which there is an earlier state.
    kept: BTreeSet<NodeId>,
    wiped: BTreeSet<NodeId>,
    /// Disks that took each other's place, in order.
    swapped: Vec<(NodeId, NodeId)>,
    stuck: BTreeSet<NodeId>,
}

impl<S: Stage> Player<S> {
    /// Carries out an act that concerns disks; others do nothing here.
    pub(super) fn carry_out_on_disk(&mut self, act: &Act, fault: &Timed) -> Result<(), String> {
        match act {
            Act::Damage { .. } => self.strike(act, Some(fault)),
            Act::Wipe { node } | Act::Keep { node } | Act::Rollback { node } if self.is_exchanged(*node) => Ok(()),
            Act::Wipe { node } => {
                self.put_down(*node)?;
                self.handled.wiped.insert(*node);
                self.strike(act, Some(fault))?;
                self.damaged(*node, true);
                Ok(())
            }
            Act::Keep { node } => {
                self.handled.kept.insert(*node);
                self.strike(act, Some(fault))
            }
            Act::Rollback { node } if !self.handled.kept.contains(node) => Ok(()),
            Act::Rollback { node } => {
                self.put_down(*node)?;
                self.strike(act, Some(fault))?;
                self.damaged(*node, true);
                Ok(())
            }
            Act::Swap { one, other } if [one, other].iter().any(|node| self.handled.wiped.contains(node)) => Ok(()),
            Act::Swap { one, other } => self.swap(*one, *other, Some(fault)),
            Act::RotAlike { .. } => self.strike(act, Some(fault)),
            Act::Primitive(_) | Act::CrashWriting { .. } | Act::CrashLosing { .. } | Act::Crowd { .. } => Ok(()),
        }
    }

    fn swap(&mut self, one: NodeId, other: NodeId, fault: Option<&Timed>) -> Result<(), String> {
        [one, other].into_iter().try_for_each(|node| self.put_down(node))?;
        self.strike(&Act::Swap { one, other }, fault)?;
        [one, other].into_iter().for_each(|node| self.damaged(node, false));
        match self.handled.swapped.last() {
            Some(last) if *last == (one, other) => drop(self.handled.swapped.pop()),
            _ => self.handled.swapped.push((one, other)),
        }
        Ok(())
    }

    /// Takes back every exchange, backwards.
    pub(super) fn bring_disks_home(&mut self) -> Result<(), String> {
        for (one, other) in std::mem::take(&mut self.handled.swapped).into_iter().rev() {
            self.swap(one, other, None)?;
        }
        self.handled.swapped.clear();
        Ok(())
    }

    /// Takes note of a rule that leaves what a disk is asked without an end.
    pub(super) fn note_rule(&mut self, node: NodeId, rule: &DiskRule) {
        if rule.extra_delay == Some(Delay::Constant(STUCK)) {
            self.handled.stuck.insert(node);
        }
    }

    /// Resets the nodes whose disks were stuck, as whoever mends a device does.
    pub(super) fn reset_stuck(&mut self) -> Result<(), String> {
        std::mem::take(&mut self.handled.stuck).into_iter().try_for_each(|node| self.put_down(node))
    }

    fn is_exchanged(&self, node: NodeId) -> bool {
        self.handled.swapped.iter().any(|(one, other)| [*one, *other].contains(&node))
    }

    /// Kills a node unless it is down, for what can be done to a disk only then.
    pub(super) fn put_down(&mut self, node: NodeId) -> Result<(), String> {
        if self.standing(node)? == Standing::Down {
            return Ok(());
        }
        self.apply(&Fault::Crash { node, power: false }, None)
    }

    pub(super) fn damaged(&mut self, node: NodeId, lost: bool) {
        self.damage = true;
        self.watch.damaged(node);
        self.subject.disk_damaged(node, lost);
    }
}
