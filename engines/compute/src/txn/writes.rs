//! The write set: private until commit.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::btree::Write;
use crate::cell::CellKey;

/// What a transaction is going to write, rows and index entries alike, in order of cell.
#[derive(Clone, Debug, Default)]
pub struct WriteSet {
    cells: BTreeMap<CellKey, Pending>,
    size_bytes: usize,
}

/// One cell before and after the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The committed value, `None` when there is none. It cannot change: the cell is locked.
    pub base: Option<Bytes>,
    /// The value after the transaction, `None` when the cell is to go.
    pub new: Option<Bytes>,
}

impl Pending {
    /// The write that brings the committed value to the new one, `None` when there is nothing to write.
    ///
    /// A row that is written again as it was is patched with its own first bytes: whoever wrote has a commit LSN of its own.
    pub fn write<'a>(&'a self, key: &'a [u8]) -> Option<Write<'a>> {
        match (&self.base, &self.new) {
            (None, None) => None,
            (None, Some(value)) => Some(Write::Insert { key, value }),
            (Some(_), None) => Some(Write::Remove { key }),
            (Some(base), Some(new)) if base.len() == new.len() => {
                // An index entry's value is empty.
                (!new.is_empty()).then(|| patch(key, base, new))
            }
            (Some(_), Some(value)) => Some(Write::Replace { key, value }),
        }
    }

    fn is_effect(&self) -> bool {
        match (&self.base, &self.new) {
            (Some(base), Some(new)) => !(base.is_empty() && new.is_empty()),
            (base, new) => base.is_some() || new.is_some(),
        }
    }
}

/// The shortest single patch from `base` to `new`, which have the same length; the whole value when most of it changes.
fn patch<'a>(key: &'a [u8], base: &[u8], new: &'a [u8]) -> Write<'a> {
    let Some(start) = first_difference(base, new) else {
        return Write::Patch { key, offset: 0, bytes: &new[..1] };
    };
    let end = end_of_differences(base, new);
    match u16::try_from(start) {
        Ok(offset) if end - start + 2 < new.len() => Write::Patch { key, offset, bytes: &new[start..end] },
        _ => Write::Replace { key, value: new },
    }
}

/// Values are compared in pieces of this many bytes, and byte by byte only where a piece differs.
const PIECE_BYTES: usize = 16;

/// Where the first byte is that differs.
fn first_difference(base: &[u8], new: &[u8]) -> Option<usize> {
    let pieces = base.chunks(PIECE_BYTES).zip(new.chunks(PIECE_BYTES));
    let (piece, (base, new)) = pieces.enumerate().find(|(_, (base, new))| base != new)?;
    let within = base.iter().zip(new).position(|(base, new)| base != new)?;
    Some(piece * PIECE_BYTES + within)
}

/// Behind the last byte that differs; zero when none does.
fn end_of_differences(base: &[u8], new: &[u8]) -> usize {
    let mut end = new.len();
    let pieces = base.rchunks(PIECE_BYTES).zip(new.rchunks(PIECE_BYTES));
    for (base, new) in pieces {
        if base != new {
            let alike = base.iter().rev().zip(new.iter().rev()).take_while(|(base, new)| base == new).count();
            return end - alike;
        }
        end -= new.len();
    }
    end
}

impl WriteSet {
    /// The pending state of a cell.
    pub fn get(&self, cell: &[u8]) -> Option<&Pending> {
        if self.cells.is_empty() { None } else { self.cells.get(cell) }
    }

    /// Sets what becomes of a cell. `base` is its committed value, and is ignored when the cell is in the set already.
    pub fn set(&mut self, cell: &CellKey, base: Option<Bytes>, new: Option<Bytes>) {
        let new_bytes = new.as_ref().map_or(0, Bytes::len);
        match self.cells.get_mut(cell.as_bytes()) {
            Some(pending) => {
                let old_bytes = pending.new.as_ref().map_or(0, Bytes::len);
                self.size_bytes = self.size_bytes - old_bytes + new_bytes;
                pending.new = new;
            }
            None => {
                self.size_bytes += cell.as_bytes().len() + new_bytes;
                self.cells.insert(cell.clone(), Pending { base, new });
            }
        }
    }

    /// The pending cells of `from..to`, in order.
    pub fn range(&self, from: &[u8], to: &[u8]) -> impl Iterator<Item = (&CellKey, &Pending)> {
        // An empty or inverted range is a question a client may ask.
        let to = to.max(from);
        self.cells.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)))
    }

    /// The cells that commit writes: not those that were absent and will be, and not index entries that stay.
    pub fn effects(&self) -> impl Iterator<Item = (&CellKey, &Pending)> {
        self.cells.iter().filter(|(_, pending)| pending.is_effect())
    }

    /// Bytes of keys and new values.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Empties the set.
    pub fn clear(&mut self) {
        self.cells.clear();
        self.size_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_what_differs_between_the_first_and_the_last_change() {
        let base: Vec<u8> = (0..100).collect();
        for (first, last) in [(0, 0), (0, 40), (15, 16), (16, 31), (17, 80), (83, 84), (99, 99)] {
            let mut new = base.clone();
            new[first] ^= 0x80;
            new[last] |= 0x80;
            let expected = Write::Patch { key: b"k", offset: first as u16, bytes: &new[first..=last] };
            assert_eq!(patch(b"k", &base, &new), expected);
        }
        let mut new = base.clone();
        (new[0], new[98]) = (0x80, 0x80);
        assert_eq!(patch(b"k", &base, &new), Write::Replace { key: b"k", value: &new });
        assert_eq!(patch(b"k", &base, &base), Write::Patch { key: b"k", offset: 0, bytes: &[0] });
        assert_eq!((first_difference(&base, &base), end_of_differences(&base, &base)), (None, 0));
    }
}
