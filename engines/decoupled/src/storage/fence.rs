//! Which epoch this node serves, and how long an earlier writer may still believe in its lease.
//!
//! A node takes part in an epoch in two steps: it promises it, which locks every earlier writer out ("changes the locks on
//! the door", P18, section 2.4), and it holds that epoch's truncation table, without which it could serve, or gossip,
//! records that recovery annulled.
//!
//! # Invariants
//!
//! - The promise takes effect when it is received, and is answered for once it is durable.
//! - Nothing is served, acknowledged, gossiped or taken under an epoch unless it is the one promised and its table is
//!   durable.

use compute::Planted;
use node::Nanos;

use crate::Epoch;
use crate::planted::Bug;

/// The doorkeeper.
#[derive(Clone, Debug)]
pub struct Fence {
    promised: Epoch,
    held: Epoch,
    lease: Nanos,
    leased_until: Nanos,
    lease_epoch: Epoch,
    /// A bug, for the chaos command.
    pub planted: Planted<Bug>,
}

impl Fence {
    /// After a start: what was promised and whose table is held. Nobody knows which leases were given before, so a node that
    /// ever held an epoch assumes one was, just now.
    pub fn new(promised: Epoch, held: Epoch, lease: Nanos, now: Nanos) -> Fence {
        let leased_until = if held > Epoch::default() { now + lease } else { Nanos::ZERO };
        Fence { promised, held, lease, leased_until, lease_epoch: held, planted: Planted::NONE }
    }

    /// The highest epoch promised.
    pub fn promised(&self) -> Epoch {
        self.promised
    }

    /// Whether messages of `epoch` are served.
    pub fn serves(&self, epoch: Epoch) -> bool {
        (epoch == self.promised || self.planted.is(Bug::NoFence)) && epoch == self.held
    }

    /// The epoch served, if any is.
    pub fn serving(&self) -> Option<Epoch> {
        self.serves(self.promised).then_some(self.promised)
    }

    /// Promises an epoch; says whether it is now the one promised.
    pub fn promise(&mut self, epoch: Epoch) -> bool {
        self.promised = self.promised.max(epoch);
        self.promised == epoch
    }

    /// The table of `epoch` is durable.
    pub fn hold(&mut self, epoch: Epoch) {
        self.held = self.held.max(epoch);
    }

    /// A message that renews its writer's lease came.
    pub fn renew(&mut self, epoch: Epoch, now: Nanos) {
        self.leased_until = self.leased_until.max(now + self.lease);
        self.lease_epoch = self.lease_epoch.max(epoch);
    }

    /// How much longer a writer before `epoch` may believe in its lease.
    pub fn lease_left(&self, epoch: Epoch, now: Nanos) -> Nanos {
        if self.lease_epoch < epoch { self.leased_until.saturating_sub(now) } else { Nanos::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn epoch(number: u64) -> Epoch {
        Epoch { number, owner: 1 }
    }

    #[test]
    fn an_epoch_is_served_only_while_promised_and_held() {
        let mut fence = Fence::new(Epoch::default(), Epoch::default(), Nanos(100), Nanos(5));
        assert!(fence.promise(epoch(3)) && !fence.serves(epoch(3)), "promised, but without its table");
        fence.hold(epoch(3));
        assert!(fence.serves(epoch(3)) && !fence.serves(epoch(2)) && !fence.serves(epoch(4)));
        assert!(!fence.promise(epoch(2)) && fence.serves(epoch(3)));
        assert!(fence.promise(epoch(4)) && fence.serving().is_none(), "the new promise locks the old writer out");
    }

    #[test]
    fn what_is_left_of_a_lease_is_told_to_later_epochs_only() {
        let mut fence = Fence::new(epoch(3), Epoch::default(), Nanos(100), Nanos(5));
        assert_eq!(fence.lease_left(epoch(3), Nanos(5)), Nanos::ZERO, "never served anyone");
        fence.renew(epoch(3), Nanos(50));
        assert_eq!(fence.lease_left(epoch(4), Nanos(70)), Nanos(80));
        assert_eq!(fence.lease_left(epoch(3), Nanos(70)), Nanos::ZERO);
        assert_eq!(fence.lease_left(epoch(4), Nanos(151)), Nanos::ZERO);
    }

    #[test]
    fn a_restarted_node_assumes_the_whole_lease() {
        let fence = Fence::new(epoch(3), epoch(3), Nanos(100), Nanos(5));
        assert_eq!(fence.lease_left(epoch(4), Nanos(5)), Nanos(100));
    }
}
