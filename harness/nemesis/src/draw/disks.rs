//! Disks that fail, lie, fill, slow down and forget.

use node::fault::{DiskRule, Fault};
use node::{Delay, Nanos, NodeId, Rng};

use super::{Draw, probability};
use crate::act::{Act, DamageKind, WAIT_MAX};
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
            "D1" => self.cut_power(&nodes, Some("log")),
            "D2" => self.cut_power(&nodes, Some("pages")),
            "D3" | "D4" => self.cut_power(&nodes, None),
            "D5" => self.lie(|p| DiskRule { lost_write: p, ..DiskRule::default() }),
            "D6" => self.lie(|p| DiskRule { misdirected_write: p, ..DiskRule::default() }),
            "D7" => self.lie(|p| DiskRule { misdirected_read: p, ..DiskRule::default() }),
            "D8" => self.damage(DamageKind::Unreadable, &["log", "pages", ""]),
            "D9" => self.damage(DamageKind::Rot, &["log", "pages", "index", ""]),
            "D10" => self.rot_everywhere(&nodes),
            "D11" => self.rules(|rng| DiskRule { sync_error: probability(rng), ..DiskRule::default() }),
            "D12" => self.rules(|rng| {
                let (read_error, write_error) = (probability(rng) * 0.2, probability(rng) * 0.1);
                DiskRule { read_error, write_error, ..DiskRule::default() }
            }),
            "D13" => self.rules(|_| DiskRule { full: true, ..DiskRule::default() }),
            "D15" => self.rules(slow),
            "D16" => self.stick(),
            "D18" => self.wipe(),
            "D19" => self.roll_back(),
            "D20" => self.damage(DamageKind::Rot, &["superblock"]),
            "D21" => self.swap(),
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

    /// Power fails at nodes with disks, one or all; at one of them while it writes.
    fn cut_power(&mut self, nodes: &[NodeId], writing: Option<&str>) {
        let struck = if self.rng.chance(0.2) { nodes.to_vec() } else { vec![self.pick(nodes)] };
        let at = self.at;
        for (number, node) in struck.into_iter().enumerate() {
            match writing {
                Some(files) if number == 0 => {
                    self.act(at, Act::CrashWriting { node, files: files.to_owned() });
                    self.end = self.end.max(at + WAIT_MAX);
                }
                _ => self.push(at, Fault::Crash { node, power: true }),
            }
            self.restart_at_end(at, node);
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
        let chance = probability(self.rng) * 0.1;
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
