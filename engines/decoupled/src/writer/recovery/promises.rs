//! What a set of promises allows.
//!
//! Three members that never acknowledged a record prove that no four did ([`NACK_QUORUM`]). Which records a promise swears
//! that of, for one group:
//!
//! - a *clean* segment: all above its SCL, since it has all it acknowledged;
//! - a *witness*: all above its claim. Its records are given up, and it does not say what they were;
//! - a suspect or an unhydrated one: none.
//!
//! Let B be the SCL of the most complete segment at hand whose records count. A witness whose claim is at or below B counts as
//! a clean segment: three that are clean, or such witnesses, swear of every record above B that they never acknowledged it. So
//! nothing durable lies above B, and whoever has B has all that is durable of the group. A witness with a higher claim
//! helped with records that nobody at hand has, and recovery waits for somebody who does.

use compute::{Lsn, Planted};
use node::Nanos;

use crate::message::{SegmentStatus, Standing};
use crate::planted::Bug;
use crate::quorum::{MEMBERS, NACK_QUORUM, READ_QUORUM, WRITE_QUORUM};
use crate::{Incarnation, MemberIndex, PgId, Register, TruncationTable};

/// One node's promise.
#[derive(Clone, Debug)]
pub struct Promise {
    /// The node's incarnation.
    pub incarnation: Incarnation,
    /// When, on the writer's clock, the leases that the node renewed have run out.
    pub lease_over: Nanos,
    /// The highest VDL it made durable.
    pub vdl: Lsn,
    /// The truncation table it holds.
    pub table: TruncationTable,
    /// Its register.
    pub register: Option<Register>,
    /// Its segments.
    pub segments: Vec<SegmentStatus>,
}

impl Promise {
    /// The state of a group's segment. A node whose register does not count the group yet never had a record of it, and can
    /// swear to that; a node without any register was wiped or never reached, and can swear to nothing.
    fn status(&self, pg: PgId, planted: Planted<Bug>) -> SegmentStatus {
        let known = self.segments.iter().find(|segment| segment.pg == pg).copied();
        let knows = self.register.is_some() || planted.is(Bug::WipedVotes);
        let standing = if knows { Standing::Clean } else { Standing::Unhydrated };
        known.unwrap_or(SegmentStatus { pg, scl: Lsn::ZERO, claimed_scl: Lsn::ZERO, standing })
    }
}

/// What can be done with the promises at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assessment {
    /// More promises are needed; the text says for what.
    Wait(String),
    /// No node knows of a volume: it may be created.
    Absent,
    /// The volume's end can be looked for.
    Walk(Start),
}

/// Where the walk begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The highest durable VDL known.
    pub vdl: Lsn,
    /// The truncation table that every promise used here holds.
    pub table: TruncationTable,
    /// The newest register.
    pub register: Register,
    /// For each group, by number, the member whose segment is the most complete, and its SCL.
    pub holders: Vec<(MemberIndex, Lsn)>,
}

/// Judges a set of promises that all hold the same truncation table: promises that hold an older one count records that
/// are void, and are asked for again first.
pub fn assess(promises: &[Option<Promise>; MEMBERS], planted: Planted<Bug>) -> Assessment {
    let given = promises.iter().flatten().count();
    if given < READ_QUORUM {
        return Assessment::Wait(format!("{given} of {READ_QUORUM} promises"));
    }
    let formed = promises.iter().flatten().filter_map(|promise| promise.register).filter(|register| register.formed);
    let newest = formed.reduce(|newest, register| if register.is_newer_than(&newest) { register } else { newest });
    let Some(register) = newest else {
        return if given < WRITE_QUORUM {
            Assessment::Wait(format!("no volume found yet at {given} nodes; creating one needs {WRITE_QUORUM}"))
        } else {
            Assessment::Absent
        };
    };
    let mut holders = Vec::with_capacity(register.pg_count as usize);
    for pg in (0..register.pg_count).map(PgId) {
        match holder(promises, pg, planted) {
            Ok(holder) => holders.push(holder),
            Err(clean) => {
                let why = format!("protection group {} has {clean} of {NACK_QUORUM} clean segments in reach", pg.0);
                return Assessment::Wait(why);
            }
        }
    }
    let vdl = promises.iter().flatten().map(|promise| promise.vdl).max().unwrap_or_default();
    let tables = promises.iter().flatten().map(|promise| &promise.table);
    let table = tables.reduce(|newest, table| if table.is_newer_than(newest) { table } else { newest });
    let table = table.cloned().unwrap_or_default();
    Assessment::Walk(Start { vdl, table, register, holders })
}

