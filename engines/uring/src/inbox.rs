//! The mailbox of one runtime thread: how other threads hand it frames, completions and orders.
//!
//! # Mechanism
//!
//! A vector behind a mutex, swapped out whole by its owner. The owner says under the same mutex that it is about to
//! sleep, and only then does the next sender pay for a wakeup; a busy owner looks by itself.
//!
//! # Invariants
//!
//! - Mail put before [`Inbox::prepare_to_sleep`] returned true raises no wakeup, and the owner does not sleep on it.
//! - Mail of one sender keeps its order.
//! - Once the owner is gone, mail is dropped where it stands, and with it the channel its sender waits on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sys::EventFd;

/// A mailbox with one reader.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    state: Mutex<State<T>>,
    /// Whether there may be mail; spares the owner the lock when there is none.
    hint: AtomicBool,
    wake: EventFd,
}

#[derive(Debug)]
struct State<T> {
    mail: Vec<T>,
    sleeping: bool,
    closed: bool,
}

/// Closes the inbox when its owner ends, by a panic too.
#[derive(Debug)]
pub(crate) struct Closing<T>(pub(crate) Arc<Inbox<T>>);

impl<T> Drop for Closing<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        let unread = std::mem::take(&mut state.mail);
        drop(state);
        // Outside the lock: what is dropped here may answer somebody.
        drop(unread);
    }
}

impl<T> Inbox<T> {
    pub(crate) fn new() -> std::io::Result<Inbox<T>> {
        let state = Mutex::new(State { mail: Vec::new(), sleeping: false, closed: false });
        Ok(Inbox { state, hint: AtomicBool::new(false), wake: EventFd::new()? })
    }

    /// Puts one item in.
    pub(crate) fn put(&self, item: T) {
        let mut state = self.lock();
        if !state.closed {
            state.mail.push(item);
            self.finish_put(state);
        }
    }

    /// Moves all of `items` in, with one wakeup at most.
    pub(crate) fn put_all(&self, items: &mut Vec<T>) {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            items.clear();
        } else {
            state.mail.append(items);
            self.finish_put(state);
        }
    }

    fn finish_put(&self, mut state: MutexGuard<'_, State<T>>) {
        self.hint.store(true, Ordering::Release);
        let asleep = std::mem::take(&mut state.sleeping);
        drop(state);
        if asleep {
            self.wake.notify();
        }
    }

    /// Swaps all mail into `empty`, which must be empty and gives its allocation in return.
    pub(crate) fn take(&self, empty: &mut Vec<T>) {
        debug_assert!(empty.is_empty());
        if self.hint.load(Ordering::Acquire) {
            let mut state = self.lock();
            self.hint.store(false, Ordering::Relaxed);
            std::mem::swap(&mut state.mail, empty);
        }
    }

    /// Announces that the owner is going to sleep. Returns false when there is mail to look at first.
    pub(crate) fn prepare_to_sleep(&self) -> bool {
        let mut state = self.lock();
        state.sleeping = state.mail.is_empty();
        state.sleeping
    }

    /// Takes the announcement back; the owner is awake.
    pub(crate) fn awake(&self) {
        self.lock().sleeping = false;
    }

    /// What the owner sleeps on.
    pub(crate) fn wake(&self) -> &EventFd {
        &self.wake
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A sender that panicked cannot have left a vector half pushed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
