//! Histories with known verdicts in both formats, and small random ones against every serial order there is.

mod anomalies;
mod exhaustive;
mod scale;

use super::*;
use crate::Verdict;
use crate::history::{Format, History, Reader};

fn check(history: &History) -> Report {
    super::check(history).unwrap_or_else(|error| panic!("{error}: {}", Format::Edn.text(history)))
}

/// The verdict on a history that a person wrote down, which must be the same as JSON lines.
fn in_both(edn: &str) -> Report {
    let read = |text: &str, format| {
        Reader::new(text.as_bytes(), format).history(|_| true).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let history = read(edn, Format::Edn);
    let report = check(&history);
    assert_eq!(report, check(&read(&Format::Jsonl.text(&history), Format::Jsonl)));
    report
}
