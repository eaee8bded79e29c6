//! The records of a segment in memory, in order of LSN: a small entry each, and the bytes they came in.
//!
//! What a node does to every record, following backlinks and adding to chains, needs an entry only, half a cache line. The
//! rest of a record is read from the bytes as received when it is applied, shipped or written again. The records of one message hold those bytes by one reference
//! between them: six nodes of one process share a message, and would take turns at counting references record by record.
//!
//! LSNs of a group lie nearly evenly, so a search guesses from the ends and widens around the guess: bisection of a long log
//! waits for memory at every step.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::hint::black_box;

use bytes::Bytes;
use compute::{Lsn, PageId};

use super::batch::Head;
use super::entries::Entries;
use crate::message::Envelope;

/// What is kept at hand of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its LSN.
    pub lsn: Lsn,
    /// The page it changes.
    pub page: PageId,
    /// The record before it in the protection group.
    pub prev_pg: Lsn,
    /// Where its bytes are.
    pub place: Place,
}

/// Where a record's bytes are. Good until the record is given up or moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    chunk: u32,
    at: u32,
}

/// Bytes that records came in.
#[derive(Clone, Debug)]
struct Chunk {
    bytes: Bytes,
    /// The log block that has them.
    seq: u64,
    /// Records in it that are held.
    held: u32,
}

/// Records in order of LSN.
#[derive(Clone, Debug, Default)]
pub struct Records {
    entries: Entries,
    chunks: VecDeque<Chunk>,
    /// The number of the first chunk; numbers wrap.
    first_chunk: u32,
}

impl Records {
    /// How many.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The record in place `at`.
    pub fn entry(&self, at: usize) -> &Entry {
        self.entries.get(at)
    }

    /// The first record.
    pub fn front(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// The last record.
    pub fn back(&self) -> Option<&Entry> {
        self.entries.back()
    }

    /// All records from a place on.
    pub fn from(&self, at: usize) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.from(at)
    }

    /// The log block that has a record.
    pub fn seq(&self, entry: &Entry) -> u64 {
        self.chunk(entry.place).seq
    }

    /// The bytes from a record's envelope on.
    pub fn bytes_from(&self, place: Place) -> &[u8] {
        &self.chunk(place).bytes[place.at as usize..]
    }

    /// A record with all its back-pointers, and the length of its envelope.
    pub fn envelope(&self, place: Place) -> (Envelope<'_>, usize) {
        Envelope::read(self.bytes_from(place)).expect("a record is checked when it enters")
    }

    /// Brings records that lie far apart into the cache. Nothing is decided by what is read here, so that all of them are
    /// waited for together; to decode a record is to branch on every byte of its head, and to wait for one at a time.
    pub fn fetch(&self, places: impl Iterator<Item = Place>) {
        black_box(places.fold(0, |seen, place| seen ^ self.bytes_from(place)[0]));
    }

    /// Takes in records of one message, LSNs rising, none of which is held.
    pub fn hold(&mut self, heads: &[Head], received: &Bytes, seq: u64) {
        let Some(first) = heads.first() else { return };
        let chunk = self.add_chunk(received, seq, heads.len());
        let is_hole = self.back().is_some_and(|last| first.lsn < last.lsn);
        if is_hole {
            self.entries.part(self.above(first.lsn));
        }
        for &Head { lsn, page, prev_pg, at, .. } in heads {
            let entry = Entry { lsn, page, prev_pg, place: Place { chunk, at } };
            if is_hole { self.entries.insert(entry) } else { self.entries.push_back(entry) }
        }
    }

    /// Records are in another log block now, and in other bytes: each is named with where its envelope begins in them. Gives
    /// those that are held.
    pub fn moved(&mut self, records: &[(Lsn, u32)], bytes: &Bytes, seq: u64) -> Vec<Entry> {
        let chunk = self.add_chunk(bytes, seq, records.len());
        let mut moved = Vec::with_capacity(records.len());
        for &(lsn, at) in records {
            let mut former = Place { chunk, at };
            if let Ok(place) = self.find(lsn) {
                let entry = self.entries.get_mut(place);
                std::mem::swap(&mut entry.place, &mut former);
                moved.push(*entry);
            }
            self.release(former);
        }
        moved
    }

    /// Makes room for so many more.
    pub fn make_room(&mut self, more: usize) {
        self.entries.make_room(more);
    }

    /// Takes the first record out.
    pub fn pop_front(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.release(entry.place);
        Some(entry)
    }

