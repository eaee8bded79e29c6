//! Following the volume's chain to its end.

use std::collections::BTreeMap;

use compute::Lsn;
use node::Nanos;

use super::promises::Start;
use crate::message::InventoryEntry;
use crate::{MemberIndex, PgId};

/// One group's records above the durable VDL, as its most complete segment lists them.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The group.
    pub pg: PgId,
    /// Who is asked.
    pub holder: MemberIndex,
    /// The holder's SCL.
    pub scl: Lsn,
    /// What came so far.
    pub entries: Vec<InventoryEntry>,
    /// Whether that is all.
    pub complete: bool,
    /// When the next part was asked for.
    pub asked_at: Nanos,
    /// How often without an answer.
    pub attempts: u32,
}

/// The walk: a chain for each group, then the volume's chain through all of them.
#[derive(Clone, Debug)]
pub struct Walk {
    /// Where it starts.
    pub start: Start,
    /// The chains, by group.
    pub chains: Vec<Chain>,
}

/// Where the walk ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The last record linked without a gap.
    pub vcl: Lsn,
    /// The highest CPL at or below it.
    pub vdl: Lsn,
    /// Every group's last LSN at or below the VDL.
    pub ends: Vec<(PgId, Lsn)>,
}

impl Walk {
    /// A walk from `start`; nothing was asked yet.
    pub fn new(start: Start) -> Walk {
        let chain = |(pg, &(holder, scl)): (usize, &(MemberIndex, Lsn))| Chain {
            pg: PgId(pg as u32),
            holder,
            scl,
            entries: Vec::new(),
            // A segment that ends at or below the VDL lists nothing above it.
            complete: scl <= start.vdl,
            asked_at: Nanos::ZERO,
            attempts: 0,
        };
        let chains = start.holders.iter().enumerate().map(chain).collect();
        Walk { start, chains }
    }

    /// The LSN above which a chain's next part is wanted.
    pub fn above(&self, chain: &Chain) -> Lsn {
        chain.entries.last().map_or(self.start.vdl, |entry| entry.lsn)
    }

    /// Takes up a part of a chain. Parts that were not asked for, or asked for twice, change nothing; nor does a last part
    /// that ends below the SCL the holder promised. It lost records since, and is asked again until it is taken for lost:
    /// then its next promise says what it still has.
    pub fn take(
        &mut self,
        from: MemberIndex,
        pg: PgId,
        above: Lsn,
        entries: Vec<InventoryEntry>,
        complete: bool,
    ) -> bool {
        let vdl = self.start.vdl;
        let Some(chain) = self.chains.get_mut(pg.0 as usize) else { return false };
        let expected = chain.entries.last().map_or(vdl, |entry| entry.lsn);
        let end = entries.last().map_or(expected, |entry| entry.lsn);
        if chain.holder != from || chain.complete || above != expected || (complete && end < chain.scl) {
            return false;
        }
        chain.entries.extend(entries);
        chain.complete = complete;
        chain.attempts = 0;
        true
    }

    /// Whether every chain is complete.
    pub fn is_complete(&self) -> bool {
        self.chains.iter().all(|chain| chain.complete)
    }

    /// Follows the volume's chain from the durable VDL.
    pub fn end(&self) -> End {
        let all = self.chains.iter().flat_map(|chain| &chain.entries);
        let next: BTreeMap<Lsn, &InventoryEntry> = all.map(|entry| (entry.prev_volume, entry)).collect();
        let (mut vcl, mut vdl) = (self.start.vdl, self.start.vdl);
        while let Some(entry) = next.get(&vcl) {
            vcl = entry.lsn;
            if entry.cpl {
                vdl = vcl;
            }
        }
        let ends = self.chains.iter().map(|chain| (chain.pg, end_of(chain, vdl))).collect();
        End { vcl, vdl, ends }
    }
}

fn end_of(chain: &Chain, vdl: Lsn) -> Lsn {
    let kept = chain.entries.iter().rev().find(|entry| entry.lsn <= vdl);
    match (kept, chain.entries.first()) {
        (Some(entry), _) => entry.lsn,
        (None, Some(first)) => first.prev_pg,
        (None, None) => chain.scl,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Register;

    fn walk(vdl: u64, scls: &[u64]) -> Walk {
        let register = Register::sample(scls.len() as u32);
        let holders = scls.iter().map(|&scl| (MemberIndex(0), Lsn(scl))).collect();
        Walk::new(Start { vdl: Lsn(vdl), table: crate::TruncationTable::default(), register, holders })
    }

    fn entry(lsn: u64, prev_volume: u64, prev_pg: u64, cpl: bool) -> InventoryEntry {
        InventoryEntry { lsn: Lsn(lsn), prev_volume: Lsn(prev_volume), prev_pg: Lsn(prev_pg), cpl }
    }

    #[test]
    fn the_walk_stops_at_the_first_missing_record_and_falls_back_to_a_cpl() {
        let mut walk = walk(10, &[14, 15]);
        // 13 is missing: it was PG 1's, whose best segment has 12 and 15 out of order only by a lie; 15 follows 14.
        walk.take(MemberIndex(0), PgId(0), Lsn(10), vec![entry(11, 10, 9, true), entry(14, 13, 11, true)], true);
        walk.take(MemberIndex(0), PgId(1), Lsn(10), vec![entry(12, 11, 8, false), entry(15, 14, 12, true)], true);
        let end = walk.end();
        assert_eq!((end.vcl, end.vdl), (Lsn(12), Lsn(11)));
        assert_eq!(end.ends, [(PgId(0), Lsn(11)), (PgId(1), Lsn(8))]);
    }

    #[test]
    fn an_idle_group_ends_where_its_segment_does() {
        let mut walk = walk(10, &[10, 4]);
        assert!(walk.is_complete(), "nobody has anything above the VDL");
        assert_eq!(walk.end().ends, [(PgId(0), Lsn(10)), (PgId(1), Lsn(4))]);
        assert!(
            !walk.take(MemberIndex(0), PgId(0), Lsn(10), vec![entry(11, 10, 10, true)], true),
            "late answers change nothing"
        );
    }

    /// The holder restarted after its promise, lost a log block or its page index, and listed what it had left as all there
    /// is. The walk ended there, and the truncation annulled records that four had acknowledged.
    #[test]
    fn a_holder_that_lists_less_than_it_promised_is_not_believed() {
        let mut walk = walk(10, &[12]);
        assert!(!walk.take(MemberIndex(0), PgId(0), Lsn(10), Vec::new(), true), "it promised SCL 12");
        assert!(!walk.take(MemberIndex(0), PgId(0), Lsn(10), vec![entry(11, 10, 10, true)], true));
        assert!(walk.take(MemberIndex(0), PgId(0), Lsn(10), vec![entry(11, 10, 10, true)], false), "there is more");
        assert!(!walk.take(MemberIndex(0), PgId(0), Lsn(11), Vec::new(), true) && !walk.is_complete());
        assert!(walk.take(MemberIndex(0), PgId(0), Lsn(11), vec![entry(12, 11, 11, true)], true));
        assert!(walk.is_complete());
    }

    #[test]
    fn the_chain_reaches_across_an_earlier_truncation() {
        let mut walk = walk(10, &[1001]);
        walk.take(
            MemberIndex(0),
            PgId(0),
            Lsn(10),
            vec![entry(1000, 10, 10, false), entry(1001, 1000, 1000, true)],
            true,
        );
        assert_eq!(walk.end().vdl, Lsn(1001));
    }
}
