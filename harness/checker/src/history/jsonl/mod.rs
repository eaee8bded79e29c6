//! JSON lines: an object for each operation, one a line.
//!
//! The fields are those of [`Op`](super::Op): `process`, `type`, `f`, `value`, `time`, `index`, and any others. JSON has no
//! keywords and no keys but strings, so that a history survives the way to EDN and back, a string means more than itself
//! in these cases:
//!
//! - `":append"` is the keyword, and `"::append"` the string `":append"`;
//! - as an object's key, `"3"` is the integer, and `"#[1 2]"` whatever EDN says after the `#`.
//!
//! Where a model wants a word, keyword and string do alike: `"append"` will do.

mod read;
mod write;

pub(super) use read::Lines;
pub use write::write_op;

/// Whether the text is just how an integer is written.
fn as_integer(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}
