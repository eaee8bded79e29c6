//! What a checker says.

use std::fmt;

/// A checker's judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Something the engine may do explains all that was seen.
    Valid,
    /// Nothing does; the text says what broke, for a person.
    Invalid(String),
    /// The checker could not tell; the text says why.
    Unknown(String),
}

impl Verdict {
    /// Whether it is [`Verdict::Valid`].
    pub fn is_valid(&self) -> bool {
        matches!(self, Verdict::Valid)
    }

    /// The verdict's name in records.
    pub const fn name(&self) -> &'static str {
        match self {
            Verdict::Valid => "valid",
            Verdict::Invalid(_) => "invalid",
            Verdict::Unknown(_) => "unknown",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Valid => f.write_str("valid"),
            Verdict::Invalid(why) | Verdict::Unknown(why) => write!(f, "{}: {why}", self.name()),
        }
    }
}
