//! Operations from their beginning to their end.

use super::error::Malformed;
use super::op::{Kind, Op, Process};
use crate::Map;

/// What happened, in order.
#[derive(Clone, Debug, Default)]
pub struct History {
    ops: Vec<Op>,
    calls: Vec<Call>,
    /// The line of each operation, when it was read from text.
    lines: Vec<u32>,
    /// Calls that have not ended, by their process.
    open: Map<i64, u32>,
}

/// An operation of a client, from its beginning to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where in the history it began.
    pub began: u32,
    /// Where it ended; [`Call::NEVER`] when it did not, or nobody knows how.
    pub ended: u32,
    /// What came of it.
    pub outcome: Outcome,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect, before it ended.
    Ok,
    /// It took none.
    Fail,
    /// It may have, or may yet.
    Info,
}

impl Call {
    /// Where a call ends whose outcome nobody knows: after everything.
    pub const NEVER: u32 = u32::MAX;
}

impl History {
    /// A history of these operations.
    ///
    /// # Errors
    ///
    /// As [`History::push`].
    pub fn of(ops: impl IntoIterator<Item = Op>) -> Result<History, Malformed> {
        let mut history = History::default();
        ops.into_iter().try_for_each(|op| history.push(op))?;
        Ok(history)
    }

    /// Adds what happened next.
    ///
    /// # Errors
    ///
    /// A client begins something while it is at something else, or ends what it has not begun.
    pub fn push(&mut self, op: Op) -> Result<(), Malformed> {
        self.push_from(op, 0)
    }

    /// As [`History::push`], of line `line` of a text.
    pub(super) fn push_from(&mut self, op: Op, line: u32) -> Result<(), Malformed> {
        let at = u32::try_from(self.ops.len()).ok().filter(|at| *at < Call::NEVER);
        let at = at.ok_or_else(|| self.malformed(self.ops.len(), "a history has at most 4 billion operations"))?;
        self.lines.extend((line > 0).then_some(line));
        self.ops.push(op);
        let op = &self.ops[at as usize];
        let Process::Client(process) = op.process else { return Ok(()) };
        match op.kind {
            Kind::Invoke => {
                let call = self.calls.len() as u32;
                self.calls.push(Call { began: at, ended: Call::NEVER, outcome: Outcome::Info });
                if self.open.insert(process, call).is_some() {
                    return Err(self.malformed(at as usize, format!("process {process} is still at something else")));
                }
            }
            kind => {
                let Some(call) = self.open.remove(&process) else {
                    return Err(self.malformed(at as usize, format!("process {process} has not begun this")));
                };
                let call = &mut self.calls[call as usize];
                let asked = &self.ops[call.began as usize].f;
                if *asked != op.f {
                    let reason = format!("process {process} began {asked} and ends {}", op.f);
                    return Err(self.malformed(at as usize, reason));
                }
                match kind {
                    Kind::Ok => (call.ended, call.outcome) = (at, Outcome::Ok),
                    Kind::Fail => (call.ended, call.outcome) = (at, Outcome::Fail),
                    Kind::Info | Kind::Invoke => {}
                }
            }
        }
        Ok(())
    }

    /// Everything that happened, in order.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The clients' operations, in the order they began.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// How a call began.
    pub fn invocation(&self, call: &Call) -> &Op {
        &self.ops[call.began as usize]
    }

    /// How it ended, when that is known.
    pub fn completion(&self, call: &Call) -> Option<&Op> {
        self.ops.get(call.ended as usize)
    }

    /// What is known of it last: its end when it has one that is known, or else its beginning.
    pub fn last_known(&self, call: &Call) -> &Op {
        self.completion(call).unwrap_or_else(|| self.invocation(call))
    }

    /// An operation that is not one of the model's.
    pub fn malformed(&self, op: usize, reason: impl Into<String>) -> Malformed {
        Malformed::Op { op, line: self.lines.get(op).map(|line| u64::from(*line)), reason: reason.into() }
    }
}
