//! VCL and VDL: how far the volume is complete and durable.
//!
//! Each protection group advances its PGCL on its own; the volume is complete up to the last record before the first one
//! that some group still lacks (P18, section 2.3 and figure 3). No consensus: this is local bookkeeping over a queue of
//! what was given out.

use std::collections::VecDeque;

use compute::Lsn;

use crate::PgId;

/// Consecutive LSNs that belong to one group.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: Lsn,
    last: Lsn,
    pg: PgId,
}

/// The volume's completeness and durability.
///
/// Invariants: `vdl <= vcl <= last`; both only rise; the VDL is a CPL.
#[derive(Clone, Debug)]
pub struct Progress {
    runs: VecDeque<Run>,
    cpls: VecDeque<Lsn>,
    vcl: Lsn,
    vdl: Lsn,
}

impl Progress {
    /// A volume that ends at `vdl`.
    pub fn new(vdl: Lsn) -> Progress {
        Progress { runs: VecDeque::new(), cpls: VecDeque::new(), vcl: vdl, vdl }
    }

    /// Notes that `lsn` was given to a record of `pg`. LSNs rise.
    pub fn allocate(&mut self, lsn: Lsn, pg: PgId) {
        match self.runs.back_mut() {
            Some(run) if run.pg == pg && run.last.next() == lsn => run.last = lsn,
            _ => self.runs.push_back(Run { first: lsn, last: lsn, pg }),
        }
    }

    /// Notes that the last LSN given out is a CPL.
    pub fn mark_cpl(&mut self, lsn: Lsn) {
        self.cpls.push_back(lsn);
    }

    /// Takes up new PGCLs. Gives whether the VDL rose.
    pub fn advance(&mut self, pgcl: impl Fn(PgId) -> Lsn) -> bool {
        while let Some(run) = self.runs.front() {
            let complete = pgcl(run.pg);
            if complete >= run.last {
                self.vcl = run.last;
                self.runs.pop_front();
                continue;
            }
            if complete >= run.first {
                self.vcl = complete;
            }
            break;
        }
        let before = self.vdl;
        while let Some(&cpl) = self.cpls.front() {
            if cpl > self.vcl {
                break;
            }
            self.vdl = cpl;
            self.cpls.pop_front();
        }
        self.vdl > before
    }

    /// Every record at or below it is complete in its group.
    pub fn vcl(&self) -> Lsn {
        self.vcl
    }

    /// The highest CPL at or below the VCL.
    pub fn vdl(&self) -> Lsn {
        self.vdl
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P18, figure 3: LSNs 100 to 107, odd ones in PG 1, even ones in PG 2; 105 and 106 lack a quorum.
    #[test]
    fn the_vcl_stops_before_the_first_record_without_a_quorum() {
        let mut progress = Progress::new(Lsn(99));
        for lsn in 100..=107 {
            progress.allocate(Lsn(lsn), PgId(if lsn % 2 == 1 { 1 } else { 2 }));
        }
        progress.advance(|pg| if pg == PgId(1) { Lsn(103) } else { Lsn(104) });
        assert_eq!(progress.vcl(), Lsn(104));
    }

    /// P17, section 4.1: complete to 1007, CPLs at 900, 1000 and 1100: durable to 1000.
    #[test]
    fn the_vdl_is_the_highest_cpl_at_or_below_the_vcl() {
        let mut progress = Progress::new(Lsn(0));
        for lsn in 1..=1100 {
            progress.allocate(Lsn(lsn), PgId(0));
            if [900, 1000, 1100].contains(&lsn) {
                progress.mark_cpl(Lsn(lsn));
            }
        }
        assert!(progress.advance(|_| Lsn(1007)));
        assert_eq!((progress.vcl(), progress.vdl()), (Lsn(1007), Lsn(1000)));
        assert!(!progress.advance(|_| Lsn(1007)));
    }

    #[test]
    fn a_gap_left_by_truncation_breaks_no_run() {
        let mut progress = Progress::new(Lsn(10));
        progress.allocate(Lsn(500), PgId(0));
        progress.mark_cpl(Lsn(500));
        assert!(!progress.advance(|_| Lsn(10)));
        assert!(progress.advance(|_| Lsn(500)));
        assert_eq!(progress.vdl(), Lsn(500));
    }
}
