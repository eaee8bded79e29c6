//! Timers of the nodes of one thread, and things delayed until a time.
//!
//! # Mechanism
//!
//! A binary heap of due times. Retransmission timers are moved later far more often than they fire, so moving a
//! timer later leaves its heap entry where it is: the entry is put back at the new time when it surfaces. Only a
//! move to an earlier time adds an entry, and the older one is recognised as stale by its number.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use node::{Nanos, TimerId};
use rustc_hash::FxHashMap;

/// Timers by (host, id).
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<HeapEntry>>,
    set: FxHashMap<(usize, TimerId), Timer>,
    entries: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HeapEntry {
    due: Nanos,
    number: u64,
    host: usize,
    timer: TimerId,
}

#[derive(Debug)]
struct Timer {
    /// When to fire; `None` once cancelled.
    due: Option<Nanos>,
    /// The heap entry that speaks for this timer, due no later than it.
    entry: u64,
    entry_due: Nanos,
}

impl Timers {
    /// Sets or moves a timer.
    pub(crate) fn set(&mut self, host: usize, timer: TimerId, due: Nanos) {
        if let Some(known) = self.set.get_mut(&(host, timer))
            && known.entry_due <= due
        {
            known.due = Some(due);
            return;
        }
        let number = self.push(host, timer, due);
        self.set.insert((host, timer), Timer { due: Some(due), entry: number, entry_due: due });
    }

    /// Cancels a timer that may or may not be set.
    pub(crate) fn cancel(&mut self, host: usize, timer: TimerId) {
        if let Some(known) = self.set.get_mut(&(host, timer)) {
            known.due = None;
        }
    }

    /// Cancels every timer of a host.
    pub(crate) fn cancel_all(&mut self, host: usize) {
        for ((owner, _), timer) in &mut self.set {
            if *owner == host {
                timer.due = None;
            }
        }
    }

    /// The number the next entry gets: entries below it existed before this call.
    pub(crate) fn mark(&self) -> u64 {
        self.entries
    }

    /// Takes one timer due at `now` among the entries made before `mark`, so that a timer set to zero cannot keep
    /// its thread from anything else.
    pub(crate) fn pop_due(&mut self, now: Nanos, mark: u64) -> Option<(usize, TimerId)> {
        loop {
            let top = &self.heap.peek()?.0;
            if top.due > now || top.number >= mark {
                return None;
            }
            let HeapEntry { due, number, host, timer } = self.heap.pop()?.0;
            let Some(known) = self.set.get_mut(&(host, timer)) else { continue };
            if known.entry != number {
                continue;
            }
            match known.due {
                // Put back even when it is due by now: timers due before it come first.
                Some(moved) if moved > due => {
                    known.entry_due = moved;
                    self.heap.push(Reverse(HeapEntry { due: moved, number, host, timer }));
                }
                known => {
                    self.set.remove(&(host, timer));
                    if known.is_some() {
                        return Some((host, timer));
                    }
                }
            }
        }
    }

    /// When to look again; possibly earlier than the first timer is due, never later.
    pub(crate) fn next(&self) -> Option<Nanos> {
        self.heap.peek().map(|entry| entry.0.due)
    }

    fn push(&mut self, host: usize, timer: TimerId, due: Nanos) -> u64 {
        let number = self.entries;
        self.entries += 1;
        self.heap.push(Reverse(HeapEntry { due, number, host, timer }));
        number
    }
}

/// Values held back until a time; equal times keep their order.
#[derive(Debug)]
pub(crate) struct Delayed<T> {
    heap: BinaryHeap<Held<T>>,
    count: u64,
}

#[derive(Debug)]
struct Held<T> {
    due: Nanos,
    number: u64,
    value: T,
}

impl<T> Default for Delayed<T> {
    fn default() -> Delayed<T> {
        Delayed { heap: BinaryHeap::new(), count: 0 }
    }
}

impl<T> Delayed<T> {
    pub(crate) fn push(&mut self, due: Nanos, value: T) {
        self.heap.push(Held { due, number: self.count, value });
        self.count += 1;
    }

    pub(crate) fn pop_due(&mut self, now: Nanos) -> Option<T> {
        if self.heap.peek()?.due > now {
            return None;
        }
        self.heap.pop().map(|held| held.value)
    }

    pub(crate) fn next(&self) -> Option<Nanos> {
        self.heap.peek().map(|held| held.due)
    }
}

/// How much later than asked the kernel wakes this thread, and what follows for things that may be half as much early
/// or late, but not late on average.
///
/// Timeouts fire tens of microseconds late on a virtual machine, which is a good part of a zone-to-zone delay. A
/// delayed frame is therefore slept for less by the lateness learnt; when less than half of it is left, no sleep could
/// come nearer. Timers of nodes are never early.
#[derive(Debug, Default)]
pub(crate) struct Lateness {
    learnt: Nanos,
}

const LATENESS_MAX: Nanos = Nanos::from_micros(200);

impl Lateness {
    /// Takes in how late one wakeup was. One far off moves the estimate no more than one twice as late as expected.
    pub(crate) fn learn(&mut self, late: Nanos) {
        let most = self.learnt.0 * 2 + 10_000;
        let learnt = (self.learnt.0 * 15 + late.0.min(most)) / 16;
        self.learnt = Nanos(learnt).min(LATENESS_MAX);
    }