    /// Takes out every record that `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool) {
        let mut gone = Vec::new();
        self.entries.retain(|entry| {
            let kept = keep(entry);
            if !kept {
                gone.push(entry.place);
            }
            kept
        });
        gone.into_iter().for_each(|place| self.release(place));
    }

    /// Takes every record out.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.first_chunk = self.first_chunk.wrapping_add(self.chunks.len() as u32);
        self.chunks.clear();
    }

    fn chunk(&self, place: Place) -> &Chunk {
        &self.chunks[place.chunk.wrapping_sub(self.first_chunk) as usize]
    }

    fn add_chunk(&mut self, bytes: &Bytes, seq: u64, records: usize) -> u32 {
        let number = self.first_chunk.wrapping_add(self.chunks.len() as u32);
        self.chunks.push_back(Chunk { bytes: bytes.clone(), seq, held: records as u32 });
        number
    }

    fn release(&mut self, place: Place) {
        let chunk = &mut self.chunks[place.chunk.wrapping_sub(self.first_chunk) as usize];
        chunk.held -= 1;
        if chunk.held > 0 {
            return;
        }
        // A chunk between others keeps its place until those before it are gone too.
        chunk.bytes = Bytes::new();
        while self.chunks.front().is_some_and(|chunk| chunk.held == 0) {
            self.chunks.pop_front();
            self.first_chunk = self.first_chunk.wrapping_add(1);
        }
    }

    /// Where the record at `lsn` is, or would be.
    pub fn find(&self, lsn: Lsn) -> Result<usize, usize> {
        let (Some(first), Some(last)) = (self.front(), self.back()) else { return Err(0) };
        let (first, last, len) = (first.lsn, last.lsn, self.len());
        if lsn < first {
            return Err(0);
        }
        if lsn > last {
            return Err(len);
        }
        let share = u128::from(lsn.0 - first.0) * (len as u128 - 1) / u128::from((last.0 - first.0).max(1));
        self.find_near(lsn, share as usize)
    }

    /// The place of the first record above `lsn`.
    pub fn above(&self, lsn: Lsn) -> usize {
        self.find(lsn).map_or_else(|at| at, |at| at + 1)
    }

    /// The same as [`Records::find`] from a guess, which may be wrong.
    fn find_near(&self, lsn: Lsn, guess: usize) -> Result<usize, usize> {
        // What is looked for is at `low` or above, and below `high`.
        let (mut low, mut high, mut step) = (0, self.len(), 1);
        let mut probe = guess.min(high.saturating_sub(1));
        while low < high {
            match self.entries.get(probe).lsn.cmp(&lsn) {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(lsns: &[u64]) -> Records {
        let head = |&lsn: &u64| Head { lsn: Lsn(lsn), page: PageId(lsn), prev_pg: Lsn::ZERO, at: 0, end: 0 };
        let mut records = Records::default();
        records.hold(&lsns.iter().map(head).collect::<Vec<_>>(), &Bytes::new(), 1);
        records
    }

    /// Any spacing of LSNs: even, with holes, and with one record far from all others.
    #[test]
    fn the_search_finds_what_bisection_finds() {
        let spacings: [&[u64]; 5] =
            [&[], &[7], &[1, 2, 3, 4, 5, 6, 7, 8], &[1, 2, 3, 1_000_000], &[1, 900, 901, 902, 950]];
        let squares: Vec<u64> = (1..200).map(|n| n * n).collect();
        for lsns in spacings.into_iter().chain([&squares[..]]) {
            let records = held(lsns);
            let around = lsns.iter().flat_map(|lsn| [lsn - 1, *lsn, lsn + 1]);
            for lsn in around.chain([0, u64::MAX]) {
                assert_eq!(records.find(Lsn(lsn)), lsns.binary_search(&lsn), "{lsn} in {lsns:?}");
                assert_eq!(records.above(Lsn(lsn)), lsns.partition_point(|known| *known <= lsn));
            }
        }
    }

    /// Bytes are let go with the last record that came in them, in whatever order records come and go.
    #[test]
    fn bytes_are_kept_for_as_long_as_a_record_in_them() {
        let mut records = Records::default();
        let head = |lsn: u64| Head { lsn: Lsn(lsn), page: PageId(0), prev_pg: Lsn::ZERO, at: 0, end: 0 };
        let message = |text: &'static [u8]| Bytes::copy_from_slice(text);
        let (low, high, between) = (message(b"low"), message(b"high"), message(b"between"));
        records.hold(&[head(1), head(9)], &low, 1);
        records.hold(&[head(10)], &high, 2);
        records.hold(&[head(4), head(5)], &between, 3);
        let seen = |records: &Records| -> Vec<(u64, u64)> {
            records.from(0).map(|entry| (entry.lsn.0, records.seq(entry))).collect()
        };
        assert_eq!(seen(&records), [(1, 1), (4, 3), (5, 3), (9, 1), (10, 2)]);
        records.retain(|entry| entry.lsn != Lsn(10));
        assert!(high.is_unique() && !low.is_unique());
        records.moved(&[(Lsn(9), 0)], &high, 4);
        assert_eq!(seen(&records), [(1, 1), (4, 3), (5, 3), (9, 4)]);
        assert!((0..3).all(|_| records.pop_front().is_some()));
        assert!(low.is_unique() && between.is_unique() && !high.is_unique());
        assert_eq!(records.bytes_from(records.entry(0).place), b"high");
        records.clear();
        records.hold(&[head(11)], &low, 5);
        assert_eq!((seen(&records), records.bytes_from(records.entry(0).place)), (vec![(11, 5)], &b"low"[..]));
    }
}
