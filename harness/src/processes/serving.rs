//! What a storage node that serves says of itself, on its way to another process.

use ::decoupled::message::Standing;
use ::decoupled::storage::{SegmentProbe, StorageProbe};
use ::decoupled::{Epoch, Incarnation, PgId, Truncation, TruncationTable};
use compute::Lsn;
use serde::{Deserialize, Serialize};

/// A storage node that serves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Serving {
    /// Records that are in no page slot.
    pub uncoalesced: u64,
    /// Bytes of live log.
    pub log_bytes: u64,
    /// Whether its disk has no space for the log.
    pub is_full: bool,
    /// Messages that could not be read, or of another volume.
    pub messages_refused: u64,
    /// Log blocks and page slots found damaged.
    pub damaged: u64,
    /// Records that peers sent for want of its own.
    pub records_given: u64,
    /// Pages that peers sent for want of its own.
    pub pages_given: u64,
    incarnation: u64,
    promised: Era,
    serving: Option<Era>,
    vdl: u64,
    /// Epoch, VDL and end of each truncation.
    table: Vec<(Era, u64, u64)>,
    segments: Vec<Segment>,
}

/// An epoch: its number and its owner.
type Era = (u64, u64);

/// One segment, its numbers in the order of [`SegmentProbe`]'s fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Segment {
    pg: u32,
    lsns: [u64; 5],
    standing: u8,
    records: usize,
    holes_filled: u64,
}

const STANDINGS: [Standing; 4] = [Standing::Clean, Standing::Suspect, Standing::Unhydrated, Standing::Witness];

fn era(epoch: Epoch) -> Era {
    (epoch.number, epoch.owner)
}

fn epoch((number, owner): Era) -> Epoch {
    Epoch { number, owner }
}

impl Serving {
    /// What a probe shows.
    pub fn of(probe: &StorageProbe) -> Serving {
        let truncation = |entry: &Truncation| (era(entry.epoch), entry.vdl.0, entry.upto.0);
        let segment = |segment: &SegmentProbe| Segment {
            pg: segment.pg.0,
            lsns: [segment.scl, segment.doubt, segment.base, segment.claim, segment.pgmrpl].map(|lsn| lsn.0),
            standing: segment.standing as u8,
            records: segment.records,
            holes_filled: segment.holes_filled,
        };
        Serving {
            uncoalesced: probe.uncoalesced,
            log_bytes: probe.log_bytes,
            is_full: probe.is_full,
            messages_refused: probe.refused,
            damaged: probe.damaged,
            records_given: probe.gossiped,
            pages_given: probe.pages_repaired,
            incarnation: probe.incarnation.0,
            promised: era(probe.promised),
            serving: probe.serving.map(era),
            vdl: probe.vdl.0,
            table: probe.table.entries().iter().map(truncation).collect(),
            segments: probe.segments.iter().map(segment).collect(),
        }
    }

    /// The probe, as far as it was told: counts that nobody elsewhere asks for are zero.
    pub fn probe(&self) -> StorageProbe {
        let truncation =
            |&(of, vdl, upto): &(Era, u64, u64)| Truncation { epoch: epoch(of), vdl: Lsn(vdl), upto: Lsn(upto) };
        let segment = |segment: &Segment| {
            let [scl, doubt, base, claim, pgmrpl] = segment.lsns.map(Lsn);
            let standing = STANDINGS.into_iter().find(|standing| *standing as u8 == segment.standing);
            SegmentProbe {
                pg: PgId(segment.pg),
                scl,
                doubt,
                base,
                claim,
                pgmrpl,
                // What is not known is not to be relied upon.
                standing: standing.unwrap_or(Standing::Unhydrated),
                records: segment.records,
                holes_filled: segment.holes_filled,
            }
        };
        StorageProbe {
            incarnation: Incarnation(self.incarnation),
            promised: epoch(self.promised),
            serving: self.serving.map(epoch),
            vdl: Lsn(self.vdl),
            table: TruncationTable::new(self.table.iter().map(truncation).collect()).unwrap_or_default(),
            segments: self.segments.iter().map(segment).collect(),
            log_bytes: self.log_bytes,
            is_full: self.is_full,
            refused: self.messages_refused,
            uncoalesced: self.uncoalesced,
            damaged: self.damaged,
            gossiped: self.records_given,
            pages_repaired: self.pages_given,
            ..StorageProbe::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_survives_the_wire() {
        let entry = |number| Truncation { epoch: Epoch { number, owner: 9 }, vdl: Lsn(40), upto: Lsn(50 + number) };
        let segment = |pg, standing| SegmentProbe {
            pg: PgId(pg),
            scl: Lsn(31),
            doubt: Lsn(32),
            base: Lsn(33),
            claim: Lsn(34),
            pgmrpl: Lsn(35),
            standing,
            records: 6,
            holes_filled: 7,
        };
        let probe = StorageProbe {
            incarnation: Incarnation(3),
            promised: Epoch { number: 2, owner: 8 },
            serving: Some(Epoch { number: 1, owner: 7 }),
            vdl: Lsn(60),
            table: TruncationTable::new(vec![entry(1), entry(2)]).expect("epochs rise"),
            segments: STANDINGS.into_iter().zip(0..).map(|(standing, pg)| segment(pg, standing)).collect(),
            log_bytes: 11,
            is_full: true,
            refused: 12,
            uncoalesced: 13,
            damaged: 14,
            gossiped: 15,
            pages_repaired: 16,
            ..StorageProbe::default()
        };
        let sent = serde_json::to_vec(&Serving::of(&probe)).expect("plain data");
        let read: Serving = serde_json::from_slice(&sent).expect("its own text");
        assert_eq!(read.probe(), probe);
    }
}