    /// When to wake, seen from `now`, for something due at `due`: `now` itself when no sleep comes nearer to it.
    pub(crate) fn wake_for(&self, due: Nanos, now: Nanos) -> Nanos {
        if due <= self.release_until(now, true) { now } else { due.saturating_sub(self.learnt).max(now + Nanos(1)) }
    }

    /// Up to which due time things are released at `now`: those that no sleep comes nearer to, if the thread is `idle`.
    pub(crate) fn release_until(&self, now: Nanos, idle: bool) -> Nanos {
        if idle { now + Nanos(self.learnt.0 / 2) } else { now }
    }
}

impl<T> PartialEq for Held<T> {
    fn eq(&self, other: &Held<T>) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Held<T> {}

impl<T> PartialOrd for Held<T> {
    fn partial_cmp(&self, other: &Held<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Held<T> {
    fn cmp(&self, other: &Held<T>) -> Ordering {
        (other.due, other.number).cmp(&(self.due, self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: TimerId = TimerId(7);

    fn fire(timers: &mut Timers, now: u64) -> Vec<TimerId> {
        let mark = timers.mark();
        std::iter::from_fn(|| timers.pop_due(Nanos(now), mark)).map(|(_, timer)| timer).collect()
    }

    #[test]
    fn a_timer_moved_later_fires_once_at_its_last_time() {
        let mut timers = Timers::default();
        timers.set(0, T, Nanos(10));
        timers.set(0, T, Nanos(30));
        timers.set(0, T, Nanos(20));
        assert_eq!(timers.next(), Some(Nanos(10)));
        assert_eq!(fire(&mut timers, 19), []);
        assert_eq!(timers.next(), Some(Nanos(20)));
        assert_eq!(fire(&mut timers, 20), [T]);
        assert_eq!(fire(&mut timers, 100), []);
    }

    #[test]
    fn timers_found_due_together_fire_in_the_order_they_are_due() {
        let mut timers = Timers::default();
        for (id, due) in [(1, 1), (2, 2), (3, 10)] {
            timers.set(0, TimerId(id), Nanos(due));
        }
        timers.set(0, TimerId(3), Nanos(3));
        timers.set(0, TimerId(1), Nanos(5));
        assert_eq!(fire(&mut timers, 40), [TimerId(2), TimerId(3), TimerId(1)]);
    }

    #[test]
    fn a_timer_moved_earlier_fires_once_at_the_earlier_time() {
        let mut timers = Timers::default();
        timers.set(0, T, Nanos(30));
        timers.set(0, T, Nanos(10));
        assert_eq!(fire(&mut timers, 10), [T]);
        timers.set(0, T, Nanos(50));
        assert_eq!(fire(&mut timers, 40), []);
        assert_eq!(fire(&mut timers, 50), [T]);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_cancelled_timer_stays_silent_until_set_again() {
        let mut timers = Timers::default();
        timers.set(0, T, Nanos(10));
        timers.cancel(0, T);
        timers.cancel(0, TimerId(8));
        timers.set(1, T, Nanos(10));
        timers.cancel_all(1);
        assert_eq!(fire(&mut timers, 20), []);
        timers.set(0, T, Nanos(25));
        assert_eq!(fire(&mut timers, 25), [T]);
    }

    #[test]
    fn entries_made_after_the_mark_wait_for_the_next_round() {
        let mut timers = Timers::default();
        timers.set(0, T, Nanos(1));
        let mark = timers.mark();
        assert!(timers.pop_due(Nanos(5), mark).is_some());
        timers.set(0, T, Nanos(5));
        assert!(timers.pop_due(Nanos(5), mark).is_none());
        assert_eq!(fire(&mut timers, 5), [T]);
    }

    #[test]
    fn lateness_is_learnt_and_neither_one_late_wakeup_nor_a_stall_spoils_it() {
        let mut lateness = Lateness::default();
        let due = Nanos(1_000_000);
        assert_eq!(lateness.wake_for(due, Nanos(7)), due);
        (0..200).for_each(|_| lateness.learn(Nanos(50_000)));
        let wake = lateness.wake_for(due, Nanos(7));
        assert!((949_000..=955_000).contains(&wake.0), "{wake:?}");
        lateness.learn(Nanos(1_000_000_000));
        assert!(lateness.wake_for(due, Nanos(7)) >= Nanos(940_000));
        assert_eq!(lateness.wake_for(due, Nanos(960_000)), Nanos(960_001), "the shortest sleep comes nearest");
        assert_eq!(lateness.wake_for(due, Nanos(990_000)), Nanos(990_000), "no sleep comes nearer");
        assert_eq!(lateness.release_until(Nanos(5), false), Nanos(5));
        assert!(lateness.release_until(Nanos(5), true) < Nanos(40_000));
        (0..1000).for_each(|_| lateness.learn(Nanos(1_000_000_000)));
        assert_eq!(lateness.wake_for(due, Nanos(7)), Nanos(800_000));
    }

    #[test]
    fn delayed_values_come_in_order_of_time_then_arrival() {
        let mut delayed = Delayed::default();
        for (due, value) in [(5, 'c'), (3, 'a'), (3, 'b')] {
            delayed.push(Nanos(due), value);
        }
        assert_eq!(delayed.pop_due(Nanos(2)), None);
        let all: String = std::iter::from_fn(|| delayed.pop_due(Nanos(9))).collect();
        assert_eq!(all, "abc");
    }
}
