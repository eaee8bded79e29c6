//! The write-ahead log: group commit into hash-chained blocks.
//!
//! # Mechanism
//!
//! The log is an endless stream of redo groups, cut into *blocks*. A block is one durable write: whatever groups have
//! accumulated while the previous write was in flight (group commit). Blocks lie one after the other in a ring of
//! pre-written segment files and never cross a segment's end; a group may span blocks.
//!
//! A block carries its incarnation, its number, its position, the hash of the block before it and the durable LSN known
//! when it was written. Recovery follows the chain from the checkpoint to the first block that does not fit
//! ([`scan`]), and then asks whether anything durable vouches for what should have been there.
//!
//! # Invariants
//!
//! - A durable block is never rewritten until a durable checkpoint has passed it: every block starts in a fresh unit of
//!   alignment.
//! - The durable LSN is the last complete group of the longest prefix of blocks whose writes have completed; it does not
//!   depend on the order of completions.
//! - Blocks left by an earlier incarnation beyond its torn tail never vouch for anything and never continue the chain.
//!
//! # Caveats
//!
//! - A phantom write of the very last block before a crash is not noticed when neither the superblock, the double-write
//!   buffer nor a data page knows a higher LSN.

pub mod appender;
pub mod block;
pub mod layout;
pub mod scan;
#[cfg(test)]
mod tests;

pub use appender::{Appender, AppenderConfig, LogWrite};
pub use block::{BlockError, BlockHeader, HEADER_BYTES};
pub use layout::Layout;
pub use scan::{Entry, Redo, Scan, Tail};
