//! What the writer and the storage nodes say to each other.
//!
//! Every message names the volume and, except where noted, the sender's epoch. A storage node that has promised a higher
//! epoch answers [`ToWriter::Refused`]; one that sees a higher epoch in anything but [`ToStorage::Prepare`] ignores the
//! message, since it cannot hold that epoch's truncation table yet.
//!
//! Frame kinds `0x0301` (to storage), `0x0302` (to the writer) and `0x0303` (between storage nodes).

mod codec;
mod envelope;
mod storage;
mod writer;

pub use codec::{DecodeError, Reader, Wire};
pub use envelope::{Envelope, EnvelopeError};
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
