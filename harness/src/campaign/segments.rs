//! What a segment keeps from one look to the next, whatever happens to its node.
//!
//! An SCL says "complete to here, and durable": it counts records in synced log blocks and in synced pages. So it falls in
//! two ways only. The segment is given up, which its standing tells; or a truncation table annuls what it had. A node takes
//! up a table when it is told one, which may be well before it holds the table's epoch and serves again: from a recovery
//! that asks for its promise and knows a newer table, and from the truncation itself, both before the superblock that says
//! so is durable. Whether an epoch is served therefore says nothing about whether an SCL may fall, and the table says all:
//!
//! - under one table an SCL never falls, served or not, within a life; a restart may find it lower, down to what was
//!   acknowledged: a node whose disk is full cannot make durable again what it finds above that. What was acknowledged it
//!   must find, and while a full disk keeps it from counting that, its silence must prove nothing;
//! - under another table it falls only if that table annuls what the SCL was, or one does that the node can have held in between:
//!   of an epoch above the table it had and below the table it has. A recovery that a later one overtook may have reached the
//!   node before that did, and the later one need not know of it: it decides with the newest table of those it heard, and may
//!   keep what the other annulled. What the node gave up in between it never helped to make durable, or the overtaken
//!   recovery would have found it. Only what some node was seen to hold counts: a table is sent to six;
//! - what lies at or below a VDL is never annulled, so an SCL that was seen there is never lost.
//!
//! The base, which records may be collected up to, never falls within a life. A restart may find it lower: it is made durable
//! by the next superblock only, and until then the log below it is kept.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use ::decoupled::message::Standing;
use ::decoupled::storage::StorageProbe;
use ::decoupled::{Epoch, Incarnation, PgId, Truncation, TruncationTable};
use compute::Lsn;
use node::NodeId;

/// Every segment as it was seen last.
#[derive(Debug, Default)]
pub struct Segments {
    seen: BTreeMap<(NodeId, PgId), Seen>,
    /// Every recovery's range that any node was seen to hold.
    decided: BTreeMap<Epoch, Truncation>,
    /// The table that was noted last: most nodes hold the same one.
    noted: TruncationTable,
}

#[derive(Clone, Debug)]
struct Seen {
    incarnation: Incarnation,
    table: Arc<TruncationTable>,
    scl: Lsn,
    /// Complete to here with what a start found and could not write again yet.
    found: Lsn,
    standing: Standing,
    /// What was acknowledged, in this life or an earlier one, and not annulled since.
    acknowledged: Lsn,
    base: Lsn,
    /// The highest acknowledged SCL that was seen at or below a VDL.
    kept: Lsn,
}

impl Segments {
    /// Takes note of what a node holds for void. What is known of all nodes must be noted before any of them is compared.
    pub fn note(&mut self, table: &TruncationTable) {
        if *table != self.noted {
            self.decided.extend(table.entries().iter().map(|entry| (entry.epoch, *entry)));
            self.noted = table.clone();
        }
    }

    /// Compares what a node has now with what it had. Segments that count for nothing are not compared.
    ///
    /// # Errors
    ///
    /// What it lost, in words.
    pub fn look(&mut self, id: NodeId, probe: &StorageProbe) -> Result<(), String> {
        let table = Arc::new(probe.table.clone());
        for segment in &probe.segments {
            let at = (id, segment.pg);
            if !segment.standing.has_records() {
                self.seen.remove(&at);
                continue;
            }
            let mut now = Seen {
                incarnation: probe.incarnation,
                table: Arc::clone(&table),
                scl: segment.scl,
                found: segment.scl.max(segment.doubt),
                standing: segment.standing,
                acknowledged: segment.scl.min(segment.claim),
                base: segment.base,
                kept: Lsn::ZERO,
            };
            if now.acknowledged <= probe.vdl {
                now.kept = now.acknowledged;
            }
            if let Some(before) = self.seen.get(&at) {
                let void = Void { table: &table, overtaken: self.overtaken(&before.table, &table) };
                before.check(&now, &void).map_err(|why| format!("segment {} of {id:?} {why}", segment.pg.0))?;
                now.kept = now.kept.max(before.kept);
                if !void.annuls(before.acknowledged) {
                    now.acknowledged = now.acknowledged.max(before.acknowledged);
                }
            }
            self.seen.insert(at, now);
        }
        Ok(())
    }
}

