//! Reading a history of either format.

use super::call::History;
use super::edn::Forms;
use super::error::Malformed;
use super::jsonl::Lines;
use super::op::Op;
use super::{edn, jsonl};

/// How a history is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON lines.
    Jsonl,
    /// Jepsen's EDN.
    Edn,
}

impl Format {
    /// The format that a file's extension names.
    pub fn of_extension(extension: &str) -> Option<Format> {
        match extension {
            "jsonl" | "ndjson" | "json" => Some(Format::Jsonl),
            "edn" => Some(Format::Edn),
            _ => None,
        }
    }

    /// The format that a text looks like: JSON lines begin with an object whose first key is a string.
    pub fn of_content(bytes: &[u8]) -> Format {
        let mut visible = bytes.iter().filter(|byte| !byte.is_ascii_whitespace());
        match (visible.next(), visible.next()) {
            (Some(b'{'), Some(b'"' | b'}')) => Format::Jsonl,
            _ => Format::Edn,
        }
    }

    /// The operation as one line of text, without its end.
    pub fn line(self, op: &Op) -> String {
        let mut line = String::new();
        let written = match self {
            Format::Jsonl => jsonl::write_op(&mut line, op),
            Format::Edn => edn::write_op(&mut line, op),
        };
        written.expect("a string takes everything");
        line
    }

    /// The whole history as text.
    pub fn text(self, history: &History) -> String {
        history.ops().iter().map(|op| self.line(op) + "\n").collect()
    }
}

/// Reads operations one after the other.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    source: Source<'a>,
    /// Where the last operation began, and on which line that is.
    last: (usize, u32),
    is_over: bool,
}

#[derive(Debug)]
enum Source<'a> {
    Jsonl(Lines<'a>),
    Edn(Forms<'a>),
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their start.
    pub fn new(bytes: &'a [u8], format: Format) -> Reader<'a> {
        let source = match format {
            Format::Jsonl => Source::Jsonl(Lines::new(bytes)),
            Format::Edn => Source::Edn(Forms::new(bytes)),
        };
        Reader { bytes, source, last: (0, 1), is_over: false }
    }

    /// How many bytes are read.
    pub fn bytes_read(&self) -> usize {
        match &self.source {
            Source::Jsonl(lines) => lines.at(),
            Source::Edn(forms) => forms.at(),
        }
    }

    /// The line on which the last operation began, from 1.
    pub fn line(&self) -> u32 {
        self.last.1
    }

    /// Reads the rest into a history. `watch` is called after each operation with the number of bytes read; what it answers
    /// is whether to go on.
    ///
    /// # Errors
    ///
    /// The text is not a history.
    pub fn history(mut self, mut watch: impl FnMut(usize) -> bool) -> Result<History, Malformed> {
        let mut history = History::default();
        while let Some(op) = self.next() {
            history.push_from(op?, self.line())?;
            if !watch(self.bytes_read()) {
                break;
            }
        }
        Ok(history)
    }

    fn op(&mut self) -> Result<Option<Op>, Malformed> {
        let next = match &mut self.source {
            Source::Jsonl(lines) => lines.next(),
            Source::Edn(forms) => forms.next(),
        };
        let next = next.map_err(|(at, reason)| Malformed::at(self.bytes, at, reason))?;
        let Some((start, form)) = next else { return Ok(None) };
        let passed = self.bytes[self.last.0..start].iter().filter(|byte| **byte == b'\n').count();
        self.last = (start, self.last.1.saturating_add(passed as u32));
        Op::from_value(form).map(Some).map_err(|reason| Malformed::at(self.bytes, start, reason))
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Op, Malformed>;

    fn next(&mut self) -> Option<Result<Op, Malformed>> {
        if self.is_over {
            return None;
        }
        let op = self.op().transpose();
        self.is_over = !matches!(op, Some(Ok(_)));
        op
    }
}
