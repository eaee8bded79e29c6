//! A redo record with its three back-pointers, as shipped and as stored.
//!
//! Each record names the record before it in the volume, in its protection group and on its page (P18, section 2.2): the
//! first finds the end of the log at recovery, the second finds holes in a segment, the third materialises a page.
//! Back-pointers are stored as distances, variable-length (LEB128), so that they cost four to eight bytes, not 24.

use bytes::{BufMut, BytesMut};
use compute::{Lsn, Record, RedoError};
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

/// One record with its back-pointers, read in place. [`Lsn::ZERO`] where there is no earlier record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The record before it in the volume.
    pub prev_volume: Lsn,
    /// The record before it in the protection group.
    pub prev_pg: Lsn,
    /// The record before it on the page.
    pub prev_page: Lsn,
    /// The record.
    pub record: Record<'a>,
}

impl<'a> Envelope<'a> {
    /// Appends an envelope. `record` is one encoded record at `lsn`.
    pub fn put(out: &mut BytesMut, lsn: Lsn, prev_volume: Lsn, prev_pg: Lsn, prev_page: Lsn, record: &[u8]) {
        for prev in [prev_volume, prev_pg, prev_page] {
            put_varint(out, lsn.0 - prev.0);
        }
        out.put_slice(record);
    }

    /// Reads the envelope at the start of `bytes` and gives its length.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Result<(Envelope<'a>, usize), EnvelopeError> {
        let (mut distances, mut at) = ([0u64; 3], 0usize);
        for distance in &mut distances {
            *distance = take_varint(bytes, &mut at).ok_or(EnvelopeError::BackPointer)?;
        }
        let (record, len) = Record::decode(&bytes[at..])?;
        let back = |distance: u64| {
            let known = distance > 0 && distance <= record.lsn.0;
            known.then(|| Lsn(record.lsn.0 - distance)).ok_or(EnvelopeError::BackPointer)
        };
        let [prev_volume, prev_pg, prev_page] = distances;
        let (prev_volume, prev_pg, prev_page) = (back(prev_volume)?, back(prev_pg)?, back(prev_page)?);
        Ok((Envelope { prev_volume, prev_pg, prev_page, record }, at + len))
    }

    /// All envelopes of `bytes`, in order.
    #[cfg(test)]
    pub fn all(bytes: &'a [u8]) -> Result<Vec<Envelope<'a>>, EnvelopeError> {
        let (mut envelopes, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let (envelope, len) = Envelope::read(rest)?;
            envelopes.push(envelope);
            rest = &rest[len..];
        }
        Ok(envelopes)
    }
}

fn put_varint(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[inline]
fn take_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    // Most distances are short.
    let first = *bytes.get(*at)?;
    if first & 0x80 == 0 {
        *at += 1;
        return Some(u64::from(first));
    }
    take_long_varint(bytes, at)
}

fn take_long_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
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
