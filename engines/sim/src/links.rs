//! Links between nodes: what happens to a frame on its way.

use bytes::Bytes;
use node::fault::{LinkCounts, LinkRule};
use node::{Frame, LinkModel, Nanos, Rng};

use crate::disk::transfer;

/// What arrives of a frame.
#[derive(Clone, Debug)]
pub(crate) enum Wire {
    /// Undamaged: the checksum is known to hold.
    Whole(Frame),
    /// With damaged bytes, to be verified by the receiver.
    Damaged(Bytes),
}

/// One direction between two nodes.
#[derive(Clone, Debug, Default)]
struct Direction {
    rule: Option<LinkRule>,
    free_at: Nanos,
    /// The latest arrival by the profile alone, which frames kept in order wait for.
    in_order_at: Nanos,
    /// The latest arrival.
    last_due: Nanos,
}

/// All directions, by index of sender and receiver.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    nodes: usize,
    directions: Vec<Direction>,
    in_order: bool,
    rng: Rng,
    pub(crate) counts: LinkCounts,
}

impl Links {
    pub(crate) fn new(nodes: usize, in_order: bool, rng: Rng) -> Links {
        let directions = vec![Direction::default(); nodes * nodes];
        Links { nodes, directions, in_order, rng, counts: LinkCounts::default() }
    }

    fn direction(&mut self, from: usize, to: usize) -> &mut Direction {
        &mut self.directions[from * self.nodes + to]
    }

    pub(crate) fn set_rule(&mut self, from: usize, to: usize, rule: Option<LinkRule>) {
        self.direction(from, to).rule = rule;
    }

    /// Whether a frame due now passes; it does not when the direction was cut meanwhile.
    pub(crate) fn lets_in(&mut self, from: usize, to: usize) -> bool {
        let cut = self.direction(from, to).rule.is_some_and(|rule| rule.cut);
        self.counts.cut += u64::from(cut);
        !cut
    }

    /// Sends `frame` at `now` and tells `arrive` when and how each copy arrives.
    pub(crate) fn send(
        &mut self,
        now: Nanos,
        from: usize,
        to: usize,
        model: &LinkModel,
        frame: Frame,
        mut arrive: impl FnMut(Nanos, Wire),
    ) {
        self.counts.sent += 1;
        let rule = self.direction(from, to).rule.unwrap_or_default();
        if rule.cut {
            self.counts.cut += 1;
            return;
        }
        let sent_at = self.transmit(now, from, to, model, &rule, frame.len_bytes());
        self.counts.delayed += u64::from(rule.extra_delay.is_some() || sent_at > now);
        if self.chance(model.loss) || self.chance(rule.loss) {
            self.counts.lost += 1;
            return;
        }
        if self.chance(rule.duplicate) {
            self.counts.duplicated += 1;
            let later = rule.duplicate_delay.map_or(Nanos::ZERO, |delay| delay.draw(&mut self.rng));
            let at = self.arrival(sent_at + later, from, to, model, &rule);
            arrive(at, self.damage(frame.clone(), rule.corrupt));
        }
        let at = self.arrival(sent_at, from, to, model, &rule);
        arrive(at, self.damage(frame, rule.corrupt));
    }

    fn chance(&mut self, p: f64) -> bool {
        p > 0.0 && self.rng.chance(p)
    }

    /// When the last byte has left the sender.
    fn transmit(
        &mut self,
        now: Nanos,
        from: usize,
        to: usize,
        model: &LinkModel,
        rule: &LinkRule,
        len_bytes: usize,
    ) -> Nanos {
        let rate = [model.bandwidth_bytes_per_s, rule.bandwidth_bytes_per_s].into_iter().flatten().min();
        if rate.is_none() {
            return now;
        }
        let took = transfer(len_bytes as u64, rate);
        let direction = self.direction(from, to);
        direction.free_at = direction.free_at.max(now) + took;
        direction.free_at
    }

    fn arrival(&mut self, sent_at: Nanos, from: usize, to: usize, model: &LinkModel, rule: &LinkRule) -> Nanos {
        let mut due = sent_at + model.delay.draw(&mut self.rng);
        if self.in_order {
            let direction = self.direction(from, to);
            due = due.max(direction.in_order_at);
            direction.in_order_at = due;
        }
        if let Some(extra) = rule.extra_delay {
            due += extra.draw(&mut self.rng);
        }
        let direction = self.direction(from, to);
        let overtakes = due < direction.last_due;
        direction.last_due = direction.last_due.max(due);
        self.counts.overtaking += u64::from(overtakes);
        due
    }

    fn damage(&mut self, frame: Frame, corrupt: f64) -> Wire {
        if !self.chance(corrupt) {
            return Wire::Whole(frame);
        }
        self.counts.damaged += 1;
        let mut bytes = frame.bytes().to_vec();
        let index = self.rng.below(bytes.len() as u64) as usize;
        bytes[index] ^= 1 << self.rng.below(8);
        Wire::Damaged(bytes.into())
    }
}
