//! Redo records: the difference between a page's after-image and its before-image, by key.
//!
//! Encoding, little-endian: LSN `u64`, page `u64`, payload length `u32`, operation `u8`, flags `u8` (bit 0: this record
//! is a CPL), two zero bytes; then the payload. LSNs inside a group are consecutive. There is no checksum here: log
//! blocks and frames carry their own.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::{Lsn, PageId, PageKind, TreeId};

/// Bytes before a record's payload.
pub const RECORD_HEADER_BYTES: usize = 24;
const FLAG_CPL: u8 = 1;

/// One change to one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedoOp<'a> {
    /// The page becomes an empty page of this kind, whatever it held.
    Format {
        /// What the page is for.
        kind: PageKind,
        /// The level above the leaves; leaves are 0.
        level: u8,
        /// The tree it belongs to.
        tree: TreeId,
    },
    /// Adds a cell. The key is not on the page.
    Insert {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// Replaces the value of a cell.
    Replace {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// Overwrites bytes inside the value of a cell.
    Patch {
        /// The key.
        key: &'a [u8],
        /// Where in the value.
        offset: u16,
        /// The new bytes; they end inside the value.
        bytes: &'a [u8],
    },
    /// Removes a cell.
    Remove {
        /// The key.
        key: &'a [u8],
    },
    /// Removes every cell whose key is at or above `key`: the left half of a split.
    Truncate {
        /// The first key removed.
        key: &'a [u8],
    },
    /// Adds cells in rising order of key, all above those on the page: the right half of a split, or a merge. Each cell is
    /// key length `u16`, value length `u16`, key, value.
    Append {
        /// The cells.
        cells: &'a [u8],
    },
    /// Sets the page's right sibling; [`PageId`] 0 is none.
    SetRight {
        /// The sibling.
        right: PageId,
    },
}

/// A decoded record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its position.
    pub lsn: Lsn,
    /// The page it changes.
    pub page: PageId,
    /// Whether the log may be truncated after it: a consistency point (SIGMOD 2017, section 4.1).
    pub cpl: bool,
    /// The change.
    pub op: RedoOp<'a>,
}

/// Bytes that are not a record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RedoError {
    /// They end early.
    #[error("redo record ends early")]
    Truncated,
    /// The operation is unknown or its payload makes no sense.
    #[error("redo record at LSN {lsn} has an unreadable operation {code}")]
    Operation {
        /// The record's LSN.
        lsn: Lsn,
        /// The operation's code.
        code: u8,
    },
}

impl<'a> Record<'a> {
    /// Decodes the record at the start of `bytes` and gives its length.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<(Record<'a>, usize), RedoError> {
        let header = bytes.first_chunk::<RECORD_HEADER_BYTES>().ok_or(RedoError::Truncated)?;
        let lsn = Lsn(u64::from_le_bytes(header[0..8].try_into().expect("eight bytes")));
        let page = PageId(u64::from_le_bytes(header[8..16].try_into().expect("eight bytes")));
        let payload_bytes = u32::from_le_bytes(header[16..20].try_into().expect("four bytes")) as usize;
        let (code, flags) = (header[20], header[21]);
        let payload = bytes[RECORD_HEADER_BYTES..].get(..payload_bytes).ok_or(RedoError::Truncated)?;
        let op = RedoOp::decode(code, payload).ok_or(RedoError::Operation { lsn, code })?;
        let record = Record { lsn, page, cpl: flags & FLAG_CPL != 0, op };
        Ok((record, RECORD_HEADER_BYTES + payload_bytes))
    }

    /// Decodes consecutive records until `bytes` end.
    pub fn decode_all(bytes: &'a [u8]) -> impl Iterator<Item = Result<Record<'a>, RedoError>> {
        let mut rest = bytes;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            match Record::decode(rest) {
                Ok((record, len)) => {
                    rest = &rest[len..];
                    Some(Ok(record))
                }
                Err(error) => {
                    rest = &[];
                    Some(Err(error))
                }
            }
        })
    }
}

