//! The truncation table: which LSNs no record may ever be applied at again.
//!
//! Each recovery ends with one range `(vdl, upto]` under its epoch (P17, section 4.3: truncation ranges are versioned with
//! epoch numbers and written durably). A table is the list of all of them, oldest first, and is always replaced as a
//! whole, by the table of a later epoch: the writer of epoch *n* decides with the newest table among the nodes it heard,
//! so an entry that table lacks belongs to a recovery that never opened, and is void. Joining two tables would annul
//! records that a later recovery decided to keep.
//!
//! # Invariants
//!
//! - Entries are in strictly rising order of epoch, and of two tables the one with the higher last epoch is the newer.
//! - A recovery that opened has its entry on four nodes, so any three hold a table that has it.

use compute::Lsn;

use crate::Epoch;

/// One recovery's range: every record with `vdl < LSN <= upto` written under an earlier epoch is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// The epoch that recovery opened.
    pub epoch: Epoch,
    /// Where the volume ended.
    pub vdl: Lsn,
    /// The last LSN that any earlier writer can have given out.
    pub upto: Lsn,
}

/// Every recovery's range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TruncationTable {
    entries: Vec<Truncation>,
}

impl TruncationTable {
    /// The table of `entries`; nothing when their epochs do not rise.
    pub fn new(entries: Vec<Truncation>) -> Option<TruncationTable> {
        let rising = entries.windows(2).all(|pair| pair[0].epoch < pair[1].epoch);
        rising.then_some(TruncationTable { entries })
    }

    /// This table and one more entry; nothing when its epoch is not above the last.
    pub fn with(&self, entry: Truncation) -> Option<TruncationTable> {
        let entries = self.entries.iter().copied().chain([entry]).collect();
        TruncationTable::new(entries)
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> &[Truncation] {
        &self.entries
    }

    /// The epoch of the last entry: whose table this is. The default epoch when there is none.
    pub fn epoch(&self) -> Epoch {
        self.entries.last().map_or_else(Epoch::default, |entry| entry.epoch)
    }

    /// Whether this table replaces `other`.
    pub fn is_newer_than(&self, other: &TruncationTable) -> bool {
        self.epoch() > other.epoch()
    }

    /// Whether a record at `lsn` is void. No later writer gives an LSN inside a range out again.
    pub fn annuls(&self, lsn: Lsn) -> bool {
        self.entries.iter().any(|entry| entry.vdl < lsn && lsn <= entry.upto)
    }

    /// What is left of a segment that was complete to `lsn`: the highest LSN at or below it that is not void.
    pub fn kept_of(&self, lsn: Lsn) -> Lsn {
        let mut kept = lsn;
        while let Some(entry) = self.entries.iter().find(|entry| entry.vdl < kept && kept <= entry.upto) {
            kept = entry.vdl;
        }
        kept
    }

    /// The highest end of any range; zero when there is none.
    pub fn annulled_upto(&self) -> Lsn {
        self.entries.iter().map(|entry| entry.upto).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, vdl: u64, upto: u64) -> Truncation {
        Truncation { epoch: Epoch { number, owner: 1 }, vdl: Lsn(vdl), upto: Lsn(upto) }
    }

    #[test]
    fn a_range_annuls_what_is_above_the_vdl_and_up_to_its_end() {
        let table = TruncationTable::new(vec![entry(1, 10, 20), entry(3, 25, 40)]).expect("rising");
        let annulled: Vec<u64> = (0..50).filter(|&lsn| table.annuls(Lsn(lsn))).collect();
        assert_eq!(annulled, (11..=20).chain(26..=40).collect::<Vec<_>>());
        assert_eq!((table.epoch().number, table.annulled_upto()), (3, Lsn(40)));
        assert_eq!(
            [9, 10, 11, 20, 22, 25, 40, 41].map(|lsn| table.kept_of(Lsn(lsn)).0),
            [9, 10, 10, 10, 22, 25, 25, 41]
        );
    }

    #[test]
    fn ranges_may_overlap_where_a_recovery_was_broken_off_and_the_next_ended_lower() {
        let table = TruncationTable::new(vec![entry(1, 30, 40), entry(2, 20, 50)]).expect("rising");
        assert_eq!([20, 25, 35, 45, 51].map(|lsn| table.kept_of(Lsn(lsn)).0), [20, 20, 20, 20, 51]);
    }

    #[test]
    fn epochs_rise_along_a_table() {
        let table = TruncationTable::new(vec![entry(2, 10, 20)]).expect("rising");
        assert!(table.with(entry(2, 10, 20)).is_none());
        assert!(table.with(entry(3, 20, 20)).expect("rising").is_newer_than(&table));
        assert!(table.is_newer_than(&TruncationTable::default()));
    }
}
