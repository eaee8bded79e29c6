//! Why the engine stops, and what to do about it.

use compute::{Lsn, PageId};
use node::DiskError;
use thiserror::Error;

use crate::ids::LogKind;

/// A reason to halt. The variant says what the operator does next.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CoupledError {
    /// These files are not this engine's to open. Point it at the right directory, or make a new one.
    #[error("refused: {0}")]
    Refused(String),
    /// Durable log is damaged. Restore from a copy; going on would lose committed work.
    #[error(
        "{log} corrupt: LSN {lsn} at log position {position} is missing or damaged, and {witness}; restore from a copy"
    )]
    LogCorrupt {
        /// Which log.
        log: LogKind,
        /// The first LSN that cannot be had.
        lsn: Lsn,
        /// Where it should be.
        position: u64,
        /// What proves that it was durable.
        witness: String,
    },
    /// A page is damaged and nothing can rebuild it. Restore from a copy.
    #[error("page {page} corrupt: {reason}; restore from a copy")]
    PageCorrupt {
        /// Which.
        page: PageId,
        /// What was tried.
        reason: String,
    },
    /// The device failed. Durability of the operation is unknown: restart to recover from what is there.
    #[error("device failed during {during}: {error}; restart to recover")]
    Device {
        /// The operation.
        during: &'static str,
        /// The failure.
        error: DiskError,
    },
}

impl CoupledError {
    /// A device failure during `during`.
    pub fn device(during: &'static str) -> impl Fn(DiskError) -> CoupledError {
        move |error| CoupledError::Device { during, error }
    }
}
