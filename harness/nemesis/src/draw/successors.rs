//! A second database node that opens the volume while the first one is there.

use node::fault::{Fault, LinkRule};
use node::{Nanos, NodeId};

use super::Draw;

/// The longest mean of what is added to the links of a successor.
const SLOW_MAX: Nanos = Nanos::from_millis(8);

impl Draw<'_> {
    /// The database is replaced and does not know it: awake, asleep meanwhile, or cut off from storage.
    pub(super) fn succeed(&mut self) {
        let Some(successor) = self.cast.successor else { return };
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
