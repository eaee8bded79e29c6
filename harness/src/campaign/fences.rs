//! What a storage node may have told a writer whose epoch it has locked out.
//!
//! A node that promised an epoch acknowledges nothing to an earlier writer any more, whatever it took in from that writer
//! before: the new one was told how complete its segments are, and has not counted what became durable since. So no writer
//! may know of a segment as complete beyond what that was when the promise was first seen.
//!
//! A truncation that comes with the promise, or between two looks, takes away what was rightly acknowledged before it; how
//! complete the segments were then is not known, and nothing is compared. Nor is a segment that was given up.

use std::collections::BTreeMap;

use ::decoupled::storage::StorageProbe;
use ::decoupled::{Epoch, Incarnation, PgId, TruncationTable};
use compute::Lsn;
use node::NodeId;

/// Every node's promises, as far as they were seen.
#[derive(Debug, Default)]
pub struct Fences {
    nodes: BTreeMap<NodeId, Fence>,
}

#[derive(Debug, Default)]
struct Fence {
    incarnation: Incarnation,
    promised: Epoch,
    table: TruncationTable,
    /// The highest that each segment was complete to under the table.
    highest: BTreeMap<PgId, Lsn>,
    /// For each promise, what that was for the segments that counted; `None` when that is not known.
    ends: BTreeMap<Epoch, Option<BTreeMap<PgId, Lsn>>>,
}

impl Fences {
    /// Takes note of what a node has promised by now.
    pub fn look(&mut self, id: NodeId, probe: &StorageProbe) {
        let fence = self.nodes.entry(id).or_default();
        let comparable = probe.incarnation == fence.incarnation && probe.table == fence.table;
        if !comparable {
            fence.highest.clear();
            fence.table.clone_from(&probe.table);
        }
        for segment in probe.segments.iter().filter(|segment| segment.standing.has_records()) {
            let highest = fence.highest.entry(segment.pg).or_default();
            // What a start found and cannot make durable yet was acknowledged, though it does not count.
            *highest = segment.scl.max(segment.doubt).max(*highest);
        }
        if probe.promised > fence.promised {
            fence.ends.insert(probe.promised, comparable.then(|| fence.highest.clone()));
        } else if probe.promised < fence.promised {
            // A promise that was not durable is gone with a crash.
            fence.ends.retain(|promised, _| *promised <= probe.promised);
        }
        (fence.incarnation, fence.promised) = (probe.incarnation, probe.promised);
    }

    /// Compares what the writer of `epoch` knows of a node's segments with what it may.
    ///
    /// # Errors
    ///
    /// It was told more.
    pub fn check(&self, id: NodeId, epoch: Epoch, known: impl Iterator<Item = (PgId, Lsn)>) -> Result<(), String> {
        let Some(fence) = self.nodes.get(&id).filter(|fence| fence.promised > epoch) else { return Ok(()) };
        let later = fence.ends.range(epoch..).find(|(promised, _)| **promised > epoch);
        let Some((promised, Some(ends))) = later else { return Ok(()) };
        for (pg, scl) in known {
            if let Some(end) = ends.get(&pg).filter(|end| scl > **end) {
                return Err(format!(
                    "{id:?} acknowledged protection group {} up to {scl} to the writer of epoch {}: it had promised epoch {} \
                     when it was complete to {end}",
                    pg.0, epoch.number, promised.number
                ));
            }
        }
        Ok(())
    }

    /// Nothing is known of a node whose disk was damaged.
    pub fn forget(&mut self, id: NodeId) {
        self.nodes.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use ::decoupled::Truncation;
    use ::decoupled::message::Standing;
    use ::decoupled::storage::SegmentProbe;

    use super::*;

    const NODE: NodeId = NodeId(2);

    const fn epoch(number: u64) -> Epoch {
        Epoch { number, owner: 1 }
    }

    fn probe(incarnation: u64, promised: u64, scl: u64) -> StorageProbe {
        let segment = SegmentProbe {
            pg: PgId(0),
            scl: Lsn(scl),
            base: Lsn(0),
            claim: Lsn(scl),
            doubt: Lsn(0),
            pgmrpl: Lsn(0),
            standing: Standing::Clean,
            records: 0,
            holes_filled: 0,
        };
        let (incarnation, promised) = (Incarnation(incarnation), epoch(promised));
        StorageProbe { incarnation, promised, segments: vec![segment], ..StorageProbe::default() }
    }

    fn told(fences: &Fences, scl: u64) -> Result<(), String> {
        fences.check(NODE, epoch(1), [(PgId(0), Lsn(scl))].into_iter())
    }

    #[test]
    fn an_earlier_writer_is_told_nothing_that_became_durable_after_the_promise() {
        let mut fences = Fences::default();
        [probe(1, 1, 5), probe(1, 1, 7), probe(1, 2, 8), probe(1, 2, 11), probe(1, 3, 12)]
            .iter()
            .for_each(|probe| fences.look(NODE, probe));
        assert_eq!(told(&fences, 8), Ok(()), "what was on its way");
        assert!(told(&fences, 9).expect_err("too much").contains("complete to 8"));
        assert_eq!(fences.check(NODE, epoch(3), [(PgId(0), Lsn(12))].into_iter()), Ok(()));
    }

    #[test]
    fn a_promise_that_a_crash_took_back_binds_nobody() {
        let mut fences = Fences::default();
        [probe(1, 1, 5), probe(1, 2, 6), probe(2, 1, 6), probe(2, 1, 9)]
            .iter()
            .for_each(|probe| fences.look(NODE, probe));
        assert_eq!(told(&fences, 9), Ok(()));
    }

    /// A node was left behind and gave its segment up after it had acknowledged it; the promise found it empty.
    #[test]
    fn a_segment_that_was_given_up_is_compared_with_what_it_was() {
        let mut fences = Fences::default();
        let mut empty = probe(1, 2, 0);
        empty.segments[0].standing = Standing::Unhydrated;
        [probe(1, 1, 5), probe(1, 1, 7), empty.clone()].iter().for_each(|probe| fences.look(NODE, probe));
        assert_eq!(told(&fences, 7), Ok(()));
        let mut fences = Fences::default();
        [StorageProbe { promised: epoch(1), ..empty.clone() }, empty].iter().for_each(|probe| fences.look(NODE, probe));
        assert_eq!(told(&fences, 7), Ok(()), "nobody knows what it was");
    }

    #[test]
    fn what_a_truncation_may_have_taken_is_not_compared() {
        let mut fences = Fences::default();
        let truncation = Truncation { epoch: epoch(2), vdl: Lsn(6), upto: Lsn(100) };
        let table = TruncationTable::new(vec![truncation]).expect("in order");
        let cut = StorageProbe { table, ..probe(1, 2, 6) };
        [probe(1, 1, 5), cut].iter().for_each(|probe| fences.look(NODE, probe));
        assert_eq!(told(&fences, 8), Ok(()));
    }
}