/// The most complete segment of a group, or how many of it swear that there is nothing above it when they are too few.
fn holder(promises: &[Option<Promise>; MEMBERS], pg: PgId, planted: Planted<Bug>) -> Result<(MemberIndex, Lsn), usize> {
    let status = |promise: &Option<Promise>| Some(promise.as_ref()?.status(pg, planted));
    let statuses = MemberIndex::all().zip(promises).filter_map(|(member, promise)| Some((member, status(promise)?)));
    let (having, others): (Vec<_>, Vec<_>) = statuses.partition(|(_, status)| status.standing.has_records());
    let best = having.iter().max_by_key(|(member, status)| (status.scl, std::cmp::Reverse(*member)));
    let Some(&(member, SegmentStatus { scl, .. })) = best else { return Err(0) };
    let is_clean = |status: &SegmentStatus| status.standing == Standing::Clean || planted.is(Bug::SuspectCounts);
    let swears = |status: &SegmentStatus| status.standing == Standing::Witness && status.claimed_scl <= scl;
    let clean = having.iter().filter(|(_, status)| is_clean(status)).count();
    let swearing = clean + others.iter().filter(|(_, status)| swears(status)).count();
    if swearing < NACK_QUORUM { Err(swearing) } else { Ok((member, scl)) }
}

#[cfg(test)]
mod tests {
    use node::NodeId;

    use super::*;
    use crate::{Epoch, Geometry};

    fn register(version: u64, formed: bool, pg_count: u32) -> Register {
        Register {
            epoch: Epoch { number: 1, owner: 1 },
            version,
            formed,
            geometry: Geometry { page_bytes: 512, pages_per_pg: 8 },
            geometry_epoch: 1,
            pg_count,
            membership_epoch: 1,
            members: [2, 3, 4, 5, 6, 7].map(NodeId),
        }
    }

    fn promise(register: Option<Register>, segments: &[(u64, Standing)]) -> Promise {
        let status = |(pg, &(scl, standing)): (usize, &(u64, Standing))| SegmentStatus {
            pg: PgId(pg as u32),
            scl: Lsn(scl),
            claimed_scl: Lsn(scl),
            standing,
        };
        Promise {
            incarnation: Incarnation(1),
            lease_over: Nanos::ZERO,
            vdl: Lsn(5),
            table: TruncationTable::default(),
            register,
            segments: segments.iter().enumerate().map(status).collect(),
        }
    }

    fn formed(scl: u64, standing: Standing) -> Option<Promise> {
        Some(promise(Some(register(2, true, 1)), &[(scl, standing)]))
    }

    #[test]
    fn three_clean_segments_find_the_most_complete_one() {
        let given =
            [None, formed(7, Standing::Clean), None, formed(9, Standing::Clean), None, formed(8, Standing::Clean)];
        let Assessment::Walk(start) = assess(&given, Planted::NONE) else { panic!("three are clean") };
        assert_eq!(start.holders, [(MemberIndex(3), Lsn(9))]);
    }

    /// A suspect segment's silence proves nothing: it may have lost what it acknowledged.
    #[test]
    fn a_suspect_segment_is_not_a_clean_one() {
        let mut given =
            [formed(7, Standing::Clean), formed(7, Standing::Clean), formed(3, Standing::Suspect), None, None, None];
        assert!(matches!(assess(&given, Planted::NONE), Assessment::Wait(_)));
        given[5] = formed(6, Standing::Clean);
        assert!(matches!(assess(&given, Planted::NONE), Assessment::Walk(_)), "a fourth replica settles it");
    }

