//! Which inserts have been answered (YCSB's `AcknowledgedCounterGenerator`).

use std::sync::atomic::{AtomicU64, Ordering};

/// How far an answered insert may be ahead of the oldest unanswered one.
const WINDOW: u64 = 1 << 20;

/// Hands out key numbers and knows the highest below which all are acknowledged. Shared between the source and its
/// programs, which live on one thread: the atomics only make it `Sync`.
#[derive(Debug)]
pub struct Acknowledged {
    next: AtomicU64,
    newest: AtomicU64,
    window: Box<[AtomicU64]>,
}

impl Acknowledged {
    /// Numbers below `records` exist.
    pub fn new(records: u64) -> Acknowledged {
        let window = (0..WINDOW / 64).map(|_| AtomicU64::new(0)).collect();
        Acknowledged { next: AtomicU64::new(records), newest: AtomicU64::new(records - 1), window }
    }

    /// The next number to insert.
    pub fn take(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The highest number below which every insert was answered.
    pub fn newest(&self) -> u64 {
        self.newest.load(Ordering::Relaxed)
    }

    /// `number` was answered.
    pub fn acknowledge(&self, number: u64) {
        let newest = self.newest();
        if number <= newest || number - newest > WINDOW {
            // Beyond the window (a client stuck for a million inserts) the number is forgotten, and with it the
            // growth of the key space: the original throws an exception there.
            return;
        }
        self.word(number).fetch_or(Self::bit(number), Ordering::Relaxed);
        let mut newest = newest;
        while self.word(newest + 1).fetch_and(!Self::bit(newest + 1), Ordering::Relaxed) & Self::bit(newest + 1) != 0 {
            newest += 1;
        }
        self.newest.store(newest, Ordering::Relaxed);
    }

    fn word(&self, number: u64) -> &AtomicU64 {
        &self.window[(number % WINDOW / 64) as usize]
    }

    fn bit(number: u64) -> u64 {
        1 << (number % 64)
    }
}
