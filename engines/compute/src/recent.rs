//! Recent commits: for every cell written lately, the LSN of the last commit that wrote it.
//!
//! Two questions are answered from here, exactly and by cell: has anything in this range changed since I read it
//! (validation of optimistic reads), and is the last change to anything in this range durable (the wait of final replies
//! that wrote nothing).
//!
//! # Invariants
//!
//! - A write is remembered while it is not durable, whatever the map's size.
//! - A write is remembered while an open transaction read anything before it, up to `entries_max`; beyond that the oldest
//!   are forgotten and transactions that would need them fail validation. Forgetting never lets one pass.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use crate::cell::{CellKey, tree_of};
use crate::{Lsn, TreeId};

/// The last committed write of every cell written lately.
#[derive(Clone, Debug)]
pub struct Recent {
    last: BTreeMap<CellKey, Lsn>,
    /// Every write in order of commit; an entry is stale when `last` has a later LSN.
    order: VecDeque<(Lsn, CellKey)>,
    /// By tree, the LSN of its last write: most questions end here.
    last_of_tree: Vec<Lsn>,
    /// Writes at or below this may have been forgotten.
    floor: Lsn,
    /// The LSNs as of which open transactions first read, with their number.
    open: BTreeMap<Lsn, u32>,
    entries_max: usize,
}

impl Recent {
    /// Remembers nothing yet of `trees` trees, and up to `entries_max` durable writes.
    pub fn new(trees: usize, entries_max: usize) -> Recent {
        Recent {
            last: BTreeMap::new(),
            order: VecDeque::new(),
            last_of_tree: vec![Lsn::ZERO; trees],
            floor: Lsn::ZERO,
            open: BTreeMap::new(),
            entries_max,
        }
    }

    /// A commit at `lsn` wrote `cell`. LSNs do not fall from call to call.
    pub fn record(&mut self, cell: CellKey, lsn: Lsn) {
        let TreeId(tree) = cell.tree();
        self.last_of_tree[usize::from(tree)] = lsn;
        self.order.push_back((lsn, cell.clone()));
        self.last.insert(cell, lsn);
    }

    /// A transaction starts to read as of `seen`. What commits from now on is kept for it until [`Recent::close`].
    pub fn open(&mut self, seen: Lsn) {
        *self.open.entry(seen).or_insert(0) += 1;
    }

    /// A transaction that had opened at `seen` is over.
    pub fn close(&mut self, seen: Lsn) {
        let count = self.open.get_mut(&seen).expect("a transaction closes what it opened");
        *count -= 1;
        if *count == 0 {
            self.open.remove(&seen);
        }
    }

    /// Whether a cell in `from..to` was written after `seen`, or might have been. An empty `to` means the one cell `from`.
    pub fn changed_since(&self, from: &[u8], to: &[u8], seen: Lsn) -> bool {
        if self.last_of(from) <= seen {
            return false;
        }
        seen < self.floor || self.writes_in(from, to).any(|lsn| lsn > seen)
    }

    /// The highest LSN above `above` that wrote a cell in `from..to`, if it is remembered. An empty `to` means the one cell
    /// `from`.
    pub fn highest_in(&self, from: &[u8], to: &[u8], above: Lsn) -> Option<Lsn> {
        if self.last_of(from) <= above {
            return None;
        }
        self.writes_in(from, to).filter(|lsn| *lsn > above).max()
    }

    /// Forgets what nobody can ask for any more, now that the log is durable up to `durable`.
    pub fn prune(&mut self, durable: Lsn) {
        let needed = self.open.first_key_value().map_or(durable, |(seen, _)| durable.min(*seen));
        while let Some(&(lsn, _)) = self.order.front() {
            let crowded = self.order.len() > self.entries_max && lsn <= durable;
            if lsn > needed && !crowded {
                break;
            }
            self.floor = lsn;
            let Some((_, cell)) = self.order.pop_front() else { break };
            if let Entry::Occupied(last) = self.last.entry(cell)
                && *last.get() == lsn
            {
                last.remove();
            }
        }
    }

    /// How many writes are remembered.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    fn last_of(&self, cell: &[u8]) -> Lsn {
        self.last_of_tree[usize::from(tree_of(cell).0)]
    }

    fn writes_in<'a>(&'a self, from: &'a [u8], to: &'a [u8]) -> impl Iterator<Item = Lsn> + 'a {
        let end = if to.is_empty() { Bound::Included(from) } else { Bound::Excluded(to) };
        self.last.range::<[u8], _>((Bound::Included(from), end)).map(|(_, lsn)| *lsn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(key: &str) -> CellKey {
        CellKey::new(TreeId(1), key.as_bytes())
    }

    fn changed(recent: &Recent, from: &str, to: &str, seen: u64) -> bool {
        let end = if to.is_empty() { Vec::new() } else { cell(to).as_bytes().to_vec() };
        recent.changed_since(cell(from).as_bytes(), &end, Lsn(seen))
    }

    #[test]
    fn a_write_is_seen_by_its_row_and_its_gap_and_by_no_neighbour() {
        let mut recent = Recent::new(3, 100);
        recent.open(Lsn(4));
        recent.record(cell("m"), Lsn(5));
        assert!(changed(&recent, "m", "", 4) && !changed(&recent, "m", "", 5));
        assert!(!changed(&recent, "l", "", 4) && !changed(&recent, "m\0", "", 4));
        assert!(changed(&recent, "a", "z", 4) && changed(&recent, "m", "n", 4));
        assert!(!changed(&recent, "a", "m", 4) && !changed(&recent, "m\0", "z", 4));
        let other = CellKey::new(TreeId(2), b"m");
        assert!(!recent.changed_since(other.as_bytes(), &[], Lsn(4)));
    }

    #[test]
    fn a_write_is_kept_until_durable_and_until_no_open_reader_is_older() {
        let mut recent = Recent::new(2, 100);
        recent.open(Lsn(4));
        recent.record(cell("a"), Lsn(5));
        recent.record(cell("a"), Lsn(6));
        recent.prune(Lsn(9));
        assert!(changed(&recent, "a", "", 5));
        recent.close(Lsn(4));
        recent.prune(Lsn(5));
        assert_eq!(recent.len(), 1);
        assert_eq!(recent.highest_in(cell("a").as_bytes(), &[], Lsn(5)), Some(Lsn(6)));
        recent.prune(Lsn(6));
        assert_eq!((recent.len(), recent.last.len()), (0, 0));
    }

    #[test]
    fn a_crowded_map_forgets_durable_writes_and_fails_those_who_need_them() {
        let mut recent = Recent::new(2, 2);
        recent.open(Lsn(0));
        for lsn in 1..=5 {
            recent.record(cell(&format!("k{lsn}")), Lsn(lsn));
        }
        recent.prune(Lsn(0));
        assert_eq!(recent.len(), 5, "nothing is durable");
        recent.prune(Lsn(4));
        assert_eq!(recent.len(), 2);
        assert!(changed(&recent, "unrelated", "", 0), "an old reader cannot be told from a harmed one");
        assert!(!changed(&recent, "unrelated", "", 3));
    }
}