impl Segments {
    /// Whether the node's disk was seen to hold every group up to what is asked. A group not seen yet is not held.
    pub fn holds(&self, id: NodeId, upto: &BTreeMap<PgId, Lsn>) -> bool {
        upto.iter()
            .all(|(pg, lsn)| *lsn == Lsn::ZERO || self.seen.get(&(id, *pg)).is_some_and(|seen| seen.found >= *lsn))
    }

    /// What was decided between two tables and is in neither.
    fn overtaken(&self, before: &TruncationTable, now: &TruncationTable) -> Vec<Truncation> {
        if before.epoch() >= now.epoch() {
            return Vec::new();
        }
        let between = (Bound::Excluded(before.epoch()), Bound::Excluded(now.epoch()));
        self.decided.range(between).map(|(_, entry)| *entry).filter(|entry| !now.entries().contains(entry)).collect()
    }

    /// The node's disk is another now.
    pub fn forget(&mut self, id: NodeId) {
        self.seen.retain(|(node, _), _| *node != id);
    }
}

/// What a segment may have given up from one look to the next.
struct Void<'a> {
    table: &'a TruncationTable,
    /// Ranges of recoveries that the table's own overtook.
    overtaken: Vec<Truncation>,
}

impl Void<'_> {
    fn annuls(&self, lsn: Lsn) -> bool {
        self.table.annuls(lsn) || self.overtaken.iter().any(|entry| entry.vdl < lsn && lsn <= entry.upto)
    }
}

