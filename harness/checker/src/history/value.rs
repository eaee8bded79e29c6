//! What operations carry.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// A value of an operation, as JSON and EDN both can say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Value {
    /// Nothing: `nil`, `null`.
    #[default]
    Nil,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number with a fraction.
    Real(Real),
    /// A keyword, without its colon.
    Keyword(Arc<str>),
    /// A string; also what EDN has and this type has not: symbols, characters.
    Text(Arc<str>),
    /// A sequence, of whatever brackets.
    List(Box<[Value]>),
    /// Keys and values, in the order they were written in.
    Map(Box<[(Value, Value)]>),
}

/// A finite number, equal to another when its bits are.
#[derive(Clone, Copy, Debug)]
pub struct Real(f64);

impl Real {
    /// `None` when the number is not finite: neither format has a common word for such.
    pub fn new(number: f64) -> Option<Real> {
        number.is_finite().then_some(Real(number))
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl PartialEq for Real {
    fn eq(&self, other: &Real) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Real {}

impl Hash for Real {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl Value {
    /// A keyword.
    pub fn keyword(name: &str) -> Value {
        Value::Keyword(name.into())
    }

    /// A string.
    pub fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    /// A list of these.
    pub fn list(items: impl IntoIterator<Item = Value>) -> Value {
        Value::List(items.into_iter().collect())
    }

    /// The word that a keyword or a string is: JSON has strings where EDN has keywords.
    pub fn name(&self) -> Option<&Arc<str>> {
        match self {
            Value::Keyword(name) | Value::Text(name) => Some(name),
            _ => None,
        }
    }

    /// The number, when it is an integer.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The items, when it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Int(number)
    }
}

/// Of EDN.
impl FromStr for Value {
    type Err = String;

    fn from_str(text: &str) -> Result<Value, String> {
        super::edn::Forms::single(text.as_bytes()).map_err(|(_, reason)| reason)
    }
}

/// As EDN.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::edn::write_value(f, self)
    }
}
