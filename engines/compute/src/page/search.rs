//! Finding a key on a page.
//!
//! Every probe of a page that is not in the processor's cache waits for memory, and bisection of a page of 800 index
//! entries makes ten. Keys are mostly dense or evenly spread, so the search first guesses where the key should be between
//! the page's lowest and highest, then widens around the guess until the key is enclosed, then bisects. Keys that are
//! neither dense nor even cost twice the probes of bisection at worst.
//!
//! One key is looked for on one page several times in a row: by the statement that reads it, by the commit that plans its
//! change, by the record that makes it. So a page remembers where the last key looked for was ([`Hint`]). What it remembers
//! is checked against the cells before it is believed, so edits need not keep it right.

use std::cell::Cell;
use std::cmp::Ordering;

use super::Page;
use super::cells::{cell_bounds, slot};

/// Below this many cells guessing does not pay.
const GUESS_CELLS_MIN: usize = 8;

/// Where the last key looked for was, or would have been: its first eight bytes and the number of the cell.
#[derive(Clone, Debug, Default)]
pub(super) struct Hint(Cell<(u64, u16)>);

impl Page {
    /// The number of the cell with this key, or else of the first cell above it.
    #[inline]
    pub fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let start = digits(key, 0);
        let (last, index) = self.hint.0.get();
        if last == start
            && let Some(found) = self.check_hint(key, usize::from(index))
        {
            return found;
        }
        let found = self.search_all(key);
        let index = found.unwrap_or_else(|above| above);
        self.hint.0.set((start, index as u16));
        found
    }

    /// What the search would find, if that is at `index`.
    #[inline]
    fn check_hint(&self, key: &[u8], index: usize) -> Option<Result<usize, usize>> {
        let (bytes, count) = (self.bytes(), self.count());
        if index > count {
            return None;
        }
        if index < count {
            match compare(key_at(bytes, index), key) {
                Ordering::Equal => return Some(Ok(index)),
                Ordering::Less => return None,
                Ordering::Greater => {}
            }
        }
        let is_above_the_rest = index == 0 || compare(key_at(bytes, index - 1), key) == Ordering::Less;
        is_above_the_rest.then_some(Err(index))
    }

    fn search_all(&self, key: &[u8]) -> Result<usize, usize> {
        let (bytes, count) = (self.bytes(), self.count());
        if count < GUESS_CELLS_MIN {
            return bisect(bytes, key, 0, count);
        }
        let (first, last) = (key_at(bytes, 0), key_at(bytes, count - 1));
        match compare(key, last) {
            Ordering::Greater => return Err(count),
            Ordering::Equal => return Ok(count - 1),
            Ordering::Less => {}
        }
        match compare(key, first) {
            Ordering::Less => return Err(0),
            Ordering::Equal => return Ok(0),
            Ordering::Greater => {}
        }
        around(bytes, key, guess(first, last, key, count), count)
    }
}

/// Where `key`, which lies between `first` and `last`, should be if the keys are evenly spread: neither end.
fn guess(first: &[u8], last: &[u8], key: &[u8], count: usize) -> usize {
    let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    let (low, high, key) = (digits(first, common), digits(last, common), digits(key, common));
    let share = (key.saturating_sub(low)) as f64 / (high.saturating_sub(low)).max(1) as f64;
    ((share * (count - 1) as f64 + 0.5) as usize).clamp(1, count - 2)
}

/// The order of two keys. Most are told apart by their first eight bytes, without a call.
#[inline]
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    match (a.split_first_chunk::<8>(), b.split_first_chunk::<8>()) {
        (Some((a, a_rest)), Some((b, b_rest))) => {
            let order = u64::from_be_bytes(*a).cmp(&u64::from_be_bytes(*b));
            if order != Ordering::Equal || (a_rest.is_empty() && b_rest.is_empty()) {
                order
            } else {
                a_rest.cmp(b_rest)
            }
        }
        _ => a.cmp(b),
    }
}

/// The eight bytes of a key after `skip`, as a number in the order of keys.
#[inline]
fn digits(key: &[u8], skip: usize) -> u64 {
    let tail = &key[skip.min(key.len())..];
    match tail.first_chunk::<8>() {
        Some(eight) => u64::from_be_bytes(*eight),
        None => {
            let mut eight = [0; 8];
            eight[..tail.len()].copy_from_slice(tail);
            u64::from_be_bytes(eight)
        }
    }
}

/// Searches from `guess` outwards. The key lies between the first and the last cell.
fn around(bytes: &[u8], key: &[u8], guess: usize, count: usize) -> Result<usize, usize> {
    let mut step = 1;
    match compare(key_at(bytes, guess), key) {
        Ordering::Equal => Ok(guess),
        Ordering::Less => {
            let mut low = guess + 1;
            loop {
                let probe = low + step - 1;
                if probe >= count - 1 {
                    return bisect(bytes, key, low, count - 1);
                }
                match compare(key_at(bytes, probe), key) {
                    Ordering::Equal => return Ok(probe),
                    Ordering::Greater => return bisect(bytes, key, low, probe),
                    Ordering::Less => (low, step) = (probe + 1, step * 2),
                }
            }
        }
        Ordering::Greater => {
            let mut high = guess;
            loop {
                let Some(probe) = high.checked_sub(step).filter(|probe| *probe > 0) else {
                    return bisect(bytes, key, 1, high);
                };
                match compare(key_at(bytes, probe), key) {
                    Ordering::Equal => return Ok(probe),
                    Ordering::Less => return bisect(bytes, key, probe + 1, high),
                    Ordering::Greater => (high, step) = (probe, step * 2),
                }
            }
        }
    }
}

#[inline]
fn bisect(bytes: &[u8], key: &[u8], mut low: usize, mut high: usize) -> Result<usize, usize> {
    while low < high {
        let middle = (low + high) / 2;
        match compare(key_at(bytes, middle), key) {
            Ordering::Less => low = middle + 1,
            Ordering::Equal => return Ok(middle),
            Ordering::Greater => high = middle,
        }
    }
    Err(low)
}

#[inline]
fn key_at(bytes: &[u8], index: usize) -> &[u8] {
    let (start, end, _) = cell_bounds(bytes, slot(bytes, index));
    &bytes[start..end]
}
