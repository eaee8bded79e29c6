//! A second database node that opens the volume while the first one is there.

use node::fault::{DiskRule, Fault, LinkRule};
use node::{Nanos, NodeId};

use super::Draw;

/// The longest mean of what is added to the links of a successor.
const SLOW_MAX: Nanos = Nanos::from_millis(8);
/// Nodes that the old database must lose no more than, to go on committing.
const FAR_MAX: usize = 2;
/// Nodes that a successor must reach, to fence the old database.
const REACHED_MIN: usize = 3;

impl Draw<'_> {
    /// The database is replaced and does not know it: awake, asleep meanwhile, cut off from storage, or with a part of storage
    /// of its own.
    pub(super) fn succeed(&mut self) {
        let Some(successor) = self.cast.successor else { return };
        if self.divided > 0.0 && self.rng.chance(self.divided) {
            return self.divide(successor);
        }
        let (at, old) = (self.at, self.cast.database);
        let until = self.reign(successor, at);
        if self.rng.chance(0.5) {
            self.hold_up(successor, until);
        }
        match self.rng.below(3) {
            0 => {}
            1 => {
                let wakes = Nanos(self.rng.between(at.0, until.0));
                self.push(at, Fault::Pause { node: old });
                self.push(wakes, Fault::Resume { node: old });
            }
            _ => {
                self.end = Nanos(self.rng.between(at.0, until.0));
                let others: Vec<NodeId> = self.cast.others.iter().map(|other| other.0).collect();
                for other in others {
                    for (from, to) in [(old, other), (other, old)] {
                        self.link(from, to, LinkRule { cut: true, ..LinkRule::default() });
                    }
                }
            }
        }
    }

    /// Each database reaches some nodes that the other does not, and both reach a bridge whose disk is slow. What the old one writes
    /// waits there for the fourth acknowledgement while the new one is promised the volume.
    fn divide(&mut self, successor: NodeId) {
        let (old, mut near) = (self.cast.database, self.cast.others.iter().map(|other| other.0).collect::<Vec<_>>());
        let mut take = |draw: &mut Self, count: usize| -> Vec<NodeId> {
            let count = count.min(near.len());
            (0..count).map(|_| near.swap_remove(draw.rng.below(near.len() as u64) as usize)).collect()
        };
        let bridges = if self.rng.chance(0.7) { 1 } else { 2 };
        let far = self.rng.between((REACHED_MIN - bridges) as u64, FAR_MAX as u64) as usize;
        let (bridges, far) = (take(self, bridges), take(self, far));
        let begins = Nanos(self.rng.between(self.at.0, (self.at.0 + self.span.0 / 16).min(self.span.0)));
        let until = self.reign(successor, begins);
        self.end = Nanos(self.rng.between(begins.0, until.0));
        let cuts = far.iter().map(|&node| (old, node)).chain(near.iter().map(|&node| (successor, node)));
        for (one, other) in cuts.flat_map(|(one, other)| [(one, other), (other, one)]) {
            self.link(one, other, LinkRule { cut: true, ..LinkRule::default() });
        }
        for node in bridges {
            let rule = DiskRule { extra_delay: Some(self.tail(SLOW_MAX)), ..DiskRule::default() };
            self.rule(node, rule);
            // What it says last may arrive first, and what it is told late.
            for (from, to) in [(node, old), (successor, node)] {
                let slow = LinkRule { extra_delay: Some(self.tail(SLOW_MAX)), ..LinkRule::default() };
                self.link(from, to, slow);
            }
        }
    }

    /// The database dies, and comes back while another opens its volume.
    pub(super) fn race(&mut self) {
        let Some(successor) = self.cast.successor else { return };
        let (at, old, power) = (self.at, self.cast.database, self.rng.chance(0.5));
        self.push(at, Fault::Crash { node: old, power });
        let up = self.earliest_start(at, old);
        self.push(up, Fault::Restart { node: old });
        let begins = Nanos(self.rng.between(at.0, (at + Nanos(2 * (up.0 - at.0))).0));
        self.reign(successor, begins);
    }

    /// What the successor and storage say to each other is slow, so that what they agree on is old when it arrives.
    fn hold_up(&mut self, successor: NodeId, until: Nanos) {
        let end = std::mem::replace(&mut self.end, until);
        let others: Vec<NodeId> = self.cast.others.iter().map(|other| other.0).collect();
        let delay = self.tail(SLOW_MAX);
        for other in others {
            for (from, to) in [(successor, other), (other, successor)] {
                self.link(from, to, LinkRule { extra_delay: Some(delay), ..LinkRule::default() });
            }
        }
        self.end = end;
    }

    /// Starts the successor, and ends it before the schedule does. Gives its end.
    fn reign(&mut self, successor: NodeId, begins: Nanos) -> Nanos {
        let ends = Nanos(self.rng.between(begins.0, (begins.0 + self.span.0 / 2).min(self.span.0.max(begins.0))));
        self.push(begins, Fault::Restart { node: successor });
        self.push(ends, Fault::Crash { node: successor, power: false });
        ends
    }
}
