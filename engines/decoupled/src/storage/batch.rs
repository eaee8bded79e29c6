//! The records of one message, or of one section of a log block, read and checked.

use bytes::Bytes;
use compute::{Lsn, PageId};

use crate::PgId;
use crate::message::{Envelope, EnvelopeError};

/// What a node must know of a record to take it in; the rest stays in the bytes it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its LSN.
    pub lsn: Lsn,
    /// The page it changes.
    pub page: PageId,
    /// The record before it in the protection group.
    pub prev_pg: Lsn,
    /// Where its envelope begins.
    pub at: u32,
    /// Where its envelope ends.
    pub end: u32,
}

/// The envelopes of one message, with their bytes as received.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The records, LSNs rising.
    pub heads: Vec<Head>,
    /// All envelopes, one behind the other.
    pub received: Bytes,
}

/// Reads the envelopes of one message and checks them: rising LSNs, every page in the group.
pub fn decode_batch(received: Bytes, pg: PgId, pages_per_pg: u64) -> Result<Batch, EnvelopeError> {
    let (mut heads, mut at, mut last) = (Vec::with_capacity(1 + received.len() / 64), 0usize, Lsn::ZERO);
    while at < received.len() {
        let (Envelope { prev_pg, record, .. }, len) = Envelope::read(&received[at..])?;
        if record.page.0 / pages_per_pg != u64::from(pg.0) || record.lsn <= last {
            return Err(EnvelopeError::BackPointer);
        }
        last = record.lsn;
        let end = at + len;
        heads.push(Head { lsn: record.lsn, page: record.page, prev_pg, at: at as u32, end: end as u32 });
        at = end;
    }
    Ok(Batch { heads, received })
}
