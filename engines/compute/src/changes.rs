//! What a commit did to rows, for storages that keep a log of it besides the redo.
//!
//! Redo speaks of pages; a replica of another make, or a restore to a point in time, wants rows. The changes of a commit
//! are full row images after it, in order of table and key, each row at most once. Little-endian, one after the other:
//!
//! | field | |
//! |---|---|
//! | table | `u16` |
//! | key length | `u16` |
//! | row length plus one | `u32`; 0 where the row was deleted |
//! | key, row | |

use bytes::{Buf, BufMut, Bytes, BytesMut};
use contract::{Key, Row, TableId};

/// Bytes before a change's key.
pub const CHANGE_HEADER_BYTES: usize = 8;

/// A row as a commit left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange {
    /// The table.
    pub table: TableId,
    /// The row's key.
    pub key: Key,
    /// The row, `None` when it was deleted.
    pub row: Option<Row>,
}

/// The row changes of one commit, encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowChanges(Bytes);

impl RowChanges {
    /// Encodes changes: table, key, and the encoded row or nothing.
    pub(crate) fn encode<'a>(changes: impl Iterator<Item = (TableId, &'a [u8], Option<&'a [u8]>)>) -> RowChanges {
        let mut out = BytesMut::with_capacity(256);
        for (table, key, row) in changes {
            out.put_u16_le(table.0);
            out.put_u16_le(u16::try_from(key.len()).expect("a key fits its page"));
            out.put_u32_le(row.map_or(0, |row| row.len() as u32 + 1));
            out.put_slice(key);
            out.put_slice(row.unwrap_or_default());
        }
        RowChanges(out.freeze())
    }

    /// Takes encoded bytes; [`RowChanges::decode`] says whether they make sense.
    pub fn from_encoded(bytes: Bytes) -> RowChanges {
        RowChanges(bytes)
    }

    /// The encoded bytes.
    pub fn encoded(&self) -> &Bytes {
        &self.0
    }

    /// The changes, or `None` when the bytes are not changes.
    pub fn decode(&self) -> Option<Vec<RowChange>> {
        let mut rest = self.0.clone();
        let mut changes = Vec::new();
        while !rest.is_empty() {
            let table = TableId(rest.try_get_u16_le().ok()?);
            let key_bytes = usize::from(rest.try_get_u16_le().ok()?);
            let row_bytes = rest.try_get_u32_le().ok()? as usize;
            let mut take = |len_bytes: usize| (len_bytes <= rest.len()).then(|| rest.split_to(len_bytes));
            let key = Key(take(key_bytes)?);
            let row = match row_bytes {
                0 => None,
                plus_one => Some(Row::parse(take(plus_one - 1)?)?),
            };
            changes.push(RowChange { table, key, row });
        }
        Some(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_read_back_and_no_cut_of_them_is_taken_for_more_than_its_prefix() {
        let row = Row::new([&b"one"[..], b""]);
        let sent = [
            (TableId(0), &b"a"[..], Some(&row.encoded()[..])),
            (TableId(0), &b""[..], None),
            (TableId(3), &b"key"[..], Some(&[0, 0][..])),
        ];
        let changes = RowChanges::encode(sent.into_iter());
        let read = changes.decode().expect("whole");
        let again = read
            .iter()
            .map(|change| (change.table, change.key.as_bytes(), change.row.as_ref().map(|row| &row.encoded()[..])));
        assert_eq!(again.collect::<Vec<_>>(), sent);
        for len in 0..changes.encoded().len() {
            let cut = RowChanges::from_encoded(changes.encoded().slice(..len)).decode();
            assert!(cut.is_none_or(|cut| cut.len() < read.len() && read.starts_with(&cut)), "cut at {len}");
        }
        assert_eq!(RowChanges::default().decode(), Some(Vec::new()));
    }
}
