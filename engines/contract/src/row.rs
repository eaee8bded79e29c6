//! Keys and rows.

use std::fmt;

use bytes::{BufMut, Bytes};

/// A primary key: bytes compared lexicographically. Integers are stored big-endian so that order is kept.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub Bytes);

impl Key {
    /// The key of an unsigned integer, ordered like the integer.
    pub fn from_u64(value: u64) -> Key {
        Key(Bytes::copy_from_slice(&value.to_be_bytes()))
    }

    /// The key of these bytes.
    pub fn copy(bytes: &[u8]) -> Key {
        Key(Bytes::copy_from_slice(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match <[u8; 8]>::try_from(&self.0[..]) {
            Ok(eight) => write!(f, "key:{}", u64::from_be_bytes(eight)),
            Err(_) => write!(f, "key:\"{}\"", self.0.escape_ascii()),
        }
    }
}

/// A row's fields, encoded: count `u16`, then each field as length `u16` and bytes, little-endian.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row(Bytes);

impl Row {
    /// Encodes fields. Panics when there are more than 65,535 fields or a field has more than 65,535 bytes.
    pub fn new<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Row {
        let mut buffer = Vec::with_capacity(64);
        buffer.put_u16_le(0);
        let mut count: u16 = 0;
        for field in fields {
            buffer.put_u16_le(u16::try_from(field.len()).expect("a field has at most 65,535 bytes"));
            buffer.put_slice(field);
            count = count.checked_add(1).expect("a row has at most 65,535 fields");
        }
        buffer[..2].copy_from_slice(&count.to_le_bytes());
        Row(buffer.into())
    }

    /// Takes encoded bytes, or `None` when they are not a row.
    pub fn parse(bytes: Bytes) -> Option<Row> {
        is_row(&bytes).then_some(Row(bytes))
    }

    /// The encoded bytes.
    pub fn encoded(&self) -> &Bytes {
        &self.0
    }

    /// The fields in order.
    pub fn fields(&self) -> impl Iterator<Item = &[u8]> {
        fields_of(&self.0)
    }

    /// Field number `index`, from 0.
    pub fn field(&self, index: usize) -> Option<&[u8]> {
        self.fields().nth(index)
    }

    /// This row with field `index` replaced. `None` when there is no such field.
    pub fn with_field(&self, index: usize, value: &[u8]) -> Option<Row> {
        self.field(index)?;
        Some(Row::new(self.fields().enumerate().map(|(at, field)| if at == index { value } else { field })))
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fields().map(|field| field.escape_ascii().to_string())).finish()
    }
}

/// The fields of an encoded row, without a check; stops early on bytes that are not a row.
pub fn fields_of(encoded: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = encoded.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (len, tail) = rest.split_first_chunk::<2>()?;
        let (field, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
        rest = tail;
        Some(field)
    })
}

fn is_row(encoded: &[u8]) -> bool {
    let Some(count) = encoded.first_chunk::<2>() else { return false };
    let (mut seen, mut end) = (0usize, 2usize);
    for field in fields_of(encoded) {
        seen += 1;
        end += 2 + field.len();
    }
    seen == usize::from(u16::from_le_bytes(*count)) && end == encoded.len()
}
