//! The records of one message, or of one section of a log block, read and checked.

use bytes::Bytes;
use compute::Lsn;

use crate::PgId;
use crate::message::{Envelope, EnvelopeError};

/// The envelopes of one message, with their bytes as received.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The envelopes, LSNs rising.
    pub envelopes: Vec<Envelope>,
    /// All of them encoded, one behind the other.
    pub received: Bytes,
    /// Where each ends.
    pub ends: Vec<usize>,
}

/// Reads the envelopes of one message and checks them: rising LSNs, every page in the group.
pub fn decode_batch(received: Bytes, pg: PgId, pages_per_pg: u64) -> Result<Batch, EnvelopeError> {
    let mut batch = Batch { received: received.clone(), ..Batch::default() };
    let (mut rest, mut last) = (received, Lsn::ZERO);
    while !rest.is_empty() {
        let envelope = Envelope::take(&mut rest)?;
        if envelope.page.0 / pages_per_pg != u64::from(pg.0) || envelope.lsn <= last {
            return Err(EnvelopeError::BackPointer);
        }
        last = envelope.lsn;
        batch.ends.push(batch.received.len() - rest.len());
        batch.envelopes.push(envelope);
    }
    Ok(batch)
}
