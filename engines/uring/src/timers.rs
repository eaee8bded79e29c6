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
            let HeapEntry { number, host, timer, .. } = self.heap.pop()?.0;
            let Some(known) = self.set.get(&(host, timer)) else { continue };
            if known.entry != number {
                continue;
            }
            match known.due {
                None => {
                    self.set.remove(&(host, timer));
                }
                Some(due) if due <= now => {
                    self.set.remove(&(host, timer));
                    return Some((host, timer));
                }
                Some(due) => {
                    let number = self.push(host, timer, due);
                    self.set.insert((host, timer), Timer { due: Some(due), entry: number, entry_due: due });
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
