//! What the writer and the storage nodes say to each other.
//!
//! Every message names the volume and the sender's epoch. A storage node takes part in an epoch in two steps: it promises it
//! ([`ToStorage::Prepare`]), then holds its truncation table ([`ToStorage::Truncate`]). Anything else it is asked under
//! an epoch it does not hold yet, or holds no longer, it answers with [`ToWriter::Refused`], naming the highest epoch it
//! promised. A writer that reads a higher epoch there is fenced; one that reads its own or a lower epoch brings the node
//! up with `Prepare` and `Truncate`: it was wiped, or unreachable during recovery. Both carry the truncation table, so that
//! records annulled while a node was away never count in what it reports (see [`crate::truncation`]).
//!
//! Frame kinds `0x0301` (to storage), `0x0302` (to the writer), `0x0303` (between storage nodes) and `0x0304` (settle).

mod codec;
mod envelope;
mod peer;
mod storage;
mod writer;

pub(crate) use codec::wire_structs;
pub use codec::{DecodeError, Reader, Wire};
pub use envelope::{Envelope, EnvelopeError};
pub use peer::{Peer, PeerSegment};
pub use storage::{GroupRecords, PgFloor, ToStorage};
pub use writer::{InventoryEntry, PageResult, SegmentStatus, Standing, ToWriter};

use node::{Frame, FrameKind};

/// Writer to storage node.
pub const TO_STORAGE: FrameKind = FrameKind(0x0301);
/// Storage node to writer.
pub const TO_WRITER: FrameKind = FrameKind(0x0302);
/// Storage node to storage node.
pub const PEER: FrameKind = FrameKind(0x0303);
/// The operator to a storage node: whether to work deferred work off at once, see [`settle_frame`].
pub const SETTLE: FrameKind = FrameKind(0x0304);

/// Tells a storage node to coalesce whatever it may and to collect the log it no longer needs, until told otherwise; for
/// measurements, whose deferred work must be accounted for.
pub fn settle_frame(on: bool) -> Frame {
    Frame::encode(SETTLE, 1, |body| bytes::BufMut::put_u8(body, u8::from(on)))
}

#[cfg(test)]
mod tests;