    /// Whoever the four were that acknowledged a record, whichever members are out of reach, wiped, or left behind and being
    /// rebuilt: where promises are enough, one of them has it.
    #[test]
    fn a_durable_record_is_found_whatever_became_of_the_members() {
        let (durable, before) = (9, 5);
        let (mut enough, mut by_witnesses) = (0, 0);
        for members in 0..4u32.pow(MEMBERS as u32) {
            let fate = |member: usize| members >> (2 * member) & 3;
            for four in (0u32..1 << MEMBERS).filter(|set| set.count_ones() as usize == WRITE_QUORUM) {
                let given: [_; MEMBERS] = std::array::from_fn(|member| {
                    let acknowledged = if four >> member & 1 == 1 { durable } else { before };
                    match fate(member) {
                        0 => None,
                        1 => Some(promise(None, &[])),
                        2 => formed(acknowledged, Standing::Clean),
                        _ => witness(acknowledged),
                    }
                });
                let Assessment::Walk(start) = assess(&given, Planted::NONE) else { continue };
                assert_eq!(start.holders[0].1, Lsn(durable), "four {four:06b}, {given:?}");
                enough += 1;
                let clean = (0..MEMBERS).filter(|&member| fate(member) == 2).count();
                by_witnesses += usize::from(clean < NACK_QUORUM);
            }
        }
        assert!(by_witnesses > 0 && by_witnesses < enough, "{by_witnesses} of {enough}");
    }

    /// A member that was left behind gave up its records to be rebuilt, and knows what it acknowledged.
    fn witness(claim: u64) -> Option<Promise> {
        let mut given = promise(Some(register(2, true, 1)), &[(0, Standing::Witness)]);
        given.segments[0].claimed_scl = Lsn(claim);
        Some(given)
    }

    /// Two members were left behind and two wiped: two clean segments were all there was, and the volume could not be opened,
    /// though both had every record, and the two that were left behind could swear to it.
    #[test]
    fn a_witness_swears_to_what_lies_above_its_claim() {
        let clean = |scl| formed(scl, Standing::Clean);
        let given = [clean(9), clean(8), witness(4), Some(promise(None, &[])), None, None];
        let Assessment::Walk(start) = assess(&given, Planted::NONE) else {
            panic!("two clean and a witness are enough")
        };
        assert_eq!(start.holders, [(MemberIndex(0), Lsn(9))]);
        let missing = [clean(9), clean(8), witness(10), Some(promise(None, &[])), None, None];
        assert!(matches!(assess(&missing, Planted::NONE), Assessment::Wait(_)), "who has 10 is missing");
        let alone = [witness(0), witness(0), witness(0), None, None, None];
        assert!(matches!(assess(&alone, Planted::NONE), Assessment::Wait(_)), "witnesses have no records");
    }

    /// A wiped node comes back without a register. It must not help to a read quorum.
    #[test]
    fn a_wiped_node_counts_for_nothing() {
        let given =
            [formed(7, Standing::Clean), formed(7, Standing::Clean), Some(promise(None, &[])), None, None, None];
        assert!(matches!(assess(&given, Planted::NONE), Assessment::Wait(_)));
    }

    #[test]
    fn a_suspect_segment_may_still_hold_the_end() {
        let given = [
            formed(7, Standing::Clean),
            formed(7, Standing::Clean),
            formed(7, Standing::Clean),
            formed(9, Standing::Suspect),
            None,
            None,
        ];
        let Assessment::Walk(start) = assess(&given, Planted::NONE) else { panic!("three are clean") };
        assert_eq!(start.holders, [(MemberIndex(3), Lsn(9))]);
    }

    #[test]
    fn a_volume_is_absent_only_when_four_nodes_know_of_none() {
        let unformed = Some(promise(Some(register(1, false, 0)), &[]));
        let mut given = [unformed.clone(), Some(promise(None, &[])), unformed.clone(), None, None, None];
        assert!(matches!(assess(&given, Planted::NONE), Assessment::Wait(_)));
        given[4] = unformed;
        assert_eq!(assess(&given, Planted::NONE), Assessment::Absent);
        given[3] = formed(0, Standing::Clean);
        assert!(!matches!(assess(&given, Planted::NONE), Assessment::Absent), "one formed register is a volume");
    }

    /// Growth that reached one node before the crash: the others never had a record of the new group and can say so.
    #[test]
    fn nodes_with_an_older_register_are_clean_for_a_newer_group() {
        let old = || formed(7, Standing::Clean);
        let grown = Some(promise(Some(register(3, true, 2)), &[(7, Standing::Clean), (0, Standing::Clean)]));
        let Assessment::Walk(start) = assess(&[old(), old(), grown, None, None, None], Planted::NONE) else {
            panic!("clean")
        };
        assert_eq!((start.register.pg_count, start.holders.len()), (2, 2));
    }
}
