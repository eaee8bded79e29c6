//! Jepsen's format: extensible data notation, a map for each operation.
//!
//! A file is operations one after the other, as Jepsen's `history.edn` has them, or one vector or list of them. What a
//! tag says is passed over and what it is said of is taken: `#jepsen.history.Op{...}` is the map. Sets and lists are read as
//! vectors; symbols, characters and `##Inf` as strings. A duplicate key, a number with leading zeros or beyond 64 bits,
//! an unknown escape, a lone `}`: all are errors with their line.
//!
//! # Caveats
//!
//! - Written again, a set is a vector and a symbol a string.

mod read;
mod write;

pub(super) use read::{Fault, Forms, is_fraction};
pub use write::write_op;
pub(super) use write::write_value;

/// Whether EDN can write the word as a keyword. Neither a word with a colon in front nor one that reads as another is one.
pub(super) fn is_keyword(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(is_word_byte) && !word.starts_with(':') && !word.starts_with('/')
}

/// Letters, digits and what else EDN has in symbols.
fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".*+!-_?$%&=<>/:#'|".contains(&byte) || byte >= 0x80
}
