//! What is wrong with a history, and where.

/// A history that cannot be read, or is not one of the model it is to be judged by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The text is at fault.
    #[error("line {line}, column {column}: {reason}")]
    Text {
        /// The line, from 1.
        line: u64,
        /// The byte in the line, from 1.
        column: u64,
        /// What is wrong.
        reason: String,
    },
    /// An operation is at fault.
    #[error("{}{reason}", line.map_or(format!("operation {op}: "), |line| format!("line {line}: ")))]
    Op {
        /// Its place in the history, from 0.
        op: usize,
        /// Its line, from 1, when the history was read from text.
        line: Option<u64>,
        /// What is wrong.
        reason: String,
    },
}

impl Malformed {
    /// Names the line and column of byte `at` of `bytes`.
    pub(super) fn at(bytes: &[u8], at: usize, reason: impl Into<String>) -> Malformed {
        let before = &bytes[..at.min(bytes.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
        let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count() as u64;
        Malformed::Text { line, column, reason: reason.into() }
    }
}
