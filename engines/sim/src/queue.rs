//! What is going to happen, in order of virtual time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use node::{Nanos, Rng};

/// A priority queue over (virtual time, order). Keys are small and payloads stay in place, and whatever is due at once
/// bypasses the heap.
#[derive(Clone)]
pub(crate) struct Queue<T> {
    now: Nanos,
    heap: BinaryHeap<Reverse<Key>>,
    /// Due now, after everything in the heap that is due now: the heap's were caused earlier.
    ready: VecDeque<T>,
    payloads: Vec<Option<T>>,
    free: Vec<u32>,
    sequence: u64,
    /// With a generator, the order among equal times is random.
    shuffle: Option<Rng>,
}

/// A place among things due at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order(u64);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    at: Nanos,
    order: Order,
    payload: u32,
}

impl<T> Queue<T> {
    pub(crate) fn new(shuffle: Option<Rng>) -> Queue<T> {
        Queue {
            now: Nanos::ZERO,
            heap: BinaryHeap::new(),
            ready: VecDeque::new(),
            payloads: Vec::new(),
            free: Vec::new(),
            sequence: 0,
            shuffle,
        }
    }

    /// The time of the last occurrence taken.
    pub(crate) fn now(&self) -> Nanos {
        self.now
    }

    /// Moves the clock forward to `now`, before which nothing may be due.
    pub(crate) fn advance(&mut self, now: Nanos) {
        assert!(self.next_at().is_none_or(|next| next >= now), "time cannot skip what is due");
        self.now = self.now.max(now);
    }

    /// A place among things due at the same time, for something to be pushed later.
    pub(crate) fn order(&mut self) -> Order {
        match &mut self.shuffle {
            Some(rng) => Order(rng.next_u64()),
            None => {
                self.sequence += 1;
                Order(self.sequence)
            }
        }
    }

    pub(crate) fn push(&mut self, at: Nanos, payload: T) {
        let order = self.order();
        self.push_in_order(at, order, payload);
    }

    /// Pushes `payload` with the place `order` that was taken for it. What is due now must have been taken now.
    pub(crate) fn push_in_order(&mut self, at: Nanos, order: Order, payload: T) {
        if self.shuffle.is_none() && at <= self.now {
            return self.ready.push_back(payload);
        }
        let index = match self.free.pop() {
            Some(index) => {
                self.payloads[index as usize] = Some(payload);
                index
            }
            None => {
                self.payloads.push(Some(payload));
                u32::try_from(self.payloads.len() - 1).expect("fewer than 2^32 things wait at once")
            }
        };
        self.heap.push(Reverse(Key { at: at.max(self.now), order, payload: index }));
    }

    /// When the next occurrence is due.
    pub(crate) fn next_at(&self) -> Option<Nanos> {
        if !self.ready.is_empty() {
            return Some(self.now);
        }
        self.heap.peek().map(|Reverse(key)| key.at)
    }

    /// Takes the next occurrence and moves the clock to it.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let due_in_heap = self.heap.peek().is_some_and(|Reverse(key)| key.at <= self.now);
        if !due_in_heap && let Some(payload) = self.ready.pop_front() {
            return Some(payload);
        }
        let Reverse(key) = self.heap.pop()?;
        self.now = key.at;
        self.free.push(key.payload);
        self.payloads[key.payload as usize].take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_comes_first_then_the_order_of_causes() {
        let mut queue = Queue::new(None);
        for (at, what) in [(5, "c"), (3, "a"), (5, "d"), (4, "b")] {
            queue.push(Nanos(at), what);
        }
        assert_eq!(queue.pop(), Some("a"));
        queue.push(Nanos(5), "e");
        queue.push(Nanos(0), "now");
        assert_eq!(queue.next_at(), Some(Nanos(3)));
        let rest: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(rest, ["now", "b", "c", "d", "e"]);
        assert_eq!(queue.now(), Nanos(5));
    }

    #[test]
    fn what_is_due_in_the_heap_precedes_what_was_caused_at_that_instant() {
        let mut queue = Queue::new(None);
        queue.push(Nanos(1), "first");
        queue.push(Nanos(1), "second");
        queue.pop();
        queue.push(Nanos(1), "third");
        assert_eq!(queue.pop(), Some("second"));
        assert_eq!(queue.pop(), Some("third"));
    }

    #[test]
    fn a_shuffle_changes_ties_and_nothing_else() {
        let order = |seed| {
            let mut queue = Queue::new(Some(Rng::new(seed)));
            for i in 0..20 {
                queue.push(Nanos(i / 10), i);
            }
            std::iter::from_fn(move || queue.pop()).collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        assert!(order(1)[..10].iter().all(|&i| i < 10));
    }
}
