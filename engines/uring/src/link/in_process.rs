//! What profile and rules do to a frame: in process where it is sent, from another process where it arrives.

use bytes::Bytes;
use node::fault::{LinkCounts, LinkRule};
use node::{LinkModel, LinkProfile, Nanos, NodeId, Rng, Zone};
use rustc_hash::FxHashMap;

use crate::mail::Passage;

/// The links that start at the nodes of one thread, and those that reach them from other processes.
#[derive(Debug)]
pub(crate) struct Links {
    profile: LinkProfile,
    zones: Vec<Zone>,
    /// By node id: whether the node is in another process, which then does what the profile says.
    is_remote: Vec<bool>,
    rng: Rng,
    /// Directions that need more than being passed on, made when first used.
    directions: FxHashMap<(NodeId, NodeId), Direction>,
    rules: usize,
    all_direct: bool,
    counts: LinkCounts,
}

#[derive(Debug)]
struct Direction {
    model: LinkModel,
    rule: Option<LinkRule>,
    /// When the last frame's last byte leaves.
    busy_until: Nanos,
    /// The latest arrival so far.
    last_due: Nanos,
    rng: Rng,
}

impl Links {
    /// `zones` and `is_remote` are indexed by node id.
    pub(crate) fn new(profile: LinkProfile, zones: Vec<Zone>, is_remote: Vec<bool>, seed: u64) -> Links {
        let all_direct = profile.between.iter().flatten().all(|model| *model == LinkModel::DIRECT);
        let rng = Rng::new(seed).fork("links", 0);
        Links {
            profile,
            zones,
            is_remote,
            rng,
            directions: FxHashMap::default(),
            rules: 0,
            all_direct,
            counts: LinkCounts::default(),
        }
    }

    pub(crate) fn set_rule(&mut self, from: NodeId, to: NodeId, rule: Option<LinkRule>) {
        let direction = self.direction(from, to);
        let before = std::mem::replace(&mut direction.rule, rule).is_some();
        let after = rule.is_some();
        self.rules = self.rules + usize::from(after) - usize::from(before);
    }

    /// What faults and losses did to frames so far. Frames that nothing could happen to are not counted.
    pub(crate) fn counts(&self) -> LinkCounts {
        self.counts
    }

    /// The directions that follow a rule, in order.
    pub(crate) fn ruled(&self) -> Vec<(NodeId, NodeId)> {
        let ruled = self.directions.iter().filter(|(_, direction)| direction.rule.is_some());
        let mut ruled: Vec<_> = ruled.map(|(ends, _)| *ends).collect();
        ruled.sort_unstable();
        ruled
    }

    /// Sends one frame at `now`: calls `deliver` for each copy that will arrive.
    pub(crate) fn send(
        &mut self,
        from: NodeId,
        to: NodeId,
        bytes: Bytes,
        now: Nanos,
        mut deliver: impl FnMut(Passage),
    ) {
        if self.all_direct && self.rules == 0 {
            deliver(Passage { from, to, bytes, sent: now, due: now });
            return;
        }
        let mut counts = self.counts;
        let direction = self.direction(from, to);
        let Direction { model, rule, rng, .. } = direction;
        let rule = rule.unwrap_or_default();
        counts.sent += 1;
        if rule.cut {
            counts.cut += 1;
        } else if lost(rng, model.loss) || lost(rng, rule.loss) {
            counts.lost += 1;
        } else {
            let is_damaged = lost(rng, rule.corrupt);
            let bytes = if is_damaged { damaged(&bytes, rng) } else { bytes };
            let copies = if lost(rng, rule.duplicate) { 2 } else { 1 };
            counts.damaged += u64::from(is_damaged);
            counts.duplicated += copies - 1;
            counts.delayed += u64::from(rule.extra_delay.is_some() || rule.bandwidth_bytes_per_s.is_some());
            for copy in 0..copies {
                let later = if copy > 0 { rule.duplicate_delay } else { None };
                let later = later.map_or(Nanos::ZERO, |delay| delay.draw(&mut direction.rng));
                let due = direction.due(now, bytes.len(), &rule) + later;
                counts.overtaking += u64::from(due < direction.last_due);
                direction.last_due = direction.last_due.max(due);
                deliver(Passage { from, to, bytes: bytes.clone(), sent: now, due });
            }
        }
        self.counts = counts;
    }

    fn direction(&mut self, from: NodeId, to: NodeId) -> &mut Direction {
        let model = match self.is_remote[to.0 as usize] {
            true => LinkModel::DIRECT,
            false => *self.profile.between(self.zones[from.0 as usize], self.zones[to.0 as usize]),
        };
        let rng = &self.rng;
        self.directions.entry((from, to)).or_insert_with(|| {
            let rng = rng.fork("direction", u64::from(from.0) << 32 | u64::from(to.0));
            Direction { model, rule: None, busy_until: Nanos::ZERO, last_due: Nanos::ZERO, rng }
        })
    }
}

impl Direction {
    fn due(&mut self, now: Nanos, len_bytes: usize, rule: &LinkRule) -> Nanos {
        let mut leaves = now;
        let rates = [self.model.bandwidth_bytes_per_s, rule.bandwidth_bytes_per_s];
        if let Some(rate) = rates.into_iter().flatten().min() {
            let transfer = (len_bytes as u64).saturating_mul(1_000_000_000) / rate.max(1);
            leaves = self.busy_until.max(now) + Nanos(transfer);
            self.busy_until = leaves;
        }
        let extra = rule.extra_delay.map_or(Nanos::ZERO, |delay| delay.draw(&mut self.rng));
        leaves + self.model.delay.draw(&mut self.rng) + extra
    }
}

/// A draw that costs nothing where nothing can happen.
fn lost(rng: &mut Rng, probability: f64) -> bool {
    probability > 0.0 && rng.chance(probability)
}

fn damaged(bytes: &Bytes, rng: &mut Rng) -> Bytes {
    let mut copy = bytes.to_vec();
    let place = rng.below(copy.len() as u64) as usize;
    copy[place] ^= 1 << rng.below(8);
    copy.into()
}
