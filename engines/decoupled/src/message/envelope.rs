//! A redo record with its three back-pointers, as shipped and as stored.
//!
//! Each record names the record before it in the volume, in its protection group and on its page (P18, section 2.2): the
//! first finds the end of the log at recovery, the second finds holes in a segment, the third materialises a page.
//! Back-pointers are stored as distances, variable-length (LEB128), so that they cost four to eight bytes, not 24.

use bytes::{BufMut, Bytes, BytesMut};
use compute::{Lsn, PageId, Record, RedoError};
use thiserror::Error;

/// Bytes that are not a stream of envelopes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    /// A back-pointer is missing, endless, or points above its record.
    #[error("record envelope has an impossible back-pointer")]
    BackPointer,
    /// The record inside does not read.
    #[error(transparent)]
    Record(#[from] RedoError),
}

/// One record with its back-pointers. [`Lsn::ZERO`] where there is no earlier record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The record's LSN.
    pub lsn: Lsn,
    /// The page it changes.
    pub page: PageId,
    /// Whether it is a CPL.
    pub cpl: bool,
    /// The record before it in the volume.
    pub prev_volume: Lsn,
    /// The record before it in the protection group.
    pub prev_pg: Lsn,
    /// The record before it on the page.
    pub prev_page: Lsn,
    /// The encoded record, readable with [`Record::decode`].
    pub record: Bytes,
}

impl Envelope {
    /// Appends an envelope. `record` is one encoded record at `lsn`.
    pub fn put(out: &mut BytesMut, lsn: Lsn, prev_volume: Lsn, prev_pg: Lsn, prev_page: Lsn, record: &[u8]) {
        for prev in [prev_volume, prev_pg, prev_page] {
            put_varint(out, lsn.0 - prev.0);
        }
        out.put_slice(record);
    }

    /// Appends this envelope.
    pub fn encode(&self, out: &mut BytesMut) {
        Envelope::put(out, self.lsn, self.prev_volume, self.prev_pg, self.prev_page, &self.record);
    }

    /// Takes the envelope at the start of `bytes` off, sharing memory.
    pub fn take(bytes: &mut Bytes) -> Result<Envelope, EnvelopeError> {
        let (mut distances, mut at) = ([0u64; 3], 0usize);
        for distance in &mut distances {
            *distance = take_varint(bytes, &mut at).ok_or(EnvelopeError::BackPointer)?;
        }
        let (record, len) = Record::decode(&bytes[at..])?;
        let back = |distance: u64| {
            let known = distance > 0 && distance <= record.lsn.0;
            known.then(|| Lsn(record.lsn.0 - distance)).ok_or(EnvelopeError::BackPointer)
        };
        let envelope = Envelope {
            lsn: record.lsn,
            page: record.page,
            cpl: record.cpl,
            prev_volume: back(distances[0])?,
            prev_pg: back(distances[1])?,
            prev_page: back(distances[2])?,
            record: bytes.slice(at..at + len),
        };
        bytes.truncate_front(at + len);
        Ok(envelope)
    }

    /// All envelopes of `bytes`, in order.
    pub fn all(mut bytes: Bytes) -> Result<Vec<Envelope>, EnvelopeError> {
        let mut envelopes = Vec::new();
        while !bytes.is_empty() {
            envelopes.push(Envelope::take(&mut bytes)?);
        }
        Ok(envelopes)
    }
}

trait TruncateFront {
    fn truncate_front(&mut self, count: usize);
}

impl TruncateFront for Bytes {
    fn truncate_front(&mut self, count: usize) {
        bytes::Buf::advance(self, count);
    }
}

fn put_varint(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn take_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
