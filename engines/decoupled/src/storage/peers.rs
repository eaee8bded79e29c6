//! What the other five members said they hold.

use std::collections::BTreeMap;

use compute::Lsn;

use crate::message::{PeerSegment, Standing};
use crate::quorum::MEMBERS;
use crate::{Incarnation, MemberIndex, PgId};

/// One peer's last offer.
#[derive(Clone, Debug)]
struct Known {
    incarnation: Incarnation,
    segments: BTreeMap<PgId, PeerSegment>,
}

/// The peers' offers under the epoch served.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    known: BTreeMap<MemberIndex, Known>,
}

impl Peers {
    /// Forgets everything: another epoch is served.
    pub fn clear(&mut self) {
        self.known.clear();
    }

    /// Takes up an offer; one of an older incarnation is void.
    pub fn learn(&mut self, member: MemberIndex, incarnation: Incarnation, segments: &[PeerSegment]) {
        if self.known.get(&member).is_some_and(|known| known.incarnation > incarnation) {
            return;
        }
        let segments = segments.iter().map(|segment| (segment.pg, *segment)).collect();
        self.known.insert(member, Known { incarnation, segments });
    }

    /// What each peer says of a group.
    pub fn of(&self, pg: PgId) -> impl Iterator<Item = (MemberIndex, PeerSegment)> + '_ {
        self.known.iter().filter_map(move |(&member, known)| Some((member, *known.segments.get(&pg)?)))
    }

    /// Peers whose segment of the group counts and is whole.
    pub fn clean(&self, pg: PgId) -> impl Iterator<Item = (MemberIndex, PeerSegment)> + '_ {
        self.of(pg).filter(|(_, segment)| segment.standing == Standing::Clean)
    }

    /// The least SCL of all peers: log above it is still needed. A peer never heard of may need everything; one that is to
    /// be rebuilt from pages needs nothing until it says from where.
    pub fn least_scl(&self, pg: PgId) -> Lsn {
        if self.of(pg).count() < MEMBERS - 1 {
            return Lsn::ZERO;
        }
        let waits = |segment: &PeerSegment| segment.standing != Standing::Unhydrated || segment.scl > Lsn::ZERO;
        self.of(pg).map(|(_, segment)| segment).filter(waits).map(|segment| segment.scl).min().unwrap_or(Lsn(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(scl: u64, standing: Standing) -> [PeerSegment; 1] {
        [PeerSegment { pg: PgId(0), scl: Lsn(scl), base: Lsn::ZERO, pgmrpl: Lsn::ZERO, standing }]
    }

    #[test]
    fn log_is_kept_for_the_slowest_peer_that_counts() {
        let mut peers = Peers::default();
        for (member, scl) in [(1, 9), (2, 7), (3, 8), (4, 9)] {
            peers.learn(MemberIndex(member), Incarnation(1), &segment(scl, Standing::Clean));
        }
        assert_eq!(peers.least_scl(PgId(0)), Lsn::ZERO, "one was never heard");
        peers.learn(MemberIndex(5), Incarnation(1), &segment(0, Standing::Unhydrated));
        assert_eq!(peers.least_scl(PgId(0)), Lsn(7), "a lost one needs pages, not log");
        peers.learn(MemberIndex(5), Incarnation(1), &segment(4, Standing::Unhydrated));
        assert_eq!(peers.least_scl(PgId(0)), Lsn(4), "its pages are there, the log above them is not");
        peers.learn(MemberIndex(5), Incarnation(0), &segment(9, Standing::Clean));
        assert_eq!(peers.least_scl(PgId(0)), Lsn(4), "an older life's offer is void");
    }
}
