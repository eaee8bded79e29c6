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
    let differs = |at: &usize| base[*at] != new[*at];
    let Some(start) = (0..new.len()).find(differs) else {
        return Write::Patch { key, offset: 0, bytes: &new[..1] };
    };
    let end = (start..new.len()).rev().find(differs).expect("one byte differs") + 1;
    match u16::try_from(start) {
        Ok(offset) if end - start + 2 < new.len() => Write::Patch { key, offset, bytes: &new[start..end] },
        _ => Write::Replace { key, value: new },
    }
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
