//! One protection group as the writer sees it: what is to be shipped, what is on its way, how complete each segment is.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use compute::Lsn;
use node::Nanos;

use crate::message::Envelope;
use crate::quorum::{MEMBERS, reached_by};
use crate::{MemberIndex, PgId};

/// Records shipped in one message, kept until four segments are complete to its end.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its last record.
    pub last: Lsn,
    /// Its envelopes.
    pub records: Bytes,
    /// When it goes out again unless it is complete by then.
    pub resend_at: Nanos,
    /// How long it waits after that.
    pub resend_after: Nanos,
}

/// One protection group.
///
/// Invariants: `pgcl <= end`; batches are in rising order of LSN, each above the PGCL; the PGCL only rises.
#[derive(Clone, Debug)]
pub struct Group {
    pg: PgId,
    /// Where the group ended when the volume was opened.
    opened_end: Lsn,
    end: Lsn,
    open: BytesMut,
    open_last: Lsn,
    batches: VecDeque<Batch>,
    retained_bytes: usize,
    scls: [Lsn; MEMBERS],
    pgcl: Lsn,
    cpl_ends: VecDeque<(Lsn, Lsn)>,
    durable_end: Lsn,
}

impl Group {
    /// A group whose last durable record is at `end`.
    pub fn new(pg: PgId, end: Lsn) -> Group {
        Group {
            pg,
            opened_end: end,
            end,
            open: BytesMut::new(),
            open_last: end,
            batches: VecDeque::new(),
            retained_bytes: 0,
            scls: [Lsn::ZERO; MEMBERS],
            pgcl: end,
            cpl_ends: VecDeque::new(),
            durable_end: end,
        }
    }

    /// Which group.
    pub fn pg(&self) -> PgId {
        self.pg
    }

    /// Where the group ended when the volume was opened.
    pub fn opened_end(&self) -> Lsn {
        self.opened_end
    }

    /// Four segments are complete to here.
    pub fn pgcl(&self) -> Lsn {
        self.pgcl
    }

    /// A segment's SCL, as last acknowledged.
    pub fn scl(&self, member: MemberIndex) -> Lsn {
        self.scls[usize::from(member.0)]
    }

    /// Encoded bytes not yet complete on four segments.
    pub fn retained_bytes(&self) -> usize {
        self.retained_bytes
    }

    /// Adds a record behind the group's last.
    pub fn push(&mut self, lsn: Lsn, prev_volume: Lsn, prev_page: Lsn, record: &[u8]) {
        let before = self.open.len();
        Envelope::put(&mut self.open, lsn, prev_volume, self.end, prev_page, record);
        self.retained_bytes += self.open.len() - before;
        self.end = lsn;
        self.open_last = lsn;
    }

    /// Notes that the volume's CPL `cpl` covers everything pushed so far.
    pub fn mark_cpl(&mut self, cpl: Lsn) {
        self.cpl_ends.push_back((cpl, self.end));
    }

    /// Closes the open records into a batch when fewer than `in_flight_max` are on their way. The operation is submitted
    /// with the first record and filled while earlier ones are under way: boxcar without a timer (P18, section 2.2).
    pub fn seal(&mut self, in_flight_max: usize, bytes_max: usize, now: Nanos, resend_after: Nanos) -> Option<&Batch> {
        let full = self.open.len() >= bytes_max;
        if self.open.is_empty() || (self.batches.len() >= in_flight_max && !full) {
            return None;
        }
        let records = self.open.split().freeze();
        self.batches.push_back(Batch { last: self.open_last, records, resend_at: now + resend_after, resend_after });
        self.batches.back()
    }

    /// Takes up a segment's SCL. Gives whether the PGCL rose.
    pub fn acknowledge(&mut self, member: MemberIndex, scl: Lsn, quorum: usize) -> bool {
        let known = &mut self.scls[usize::from(member.0)];
        *known = scl.max(*known);
        let complete = reached_by(&self.scls, quorum);
        if complete <= self.pgcl {
            return false;
        }
        self.pgcl = complete;
        while self.batches.front().is_some_and(|batch| batch.last <= complete) {
            let batch = self.batches.pop_front().expect("just seen");
            self.retained_bytes -= batch.records.len();
        }
        true
    }

