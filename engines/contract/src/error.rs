//! What can go wrong, named by what the caller does next.

use thiserror::Error as ThisError;

/// What an error says about the transaction's effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// It certainly did not and will not take effect.
    Fail,
    /// It may have taken effect, or may yet.
    Info,
}

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum Error {
    /// Another transaction was in the way: validation failed, or this one was chosen to break a deadlock. Run the
    /// program again from its start.
    #[error("conflict: {0}")]
    Conflict(ConflictKind),
    /// An insert found its key taken. The transaction stays open, the statement did nothing.
    #[error("the key exists")]
    DuplicateKey,
    /// The request makes no sense: unknown table or field, a verb out of order. Mend the program. The transaction, if
    /// one was open, is dropped.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// The transaction exceeds what the engine accepts in one commit. Split it.
    #[error("transaction too large: {0}")]
    TooLarge(String),
    /// The engine does not serve now: starting, recovering, throttled beyond its bound, out of space. Nothing was
    /// done; try later.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The connection or the engine was lost before the outcome was known.
    #[error("outcome unknown: {0}")]
    Indeterminate(String),
    /// Stored data is damaged beyond the engine's means of repair; the message names what and where.
    #[error("corrupt: {0}")]
    Corrupt(String),
}

/// What kind of conflict ended a transaction; counted apart in every table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub enum ConflictKind {
    /// A row or gap it read was changed before it committed.
    #[error("a read was overtaken by another commit")]
    Validation,
    /// It waited in a cycle and was chosen as the victim.
    #[error("deadlock victim")]
    Deadlock,
}

impl Error {
    /// What is known about the transaction's effects.
    pub fn certainty(&self) -> Certainty {
        match self {
            // Decided before a commit LSN was assigned: nothing was logged.
            Error::Conflict(_) | Error::DuplicateKey | Error::Invalid(_) | Error::TooLarge(_) => Certainty::Fail,
            // Refused at the door.
            Error::Unavailable(_) => Certainty::Fail,
            // A read stumbled on damage before anything was logged; a commit that did would be indeterminate.
            Error::Corrupt(_) => Certainty::Fail,
            // The commit record may be durable although nobody could say so.
            Error::Indeterminate(_) => Certainty::Info,
        }
    }

    /// Whether the open transaction survives this error.
    pub fn keeps_transaction(&self) -> bool {
        matches!(self, Error::DuplicateKey)
    }
}
