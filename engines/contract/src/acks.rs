//! The acknowledgement journal: what each client was promised, small enough to write down as the run goes.
//!
//! For every transaction that wrote and was acknowledged, or whose outcome is unknown, an [`Ack`] says which keys it
//! changed and how. Values are kept as [`mark`]s, not bytes. After a crash, `sextant verify` compares the journal with
//! the reopened data.
//!
//! # Format
//!
//! A journal is a sequence of records, each length `u32`, CRC-32C `u32` and body, little-endian. A journal cut short by
//! a kill ends in part of a record, which [`read_journal`] leaves out.

use bytes::{Buf, BufMut, Bytes};

use crate::{CommitPosition, Key, Row, SessionId, TableId, TxnSeq};

/// A field's value, in eight bytes: an eight-byte field's own number (so that additions can be followed), the xxh3 hash
/// of any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub u64);

/// The mark of a field.
pub fn mark(field: &[u8]) -> Mark {
    match <[u8; 8]>::try_from(field) {
        Ok(number) => Mark(u64::from_be_bytes(number)),
        Err(_) => Mark(xxhash_rust::xxh3::xxh3_64(field)),
    }
}

/// The marks of a row's fields.
pub fn marks(row: &Row) -> Vec<Mark> {
    row.fields().map(mark).collect()
}

/// A transaction that wrote, and what its client knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The session that ran it.
    pub session: SessionId,
    /// Its number in the session.
    pub txn: TxnSeq,
    /// Where it committed; `None` when the outcome is unknown.
    pub position: Option<CommitPosition>,
    /// Its writes, in order.
    pub writes: Vec<Write>,
}

/// One write to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The table.
    pub table: TableId,
    /// The key.
    pub key: Key,
    /// What became of the row.
    pub effect: Effect,
}

/// What a write does to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The row is there, with these fields.
    Row(Vec<Mark>),
    /// A field is replaced.
    Set {
        /// The field.
        field: u16,
        /// Its new value.
        mark: Mark,
    },
    /// A number is added to a field, wrapping.
    Add {
        /// The field.
        field: u16,
        /// The number.
        delta: u64,
    },
    /// The row is gone.
    Delete,
}

const HEADER_BYTES: usize = 8;
const ROW: u8 = 0;
const SET: u8 = 1;
const ADD: u8 = 2;
const DELETE: u8 = 3;

impl Ack {
    /// Appends the record to a journal.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.put_u64_le(0);
        out.put_u32_le(self.session.0);
        out.put_u64_le(self.txn.0);
        out.put_u8(u8::from(self.position.is_some()));
        out.put_u64_le(self.position.unwrap_or_default().0);
        for write in &self.writes {
            write.put(out);
        }
        let body_bytes = u32::try_from(out.len() - start - HEADER_BYTES).expect("a transaction's writes fit 4 GiB");
        let crc = crc32c::crc32c(&out[start + HEADER_BYTES..]);
        out[start..start + 4].copy_from_slice(&body_bytes.to_le_bytes());
        out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    }

    fn read(mut body: Bytes) -> Option<Ack> {
        let session = SessionId(body.try_get_u32_le().ok()?);
        let txn = TxnSeq(body.try_get_u64_le().ok()?);
        let known = body.try_get_u8().ok()? != 0;
        let position = CommitPosition(body.try_get_u64_le().ok()?);
        let mut writes = Vec::new();
        while body.has_remaining() {
            writes.push(Write::get(&mut body)?);
        }
        Some(Ack { session, txn, position: known.then_some(position), writes })
    }
}

