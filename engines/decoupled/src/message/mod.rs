//! What the writer and the storage nodes say to each other.
//!
//! Every message names the volume and the sender's epoch. A storage node takes part in an epoch in two steps: it promises it
//! ([`ToStorage::Prepare`]), then holds its truncation table ([`ToStorage::Truncate`]). Anything else it is asked under
//! an epoch it does not hold yet, or holds no longer, it answers with [`ToWriter::Refused`], naming the highest epoch it
//! promised. A writer that reads a higher epoch there is fenced; one that reads its own or a lower epoch brings the node
//! up with `Prepare` and `Truncate`: it was wiped, or unreachable during recovery. Both carry the truncation table, so that
//! records annulled while a node was away never count in what it reports (see [`crate::truncation`]).
//!
//! Frame kinds `0x0301` (to storage), `0x0302` (to the writer) and `0x0303` (between storage nodes).

mod codec;
mod envelope;
mod peer;
mod storage;
mod writer;

pub(crate) use codec::wire_structs;
pub use codec::{DecodeError, Reader, Wire};
pub use envelope::{Envelope, EnvelopeError};
pub use peer::{Peer, PeerSegment};
pub use storage::{PgFloor, ToStorage};
pub use writer::{InventoryEntry, PageResult, SegmentStatus, Standing, ToWriter};

use node::FrameKind;

/// Writer to storage node.
pub const TO_STORAGE: FrameKind = FrameKind(0x0301);
/// Storage node to writer.
pub const TO_WRITER: FrameKind = FrameKind(0x0302);
/// Storage node to storage node.
pub const PEER: FrameKind = FrameKind(0x0303);

#[cfg(test)]
mod tests;
