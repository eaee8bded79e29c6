//! Disks that fail, lie, fill, slow down and forget.

use node::fault::{DiskRule, Fault};
use node::{Delay, Nanos, NodeId, Rng};

use super::{Draw, often, probability};
use crate::act::{Act, DamageKind, WAIT_MAX};
use crate::catalogue::EngineClass;
use crate::schedule::STUCK;

/// The longest mean of what a slow disk adds.
const SLOW_MAX: Nanos = Nanos::from_millis(5);

impl Draw<'_> {
    pub(super) fn disk_row(&mut self, id: &str) {
        let nodes = self.cast.with_disk.clone();
        if nodes.is_empty() {
            return;
        }
        let slow = |rng: &mut Rng| {
            let tail = Nanos(rng.below(SLOW_MAX.0 / 1_000) * 1_000);
            DiskRule { extra_delay: Some(Delay::Tailed { base: Nanos::ZERO, tail }), ..DiskRule::default() }
        };
        match id {
            "D1" => self.cut_power(&nodes, "log"),
            "D2" => self.cut_power(&nodes, "pages"),
            "D3" => self.lose_unsynced(&nodes, [1, 1, 2, 4, 8]),
            "D4" => self.lose_unsynced(&nodes, [2, 2, 4, 8, 16]),
            "D5" => self.lie(|p| DiskRule { lost_write: p, ..DiskRule::default() }),
            "D6" => self.lie(|p| DiskRule { misdirected_write: p, ..DiskRule::default() }),
            "D7" => self.lie(|p| DiskRule { misdirected_read: p, ..DiskRule::default() }),
            "D8" => self.damage(DamageKind::Unreadable, &["log", "pages", ""]),
            "D9" => self.damage(DamageKind::Rot, &["log", "pages", "index", ""]),
            "D10" => self.rot_everywhere(&nodes),
            "D11" => self.fail_syncs(&nodes),
            "D12" => self.rules(|rng| {
                let (read_error, write_error) = (probability(rng) * 0.4, probability(rng) * 0.4);
                DiskRule { read_error, write_error, ..DiskRule::default() }
            }),
            "D13" => self.rules(|_| DiskRule { full: true, ..DiskRule::default() }),
            "D15" => self.rules(slow),
            "D16" => self.stick(),
            "D18" => self.wipe(),
            "D19" => self.roll_back(),
            "D20" => self.damage(DamageKind::Rot, &["superblock"]),
            "D21" => self.swap(),
            "K7" => self.rot_alike(&nodes),
            "O4" => self.spoil_repair(&nodes),
            "K8" => {
                let mut left = nodes.clone();
                for _ in 0..self.rng.between(2.min(nodes.len() as u64), nodes.len() as u64) {
                    let node = left.swap_remove(self.rng.below(left.len() as u64) as usize);
                    let rule = slow(self.rng);
                    self.rule(node, rule);
                }
            }
            other => unreachable!("no row is called {other}"),
        }
    }

    /// Power fails at nodes with disks, one or all; at one of them while it writes, up to three times.
    fn cut_power(&mut self, nodes: &[NodeId], files: &str) {
        for _ in 0..=self.rng.below(3) {
            let node = self.pick(nodes);
            self.cut_power_by(nodes, Act::CrashWriting { node, files: files.to_owned() });
            self.at = self.end;
        }
    }

    /// Syncs fail while a node works, or when it starts again: some sync hardly ever else.
    fn fail_syncs(&mut self, nodes: &[NodeId]) {
        let struck = if self.rng.chance(0.2) { nodes.to_vec() } else { vec![self.pick(nodes)] };
        let (at, restarts) = (self.at, self.rng.chance(0.5));
        for node in struck {
            let rule = DiskRule { sync_error: often(self.rng), ..DiskRule::default() };
            self.rule(node, rule);
            if restarts {
                self.push(at, Fault::Crash { node, power: false });
                let up = self.earliest_start(at, node);
                self.push(up, Fault::Restart { node });
            }
        }
    }

    /// Power fails at nodes with disks, one or all; at one of them when there is something to lose.
    fn lose_unsynced(&mut self, nodes: &[NodeId], units: [u32; 5]) {
        for _ in 0..=self.rng.below(3) {
            let (node, units) = (self.pick(nodes), self.pick(&units));
            self.cut_power_by(nodes, Act::CrashLosing { node, units });
            self.at = self.end;
        }
    }

    fn cut_power_by(&mut self, nodes: &[NodeId], first: Act) {
        let (at, struck) = (self.at, first.node());
        self.act(at, first);
        self.end = self.end.max(at + WAIT_MAX);
        self.restart_at_end(at, struck);
        if self.rng.chance(0.2) {
            for &node in nodes.iter().filter(|node| **node != struck) {
                self.push(at, Fault::Crash { node, power: true });
                self.restart_at_end(at, node);
            }
        }
    }

    /// One disk, or all of them now and then.
    fn rules(&mut self, rule: impl Fn(&mut Rng) -> DiskRule) {
        let nodes = self.cast.with_disk.clone();
        let struck = if self.rng.chance(0.2) { nodes } else { vec![self.pick(&nodes)] };
        for node in struck {
            let rule = rule(self.rng);
            self.rule(node, rule);
        }
    }

    pub(super) fn rule(&mut self, node: NodeId, rule: DiskRule) {
        if !self.carrier.rules_disks() {
            return;
        }
        let (at, end) = (self.at, self.end);
        self.push(at, Fault::Disk { node, rule });
        self.push(end, Fault::DiskClear { node });
    }

    /// A victim that the budget allows.
    fn victim(&mut self) -> Option<NodeId> {
        let node = self.pick(&self.cast.with_disk.clone());
        self.budget.allows(self.row, &[node]).then_some(node)
    }

    fn lie(&mut self, rule: impl Fn(f64) -> DiskRule) {
        let chance = [0.0, 0.01, 0.05, 0.2][self.rng.below(4) as usize];
        if let Some(node) = self.victim() {
            self.rule(node, rule(chance));
        }
    }

    fn damage(&mut self, kind: DamageKind, files: &[&str]) {
        let Some(node) = self.victim() else { return };
        let files = self.pick(files).to_owned();
        // A disk without such a file is damaged anywhere.
        let files = if files.is_empty() { "any".to_owned() } else { files };
        let (at, place) = (self.at, self.rng.below(1_000_000) as u32);
        let sectors = [1, 1, 2, 8][self.rng.below(4) as usize];
        self.act(at, Act::Damage { node, kind, files, place, sectors });
    }

    /// Every copy rots, each in a part of its own.
    fn rot_everywhere(&mut self, nodes: &[NodeId]) {
        if !self.budget.allows(self.row, nodes) {
            return;
        }
        let (at, width) = (self.at, 1_000_000 / nodes.len() as u64);
        let files = self.pick(&["pages", "log"]).to_owned();
        for (number, &node) in nodes.iter().enumerate() {
            let place = (number as u64 * width + self.rng.below(width)) as u32;
            self.act(at, Act::Damage { node, kind: DamageKind::Rot, files: files.clone(), place, sectors: 1 });
        }
    }

    /// The same records or pages rot on so many copies that too few are left, or none.
    fn rot_alike(&mut self, nodes: &[NodeId]) {
        let mut left = nodes.to_vec();
        let count = self.rng.between(4.min(left.len() as u64), left.len() as u64);
        let struck: Vec<NodeId> =
            (0..count).map(|_| left.swap_remove(self.rng.below(left.len() as u64) as usize)).collect();
        if self.budget.allows(self.row, &struck) {
            let (at, place) = (self.at, self.rng.below(1_000_000) as u32);
            let files = self.pick(&["pages", "log"]).to_owned();
            self.act(at, Act::RotAlike { nodes: struck, files, place });
        }
    }

    /// One copy has to be mended, and another that it may be mended from is bad. A storage node comes back empty beside one that
    /// rots; a page of a mirrored volume cannot be read, and its mirror's is rotten.
    fn spoil_repair(&mut self, nodes: &[NodeId]) {
        let alike = self.cast.class == EngineClass::Mirrored;
        let one = if alike { nodes[0] } else { self.pick(nodes) };
        let other = if alike {
            nodes[1]
        } else {
            self.pick(&nodes.iter().copied().filter(|node| *node != one).collect::<Vec<_>>())
        };
        if !self.budget.allows(self.row, &[one, other]) {
            return;
        }
        let (at, kind, files) = (self.at, DamageKind::Rot, "pages".to_owned());
        for _ in 0..=self.rng.below(4) {
            let place = self.rng.below(1_000_000) as u32;
            let files = if alike || self.rng.chance(0.5) { files.clone() } else { "log".to_owned() };
            if alike {
                let kind = DamageKind::Unreadable;
                self.act(at, Act::Damage { node: one, kind, files: files.clone(), place, sectors: 1 });
            }
            let sectors = if alike { 1 } else { [1, 8, 64][self.rng.below(3) as usize] };
            self.act(at, Act::Damage { node: other, kind, files, place, sectors });
        }
        if !alike {
            self.push(at, Fault::Crash { node: one, power: true });
            self.act(at, Act::Wipe { node: one });
            self.restart_at_end(at, one);
        }
    }

    /// Nothing completes until the node is reset, which is left to the node: what is stuck when the rule ends stays so.
    fn stick(&mut self) {
        let node = self.pick(&self.cast.with_disk.clone());
        self.rule(node, DiskRule { extra_delay: Some(Delay::Constant(STUCK)), ..DiskRule::default() });
    }

    fn wipe(&mut self) {
        let Some(node) = self.victim() else { return };
        let at = self.at;
        self.push(at, Fault::Crash { node, power: true });
        self.act(at, Act::Wipe { node });
        self.restart_at_end(at, node);
    }

    fn roll_back(&mut self) {
        let Some(node) = self.victim() else { return };
        let kept = Nanos(self.rng.below(self.at.0 + 1));
        let at = self.at;
        self.act(kept, Act::Keep { node });
        self.push(at, Fault::Crash { node, power: false });
        self.act(at, Act::Rollback { node });
        self.restart_at_end(at, node);
    }

    /// Two disks change places and change back.
    fn swap(&mut self) {
        let nodes = self.cast.with_disk.clone();
        if nodes.len() < 2 {
            return;
        }
        let one = self.pick(&nodes);
        let other = self.pick(&nodes.into_iter().filter(|node| *node != one).collect::<Vec<_>>());
        let (at, end) = (self.at, self.end);
        for at in [at, end] {
            [one, other].into_iter().for_each(|node| self.push(at, Fault::Crash { node, power: false }));
            self.act(at, Act::Swap { one, other });
            for node in [one, other] {
                let up = self.earliest_start(at, node);
                self.push(up, Fault::Restart { node });
            }
        }
    }
}
