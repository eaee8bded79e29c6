//! Transactions as state machines.

use crate::{Error, Reply, Statement};

/// What a program does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Run one statement as a transaction of its own; the program is over after its reply.
    Single(Statement),
    /// Open a transaction.
    Begin,
    /// Run a statement in the open transaction.
    Execute(Statement),
    /// Commit; the program is over after the reply.
    Commit,
    /// Roll back; the program is over after the reply.
    Rollback,
}

/// One transaction of a workload, as a state machine: it takes the last reply and gives the next step.
///
/// The load core restarts a program after a conflict with [`Program::restart`]; a program redraws nothing when it
/// restarts unless its original does, so that every attempt asks for the same rows.
pub trait Program: Send {
    /// The operation's name in records, e.g. `oltp_write_only`, `read`, `update`.
    fn name(&self) -> &'static str;

    /// The next step. `last` is what the previous step came to; `None` at the start. A program gets only errors
    /// that keep the transaction open ([`Error::keeps_transaction`]).
    ///
    /// An error returned here is a *finding*: a reply that cannot be right (a value that does not verify).
    fn step(&mut self, last: Option<&Result<Reply, Error>>) -> Result<Step, String>;

    /// Goes back to the start for another attempt.
    fn restart(&mut self);

    /// Looks at the final reply. An error is a finding, as in [`Program::step`].
    fn finish(&mut self, last: &Result<Reply, Error>) -> Result<(), String>;
}

/// Where a load generator gets its transactions from.
pub trait Programs: Send {
    /// The next transaction of client number `client`, counted from 0 and dense. What a client asks depends on its own
    /// history and on what was acknowledged, never on how clients interleave.
    fn next(&mut self, client: u32) -> Box<dyn Program>;
}
