//! Nodes that die: alone, in turn, by zone, all together.

use node::fault::Fault;
use node::{Nanos, NodeId, Zone};

use super::Draw;
use crate::act::{Act, DamageKind};

/// Between two crashes of a database that recovers.
const RECOVERY_CUT: Nanos = Nanos::from_millis(3);

impl Draw<'_> {
    /// The database now and then; of the others one most often, several now and then, all of them sometimes.
    pub(super) fn crash_some(&mut self, power: bool) {
        let mut left: Vec<NodeId> = self.cast.others.iter().map(|other| other.0).collect();
        if left.is_empty() || self.rng.chance(0.3) {
            let (at, node) = (self.at, self.cast.database);
            self.push(at, Fault::Crash { node, power });
            return self.restart_at_end(at, node);
        }
        let most = if self.rng.chance(0.5) { 1 } else { left.len() as u64 };
        for _ in 0..self.rng.between(1, most) {
            let node = left.swap_remove(self.rng.below(left.len() as u64) as usize);
            let at = self.at;
            self.push(at, Fault::Crash { node, power });
            let up = Nanos(self.rng.between(at.0, self.end.0));
            self.push(up, Fault::Restart { node });
        }
    }

    /// The database dies as soon as it is up again, several times.
    pub(super) fn crash_in_recovery(&mut self) {
        let (mut at, node) = (self.at, self.cast.database);
        for _ in 0..=self.rng.below(5) {
            let power = self.rng.chance(0.5);
            self.push(at, Fault::Crash { node, power });
            let up = self.earliest_start(at, node);
            self.push(up, Fault::Restart { node });
            at = up + Nanos(self.rng.below(RECOVERY_CUT.0 + 1));
        }
    }

    pub(super) fn black_out(&mut self) {
        for node in self.cast.engine() {
            let at = self.at;
            self.push(at, Fault::Crash { node, power: true });
            let least = self.earliest_start(at, node);
            let up = Nanos(self.rng.between(least.0, self.end.max(least).0));
            self.push(up, Fault::Restart { node });
        }
    }

    /// So many zones, that of the database last, and so many nodes more.
    pub(super) fn lose_zones(&mut self, zones: usize, more: usize) {
        let mut candidates = self.cast.zones();
        if zones + more > 1 && candidates.len() > zones {
            candidates.retain(|zone| *zone != self.cast.database_zone);
        }
        let mut down: Vec<NodeId> = Vec::new();
        for _ in 0..zones.min(candidates.len()) {
            let zone: Zone = candidates.swap_remove(self.rng.below(candidates.len() as u64) as usize);
            down.extend(self.cast.inside(zone));
        }
        for _ in 0..more {
            let others = self.cast.others.iter().map(|other| other.0);
            let left: Vec<NodeId> = others.filter(|node| !down.contains(node)).collect();
            if !left.is_empty() {
                down.push(self.pick(&left));
            }
        }
        let at = self.at;
        down.iter().for_each(|&node| self.push(at, Fault::Crash { node, power: true }));
        down.into_iter().for_each(|node| self.restart_at_end(at, node));
    }

    /// A zone and one more are lost, and one of those that are left rots while it is needed most.
    pub(super) fn lose_zone_and_rot(&mut self) {
        let rotten = self.pick(&self.cast.with_disk.clone());
        if !self.budget.allows(self.row, &[rotten]) {
            return;
        }
        let before = self.faults.len();
        self.lose_zones(1, 1);
        let down: Vec<NodeId> = self.faults[before..].iter().map(|fault| fault.act.node()).collect();
        if !down.contains(&rotten) {
            let (at, place) = (self.at, self.rng.below(1_000_000) as u32);
            let files = self.pick(&["log", "pages"]).to_owned();
            self.act(at, Act::Damage { node: rotten, kind: DamageKind::Rot, files, place, sectors: 1 });
        }
    }

    /// One node after the other, each before the one before it can have caught up.
    pub(super) fn restart_in_turn(&mut self) {
        let nodes = self.cast.engine();
        let step = Nanos(self.end.saturating_sub(self.at).0 / nodes.len() as u64);
        let down = Nanos(self.rng.below(step.0 + 1));
        let mut at = self.at;
        for node in nodes {
            self.push(at, Fault::Crash { node, power: false });
            let up = (at + down).max(self.earliest_start(at, node));
            self.push(up, Fault::Restart { node });
            at += step;
        }
    }
}
