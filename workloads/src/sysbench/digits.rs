//! Groups of eleven digits joined by `-`, the format of `c` and `pad`.

/// Digits in a group.
const GROUP: usize = 11;

/// Writes `digits` (a multiple of eleven) with a dash between groups. `text` has the length of both together.
pub fn join(digits: &[u8], text: &mut [u8]) {
    for (group, place) in digits.chunks_exact(GROUP).zip(text.chunks_mut(GROUP + 1)) {
        place[..GROUP].copy_from_slice(group);
        if let Some(dash) = place.get_mut(GROUP) {
            *dash = b'-';
        }
    }
}

/// The reverse of [`join`]. `None` when the length, a dash or a digit is wrong.
pub fn split<const DIGITS: usize>(text: &[u8]) -> Option<[u8; DIGITS]> {
    if text.len() != DIGITS + DIGITS / GROUP - 1 {
        return None;
    }
    let mut digits = [0; DIGITS];
    for (group, place) in digits.chunks_exact_mut(GROUP).zip(text.chunks(GROUP + 1)) {
        group.copy_from_slice(&place[..GROUP]);
        if place.get(GROUP).is_some_and(|dash| *dash != b'-') {
            return None;
        }
    }
    // One pass without an early exit compiles to vector code.
    let all = digits.iter().fold(true, |all, digit| all & digit.is_ascii_digit());
    all.then_some(digits)
}

/// Writes the low `out.len()` decimal digits of `value`, with leading zeros.
pub fn write(mut value: u64, out: &mut [u8]) {
    for pair in out.rchunks_mut(2) {
        let two = (value % 100) as u8;
        value /= 100;
        match pair {
            [one] => *one = b'0' + two % 10,
            [ten, one] => (*ten, *one) = (b'0' + two / 10, b'0' + two % 10),
            _ => unreachable!("chunks of two"),
        }
    }
}

/// Reads decimal digits, wrapping.
pub fn read(digits: &[u8]) -> u64 {
    digits.iter().fold(0u64, |value, digit| value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}
