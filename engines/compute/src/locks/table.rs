//! The lock table.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use crate::cell::CellKey;

/// Who holds or wants locks: a dense number, used again after a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner(pub u32);

/// What a request for a lock came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Acquired {
    /// It is held.
    Yes,
    /// The owner waits; [`LockTable::release`] by another will name it.
    Waits,
}

/// The place of a waiting request: upgrades first, then by arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    queued: bool,
    arrival: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct CellLock {
    pub(super) holder: Option<Owner>,
    /// Those who want it, by ticket.
    pub(super) queue: VecDeque<(Ticket, Owner)>,
}

#[derive(Clone, Debug)]
pub(super) struct RangeLock {
    pub(super) owner: Owner,
    pub(super) from: CellKey,
    pub(super) to: CellKey,
    /// The ticket of the wait, `None` once granted.
    pub(super) waits: Option<Ticket>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct OwnerLocks {
    held: Vec<CellKey>,
    pub(super) waiting: Option<Waiting>,
    /// When the owner began; the highest of a cycle is the youngest.
    pub(super) age: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Waiting {
    Cell(CellKey, Ticket),
    Range,
}

/// All locks of a database.
#[derive(Clone, Debug, Default)]
pub struct LockTable {
    pub(super) cells: BTreeMap<CellKey, CellLock>,
    /// Granted and waiting ranges, in order of arrival. Few: only locking transactions have any.
    pub(super) ranges: Vec<RangeLock>,
    pub(super) owners: Vec<OwnerLocks>,
    arrivals: u64,
}

impl LockTable {
    /// No locks.
    pub fn new() -> LockTable {
        LockTable::default()
    }

    /// Tells how old an owner is before it asks for its first lock.
    pub fn set_age(&mut self, owner: Owner, age: u64) {
        let index = owner.0 as usize;
        if self.owners.len() <= index {
            self.owners.resize_with(index + 1, OwnerLocks::default);
        }
        self.owners[index].age = age;
    }

    /// Whether the owner waits.
    pub fn is_waiting(&self, owner: Owner) -> bool {
        self.owners[owner.0 as usize].waiting.is_some()
    }

    /// Whether nobody holds or wants anything.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.ranges.is_empty()
    }

    /// Asks for the exclusive lock of a cell. Panics when the owner waits already.
    pub fn exclusive(&mut self, owner: Owner, cell: &CellKey) -> Acquired {
        assert!(!self.is_waiting(owner), "an owner waits for one lock at a time");
        let ranges_conflict = |granted_only: bool| {
            self.ranges
                .iter()
                .any(|range| range.owner != owner && range.contains(cell) && (range.waits.is_none() || !granted_only))
        };
        let upgrade = self.shares(owner, cell);
        let blocked_by_range = !self.ranges.is_empty() && ranges_conflict(upgrade);
        let lock = self.cells.entry(cell.clone());
        let blocked = match &lock {
            Entry::Occupied(lock) if lock.get().holder == Some(owner) => return Acquired::Yes,
            Entry::Occupied(lock) => {
                let CellLock { holder, queue } = lock.get();
                blocked_by_range || holder.is_some() || !(upgrade || queue.is_empty())
            }
            Entry::Vacant(_) => blocked_by_range,
        };
        if !blocked {
            lock.or_default().holder = Some(owner);
            self.owners[owner.0 as usize].held.push(cell.clone());
            return Acquired::Yes;
        }
        let ticket = self.ticket(!upgrade);
        let queue = &mut self.cells.entry(cell.clone()).or_default().queue;
        let place = queue.partition_point(|(other, _)| *other < ticket);
        queue.insert(place, (ticket, owner));
        self.owners[owner.0 as usize].waiting = Some(Waiting::Cell(cell.clone(), ticket));
        Acquired::Waits
    }

    /// Asks for the shared lock of all cells and gaps in `from..to`. Panics when the owner waits already.
    pub fn shared(&mut self, owner: Owner, from: &[u8], to: &[u8]) -> Acquired {
        assert!(!self.is_waiting(owner), "an owner waits for one lock at a time");
        let covered = |range: &RangeLock| {
            range.is_granted_to(owner) && range.from.as_bytes() <= from && to <= range.to.as_bytes()
        };
        if from >= to || self.ranges.iter().any(covered) {
            return Acquired::Yes;
        }
        let blocked = self.range_blockers(owner, from, to, None).next().is_some();
        if !blocked && let Some(last) = self.ranges.iter_mut().rfind(|range| range.owner == owner) {
            // A scan in pieces: let its lock grow.
            if last.to.as_bytes() == from {
                last.to = CellKey::of_bytes(to);
                return Acquired::Yes;
            }
        }
        let waits = blocked.then(|| self.ticket(true));
        self.ranges.push(RangeLock { owner, from: CellKey::of_bytes(from), to: CellKey::of_bytes(to), waits });
        if !blocked {
            return Acquired::Yes;
        }
        self.owners[owner.0 as usize].waiting = Some(Waiting::Range);
        Acquired::Waits
    }

    /// Gives up everything the owner holds or waits for. Those who now have what they waited for are appended to `granted`,
    /// in order of arrival.
    pub fn release(&mut self, owner: Owner, granted: &mut Vec<Owner>) {
        let state = &mut self.owners[owner.0 as usize];
        let waiting = state.waiting.take();
        let mut held = std::mem::take(&mut state.held);
        // Cells whose queue may move.
        let mut stirred = Vec::new();
        if let Some(Waiting::Cell(cell, _)) = waiting
            && let Some(lock) = self.cells.get_mut(cell.as_bytes())
        {
            lock.queue.retain(|(_, other)| *other != owner);
            if lock.holder.is_none() && lock.queue.is_empty() {
                self.cells.remove(cell.as_bytes());
            } else {
                stirred.push(cell);
            }
        }
        for cell in held.drain(..) {
            let Entry::Occupied(mut lock) = self.cells.entry(cell) else { panic!("a held lock is in the table") };
            lock.get_mut().holder = None;
            if lock.get().queue.is_empty() {
                lock.remove();
            } else {
                stirred.push(lock.key().clone());
            }
        }
        self.owners[owner.0 as usize].held = held;
        if !self.ranges.is_empty() {
            self.release_ranges(owner, &mut stirred);
        }
        if !stirred.is_empty() || !self.ranges.is_empty() {
            self.grant(stirred, granted);
        }
    }

    fn release_ranges(&mut self, owner: Owner, stirred: &mut Vec<CellKey>) {
        let cells = &self.cells;
        self.ranges.retain(|range| {
            if range.owner == owner {
                let inside = cells.range::<[u8], _>(range.bounds());
                stirred.extend(inside.filter(|(_, lock)| !lock.queue.is_empty()).map(|(cell, _)| cell.clone()));
            }
            range.owner != owner
        });
    }

    /// Serves whoever can be served: the first of each stirred queue, and waiting ranges, by ticket. One pass is enough, since
    /// a grant blocks whatever the wait blocked.
    fn grant(&mut self, stirred: Vec<CellKey>, granted: &mut Vec<Owner>) {
        let firsts = stirred.iter().filter_map(|cell| self.cells.get(cell.as_bytes())?.queue.front().copied());
        let ranges = self.ranges.iter().filter_map(|range| Some((range.waits?, range.owner)));
        let mut candidates: Vec<(Ticket, Owner)> = firsts.chain(ranges).collect();
        candidates.sort_unstable();
        candidates.dedup();
        for (_, owner) in candidates {
            if self.blockers(owner).next().is_some() {
                continue;
            }
            let state = &mut self.owners[owner.0 as usize];
            match state.waiting.take().expect("a candidate waits") {
                Waiting::Cell(cell, _) => {
                    let lock = self.cells.get_mut(cell.as_bytes()).expect("a queue is in the table");
                    lock.queue.retain(|(_, other)| *other != owner);
                    lock.holder = Some(owner);
                    state.held.push(cell);
                }
                Waiting::Range => {
                    let waiting = self.ranges.iter_mut().find(|range| range.owner == owner && range.waits.is_some());
                    waiting.expect("a waiting range is in the table").waits = None;
                }
            }
            granted.push(owner);
        }
    }

    /// Whom a waiting owner waits for; of those before it in a queue only the last, who waits for the others.
    pub(super) fn blockers(&self, owner: Owner) -> Box<dyn Iterator<Item = Owner> + '_> {
        match &self.owners[owner.0 as usize].waiting {
            None => Box::new(std::iter::empty()),
            Some(Waiting::Cell(cell, ticket)) => {
                let (cell, ticket) = (cell.clone(), *ticket);
                let lock = &self.cells[cell.as_bytes()];
                let before = lock.queue.iter().rev().find(move |(other, _)| *other < ticket).map(|(_, other)| *other);
                let ranges = self.ranges.iter().filter(move |range| {
                    range.owner != owner && range.contains(&cell) && range.waits.is_none_or(|other| other < ticket)
                });
                Box::new(lock.holder.into_iter().chain(before).chain(ranges.map(|range| range.owner)))
            }
            Some(Waiting::Range) => {
                let range = self.ranges.iter().find(|range| range.owner == owner && range.waits.is_some());
                let range = range.expect("a waiting range is in the table");
                Box::new(self.range_blockers(owner, range.from.as_bytes(), range.to.as_bytes(), range.waits))
            }
        }
    }

