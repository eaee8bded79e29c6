//! Where recovery starts.

use compute::Lsn;

use crate::ids::{BlockHash, BlockSeq, Incarnation, LogPos};

/// A checkpoint: the log block at which recovery starts, and what it must be to belong to the chain. Every change by an
/// earlier group is in the page file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where the block lies, or will lie when the log ends here.
    pub position: LogPos,
    /// The block's number.
    pub sequence: BlockSeq,
    /// The hash of the block before it.
    pub previous: BlockHash,
    /// The incarnation that wrote the block or will write it; older blocks at this place are leftovers.
    pub incarnation: Incarnation,
    /// The last LSN that was complete before the block.
    pub before: Lsn,
}
