//! What the other five members said they hold, and when.
//!
//! # Invariants
//!
//! - Of two lives of a member, what the later one said holds. A disk that was emptied counts its lives anew: once the life that
//!   was thought the latest has been silent for long, whichever speaks is the latest.
//! - Nobody waits for a member that has been silent for long.

use std::collections::BTreeMap;

use compute::Lsn;
use node::Nanos;

use crate::message::{PeerSegment, Standing};
use crate::quorum::MEMBERS;
use crate::{Incarnation, MemberIndex, PgId};

/// One peer's last offer.
#[derive(Clone, Debug)]
struct Known {
    incarnation: Incarnation,
    heard_at: Nanos,
    segments: BTreeMap<PgId, PeerSegment>,
}

/// The peers' offers under the epoch served.
#[derive(Clone, Debug)]
pub struct Peers {
    known: BTreeMap<MemberIndex, Known>,
    silence_max: Nanos,
}

impl Peers {
    /// Nothing was heard yet; whoever says nothing for longer than `silence_max` is silent.
    pub fn new(silence_max: Nanos) -> Peers {
        Peers { known: BTreeMap::new(), silence_max }
    }

    /// Forgets everything: another epoch is served.
    pub fn clear(&mut self) {
        self.known.clear();
    }

    /// Takes up an offer; one of an older incarnation is void while the newer one speaks.
    pub fn learn(&mut self, now: Nanos, member: MemberIndex, incarnation: Incarnation, segments: &[PeerSegment]) {
        if self.known.get(&member).is_some_and(|known| known.incarnation > incarnation && self.speaks(known, now)) {
            return;
        }
        let segments = segments.iter().map(|segment| (segment.pg, *segment)).collect();
        self.known.insert(member, Known { incarnation, heard_at: now, segments });
    }

    fn speaks(&self, known: &Known, now: Nanos) -> bool {
        now.saturating_sub(known.heard_at) <= self.silence_max
    }

    /// What each peer says of a group.
    pub fn of(&self, pg: PgId) -> impl Iterator<Item = (MemberIndex, PeerSegment)> + '_ {
        self.known.iter().filter_map(move |(&member, known)| Some((member, *known.segments.get(&pg)?)))
    }

    /// Peers whose segment of the group counts and is whole.
    pub fn clean(&self, pg: PgId) -> impl Iterator<Item = (MemberIndex, PeerSegment)> + '_ {
        self.of(pg).filter(|(_, segment)| segment.standing == Standing::Clean)
    }

    /// Those of [`Peers::clean`] that are not silent: what they have can be had now.
    pub fn speaking(&self, pg: PgId, now: Nanos) -> impl Iterator<Item = PeerSegment> + '_ {
        let speaking = self.known.values().filter(move |known| self.speaks(known, now));
        let segments = speaking.filter_map(move |known| known.segments.get(&pg).copied());
        segments.filter(|segment| segment.standing == Standing::Clean)
    }

    /// The least SCL of all peers: log above it is still needed. A peer never heard of may need everything; one that is to
    /// be rebuilt from pages needs nothing until it says from where.
    pub fn least_scl(&self, pg: PgId) -> Lsn {
        if self.of(pg).count() < MEMBERS - 1 {
            return Lsn::ZERO;
        }
        let waits = |segment: &PeerSegment| segment.standing.has_records() || segment.scl > Lsn::ZERO;
        self.of(pg).map(|(_, segment)| segment).filter(waits).map(|segment| segment.scl).min().unwrap_or(Lsn(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Nanos = Nanos(100);

    fn segment(scl: u64, standing: Standing) -> [PeerSegment; 1] {
        [PeerSegment { pg: PgId(0), scl: Lsn(scl), base: Lsn::ZERO, pgmrpl: Lsn::ZERO, standing }]
    }

    #[test]
    fn log_is_kept_for_the_slowest_peer_that_counts() {
        let mut peers = Peers::new(SILENCE);
        for (member, scl) in [(1, 9), (2, 7), (3, 8), (4, 9)] {
            peers.learn(Nanos::ZERO, MemberIndex(member), Incarnation(1), &segment(scl, Standing::Clean));
        }
        assert_eq!(peers.least_scl(PgId(0)), Lsn::ZERO, "one was never heard");
        peers.learn(Nanos::ZERO, MemberIndex(5), Incarnation(1), &segment(0, Standing::Unhydrated));
        assert_eq!(peers.least_scl(PgId(0)), Lsn(7), "a lost one needs pages, not log");
        peers.learn(Nanos::ZERO, MemberIndex(5), Incarnation(1), &segment(4, Standing::Unhydrated));
        assert_eq!(peers.least_scl(PgId(0)), Lsn(4), "its pages are there, the log above them is not");
        peers.learn(Nanos::ZERO, MemberIndex(5), Incarnation(0), &segment(9, Standing::Clean));
        assert_eq!(peers.least_scl(PgId(0)), Lsn(4), "an older life's offer is void");
    }

    /// A disk was replaced, and its node's lives counted from one again. Its peers took the offers for old ones: they kept all log
    /// for what the lost disk had last had, and waited for records that only it had offered.
    #[test]
    fn an_emptied_member_is_heard_once_its_former_life_is_silent() {
        let mut peers = Peers::new(SILENCE);
        peers.learn(Nanos(1), MemberIndex(1), Incarnation(2), &segment(9, Standing::Clean));
        peers.learn(Nanos(101), MemberIndex(1), Incarnation(1), &segment(0, Standing::Unhydrated));
        assert_eq!(peers.clean(PgId(0)).count(), 1, "late mail of an earlier life");
        peers.learn(Nanos(102), MemberIndex(1), Incarnation(1), &segment(0, Standing::Unhydrated));
        assert_eq!(peers.clean(PgId(0)).count(), 0);
    }

    #[test]
    fn a_silent_member_is_remembered_and_does_not_speak() {
        let mut peers = Peers::new(SILENCE);
        peers.learn(Nanos(1), MemberIndex(1), Incarnation(1), &segment(9, Standing::Clean));
        let counts = |now| (peers.clean(PgId(0)).count(), peers.speaking(PgId(0), Nanos(now)).count());
        assert_eq!((counts(101), counts(102)), ((1, 1), (1, 0)));
    }
}