impl Write {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u16_le(self.table.0);
        out.put_u32_le(self.key.as_bytes().len() as u32);
        out.put_slice(self.key.as_bytes());
        match &self.effect {
            Effect::Row(marks) => {
                out.put_u8(ROW);
                out.put_u16_le(marks.len() as u16);
                for mark in marks {
                    out.put_u64_le(mark.0);
                }
            }
            Effect::Set { field, mark } => put_field(out, SET, *field, mark.0),
            Effect::Add { field, delta } => put_field(out, ADD, *field, *delta),
            Effect::Delete => out.put_u8(DELETE),
        }
    }

    fn get(body: &mut Bytes) -> Option<Write> {
        let table = TableId(body.try_get_u16_le().ok()?);
        let len = body.try_get_u32_le().ok()? as usize;
        if len > body.remaining() {
            return None;
        }
        // A copy, or every key would keep the whole journal in memory.
        let key = Key::copy(&body.split_to(len));
        let effect = match body.try_get_u8().ok()? {
            ROW => {
                let count = body.try_get_u16_le().ok()?;
                Effect::Row((0..count).map(|_| Some(Mark(body.try_get_u64_le().ok()?))).collect::<Option<_>>()?)
            }
            SET => Effect::Set { field: body.try_get_u16_le().ok()?, mark: Mark(body.try_get_u64_le().ok()?) },
            ADD => Effect::Add { field: body.try_get_u16_le().ok()?, delta: body.try_get_u64_le().ok()? },
            DELETE => Effect::Delete,
            _ => return None,
        };
        Some(Write { table, key, effect })
    }
}

fn put_field(out: &mut Vec<u8>, tag: u8, field: u16, value: u64) {
    out.put_u8(tag);
    out.put_u16_le(field);
    out.put_u64_le(value);
}

/// Reads a journal up to its end or to the first damaged record, and gives how many bytes follow the last whole one: 0
/// for a journal that was closed, more for one whose writer was killed.
pub fn read_journal(mut journal: Bytes) -> (Vec<Ack>, usize) {
    let mut acks = Vec::new();
    while let Some(ack) = read_record(&journal) {
        journal.advance(HEADER_BYTES + ack.1);
        acks.push(ack.0);
    }
    (acks, journal.len())
}

fn read_record(journal: &Bytes) -> Option<(Ack, usize)> {
    let header = journal.first_chunk::<HEADER_BYTES>()?;
    let body_bytes = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let crc = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    if journal.len() - HEADER_BYTES < body_bytes {
        return None;
    }
    let body = journal.slice(HEADER_BYTES..HEADER_BYTES + body_bytes);
    (crc32c::crc32c(&body) == crc).then_some(())?;
    Some((Ack::read(body)?, body_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(number: u64) -> Ack {
        let write = |effect| Write { table: TableId(1), key: Key::from_u64(number), effect };
        Ack {
            session: SessionId(4),
            txn: TxnSeq(number),
            position: number.is_multiple_of(2).then_some(CommitPosition(number * 3)),
            writes: vec![
                write(Effect::Row(vec![Mark(1), mark(b"text")])),
                write(Effect::Set { field: 1, mark: mark(b"other") }),
                write(Effect::Add { field: 0, delta: u64::MAX }),
                write(Effect::Delete),
            ],
        }
    }

    #[test]
    fn a_journal_cut_anywhere_gives_its_whole_records() {
        let acks: Vec<Ack> = (0..4).map(sample).collect();
        let (mut journal, mut ends) = (Vec::new(), vec![0]);
        for ack in &acks {
            ack.write_to(&mut journal);
            ends.push(journal.len());
        }
        for cut in 0..=journal.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            let (read, rest) = read_journal(Bytes::copy_from_slice(&journal[..cut]));
            assert_eq!((&read[..], rest), (&acks[..whole], cut - ends[whole]));
        }
    }

    #[test]
    fn a_flipped_bit_ends_the_journal_there() {
        let mut journal = Vec::new();
        sample(1).write_to(&mut journal);
        sample(2).write_to(&mut journal);
        for at in 0..journal.len() {
            let mut bad = journal.clone();
            bad[at] ^= 0x10;
            let (read, rest) = read_journal(bad.into());
            assert!(read.len() < 2 && rest > 0);
        }
    }

    #[test]
    fn numbers_are_their_own_marks() {
        assert_eq!(mark(&7u64.to_be_bytes()), Mark(7));
        assert_ne!(mark(b"a"), mark(b"b"));
        assert_eq!(marks(&Row::new([&7u64.to_be_bytes()[..], b"a"])), [Mark(7), mark(b"a")]);
    }
}
