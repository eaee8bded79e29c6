//! What a segment says about itself: its standing, its claim, and what a truncation leaves of them.

use compute::Lsn;

use super::Segment;
use crate::TruncationTable;
use crate::message::{SegmentStatus, Standing};
use crate::planted::Bug;

impl Segment {
    /// What its silence means.
    pub fn standing(&self) -> Standing {
        if !self.hydrated && !self.planted.is(Bug::UnhydratedCounts) {
            if self.witness { Standing::Witness } else { Standing::Unhydrated }
        } else if self.scl < self.claim.max(self.doubt) && !self.planted.is(Bug::RotTakenForTail) {
            Standing::Suspect
        } else {
            Standing::Clean
        }
    }

    /// Its part of a promise.
    pub fn status(&self) -> SegmentStatus {
        let (scl, standing) = (self.scl, self.standing());
        // A witness acknowledged nothing since it became one, whatever it took in.
        let found = if standing == Standing::Witness { Lsn::ZERO } else { self.doubt.max(scl) };
        SegmentStatus { pg: self.pg, scl, claimed_scl: self.claim.max(found), standing }
    }

    /// Drops what a truncation table annuls. `end` is the group's last LSN at or below the volume's end, if known: a
    /// claim that was annulled becomes a claim to that much.
    pub fn annul(&mut self, table: &TruncationTable, end: Option<Lsn>) {
        if !self.records.from(0).any(|entry| table.annuls(entry.lsn)) && !table.annuls(self.claim) {
            return;
        }
        let complete_to = self.scl;
        self.records.retain(|entry| !table.annuls(entry.lsn));
        if table.annuls(self.scl) {
            self.scl = self.last_at_or_below(self.scl);
        }
        let kept = table.kept_of(self.claim);
        if kept < self.claim {
            // A chain that reaches to where the volume ends has all that is left of the claim. Of one that does not, only
            // `end` tells how much that is; without it, the segment goes on as suspect.
            let owed = if complete_to >= kept { self.scl } else { end.map_or(kept, |end| end.min(kept)) };
            self.claim = owed.max(self.scl);
        }
        self.doubt = self.doubt.min(self.reach());
        self.chain_again();
    }

    /// The group has no record above `end` and up to `vdl`: a claim in between is a claim to `end`.
    pub fn settle_claim(&mut self, end: Lsn, vdl: Lsn) {
        if end < self.claim && self.claim <= vdl {
            self.claim = end.max(self.scl);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::hold;
    use super::*;
    use crate::PgId;

    /// What is held of a chain, what was claimed, and what is left of both when everything above 4 is annulled.
    #[test]
    fn a_claim_falls_to_what_truncation_leaves_of_it_and_no_further() {
        let truncation = crate::Truncation { epoch: Default::default(), vdl: Lsn(4), upto: Lsn(100) };
        let table = TruncationTable::new(vec![truncation]).expect("one entry");
        let annulled = |chain: &[u64], claim: u64, end: Option<u64>| {
            let mut segment = Segment { recorded: true, ..Segment::new(PgId(0), Lsn::ZERO, true) };
            let before = |at: usize| if at == 0 { 0 } else { chain[at - 1] };
            hold(&mut segment, (0..chain.len()).map(|at| (chain[at], before(at))), 1);
            segment.advance(1);
            segment.claim = Lsn(claim);
            segment.annul(&table, end.map(Lsn));
            segment
        };
        let told = |segment: &Segment| (segment.scl().0, segment.claim.0, segment.standing());
        assert_eq!(told(&annulled(&[1, 2, 3, 4, 5], 5, None)), (4, 4, Standing::Clean));
        assert_eq!(told(&annulled(&[1, 2, 5], 5, None)), (2, 2, Standing::Clean), "the group ends at 2");
        assert_eq!(told(&annulled(&[1, 2], 3, None)), (2, 3, Standing::Suspect), "a claim that is kept is kept");
        let mut lost = annulled(&[1, 2], 5, None);
        assert_eq!(told(&lost), (2, 4, Standing::Suspect), "it may have had 3 and 4");
        lost.settle_claim(Lsn(3), Lsn(4));
        assert_eq!(told(&lost), (2, 3, Standing::Suspect), "it had 3");
        lost.settle_claim(Lsn(2), Lsn(4));
        assert_eq!(told(&lost), (2, 2, Standing::Clean), "it had nothing of the group above 2");
        assert_eq!(told(&annulled(&[1, 2], 5, Some(3))), (2, 3, Standing::Suspect));
        assert_eq!(told(&annulled(&[1, 2], 5, Some(2))), (2, 2, Standing::Clean));
    }
}
