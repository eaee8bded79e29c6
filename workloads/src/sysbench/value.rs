//! Self-describing `c` and `pad`, in sysbench's own format.
//!
//! Digits of `c`: nonce 18, place 20, stamp 20, random 34, checksum 18. Digits of `pad`: place 20, stamp 20, checksum 15.
//! *Place* is table and id. Place and stamp are masked (in `c` by the nonce, in `pad` by the checksum), so that the digits
//! look as random as the original's. The checksum of `c` is over the digits before it, that of `pad` over place and stamp.

use contract::{Key, Row, TableId};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::digits;
use super::{FIELD_C, FIELD_K, FIELD_PAD};
use crate::rng::mix;
use crate::{Rng, Stamp};

/// Characters of `c`.
pub const C_BYTES: usize = 119;
/// Characters of `pad`.
pub const PAD_BYTES: usize = 59;

const C_DIGITS: usize = 110;
const PAD_DIGITS: usize = 55;
const C_SUM: usize = 92;
const PAD_SUM: usize = 40;
const TEN_18: u64 = 1_000_000_000_000_000_000;
const TEN_15: u64 = 1_000_000_000_000_000;
const ID_BITS: u32 = 48;

/// Whose value it is and who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub table: TableId,
    pub id: u64,
    pub stamp: Stamp,
}

/// A whole row.
pub fn row(table: TableId, id: u64, k: u64, stamp: Stamp, rng: &mut Rng) -> Row {
    let (c, pad) = (c(table, id, stamp, rng), pad(table, id, stamp));
    Row::new([&k.to_be_bytes()[..], &c, &pad])
}

/// A value for `c`.
pub fn c(table: TableId, id: u64, stamp: Stamp, rng: &mut Rng) -> [u8; C_BYTES] {
    let mut text = [0; C_DIGITS];
    let nonce = rng.next_u64() % TEN_18;
    digits::write(nonce, &mut text[..18]);
    digits::write(place(table, id) ^ mix(nonce), &mut text[18..38]);
    digits::write(stamp.to_u64() ^ mix(nonce + 1), &mut text[38..58]);
    digits::write(rng.next_u64(), &mut text[58..75]);
    digits::write(rng.next_u64(), &mut text[75..C_SUM]);
    let sum = xxh3_64_with_seed(&text[..C_SUM], u64::from(FIELD_C)) % TEN_18;
    digits::write(sum, &mut text[C_SUM..]);
    let mut out = [0; C_BYTES];
    digits::join(&text, &mut out);
    out
}

/// A value for `pad`.
pub fn pad(table: TableId, id: u64, stamp: Stamp) -> [u8; PAD_BYTES] {
    let mut text = [0; PAD_DIGITS];
    let sum = pad_sum(place(table, id), stamp);
    digits::write(place(table, id) ^ mix(sum), &mut text[..20]);
    digits::write(stamp.to_u64() ^ mix(sum + 1), &mut text[20..PAD_SUM]);
    digits::write(sum, &mut text[PAD_SUM..]);
    let mut out = [0; PAD_BYTES];
    digits::join(&text, &mut out);
    out
}

/// Reads a `c`. The error is the finding.
pub fn read_c(text: &[u8]) -> Result<Origin, String> {
    let digits = digits::split::<C_DIGITS>(text).ok_or_else(|| malformed("c", text))?;
    if digits::read(&digits[C_SUM..]) != xxh3_64_with_seed(&digits[..C_SUM], u64::from(FIELD_C)) % TEN_18 {
        return Err(damaged("c", text));
    }
    let nonce = digits::read(&digits[..18]);
    let place = digits::read(&digits[18..38]) ^ mix(nonce);
    let stamp = Stamp::from_u64(digits::read(&digits[38..58]) ^ mix(nonce + 1));
    Ok(origin(place, stamp))
}

/// Reads a `pad`. The error is the finding.
pub fn read_pad(text: &[u8]) -> Result<Origin, String> {
    let digits = digits::split::<PAD_DIGITS>(text).ok_or_else(|| malformed("pad", text))?;
    let sum = digits::read(&digits[PAD_SUM..]);
    let place = digits::read(&digits[..20]) ^ mix(sum);
    let stamp = Stamp::from_u64(digits::read(&digits[20..PAD_SUM]) ^ mix(sum + 1));
    if sum != pad_sum(place, stamp) {
        return Err(damaged("pad", text));
    }
    Ok(origin(place, stamp))
}

/// Checks a whole row. The error is the finding.
pub fn verify_row(table: TableId, key: &Key, row: &Row) -> Result<(Origin, Origin), String> {
    let mut fields = row.fields();
    let id = match <[u8; 8]>::try_from(key.as_bytes()) {
        Ok(bytes) => u64::from_be_bytes(bytes),
        Err(_) => return Err(format!("{key:?} of table {} is no id", table.0)),
    };
    let (Some(k), Some(c), Some(pad), None) = (fields.next(), fields.next(), fields.next(), fields.next()) else {
        return Err(format!("row {id} of table {} has not the fields k, c, pad: {row:?}", table.0));
    };
    if k.len() != 8 {
        return Err(format!("field {FIELD_K} of row {id} of table {} is no number: {k:?}", table.0));
    }
    let (c, pad) = (read_c(c)?, read_pad(pad)?);
    for (name, origin) in [("c", c), ("pad", pad)] {
        belongs(name, origin, table, id..=id)?;
    }
    Ok((c, pad))
}

/// Checks that a value is of one of the rows asked for.
pub fn belongs(name: &str, origin: Origin, table: TableId, ids: std::ops::RangeInclusive<u64>) -> Result<(), String> {
    if origin.table == table && ids.contains(&origin.id) {
        return Ok(());
    }
    Err(format!(
        "asked for rows {} to {} of table {}, got a {name} of row {} of table {}, written by {}",
        ids.start(),
        ids.end(),
        table.0,
        origin.id,
        origin.table.0,
        origin.stamp
    ))
}

fn place(table: TableId, id: u64) -> u64 {
    u64::from(table.0) << ID_BITS | id
}

fn origin(place: u64, stamp: Stamp) -> Origin {
    Origin { table: TableId((place >> ID_BITS) as u16), id: place & ((1 << ID_BITS) - 1), stamp }
}

fn pad_sum(place: u64, stamp: Stamp) -> u64 {
    let both = [place.to_le_bytes(), stamp.to_u64().to_le_bytes()];
    xxh3_64_with_seed(both.as_flattened(), u64::from(FIELD_PAD)) % TEN_15
}

fn malformed(name: &str, text: &[u8]) -> String {
    format!("{name} is not groups of eleven digits: \"{}\"", text.escape_ascii())
}

fn damaged(name: &str, text: &[u8]) -> String {
    format!("{name} does not match its checksum: \"{}\"", text.escape_ascii())
}
