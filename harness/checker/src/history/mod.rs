//! Anybody's histories: what processes asked for and what came of it, in the order it happened.
//!
//! # Mechanism
//!
//! A [`History`] is a list of [`Op`]s as Jepsen has them: a process *invokes* an operation and later learns that it is *ok*,
//! that it *failed*, or *info*: nobody knows. [`History::push`] pairs them into [`Call`]s as they come. Checkers go by
//! the order of the list: a call that ended before another began took effect before it, and nothing else is known of time.
//!
//! [`Reader`] reads two formats from bytes, one operation after the other: [`jsonl`] and [`edn`], Jepsen's own. Bytes may be
//! a mapped file: nothing of the text is kept, and a word that stands on every line is kept once.
//!
//! # Invariants
//!
//! - What one format writes, the other reads to the same operations, and a history written twice is the same text.
//! - Text that is not a history is an error with line, column and reason; no text makes a reader panic.
//!
//! # Caveats
//!
//! - `##NaN` and `##Inf` are read as strings: JSON has no such numbers.

mod call;
pub mod edn;
mod error;
pub mod jsonl;
mod names;
mod op;
mod read;
#[cfg(test)]
mod tests;
mod value;

pub use call::{Call, History, Outcome};
pub use error::Malformed;
pub use op::{Kind, Op, Process};
pub use read::{Format, Reader};
pub use value::{Real, Value};

/// A map's key that occurs twice, if any does.
fn repeated(entries: &[(Value, Value)]) -> Option<&Value> {
    if entries.len() <= 16 {
        return (1..entries.len())
            .map(|at| &entries[at].0)
            .enumerate()
            .find_map(|(before, key)| entries[..=before].iter().any(|(known, _)| known == key).then_some(key));
    }
    let mut seen = crate::Set::default();
    entries.iter().map(|(key, _)| key).find(|key| !seen.insert(*key))
}
