//! What goes wrong, and when: faults drawn for one seed.
//!
//! Each seed leaves out about half of the [`Family`]s that can strike its engine (swarm testing: Groce et al., ISSTA 2012,
//! found that leaving features out finds more than using all of them all the time), and about a quarter of its time is
//! quiet. Every range includes zero. Everything a script breaks it mends before its end, so that liveness can be demanded
//! afterwards.

use node::fault::{DiskRule, Fault, LinkRule};
use node::{Delay, Nanos, NodeId, Rng, Zone};

/// Windows that a script's time is cut into, each quiet or not.
const WINDOWS: u64 = 8;
/// A database node stays down at least so long: no frame on its way to it when it crashed may reach its next life, as no
/// connection outlives a process. The slowest client frame takes less.
pub const DATABASE_DOWN_MIN: Nanos = Nanos::from_millis(4);
/// The mean of what client links add at most; a delay is cut at twenty times its mean.
const CLIENT_TAIL_MAX: Nanos = Nanos::from_micros(75);

/// A kind of fault that a seed has or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The database node's process or machine dies.
    DatabaseCrash,
    /// Other nodes are killed: what their disks completed stays.
    Kill,
    /// Other nodes lose power: what is not durable may be lost or garbled.
    PowerLoss,
    /// Everything loses power at once.
    Blackout,
    /// Links lose frames.
    Loss,
    /// Links deliver frames twice.
    Duplication,
    /// Links delay some frames and so change their order.
    Reordering,
    /// Links damage frames.
    Corruption,
    /// Links are cut: one direction, one pair, one node, one zone.
    Cut,
    /// Nodes stop handling events for a while.
    Pause,
    /// Disks are slow.
    SlowDisk,
    /// Disks fail operations, and their nodes halt.
    DiskError,
    /// The links of the clients misbehave.
    ClientLink,
    /// Everything in one zone loses power together and comes back together.
    ZoneLoss,
    /// Disks refuse, for lack of room, to make or extend files and to write.
    FullDisk,
}

impl Family {
    /// What any engine of several nodes meets.
    pub const ANYWHERE: [Family; 13] = [
        Family::DatabaseCrash,
        Family::Kill,
        Family::PowerLoss,
        Family::Blackout,
        Family::Loss,
        Family::Duplication,
        Family::Reordering,
        Family::Corruption,
        Family::Cut,
        Family::Pause,
        Family::SlowDisk,
        Family::DiskError,
        Family::ClientLink,
    ];
}

/// Who may be struck.
#[derive(Clone, Debug)]
pub struct Cast {
    /// What may strike.
    pub families: Vec<Family>,
    /// The load.
    pub clients: NodeId,
    /// The node that clients speak to.
    pub database: NodeId,
    /// Where it lives.
    pub database_zone: Zone,
    /// The engine's other nodes, and where they live.
    pub others: Vec<(NodeId, Zone)>,
    /// Which of all these have disks.
    pub with_disk: Vec<NodeId>,
}

impl Cast {
    fn engine(&self) -> Vec<NodeId> {
        std::iter::once(self.database).chain(self.others.iter().map(|other| other.0)).collect()
    }

    fn inside(&self, zone: Zone) -> Vec<NodeId> {
        let database = (self.database, self.database_zone);
        let all = std::iter::once(&database).chain(&self.others);
        all.filter(|(_, lives)| *lives == zone).map(|(node, _)| *node).collect()
    }

    /// The zones where anything lives.
    fn zones(&self) -> Vec<Zone> {
        Zone::ALL.into_iter().filter(|zone| !self.inside(*zone).is_empty()).collect()
    }
}

/// A seed's faults.
#[derive(Clone, Debug)]
pub struct Script {
    /// The families in use.
    pub families: Vec<Family>,
    /// Faults in order of time, counted from the script's start.
    pub faults: Vec<(Nanos, Fault)>,
    /// When it is over.
    pub span: Nanos,
}

impl Script {
    /// Draws a script of `span` for `cast`.
    pub fn draw(cast: &Cast, span: Nanos, rng: &mut Rng) -> Script {
        let families: Vec<Family> = cast.families.iter().copied().filter(|_| rng.chance(0.5)).collect();
        let mut draw = Draw { cast, rng, at: Nanos::ZERO, end: Nanos::ZERO, span, faults: Vec::new() };
        let loud: Vec<bool> = (0..WINDOWS).map(|_| !draw.rng.chance(0.25)).collect();
        let episodes = if families.is_empty() { 0 } else { draw.rng.between(0, 24) };
        for _ in 0..episodes {
            let window = draw.rng.below(WINDOWS);
            let family = families[draw.rng.below(families.len() as u64) as usize];
            if loud[window as usize] {
                draw.episode(family, window);
            }
        }
        let mut faults = draw.faults;
        faults.sort_by_key(|(at, _)| *at);
        Script { families, faults, span }
    }

    /// Whether disks may fail operations, which halts their nodes.
    pub fn fails_disks(&self) -> bool {
        self.families.iter().any(|family| matches!(family, Family::DiskError | Family::FullDisk))
    }
}

