//! One commit in the binlog. Little-endian: first LSN `u64`, commit LSN `u64`, length of the changes `u32`, the changes as
//! [`RowChanges`] encodes them. The block around it carries the checksum.

use bytes::{Buf, BytesMut};
use compute::{Lsn, RowChanges};

use crate::wal::Entry;

/// Bytes before the changes.
pub const ENTRY_HEADER_BYTES: usize = 20;

/// A commit: its LSNs and what it did to rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinlogEntry {
    /// The LSN of its group's first redo record.
    pub first: Lsn,
    /// Its commit LSN, that of its group's last record.
    pub commit: Lsn,
    /// The rows as it left them.
    pub changes: RowChanges,
}

/// The bytes before the changes. Panics when those are longer than a `u32` says, which no bound on a commit allows.
pub fn header(first: Lsn, commit: Lsn, changes: &RowChanges) -> [u8; ENTRY_HEADER_BYTES] {
    let mut bytes = [0; ENTRY_HEADER_BYTES];
    bytes[..8].copy_from_slice(&first.0.to_le_bytes());
    bytes[8..16].copy_from_slice(&commit.0.to_le_bytes());
    let len_bytes = u32::try_from(changes.encoded().len()).expect("a commit is bounded");
    bytes[16..].copy_from_slice(&len_bytes.to_le_bytes());
    bytes
}

impl Entry for BinlogEntry {
    fn split(stream: &mut BytesMut) -> Result<Option<BinlogEntry>, String> {
        let Some(header) = stream.get(..ENTRY_HEADER_BYTES) else { return Ok(None) };
        let mut header = header;
        let (first, commit) = (Lsn(header.get_u64_le()), Lsn(header.get_u64_le()));
        let len_bytes = header.get_u32_le() as usize;
        if commit < first {
            return Err(format!("holds an entry that ends with LSN {commit}, before its first, {first}"));
        }
        if stream.len() - ENTRY_HEADER_BYTES < len_bytes {
            return Ok(None);
        }
        stream.advance(ENTRY_HEADER_BYTES);
        let changes = RowChanges::from_encoded(stream.split_to(len_bytes).freeze());
        Ok(Some(BinlogEntry { first, commit, changes }))
    }

    fn first(&self) -> Lsn {
        self.first
    }

    fn last(&self) -> Lsn {
        self.commit
    }

    fn ends_group(&self) -> bool {
        true
    }
}