impl<'a> RedoOp<'a> {
    fn code(&self) -> u8 {
        match self {
            RedoOp::Format { .. } => 1,
            RedoOp::Insert { .. } => 2,
            RedoOp::Replace { .. } => 3,
            RedoOp::Patch { .. } => 4,
            RedoOp::Remove { .. } => 5,
            RedoOp::Truncate { .. } => 6,
            RedoOp::Append { .. } => 7,
            RedoOp::SetRight { .. } => 8,
        }
    }

    fn encode(&self, out: &mut BytesMut) {
        match *self {
            RedoOp::Format { kind, level, tree } => {
                out.put_u8(kind as u8);
                out.put_u8(level);
                out.put_u16_le(tree.0);
            }
            RedoOp::Insert { key, value } | RedoOp::Replace { key, value } => {
                put_key(out, key);
                out.put_slice(value);
            }
            RedoOp::Patch { key, offset, bytes } => {
                put_key(out, key);
                out.put_u16_le(offset);
                out.put_slice(bytes);
            }
            RedoOp::Remove { key } | RedoOp::Truncate { key } => out.put_slice(key),
            RedoOp::Append { cells } => out.put_slice(cells),
            RedoOp::SetRight { right } => out.put_u64_le(right.0),
        }
    }

    #[inline]
    fn decode(code: u8, payload: &'a [u8]) -> Option<RedoOp<'a>> {
        Some(match code {
            1 => {
                let &[kind, level, tree_low, tree_high] = payload else { return None };
                let tree = TreeId(u16::from_le_bytes([tree_low, tree_high]));
                RedoOp::Format { kind: PageKind::from_code(kind)?, level, tree }
            }
            2 | 3 => {
                let (key, value) = take_key(payload)?;
                if code == 2 { RedoOp::Insert { key, value } } else { RedoOp::Replace { key, value } }
            }
            4 => {
                let (key, rest) = take_key(payload)?;
                let (offset, bytes) = rest.split_first_chunk::<2>()?;
                RedoOp::Patch { key, offset: u16::from_le_bytes(*offset), bytes }
            }
            5 => RedoOp::Remove { key: payload },
            6 => RedoOp::Truncate { key: payload },
            7 => RedoOp::Append { cells: payload },
            8 => RedoOp::SetRight { right: PageId(u64::from_le_bytes(payload.try_into().ok()?)) },
            _ => return None,
        })
    }
}

fn put_key(out: &mut BytesMut, key: &[u8]) {
    out.put_u16_le(u16::try_from(key.len()).expect("a key fits its page"));
    out.put_slice(key);
}

#[inline]
fn take_key(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = payload.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))
}

/// The records of one mini-transaction, appended to the log as a whole. The last is a CPL and no other is.
#[derive(Clone, Debug)]
pub struct Group {
    first: Lsn,
    bytes: Bytes,
    parts: Vec<(PageId, u32)>,
}

impl Group {
    /// The LSN of the first record.
    pub fn first(&self) -> Lsn {
        self.first
    }

    /// The LSN of the last record, the group's CPL.
    pub fn last(&self) -> Lsn {
        Lsn(self.first.0 + self.parts.len() as u64 - 1)
    }

    /// All records, encoded one after the other.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Each record in order: its LSN, its page, its encoded bytes (sharing the group's memory).
    pub fn records(&self) -> impl Iterator<Item = (Lsn, PageId, Bytes)> + '_ {
        let mut start = 0usize;
        self.parts.iter().enumerate().map(move |(index, &(page, end))| {
            let bytes = self.bytes.slice(start..end as usize);
            start = end as usize;
            (Lsn(self.first.0 + index as u64), page, bytes)
        })
    }

    /// How many records there are; never zero.
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// The pages changed, in order of record, repeated as they occur.
    pub fn pages(&self) -> impl Iterator<Item = PageId> + '_ {
        self.parts.iter().map(|&(page, _)| page)
    }
}

