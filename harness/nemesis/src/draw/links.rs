//! Links that misbehave, between the engine's nodes and to the clients.

use node::fault::LinkRule;
use node::{Delay, Nanos, NodeId, Rng, Zone};

use super::{Draw, probability};

/// The mean of what client links add at most; a delay is cut at twenty times its mean.
const CLIENT_TAIL_MAX: Nanos = Nanos::from_micros(75);
/// The longest mean of delays that only change an order.
const REORDER_MAX: Nanos = Nanos::from_millis(5);
/// The longest that pages are held up where nobody may notice.
const READ_HOLD_MAX: Nanos = Nanos::from_micros(1_500);
/// The longest that a clogged node's frames wait.
const CLOG_MAX: Nanos = Nanos::from_millis(40);

impl Draw<'_> {
    pub(super) fn link_row(&mut self, id: &str) {
        if self.cast.engine().len() < 2 {
            return;
        }
        let span = self.span;
        match id {
            "N1" => self.links(|rng| LinkRule { loss: probability(rng), ..LinkRule::default() }),
            "N2" => self.links(|rng| {
                let later = Delay::Tailed { base: Nanos::ZERO, tail: Nanos(rng.below(span.0 / 2_000 + 1) * 1_000) };
                let duplicate_delay = rng.chance(0.5).then_some(later);
                LinkRule { duplicate: probability(rng), duplicate_delay, ..LinkRule::default() }
            }),
            "N3" => self.links(|rng| {
                let tail = Nanos(rng.below(REORDER_MAX.0 / 1_000) * 1_000);
                LinkRule { extra_delay: Some(Delay::Tailed { base: Nanos::ZERO, tail }), ..LinkRule::default() }
            }),
            "N4" => self.clog(),
            "N5" => self.cut_one_way(),
            "N6" => self.cut_nodes(),
            "N7" => {
                let zone = self.pick(&self.cast.zones());
                self.zone(zone, |_| LinkRule { cut: true, ..LinkRule::default() });
            }
            "N8" => {
                let zone = self.pick(&self.cast.zones());
                let rate = [20_000, 200_000, 2_000_000][self.rng.below(3) as usize];
                self.zone(zone, |_| LinkRule { bandwidth_bytes_per_s: Some(rate), ..LinkRule::default() });
            }
            "N9" => self.links(|rng| LinkRule { corrupt: probability(rng), ..LinkRule::default() }),
            other => unreachable!("no link row is called {other}"),
        }
    }

    /// The same kind of rule on one direction, one pair, one node, one zone, or all links inside the engine.
    fn links(&mut self, rule: impl Fn(&mut Rng) -> LinkRule) {
        let nodes = self.cast.engine();
        let some = self.pick(&nodes);
        let others: Vec<NodeId> = nodes.iter().copied().filter(|other| *other != some).collect();
        match self.rng.below(6) {
            0 => {
                let (to, rule) = (self.pick(&others), rule(self.rng));
                self.link(some, to, rule);
            }
            1 => {
                let other = self.pick(&others);
                self.both_ways(some, other, &rule);
            }
            2 | 3 => others.into_iter().for_each(|other| self.both_ways(some, other, &rule)),
            4 => {
                let zone = self.pick(&self.cast.zones());
                self.zone(zone, rule);
            }
            _ => {
                for &from in &nodes {
                    for &to in nodes.iter().filter(|to| **to != from) {
                        let drawn = rule(self.rng);
                        self.link(from, to, drawn);
                    }
                }
            }
        }
    }

    fn both_ways(&mut self, one: NodeId, other: NodeId, rule: &impl Fn(&mut Rng) -> LinkRule) {
        for (from, to) in [(one, other), (other, one)] {
            let drawn = rule(self.rng);
            self.link(from, to, drawn);
        }
    }

    /// The links between a zone and the rest.
    fn zone(&mut self, zone: Zone, rule: impl Fn(&mut Rng) -> LinkRule) {
        let inside = self.cast.inside(zone);
        let outside: Vec<NodeId> = self.cast.engine().into_iter().filter(|node| !inside.contains(node)).collect();
        for &from in &inside {
            outside.iter().for_each(|&to| self.both_ways(from, to, &rule));
        }
    }

    /// Nodes clog one after the other and are released in another order.
    fn clog(&mut self) {
        let (start, end) = (self.at, self.end);
        for node in self.some_nodes() {
            let base = Nanos(self.rng.below(CLOG_MAX.0 / 1_000) * 1_000);
            self.at = Nanos(self.rng.between(start.0, end.0));
            self.end = Nanos(self.rng.between(self.at.0, end.0));
            let rule = LinkRule { extra_delay: Some(Delay::Constant(base)), ..LinkRule::default() };
            for other in self.cast.engine().into_iter().filter(|other| *other != node) {
                self.both_ways(node, other, &|_| rule);
            }
        }
        (self.at, self.end) = (start, end);
    }

    /// One node no longer hears, or is no longer heard: by one other or by all.
    fn cut_one_way(&mut self) {
        let node = self.pick(&self.cast.engine());
        let others: Vec<NodeId> = self.cast.engine().into_iter().filter(|other| *other != node).collect();
        let others = if self.rng.chance(0.4) { vec![self.pick(&others)] } else { others };
        let hears = self.rng.chance(0.5);
        for other in others {
            let (from, to) = if hears { (node, other) } else { (other, node) };
            self.link(from, to, LinkRule { cut: true, ..LinkRule::default() });
        }
    }

    fn cut_nodes(&mut self) {
        for node in self.some_nodes() {
            for other in self.cast.engine().into_iter().filter(|other| *other != node) {
                self.both_ways(node, other, &|_| LinkRule { cut: true, ..LinkRule::default() });
            }
        }
    }

    /// One of the engine's nodes most often, several now and then.
    fn some_nodes(&mut self) -> Vec<NodeId> {
        let mut left = self.cast.engine();
        let most = if self.rng.chance(0.6) { 1 } else { left.len() as u64 };
        let count = self.rng.between(1, most);
        (0..count).map(|_| left.swap_remove(self.rng.below(left.len() as u64) as usize)).collect()
    }

    /// Pages take their time on the way to the database, while commits go on and versions are collected: less than any lease is
    /// long, and in their order, for nothing else to be seen.
    pub(super) fn hold_reads(&mut self) {
        let base = Nanos(self.rng.below(READ_HOLD_MAX.0 / 1_000 + 1) * 1_000);
        let (database, others) = (self.cast.database, self.cast.others.clone());
        for (node, _) in others {
            let rule = LinkRule { extra_delay: Some(Delay::Constant(base)), ..LinkRule::default() };
            self.link(node, database, rule);
        }
    }

    pub(super) fn client_links(&mut self) {
        let rule = LinkRule {
            cut: self.rng.chance(0.1),
            loss: probability(self.rng),
            duplicate: probability(self.rng),
            corrupt: probability(self.rng),
            extra_delay: self.rng.chance(0.5).then(|| self.tail(CLIENT_TAIL_MAX)),
            ..LinkRule::default()
        };
        let (clients, database) = (self.cast.clients, self.cast.database);
        let both = self.rng.chance(0.7);
        self.link(clients, database, rule);
        if both {
            self.link(database, clients, rule);
        }
    }
}
