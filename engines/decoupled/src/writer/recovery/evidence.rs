//! Evidence that a recovery was misled.
//!
//! A disk that was put back to an older state swears that it never had what it once acknowledged. With such a disk among
//! them, three promises may lack a record that is durable, and recovery takes an earlier record for the end of its group.
//! Whoever still has the record says so in its acknowledgements: its SCL is above that end and at or below the VDL, where an
//! honest recovery leaves nothing. New records would follow the wrong end, and never become complete at anybody who has more.
//!
//! # Caveats
//!
//! - Where the VDL that recovery found is too low as well, what lies above it is annulled, and nobody is left to say so.

use std::collections::BTreeMap;
use std::fmt;

use compute::Lsn;

use super::promises::Start;
use crate::{MemberIndex, PgId};

/// A segment that has more of its group than recovery found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The group.
    pub pg: PgId,
    /// Whose segment it is.
    pub member: MemberIndex,
    /// It is complete to here.
    pub scl: Lsn,
    /// Recovery found the group to end here.
    pub end: Lsn,
    /// Recovery found the volume to end here.
    pub vdl: Lsn,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "recovery found protection group {} to end at LSN {}, and member {} has it up to LSN {}, at or below VDL {}: a \
             disk that recovery relied on was put back to an older state",
            self.pg.0, self.end, self.member.0, self.scl, self.vdl
        )
    }
}

/// What is known to be complete somewhere, whatever promises say.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    complete: BTreeMap<PgId, (Lsn, MemberIndex)>,
}

impl Evidence {
    /// Notes a contradiction, for the recovery after it.
    pub fn note(&mut self, found: &Contradiction) {
        let known = self.complete.entry(found.pg).or_insert((found.scl, found.member));
        *known = (*known).max((found.scl, found.member));
    }

    /// Why recovery must not begin from `start` yet: a promise that has what is known to be complete is missing.
    pub fn missing_from(&self, start: &Start) -> Option<String> {
        let end = |pg: &PgId| start.holders.get(pg.0 as usize).map_or(Lsn::ZERO, |&(_, scl)| scl);
        let (pg, (scl, member)) = self.complete.iter().find(|(pg, (scl, _))| end(pg) < *scl)?;
        Some(format!("protection group {} is complete to LSN {scl} at member {}, which must promise", pg.0, member.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Register, TruncationTable};

    fn start(scl: u64) -> Start {
        let register = Register::sample(1);
        let holders = vec![(MemberIndex(0), Lsn(scl))];
        Start { vdl: Lsn(9), table: TruncationTable::default(), register, holders }
    }

    #[test]
    fn recovery_waits_for_what_is_known_to_be_complete() {
        let mut evidence = Evidence::default();
        assert_eq!(evidence.missing_from(&start(5)), None);
        for (member, scl) in [(3, 7), (4, 6)] {
            let (pg, member) = (PgId(0), MemberIndex(member));
            evidence.note(&Contradiction { pg, member, scl: Lsn(scl), end: Lsn(5), vdl: Lsn(9) });
        }
        assert!(evidence.missing_from(&start(6)).is_some_and(|why| why.contains("LSN 7 at member 3")));
        assert_eq!(evidence.missing_from(&start(7)), None);
    }
}
