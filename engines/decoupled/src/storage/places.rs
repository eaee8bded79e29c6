//! Finding a record of a segment by its LSN.
//!
//! LSNs of a group lie nearly evenly, so the search guesses from the ends and widens around the guess: bisection of a long log
//! waits for memory at every step.

use std::cmp::Ordering;
use std::collections::VecDeque;

use compute::Lsn;

use super::segment::Held;

/// Where the record at `lsn` is, or would be.
pub(super) fn find(records: &VecDeque<Held>, lsn: Lsn) -> Result<usize, usize> {
    let (Some(first), Some(last)) = (records.front(), records.back()) else { return Err(0) };
    let (first, last, len) = (first.envelope.lsn, last.envelope.lsn, records.len());
    if lsn < first {
        return Err(0);
    }
    if lsn > last {
        return Err(len);
    }
    let share = u128::from(lsn.0 - first.0) * (len as u128 - 1) / u128::from((last.0 - first.0).max(1));
    find_near(records, lsn, share as usize)
}

/// The place of the first record above `lsn`.
pub(super) fn above(records: &VecDeque<Held>, lsn: Lsn) -> usize {
    find(records, lsn).map_or_else(|at| at, |at| at + 1)
}

/// The same as [`find`] from a guess, which may be wrong.
fn find_near(records: &VecDeque<Held>, lsn: Lsn, guess: usize) -> Result<usize, usize> {
    // What is looked for is at `low` or above, and below `high`.
    let (mut low, mut high, mut step) = (0, records.len(), 1);
    let mut probe = guess.min(high.saturating_sub(1));
    while low < high {
        match records[probe].envelope.lsn.cmp(&lsn) {
            Ordering::Equal => return Ok(probe),
            Ordering::Less => low = probe + 1,
            Ordering::Greater => high = probe,
        }
        // Away from the guess in growing steps while that is the shorter way, then by halves.
        let middle = low + (high - low) / 2;
        probe = if low == probe + 1 { middle.min(low + step) } else { middle.max(high.saturating_sub(step)) };
        step *= 4;
    }
    Err(low)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use compute::PageId;

    use super::*;
    use crate::message::Envelope;

    fn held(lsn: u64) -> Held {
        let (page, record, zero) = (PageId(lsn), Bytes::new(), Lsn::ZERO);
        let envelope =
            Envelope { lsn: Lsn(lsn), page, cpl: true, prev_volume: zero, prev_pg: zero, prev_page: zero, record };
        Held { envelope, seq: 1 }
    }

    /// Any spacing of LSNs: even, with holes, and with one record far from all others.
    #[test]
    fn the_search_finds_what_bisection_finds() {
        let spacings: [&[u64]; 5] =
            [&[], &[7], &[1, 2, 3, 4, 5, 6, 7, 8], &[1, 2, 3, 1_000_000], &[1, 900, 901, 902, 950]];
        let squares: Vec<u64> = (1..200).map(|n| n * n).collect();
        for lsns in spacings.into_iter().chain([&squares[..]]) {
            let records: VecDeque<Held> = lsns.iter().map(|&lsn| held(lsn)).collect();
            let around = lsns.iter().flat_map(|lsn| [lsn - 1, *lsn, lsn + 1]);
            for lsn in around.chain([0, u64::MAX]) {
                assert_eq!(find(&records, Lsn(lsn)), lsns.binary_search(&lsn), "{lsn} in {lsns:?}");
                assert_eq!(above(&records, Lsn(lsn)), lsns.partition_point(|known| *known <= lsn));
            }
        }
    }
}