    /// Forgets a segment's SCL: what it said belongs to an earlier incarnation.
    pub fn forget(&mut self, member: MemberIndex) {
        self.scls[usize::from(member.0)] = Lsn::ZERO;
    }

    /// The group's last LSN at or below `vdl`; `vdl` never falls between calls.
    pub fn durable_end(&mut self, vdl: Lsn) -> Lsn {
        while let Some(&(cpl, end)) = self.cpl_ends.front() {
            if cpl > vdl {
                break;
            }
            self.durable_end = end;
            self.cpl_ends.pop_front();
        }
        self.durable_end
    }

    /// The batches that are due to be sent again at `now`, at most `count`; their next turn is set, twice as far away up
    /// to `resend_max`.
    pub fn due(&mut self, now: Nanos, count: usize, resend_max: Nanos) -> Vec<(Lsn, Bytes)> {
        let mut due = Vec::new();
        for batch in self.batches.iter_mut().filter(|batch| batch.resend_at <= now).take(count) {
            batch.resend_after = Nanos(batch.resend_after.0.saturating_mul(2)).min(resend_max);
            batch.resend_at = now + batch.resend_after;
            due.push((batch.last, batch.records.clone()));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quorum::WRITE_QUORUM;

    const SOON: Nanos = Nanos(100);

    fn shipped(lsns: &[u64]) -> Group {
        let mut group = Group::new(PgId(0), Lsn(0));
        for &lsn in lsns {
            group.push(Lsn(lsn), Lsn(lsn - 1), Lsn(0), b"record");
            group.mark_cpl(Lsn(lsn));
            group.seal(usize::MAX, usize::MAX, Nanos(0), SOON).expect("records were open");
        }
        group
    }

    #[test]
    fn records_wait_and_share_a_batch_while_the_window_is_full() {
        let mut group = shipped(&[1]);
        group.push(Lsn(2), Lsn(1), Lsn(0), b"two");
        assert!(group.seal(1, usize::MAX, Nanos(0), SOON).is_none());
        group.push(Lsn(3), Lsn(2), Lsn(0), b"three");
        for member in MemberIndex::all().take(4) {
            group.acknowledge(member, Lsn(1), WRITE_QUORUM);
        }
        let batch = group.seal(1, usize::MAX, Nanos(0), SOON).expect("the window is open");
        assert_eq!(batch.last, Lsn(3));
    }

    /// Counting four acknowledgements for each record is not four complete segments: Y on ABCD, X on CDEF, Z on ABEF
    /// leave no segment complete to Z, and recovery from any three would lose it.
    #[test]
    fn four_acks_per_record_are_not_four_complete_segments() {
        let mut group = shipped(&[1, 2, 3]);
        for (member, scl) in [(0, 1), (1, 1), (2, 2), (3, 2), (4, 0), (5, 0)] {
            group.acknowledge(MemberIndex(member), Lsn(scl), WRITE_QUORUM);
        }
        assert_eq!(group.pgcl(), Lsn(1));
    }

    #[test]
    fn batches_are_kept_and_resent_until_four_segments_have_them() {
        let mut group = shipped(&[1, 2]);
        for member in MemberIndex::all().take(3) {
            group.acknowledge(member, Lsn(2), WRITE_QUORUM);
        }
        assert_eq!(group.due(SOON, 8, Nanos(1000)).len(), 2);
        assert!(group.due(SOON, 8, Nanos(1000)).is_empty(), "each has its next turn later");
        assert!(group.acknowledge(MemberIndex(5), Lsn(1), WRITE_QUORUM));
        assert_eq!(group.due(Nanos(400), 8, Nanos(1000)).iter().map(|due| due.0).collect::<Vec<_>>(), [Lsn(2)]);
        assert!(group.acknowledge(MemberIndex(5), Lsn(2), WRITE_QUORUM));
        assert_eq!(group.retained_bytes(), 0);
    }

    #[test]
    fn the_durable_end_follows_the_vdl_by_whole_groups_of_records() {
        let mut group = Group::new(PgId(0), Lsn(4));
        group.push(Lsn(6), Lsn(5), Lsn(0), b"a");
        group.push(Lsn(7), Lsn(6), Lsn(0), b"b");
        group.mark_cpl(Lsn(9));
        assert_eq!(group.durable_end(Lsn(8)), Lsn(4));
        assert_eq!(group.durable_end(Lsn(9)), Lsn(7));
    }
}
