//! A node's timers, cheap to move.
//!
//! A timeout is typically moved on every event and hardly ever fires. Moving it later leaves its one entry in the queue
//! where it is; when that entry comes up early, it is put back at the time the timer has meanwhile been given.

use hashbrown::HashMap;
use node::{Nanos, TimerId};
use rustc_hash::FxBuildHasher;

use crate::queue::Order;

/// One timer that is set, or whose entry is still in the queue.
#[derive(Clone, Copy, Debug)]
struct Timer {
    /// Counts settings, over all timers of the node.
    set: u64,
    /// When it is due, and its place among what is due then. `None` when cancelled.
    due: Option<(Nanos, Order)>,
    /// The entry in the queue that stands for it, if there is one, and when that comes up.
    entry: Option<(u64, Nanos)>,
}

/// What to do with a queue entry that came up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fired {
    /// Nothing: it stood for a timer that was cancelled or moved nearer.
    Nothing,
    /// Put it back.
    Later(Nanos, Order),
    /// The timer is due; the number tells this setting from later ones.
    Due(u64),
}

/// All timers of one node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    timers: HashMap<TimerId, Timer, FxBuildHasher>,
    settings: u64,
    entries: u64,
}

impl Timers {
    /// Sets or moves `timer`. Returns the entry to be queued, unless the one in the queue comes up early enough.
    pub(crate) fn set(&mut self, timer: TimerId, due: Nanos, order: Order) -> Option<u64> {
        self.settings += 1;
        let slot = self.timers.entry(timer).or_insert(Timer { set: 0, due: None, entry: None });
        slot.set = self.settings;
        slot.due = Some((due, order));
        if slot.entry.is_some_and(|(_, comes_up)| comes_up <= due) {
            return None;
        }
        self.entries += 1;
        slot.entry = Some((self.entries, due));
        Some(self.entries)
    }

    pub(crate) fn cancel(&mut self, timer: TimerId) {
        if let Some(slot) = self.timers.get_mut(&timer) {
            slot.due = None;
            if slot.entry.is_none() {
                self.timers.remove(&timer);
            }
        }
    }

    /// The entry `entry` of `timer` came up at `now`.
    pub(crate) fn fire(&mut self, timer: TimerId, entry: u64, now: Nanos) -> Fired {
        let Some(slot) = self.timers.get_mut(&timer) else { return Fired::Nothing };
        if slot.entry.is_none_or(|(current, _)| current != entry) {
            return Fired::Nothing;
        }
        match slot.due {
            Some((due, order)) if due > now => {
                slot.entry = Some((entry, due));
                Fired::Later(due, order)
            }
            Some(_) => {
                slot.entry = None;
                Fired::Due(slot.set)
            }
            None => {
                self.timers.remove(&timer);
                Fired::Nothing
            }
        }
    }

    /// Takes the timer if it is still set as it was when it became due, which may be some time ago.
    pub(crate) fn take(&mut self, timer: TimerId, set: u64) -> bool {
        let due = self.timers.get(&timer).is_some_and(|slot| slot.set == set && slot.due.is_some());
        if due {
            self.timers.remove(&timer);
        }
        due
    }

    /// Forgets all timers. Entries still in the queue come up for nothing.
    pub(crate) fn clear(&mut self) {
        self.timers.clear();
    }
}
