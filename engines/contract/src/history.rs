//! What clients saw: the input of every checker.
//!
//! A history is a list of [`Transaction`]s, one for each attempt, with what was asked, what was answered and when. The times
//! are the client's: a transaction took effect, if at all, between its two.

use crate::{CommitPosition, Error, Reply, SessionId, Statement, TxnSeq};

/// One attempt at a transaction, as its client saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// The client that ran it, counted from 0.
    pub client: u32,
    /// Its session then; a client takes a new one after a lost reply.
    pub session: SessionId,
    /// The attempt's number in the session.
    pub txn: TxnSeq,
    /// The program's name.
    pub name: &'static str,
    /// When its first request was sent, in nanoseconds.
    pub invoked_ns: u64,
    /// When its last reply came. `None` when the outcome is [`Outcome::Info`]: it may take effect at any later time.
    pub completed_ns: Option<u64>,
    /// Its statements in order, with their replies; `None` for one that was never answered.
    pub calls: Vec<(Statement, Option<Result<Reply, Error>>)>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What is known of a transaction's effects.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Committed, at this position.
    Ok(CommitPosition),
    /// Certainly without effect: refused, rolled back, or never asked to commit.
    Fail,
    /// Perhaps committed, now or later.
    Info,
}