/// Every fault undone that can be: links healed, disks cleared, nodes resumed. Crashed nodes are left to the caller.
pub fn healing(cast: &Cast) -> Vec<Fault> {
    let all: Vec<NodeId> = std::iter::once(cast.clients).chain(cast.engine()).collect();
    let mut faults = Vec::new();
    for &from in &all {
        faults.push(Fault::Resume { node: from });
        faults.extend(all.iter().filter(|to| **to != from).map(|&to| Fault::Heal { from, to }));
    }
    faults.extend(cast.with_disk.iter().map(|&node| Fault::DiskClear { node }));
    faults
}

struct Draw<'a> {
    cast: &'a Cast,
    rng: &'a mut Rng,
    at: Nanos,
    end: Nanos,
    span: Nanos,
    faults: Vec<(Nanos, Fault)>,
}

impl Draw<'_> {
    fn episode(&mut self, family: Family, window: u64) {
        let width = self.span.0 / WINDOWS;
        self.at = Nanos(window * width + self.rng.below(width.max(1)));
        // From nothing to two windows, short ones more often.
        let longest = self.rng.below(2 * width + 1);
        self.end = (self.at + Nanos(self.rng.below(longest + 1))).min(self.span);
        match family {
            Family::DatabaseCrash => self.crash_database(),
            Family::Kill => self.crash_others(false),
            Family::PowerLoss => self.crash_others(true),
            Family::Blackout => self.black_out(),
            Family::Loss => self.links(|rng| LinkRule { loss: probability(rng), ..LinkRule::default() }),
            Family::Duplication => self.links(|rng| LinkRule { duplicate: probability(rng), ..LinkRule::default() }),
            Family::Reordering => self.links(|rng| {
                let tail = Nanos(rng.below(5_000_000));
                LinkRule { extra_delay: Some(Delay::Tailed { base: Nanos::ZERO, tail }), ..LinkRule::default() }
            }),
            Family::Corruption => self.links(|rng| LinkRule { corrupt: probability(rng), ..LinkRule::default() }),
            Family::Cut => self.links(|_| LinkRule { cut: true, ..LinkRule::default() }),
            Family::Pause => self.pause(),
            Family::SlowDisk => self.disks(|rng| {
                let tail = Nanos(rng.below(5_000_000));
                DiskRule { extra_delay: Some(Delay::Tailed { base: Nanos::ZERO, tail }), ..DiskRule::default() }
            }),
            Family::DiskError => self.disks(|rng| {
                let (read_error, write_error) = (probability(rng) * 0.2, probability(rng) * 0.1);
                DiskRule { read_error, write_error, ..DiskRule::default() }
            }),
            Family::ClientLink => self.client_links(),
            Family::ZoneLoss => self.lose_zone(),
            Family::FullDisk => self.disks(|_| DiskRule { full: true, ..DiskRule::default() }),
        }
    }

    fn push(&mut self, at: Nanos, fault: Fault) {
        self.faults.push((at, fault));
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.rng.below(from.len() as u64) as usize].clone()
    }

    fn crash_database(&mut self) {
        let (at, node) = (self.at, self.cast.database);
        let power = self.rng.chance(0.5);
        self.push(at, Fault::Crash { node, power });
        let up = self.end.max(at + DATABASE_DOWN_MIN);
        self.push(up, Fault::Restart { node });
    }

    /// One node most often, several now and then, all of them sometimes.
    fn crash_others(&mut self, power: bool) {
        let mut left: Vec<NodeId> = self.cast.others.iter().map(|other| other.0).collect();
        if left.is_empty() {
            return;
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

    fn black_out(&mut self) {
        for node in self.cast.engine() {
            self.lose_power(node);
            let least = self.earliest_start(node);
            let up = Nanos(self.rng.between(least.0, self.end.max(least).0));
            self.push(up, Fault::Restart { node });
        }
    }

    fn lose_zone(&mut self) {
        let zone = self.pick(&self.cast.zones());
        let inside: Vec<NodeId> = self.cast.inside(zone);
        inside.iter().for_each(|&node| self.lose_power(node));
        for node in inside {
            let up = self.end.max(self.earliest_start(node));
            self.push(up, Fault::Restart { node });
        }
    }

    fn lose_power(&mut self, node: NodeId) {
        let at = self.at;
        self.push(at, Fault::Crash { node, power: true });
    }

    /// When a node that crashes now may start again at the earliest.
    fn earliest_start(&self, node: NodeId) -> Nanos {
        if node == self.cast.database { self.at + DATABASE_DOWN_MIN } else { self.at }
    }

    /// The same kind of rule on one direction, one pair, one node, one zone, or all links inside the engine.
    fn links(&mut self, rule: impl Fn(&mut Rng) -> LinkRule) {
        let nodes = self.cast.engine();
        if nodes.len() < 2 {
            return;
        }
        let some = self.pick(&nodes);
        let others: Vec<NodeId> = nodes.iter().copied().filter(|other| *other != some).collect();
        let inside: Vec<NodeId> = match self.rng.below(6) {
            0 => {
                let (to, rule) = (self.pick(&others), rule(self.rng));
                return self.link(some, to, rule);
            }
            1 => vec![self.pick(&others)],
            2 | 3 => others.clone(),
            4 => {
                let zone = self.pick(&Zone::ALL);
                return self.zone(zone, rule);
            }
            _ => {
                for from in nodes.clone() {
                    for &to in nodes.iter().filter(|to| **to != from) {
                        let drawn = rule(self.rng);
                        // All links cut at once would only be silence.
                        if !drawn.cut || self.rng.chance(0.3) {
                            self.link(from, to, drawn);
                        }
                    }
                }
                return;
            }
        };
        for other in inside {
            let drawn = rule(self.rng);
            self.link(some, other, drawn);
            self.link(other, some, drawn);
        }
    }

    fn zone(&mut self, zone: Zone, rule: impl Fn(&mut Rng) -> LinkRule) {
        let inside: Vec<NodeId> =
            self.cast.others.iter().filter(|other| other.1 == zone).map(|other| other.0).collect();
        let outside: Vec<NodeId> = self.cast.engine().into_iter().filter(|node| !inside.contains(node)).collect();
        for &from in &inside {
            for &to in &outside {
                let drawn = rule(self.rng);
                self.link(from, to, drawn);
                self.link(to, from, drawn);
            }
        }
    }

    fn link(&mut self, from: NodeId, to: NodeId, rule: LinkRule) {
        let (at, end) = (self.at, self.end);
        self.push(at, Fault::Link { from, to, rule });
        self.push(end, Fault::Heal { from, to });
    }

    fn pause(&mut self) {
        let engine = self.cast.engine();
        let node = self.pick(&engine);
        let (at, end) = (self.at, self.end);
        self.push(at, Fault::Pause { node });
        self.push(end, Fault::Resume { node });
    }

    fn disks(&mut self, rule: impl Fn(&mut Rng) -> DiskRule) {
        if self.cast.with_disk.is_empty() {
            return;
        }
        let all = self.rng.chance(0.2);
        let chosen = if all { self.cast.with_disk.clone() } else { vec![self.pick(&self.cast.with_disk.clone())] };
        for node in chosen {
            let (at, end, rule) = (self.at, self.end, rule(self.rng));
            self.push(at, Fault::Disk { node, rule });
            self.push(end, Fault::DiskClear { node });
        }
    }

    fn client_links(&mut self) {
        let tail = Nanos(self.rng.below(CLIENT_TAIL_MAX.0 + 1));
        let rule = LinkRule {
            cut: self.rng.chance(0.1),
            loss: probability(self.rng),
            duplicate: probability(self.rng),
            corrupt: probability(self.rng),
            extra_delay: self.rng.chance(0.5).then_some(Delay::Tailed { base: Nanos::ZERO, tail }),
        };
        let (clients, database) = (self.cast.clients, self.cast.database);
        let both = self.rng.chance(0.7);
        self.link(clients, database, rule);
        if both {
            self.link(database, clients, rule);
        }
    }
}

/// Never, seldom, often or mostly.
fn probability(rng: &mut Rng) -> f64 {
    [0.0, 0.001, 0.01, 0.05, 0.2, 0.5][rng.below(6) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast() -> Cast {
        let others: Vec<(NodeId, Zone)> = (2..8).map(|id| (NodeId(id), Zone::ALL[(id as usize - 2) / 2])).collect();
        let with_disk = others.iter().map(|other| other.0).collect();
        let families = [&Family::ANYWHERE[..], &[Family::ZoneLoss, Family::FullDisk]].concat();
        Cast { families, clients: NodeId(0), database: NodeId(1), database_zone: Zone::A, others, with_disk }
    }

    #[test]
    fn every_crash_is_followed_by_a_restart_and_the_database_stays_down_long_enough() {
        let (cast, span) = (cast(), Nanos::from_millis(500));
        for seed in 0..300 {
            let script = Script::draw(&cast, span, &mut Rng::new(seed));
            for (at, fault) in &script.faults {
                let Fault::Crash { node, .. } = fault else { continue };
                let least = if *node == cast.database { *at + DATABASE_DOWN_MIN } else { *at };
                let up = |(when, fault): &&(Nanos, Fault)| *when >= least && *fault == Fault::Restart { node: *node };
                assert!(script.faults.iter().any(|fault| up(&fault)), "seed {seed}: {node:?} stays down");
            }
        }
    }

    #[test]
    fn half_of_the_families_are_left_out_and_some_seeds_are_quiet() {
        let scripts: Vec<Script> =
            (0..400).map(|seed| Script::draw(&cast(), Nanos::from_millis(500), &mut Rng::new(seed))).collect();
        let used: usize = scripts.iter().map(|script| script.families.len()).sum();
        assert!((2_800..3_200).contains(&used), "{used} of 6,000");
        let quiet = scripts.iter().filter(|script| script.faults.is_empty()).count();
        assert!((5..80).contains(&quiet), "{quiet} of 400 without faults");
    }

    #[test]
    fn equal_seeds_draw_equal_scripts() {
        let draw = |seed| Script::draw(&cast(), Nanos::from_millis(500), &mut Rng::new(seed)).faults;
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
