//! What goes wrong, and when: faults drawn for one seed.
//!
//! Each seed leaves out about half of the rows that can strike its engine (swarm testing: Groce et al., ISSTA 2012, found
//! that leaving features out finds more than using all of them all the time), and about a quarter of its time is quiet.
//! Every range includes zero. Everything a schedule breaks it mends before its end, stored bytes excepted, so that liveness
//! can be demanded afterwards.

use node::fault::{Fault, LinkRule};
use node::{Delay, Nanos, NodeId, Rng};

use crate::act::Act;
use crate::budget::{Budget, Demand};
use crate::cast::Cast;
use crate::catalogue::{Carrier, Row};
use crate::schedule::{DATABASE_DOWN_MIN, Schedule, Timed};

mod crashes;
mod disks;
mod links;
mod successors;

/// Windows that a schedule's time is cut into, each quiet or not.
const WINDOWS: u64 = 8;
/// Episodes of a schedule at most, where nobody says how many.
pub const EPISODES_MAX: u64 = 24;

/// What to draw.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Rows to draw from.
    pub rows: Vec<&'static Row>,
    /// Whether about half of them are left out.
    pub swarm: bool,
    /// What is demanded afterwards, which bounds the damage.
    pub demand: Demand,
    /// How long.
    pub span: Nanos,
    /// At most so many episodes.
    pub episodes_max: u64,
    /// In which share of the episodes of P5 both databases keep a part of storage.
    pub divided: f64,
    /// Where it is played. Nodes whose power would fail are killed where none can be cut, and disks are left alone where they
    /// follow no rule.
    pub carrier: Carrier,
}

impl Schedule {
    /// Draws a schedule for `cast`.
    pub fn draw(plan: &Plan, cast: &Cast, rng: &mut Rng) -> Schedule {
        let rows: Vec<&'static Row> = plan
            .rows
            .iter()
            .copied()
            .filter(|row| row.strikes(cast.class) && !(plan.swarm && rng.chance(0.5)))
            .collect();
        let span = plan.span;
        // Only these have a second database node.
        let succeeded = rows.iter().any(|row| ["P5", "P6"].contains(&row.id));
        let cast = &Cast { successor: cast.successor.filter(|_| succeeded), ..cast.clone() };
        let budget = Budget::new(plan.demand, cast.class);
        let row = &crate::catalogue::ROWS[0];
        let Plan { divided, carrier, .. } = *plan;
        let faults = Vec::new();
        let mut draw = Draw { cast, rng, budget, divided, carrier, row, at: span, end: span, span, faults };
        let loud: Vec<bool> = (0..WINDOWS).map(|_| !draw.rng.chance(0.25)).collect();
        let episodes = if rows.is_empty() { 0 } else { draw.rng.between(0, plan.episodes_max) };
        for _ in 0..episodes {
            let window = draw.rng.below(WINDOWS);
            let row = rows[draw.rng.below(rows.len() as u64) as usize];
            if loud[window as usize] {
                draw.episode(row, window);
            }
        }
        let mut faults = draw.faults;
        faults.sort_by_key(|fault| fault.at);
        Schedule { rows, faults, span }
    }
}

/// Sessions of a crowd at most: more than a small database node has room for.
const CROWD_MAX: u64 = 300;
/// The most that a clock drifts. Leases of up to 180 ms with a margin of at least a millisecond stand rates that differ by
/// 0.55 %; two clocks differ by 0.5 % at most.
const DRIFT_PPM_MAX: u64 = 2_500;

struct Draw<'a> {
    cast: &'a Cast,
    rng: &'a mut Rng,
    budget: Budget,
    divided: f64,
    /// The row that is being drawn.
    row: &'static Row,
    at: Nanos,
    end: Nanos,
    span: Nanos,
    carrier: Carrier,
    faults: Vec<Timed>,
}