    fn range_blockers<'a>(
        &'a self,
        owner: Owner,
        from: &'a [u8],
        to: &'a [u8],
        ticket: Option<Ticket>,
    ) -> impl Iterator<Item = Owner> + 'a {
        self.cells
            .range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)))
            .filter(move |(cell, lock)| lock.holder != Some(owner) && !self.shares(owner, cell))
            .flat_map(move |(_, lock)| {
                let before =
                    lock.queue.iter().rev().find(move |(other, _)| ticket.is_none_or(|ticket| *other < ticket));
                lock.holder.into_iter().chain(before.map(|(_, other)| *other))
            })
    }

    fn shares(&self, owner: Owner, cell: &CellKey) -> bool {
        self.ranges.iter().any(|range| range.is_granted_to(owner) && range.contains(cell))
    }

    fn ticket(&mut self, queued: bool) -> Ticket {
        self.arrivals += 1;
        Ticket { queued, arrival: self.arrivals }
    }
}

impl RangeLock {
    fn contains(&self, cell: &CellKey) -> bool {
        self.from <= *cell && *cell < self.to
    }

    fn is_granted_to(&self, owner: Owner) -> bool {
        self.owner == owner && self.waits.is_none()
    }

    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (Bound::Included(self.from.as_bytes()), Bound::Excluded(self.to.as_bytes()))
    }
}
