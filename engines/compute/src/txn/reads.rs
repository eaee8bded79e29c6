//! The read set: cells and ranges, each with the LSN as of which it was read.

use crate::Lsn;
use crate::recent::Recent;

/// The largest buffer that is kept for the session's next transaction.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// What a transaction has observed. All bytes live in one buffer, which is kept from transaction to transaction.
#[derive(Clone, Debug, Default)]
pub struct ReadSet {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

/// `bytes[start..split]` is the cell or the start of the range, `bytes[split..end]` the range's end, empty for a cell.
#[derive(Clone, Copy, Debug)]
struct Item {
    start: u32,
    split: u32,
    end: u32,
    seen: Lsn,
}

impl ReadSet {
    /// The cell was read, or found absent, as of `seen`.
    pub fn cell(&mut self, cell: &[u8], seen: Lsn) {
        self.push(cell, &[], seen);
    }

    /// Everything in `from..to` was read as of `seen`.
    pub fn range(&mut self, from: &[u8], to: &[u8], seen: Lsn) {
        self.push(from, to, seen);
    }

    /// Whether nothing observed since mark `from` was written by a later commit.
    pub fn is_valid(&self, recent: &Recent, from: ReadMark) -> bool {
        self.items[from.0..].iter().all(|item| {
            let (start, end) = self.bounds(item);
            !recent.changed_since(start, end, item.seen)
        })
    }

    /// The highest LSN above `durable` that anything observed depends on, or `durable`.
    pub fn depends_on(&self, recent: &Recent, durable: Lsn) -> Lsn {
        self.items.iter().fold(durable, |highest, item| {
            let (start, end) = self.bounds(item);
            recent.highest_in(start, end, highest).unwrap_or(highest)
        })
    }

    /// The place in the set, for [`ReadSet::is_valid`].
    pub fn mark(&self) -> ReadMark {
        ReadMark(self.items.len())
    }

    /// Bytes it occupies.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len() + self.items.len() * size_of::<Item>()
    }

    /// Empties the set; buffers of ordinary size stay.
    pub fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            *self = ReadSet::default();
        }
        self.bytes.clear();
        self.items.clear();
    }

    fn push(&mut self, from: &[u8], to: &[u8], seen: Lsn) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(from);
        let split = self.bytes.len();
        self.bytes.extend_from_slice(to);
        let end = u32::try_from(self.bytes.len()).expect("read sets are bounded far below 4 GiB");
        self.items.push(Item { start: start as u32, split: split as u32, end, seen });
    }

    fn bounds(&self, item: &Item) -> (&[u8], &[u8]) {
        (&self.bytes[item.start as usize..item.split as usize], &self.bytes[item.split as usize..item.end as usize])
    }
}

/// A place in a [`ReadSet`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadMark(usize);