impl Draw<'_> {
    fn episode(&mut self, row: &'static Row, window: u64) {
        let width = self.span.0 / WINDOWS;
        self.row = row;
        self.at = Nanos(window * width + self.rng.below(width.max(1)));
        // From nothing to two windows, short ones more often.
        let longest = self.rng.below(2 * width + 1);
        self.end = (self.at + Nanos(self.rng.below(longest + 1))).min(self.span);
        match row.id {
            "P1" => self.crash_some(false),
            "P2" => self.crash_some(true),
            "P3" => self.crash_in_recovery(),
            "P4" => self.pause(),
            "P5" => self.succeed(),
            "P6" => self.race(),
            "P7" => self.hold_reads(),
            "P8" => self.client_links(),
            "P9" => self.crowd(),
            "C3" => self.drift(),
            "K1" => self.lose_zones(1, 0),
            "K2" => self.lose_zones(1, 1),
            "K3" => self.lose_zone_and_rot(),
            "K4" => self.lose_zones(2, 0),
            "K5" => self.black_out(),
            "K6" => self.restart_in_turn(),
            id if id.starts_with('N') => self.link_row(id),
            id => self.disk_row(id),
        }
    }

    fn push(&mut self, at: Nanos, fault: Fault) {
        let fault = match fault {
            Fault::Crash { node, power } => Fault::Crash { node, power: power && self.carrier.cuts_power() },
            fault => fault,
        };
        self.act(at, Act::Primitive(fault));
    }

    fn act(&mut self, at: Nanos, act: Act) {
        // Whole microseconds are easier to read.
        let at = Nanos(at.0 / 1_000 * 1_000);
        self.faults.push(Timed { at, row: self.row, act });
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.rng.below(from.len() as u64) as usize].clone()
    }

    /// When a node that crashes at `at` may start again at the earliest.
    fn earliest_start(&self, at: Nanos, node: NodeId) -> Nanos {
        if node == self.cast.database { at + DATABASE_DOWN_MIN } else { at }
    }

    /// Until the episode's end, or a little later for a database.
    fn restart_at_end(&mut self, at: Nanos, node: NodeId) {
        let up = self.end.max(self.earliest_start(at, node));
        self.push(up, Fault::Restart { node });
    }

    fn pause(&mut self) {
        let node = self.pick(&self.cast.engine());
        let (at, end) = (self.at, self.end);
        self.push(at, Fault::Pause { node });
        self.push(end, Fault::Resume { node });
    }

    /// More sessions than the database has room for, which come in one instant.
    fn crowd(&mut self) {
        let (at, node) = (self.at, self.pick(&self.databases()));
        let sessions = self.rng.below(CROWD_MAX + 1) as u32;
        self.act(at, Act::Crowd { node, sessions });
    }

    fn databases(&self) -> Vec<NodeId> {
        std::iter::once(self.cast.database).chain(self.cast.successor).collect()
    }

    /// Some clocks run fast and some slow, by less than what a lease's margin makes up for.
    fn drift(&mut self) {
        let (at, end) = (self.at, self.end);
        let all = self.rng.chance(0.5);
        let nodes: Vec<NodeId> = self.cast.engine().into_iter().chain(self.cast.successor).collect();
        let nodes = if all { nodes } else { vec![self.pick(&nodes)] };
        for node in nodes {
            let drift_ppm = self.rng.below(2 * DRIFT_PPM_MAX + 1) as i32 - DRIFT_PPM_MAX as i32;
            self.push(at, Fault::Clock { node, drift_ppm });
            self.push(end, Fault::Clock { node, drift_ppm: 0 });
        }
    }

    fn link(&mut self, from: NodeId, to: NodeId, rule: LinkRule) {
        let (at, end) = (self.at, self.end);
        self.push(at, Fault::Link { from, to, rule });
        self.push(end, Fault::Heal { from, to });
    }

    /// Up to so long, in whole microseconds, with an exponential tail.
    fn tail(&mut self, max: Nanos) -> Delay {
        Delay::Tailed { base: Nanos::ZERO, tail: Nanos(self.rng.below(max.0 / 1_000 + 1) * 1_000) }
    }
}

/// Never, seldom, often or mostly.
fn probability(rng: &mut Rng) -> f64 {
    [0.0, 0.001, 0.01, 0.05, 0.2, 0.5][rng.below(6) as usize]
}

/// Never, seldom or always, for what is seldom asked.
fn often(rng: &mut Rng) -> f64 {
    [0.0, 0.05, 0.2, 0.5, 1.0][rng.below(5) as usize]
}

#[cfg(test)]
mod tests;