/// Collects the records of a group.
#[derive(Debug)]
pub struct GroupBuilder {
    first: Lsn,
    bytes: BytesMut,
    parts: Vec<(PageId, u32)>,
    last_flags_at: usize,
}

impl GroupBuilder {
    /// A builder whose first record will have the LSN `first`.
    pub fn new(first: Lsn) -> GroupBuilder {
        GroupBuilder { first, bytes: BytesMut::with_capacity(512), parts: Vec::with_capacity(8), last_flags_at: 0 }
    }

    /// Adds a record and gives its LSN.
    pub fn push(&mut self, page: PageId, op: &RedoOp<'_>) -> Lsn {
        let lsn = Lsn(self.first.0 + self.parts.len() as u64);
        let start = self.bytes.len();
        self.bytes.put_u64_le(lsn.0);
        self.bytes.put_u64_le(page.0);
        self.bytes.put_u32_le(0);
        self.bytes.put_u8(op.code());
        self.last_flags_at = self.bytes.len();
        self.bytes.put_u8(0);
        self.bytes.put_u16_le(0);
        op.encode(&mut self.bytes);
        let payload_bytes = (self.bytes.len() - start - RECORD_HEADER_BYTES) as u32;
        self.bytes[start + 16..start + 20].copy_from_slice(&payload_bytes.to_le_bytes());
        self.parts.push((page, self.bytes.len() as u32));
        lsn
    }

    /// Encoded bytes so far.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Marks the last record as a CPL and closes the group. Panics when there is no record.
    pub fn finish(mut self) -> Group {
        assert!(!self.parts.is_empty(), "a group has at least one record");
        self.bytes[self.last_flags_at] |= FLAG_CPL;
        Group { first: self.first, bytes: self.bytes.freeze(), parts: self.parts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_reads_back_with_one_cpl_at_its_end() {
        let ops = [
            RedoOp::Format { kind: PageKind::Leaf, level: 0, tree: TreeId(3) },
            RedoOp::Insert { key: b"k", value: b"value" },
            RedoOp::Replace { key: b"k", value: b"" },
            RedoOp::Patch { key: b"k", offset: 2, bytes: b"xy" },
            RedoOp::Remove { key: b"k" },
            RedoOp::Truncate { key: b"m" },
            RedoOp::Append { cells: &[1, 0, 0, 0, b'z'] },
            RedoOp::SetRight { right: PageId(9) },
        ];
        let mut builder = GroupBuilder::new(Lsn(40));
        for (index, op) in ops.iter().enumerate() {
            assert_eq!(builder.push(PageId(index as u64), op), Lsn(40 + index as u64));
        }
        let group = builder.finish();
        let records: Vec<_> = Record::decode_all(group.bytes()).map(|record| record.expect("whole")).collect();
        assert_eq!(records.iter().map(|record| record.op).collect::<Vec<_>>(), ops);
        assert_eq!(records.iter().filter(|record| record.cpl).map(|record| record.lsn).collect::<Vec<_>>(), [Lsn(47)]);
        assert_eq!((group.first(), group.last(), group.count()), (Lsn(40), Lsn(47), 8));
        for ((lsn, page, bytes), record) in group.records().zip(&records) {
            assert_eq!(Record::decode(&bytes).expect("whole"), (*record, bytes.len()));
            assert_eq!((lsn, page), (record.lsn, record.page));
        }
    }

    #[test]
    fn every_cut_of_a_record_is_noticed() {
        let mut builder = GroupBuilder::new(Lsn(1));
        builder.push(PageId(1), &RedoOp::Insert { key: b"key", value: b"value" });
        let group = builder.finish();
        for len in 0..group.bytes().len() {
            assert_eq!(Record::decode(&group.bytes()[..len]), Err(RedoError::Truncated));
        }
    }
}
