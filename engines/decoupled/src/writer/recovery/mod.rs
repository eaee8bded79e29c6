//! Opening a volume, after a crash or at a normal start: find where it ends, and make that end durable.
//!
//! P17, section 4.3, and P18, section 2.4. No redo is replayed. The steps:
//!
//! 1. [`promises`]: storage nodes promise the new epoch, which fences the old writer, and report their segments. Three
//!    promises *clean* in every protection group allow the next step, or of witnesses who swear as much ([`promises::assess`]).
//! 2. [`walk`]: from the highest durable VDL that any of them knows, the volume's chain is followed over the records of the
//!    most complete segment of each group. It ends at the new VCL; its last CPL is the new VDL.
//! 3. Truncation: everything above the VDL, up to an LSN that no earlier writer can have passed, is annulled, durably, at
//!    four nodes, and the segments fill from their peers until four of each group are complete to the VDL.
//! 4. The leases that the promises reported have run out. Open.
//!
//! # Invariants
//!
//! - A record that was acknowledged is on four segments by SCL; any three promises meet them. Were all of those three
//!   truthful and lack it, it was never acknowledged ([`crate::quorum::NACK_QUORUM`]).
//! - A segment that has more below the VDL than was found contradicts the recovery ([`evidence`]): one that did not open yet
//!   starts over, one that did halts and says so.
//! - A recovery whose end nobody has any more starts over: whoever had it was lost, or put back to an older state, before it
//!   could pass it on, and nobody else ever acknowledged it.
//! - New LSNs are above the truncation range, and the first new record's back-pointers reach across it.

pub mod evidence;
pub mod promises;
pub mod walk;

use compute::Lsn;

use crate::{PgId, Register, TruncationTable};

/// Where recovery found the volume's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The volume ends here.
    pub vdl: Lsn,
    /// The truncation table that held before this recovery.
    pub table: TruncationTable,
    /// The last LSN an earlier writer can have given out.
    pub upto: Lsn,
    /// Every group's last LSN at or below the VDL.
    pub ends: Vec<(PgId, Lsn)>,
    /// The register under the new epoch.
    pub register: Register,
}

impl Plan {
    /// A group's last LSN at or below the VDL; zero for one made since.
    pub fn end(&self, pg: PgId) -> Lsn {
        self.ends.iter().find(|(known, _)| *known == pg).map_or(Lsn::ZERO, |&(_, end)| end)
    }
}
