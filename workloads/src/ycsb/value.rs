//! Keys, and self-describing fields: key number `u64`, stamp `u64`, field `u16`, 74 random bytes, checksum `u64`.

use contract::{Key, Row};
use xxhash_rust::xxh3::xxh3_64;

use crate::distribution::fnv_hash;
use crate::{Rng, Stamp};

/// Fields of a row.
pub const FIELDS: usize = 10;
/// Bytes of a field.
pub const FIELD_BYTES: usize = 100;
const SUM: usize = FIELD_BYTES - 8;

/// The key of key number `number`.
pub fn key(number: u64) -> Key {
    let mut text = [0u8; 24];
    text[..4].copy_from_slice(b"user");
    let mut rest = fnv_hash(number);
    let mut start = text.len();
    loop {
        start -= 1;
        text[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let digits = text.len() - start;
    text.copy_within(start.., 4);
    Key::copy(&text[..4 + digits])
}

/// A value for field `field` of key number `number`.
pub fn field(number: u64, field: u16, stamp: Stamp, rng: &mut Rng) -> [u8; FIELD_BYTES] {
    let mut bytes = [0; FIELD_BYTES];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[8..16].copy_from_slice(&stamp.to_u64().to_le_bytes());
    bytes[16..18].copy_from_slice(&field.to_le_bytes());
    for chunk in bytes[18..SUM].chunks_mut(8) {
        chunk.copy_from_slice(&rng.next_u64().to_le_bytes()[..chunk.len()]);
    }
    let sum = xxh3_64(&bytes[..SUM]);
    bytes[SUM..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// A whole row.
pub fn row(number: u64, stamp: Stamp, rng: &mut Rng) -> Row {
    let fields: [[u8; FIELD_BYTES]; FIELDS] = std::array::from_fn(|at| field(number, at as u16, stamp, rng));
    Row::new(fields.iter().map(|field| &field[..]))
}

/// Checks a stored row against its key and gives the key's number. The error is the finding.
pub fn verify_row(of: &Key, row: &Row) -> Result<u64, String> {
    let mut number = None;
    let mut count = 0;
    for (at, bytes) in row.fields().enumerate() {
        let (place, stamp) = read(at, bytes).map_err(|finding| format!("{of:?} {finding}"))?;
        if *number.get_or_insert(place) != place {
            return Err(format!("{of:?} field{at} belongs to key number {place}, written by {stamp}"));
        }
        count += 1;
    }
    match number {
        Some(number) if count == FIELDS && key(number) == *of => Ok(number),
        Some(number) if count == FIELDS => Err(format!("{of:?} holds the row of key number {number}")),
        _ => Err(format!("{of:?} has {count} fields, not {FIELDS}")),
    }
}

fn read(at: usize, bytes: &[u8]) -> Result<(u64, Stamp), String> {
    if bytes.len() != FIELD_BYTES || xxh3_64(&bytes[..SUM]) != number_at(bytes, SUM) {
        return Err(format!("field{at} does not match its checksum: \"{}\"", bytes.escape_ascii()));
    }
    let field = u16::from_le_bytes([bytes[16], bytes[17]]);
    if usize::from(field) != at {
        return Err(format!("field{at} holds the value of field{field}"));
    }
    Ok((number_at(bytes, 0), Stamp::from_u64(number_at(bytes, 8))))
}

fn number_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