impl Seen {
    fn check(&self, now: &Seen, void: &Void<'_>) -> Result<(), String> {
        if now.table.annuls(now.scl) {
            return Err(format!("has SCL {}, which its own truncation table annuls: {:?}", now.scl, now.table));
        }
        if now.incarnation == self.incarnation && now.base < self.base {
            return Err(format!("has its base at {}, after {}", now.base, self.base));
        }
        if now.found < self.kept {
            return Err(format!("fell to SCL {}, and had {} below a VDL", now.found, self.kept));
        }
        let owed = if now.incarnation == self.incarnation { self.found } else { self.acknowledged };
        if now.found < owed && !void.annuls(owed) {
            return Err(format!("fell from SCL {owed} to {} by no truncation: {:?}", now.found, now.table));
        }
        if now.scl < self.acknowledged && now.standing == Standing::Clean && !void.annuls(self.acknowledged) {
            return Err(format!("acknowledged {}, has SCL {} and denies the rest", self.acknowledged, now.scl));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::decoupled::storage::SegmentProbe;

    fn table(ranges: &[(u64, u64)]) -> TruncationTable {
        let entry = |(number, &(vdl, upto)): (usize, &(u64, u64))| Truncation {
            epoch: Epoch { number: number as u64 + 1, owner: 1 },
            vdl: Lsn(vdl),
            upto: Lsn(upto),
        };
        TruncationTable::new(ranges.iter().enumerate().map(entry).collect()).expect("epochs rise")
    }

    /// A node that serves no epoch, with one segment.
    fn node(incarnation: u64, vdl: u64, table: &TruncationTable, (base, scl): (u64, u64)) -> StorageProbe {
        let segment = SegmentProbe {
            pg: PgId(0),
            scl: Lsn(scl),
            doubt: Lsn::ZERO,
            base: Lsn(base),
            claim: Lsn(scl),
            pgmrpl: Lsn::ZERO,
            standing: Standing::Clean,
            records: 0,
            holes_filled: 0,
        };
        StorageProbe {
            incarnation: Incarnation(incarnation),
            vdl: Lsn(vdl),
            table: table.clone(),
            segments: vec![segment],
            ..StorageProbe::default()
        }
    }

    fn compare(before: &StorageProbe, now: &StorageProbe) -> Result<(), String> {
        let mut segments = Segments::default();
        segments.look(NodeId(2), before).expect("nothing to compare with");
        segments.look(NodeId(2), now)
    }

    /// Seeds 189, 370 and 651 of the campaign on decoupled: a node took up a table while it served no epoch, and its SCL
    /// fell to what the table left. The campaign called that a loss, and then did not look at such nodes at all, so that
    /// one which lost records between its promise and its truncation would not have been seen.
    #[test]
    fn an_scl_falls_to_what_a_table_leaves_and_for_no_other_reason() {
        let (old, new) = (table(&[(0, 0)]), table(&[(0, 0), (20, 90)]));
        let before = node(1, 10, &old, (5, 30));
        assert_eq!(compare(&before, &node(1, 10, &new, (5, 18))), Ok(()), "the group ends at 18");
        assert_eq!(compare(&before, &node(2, 10, &old, (5, 31))), Ok(()));
        let mut partly = before.clone();
        partly.segments[0].claim = Lsn(25);
        assert_eq!(compare(&partly, &node(2, 10, &old, (5, 25))), Ok(()), "26 to 30 were never acknowledged");
        assert!(compare(&partly, &node(2, 10, &old, (5, 24))).is_err());
        let refused = [
            (node(1, 10, &old, (5, 29)), "by no truncation"),
            (node(2, 10, &old, (5, 29)), "by no truncation"),
            (node(1, 10, &table(&[(0, 0), (30, 90)]), (5, 29)), "by no truncation"),
            (node(1, 10, &new, (5, 25)), "its own truncation table annuls"),
            (node(1, 10, &new, (4, 18)), "base"),
        ];
        for (now, why) in refused {
            let found = compare(&before, &now).expect_err(why);
            assert!(found.contains(why), "{found}");
        }
    }

    /// Seeds 7929, 8503, 869, 6909 and 12090 of the swarm: a disk filled up while its node started, and the node denied what it
    /// had acknowledged and could not write again (`decoupled`: `what_a_start_on_a_full_disk_cannot_write_again_is_not_denied`).
    /// It may keep from counting that. It may not lose it, in this life or in the next, nor say that it never had it.
    #[test]
    fn what_was_acknowledged_may_be_in_doubt_but_is_found_and_not_denied() {
        let table = table(&[(0, 0)]);
        let before = node(1, 10, &table, (5, 30));
        let in_doubt = |incarnation, scl, doubt, standing| {
            let mut probe = node(incarnation, 10, &table, (5, scl));
            (probe.segments[0].doubt, probe.segments[0].standing) = (Lsn(doubt), standing);
            probe
        };
        let suspect = in_doubt(2, 25, 30, Standing::Suspect);
        assert_eq!(compare(&before, &suspect), Ok(()));
        let denied = compare(&before, &in_doubt(2, 25, 30, Standing::Clean)).expect_err("denied");
        assert!(denied.contains("denies"), "{denied}");
        let lost = compare(&before, &in_doubt(2, 25, 29, Standing::Suspect)).expect_err("30 was acknowledged");
        assert!(lost.contains("by no truncation"), "{lost}");
        let mut segments = Segments::default();
        for probe in [&before, &suspect] {
            segments.look(NodeId(2), probe).expect("in doubt");
        }
        let next_life = segments.look(NodeId(2), &node(3, 10, &table, (5, 29)));
        assert!(next_life.is_err_and(|why| why.contains("fell from SCL 30")));
    }

    /// Division seed 1419: two writers recovered at once. The one that was overtaken had a node give up what it had above LSN 819;
    /// the other, which heard of that from nobody, kept everything up to 825, and its table was all that the campaign saw at
    /// the node. It called that a loss. No user lost anything: the node had acknowledged none of it.
    #[test]
    fn a_recovery_that_was_overtaken_excuses_what_it_annulled_and_no_more() {
        let entry = |number, owner, vdl| Truncation { epoch: Epoch { number, owner }, vdl: Lsn(vdl), upto: Lsn(1_000) };
        let table = |entries: &[Truncation]| TruncationTable::new(entries.to_vec()).expect("epochs rise");
        let first = Truncation { upto: Lsn::ZERO, ..entry(1, 1, 0) };
        let (old, new) = (table(&[first]), table(&[first, entry(2, 1, 25)]));
        let fall = |decided: Truncation, from: u64, to: u64| {
            let mut segments = Segments::default();
            segments.note(&table(&[decided]));
            segments.look(NodeId(2), &node(1, 10, &old, (5, from))).expect("nothing to compare with");
            segments.look(NodeId(2), &node(1, 10, &new, (5, to)))
        };
        assert_eq!(fall(entry(1, 9, 19), 25, 19), Ok(()));
        let earlier = Truncation { epoch: Epoch { number: 1, owner: 0 }, ..entry(1, 9, 19) };
        for (decided, from) in [(entry(1, 9, 25), 25), (entry(1, 9, 19), 19), (entry(2, 9, 19), 25), (earlier, 25)] {
            let refused = fall(decided, from, 18).expect_err("nothing in between annuls it");
            assert!(refused.contains("by no truncation"), "{decided:?}: {refused}");
        }
    }

    #[test]
    fn what_was_below_a_vdl_is_kept_under_any_table() {
        let (old, new) = (table(&[(0, 0)]), table(&[(0, 0), (20, 90)]));
        let found = compare(&node(1, 30, &old, (5, 30)), &node(1, 30, &new, (5, 18)));
        assert!(found.is_err_and(|why| why.contains("below a VDL")));
    }
}
