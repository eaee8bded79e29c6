//! The writer's right to answer reads from its cache.
//!
//! Every append and heartbeat carries the writer's clock, and its acknowledgement echoes it. A storage node that
//! acknowledged promises implicitly: should a new writer come, it will be told how much of the lease is left, counted from
//! the message's arrival, and will wait that out before it opens. Opening needs four promises and the lease four
//! echoes, so the two sets share a node. The lease counts from the *sending*, which is earlier than any arrival.

use node::Nanos;

use crate::MemberIndex;
use crate::quorum::{MEMBERS, WRITE_QUORUM, reached_by};

/// The lease.
#[derive(Clone, Debug)]
pub struct Lease {
    echoes: [Nanos; MEMBERS],
    length: Nanos,
    margin: Nanos,
}

impl Lease {
    /// No lease yet.
    pub fn new(length: Nanos, margin: Nanos) -> Lease {
        Lease { echoes: [Nanos::ZERO; MEMBERS], length, margin }
    }

    /// A member echoed the clock of a message sent at `sent_at`; zero echoes nothing.
    pub fn renew(&mut self, member: MemberIndex, sent_at: Nanos) {
        let echo = &mut self.echoes[usize::from(member.0)];
        *echo = sent_at.max(*echo);
    }

    /// Whether the lease holds at `now`.
    pub fn holds(&self, now: Nanos) -> bool {
        let renewed = reached_by(&self.echoes, WRITE_QUORUM);
        renewed > Nanos::ZERO && now + self.margin < renewed + self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_needs_four_echoes_and_ends_by_itself() {
        let mut lease = Lease::new(Nanos(1000), Nanos(100));
        for member in MemberIndex::all().take(3) {
            lease.renew(member, Nanos(50));
        }
        assert!(!lease.holds(Nanos(60)), "three echoes are not a lease");
        lease.renew(MemberIndex(5), Nanos(40));
        assert!(lease.holds(Nanos(60)));
        assert!(lease.holds(Nanos(939)));
        assert!(!lease.holds(Nanos(940)), "the fourth echo was sent at 40");
    }
}
