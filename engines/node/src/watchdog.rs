//! Notices disk operations that never complete.
//!
//! A stuck device says nothing: a node that waits for it waits for ever, and nobody learns why. A node that keeps a watchdog
//! beside its operations halts after a time and names the reason.
//!
//! The time is counted in the watchdog's own looks, of which several make a timeout. A node that was paused finds the
//! completions of that time queued behind the timer: the pause counts as one look, however long it was.

use std::collections::VecDeque;

use crate::{Effect, Effects, Nanos, TimerId, Token};

/// How many looks make a timeout.
const LOOKS: u64 = 4;

/// Watches the disk operations of one node.
///
/// Invariant: the timer is set whenever an operation is under way.
#[derive(Clone, Debug)]
pub struct Watchdog {
    timer: TimerId,
    timeout: Nanos,
    /// Looks taken so far.
    looks: u64,
    armed: bool,
    /// Operations under way, oldest first: several may share a token, and they are few.
    under_way: VecDeque<Submitted>,
}

#[derive(Clone, Copy, Debug)]
struct Submitted {
    token: Token,
    at: Nanos,
    looks: u64,
}

impl Watchdog {
    /// An operation that is not completed within `timeout`, or at most a quarter later, is stuck. `timer` is the watchdog's
    /// own.
    pub fn new(timer: TimerId, timeout: Nanos) -> Watchdog {
        Watchdog { timer, timeout, looks: 0, armed: false, under_way: VecDeque::new() }
    }

    /// Takes note of every disk operation among the effects from number `first` on.
    pub fn watch(&mut self, now: Nanos, first: usize, out: &mut Effects) {
        for effect in &out.as_slice()[first..] {
            if let Effect::Disk { token, .. } = effect {
                self.under_way.push_back(Submitted { token: *token, at: now, looks: self.looks });
            }
        }
        if !self.armed && !self.under_way.is_empty() {
            self.arm(out);
        }
    }

    /// An operation has completed; whether it was under way.
    pub fn completed(&mut self, token: Token) -> bool {
        let oldest = self.under_way.iter().position(|submitted| submitted.token == token);
        oldest.is_some_and(|at| self.under_way.remove(at).is_some())
    }

    /// Takes a timer; whether it was the watchdog's.
    ///
    /// # Errors
    ///
    /// An operation is stuck: the reason to halt.
    pub fn timer(&mut self, now: Nanos, timer: TimerId, out: &mut Effects) -> Result<bool, String> {
        if timer != self.timer {
            return Ok(false);
        }
        self.looks += 1;
        self.armed = false;
        let Some(oldest) = self.under_way.front() else { return Ok(true) };
        // The first look may come right after the submission.
        if self.looks - oldest.looks > LOOKS {
            let waited = now.saturating_sub(oldest.at);
            return Err(format!(
                "a disk operation has not completed for {waited:?}: the device is stuck; check it and restart"
            ));
        }
        self.arm(out);
        Ok(true)
    }

    /// Operations under way.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    fn arm(&mut self, out: &mut Effects) {
        self.armed = true;
        out.set_timer(self.timer, Nanos((self.timeout.0 / LOOKS).max(1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DiskOp, IoClass};

    const TIMER: TimerId = TimerId::new(1, 1);

    fn submit(dog: &mut Watchdog, now: u64, token: u64, out: &mut Effects) {
        let first = out.len();
        out.disk(Token::new(1, token), DiskOp::SyncDir, IoClass::Metadata);
        dog.watch(Nanos(now), first, out);
    }

    fn timers(out: &mut Effects) -> usize {
        out.drain().filter(|effect| matches!(effect, Effect::SetTimer { .. })).count()
    }

    #[test]
    fn an_operation_that_does_not_complete_is_named_within_a_quarter_more_than_the_timeout() {
        let (mut dog, mut out) = (Watchdog::new(TIMER, Nanos(100)), Effects::new());
        submit(&mut dog, 24, 1, &mut out);
        submit(&mut dog, 24, 1, &mut out);
        assert_eq!(timers(&mut out), 1, "one timer for both");
        assert!(dog.completed(Token::new(1, 1)), "of two operations under one token one is done");
        assert_eq!(dog.under_way(), 1);
        for now in [49, 74, 99, 124] {
            assert_eq!(dog.timer(Nanos(now), TIMER, &mut out), Ok(true), "{now}");
        }
        let stuck = dog.timer(Nanos(149), TIMER, &mut out).expect_err("it is stuck");
        assert!(stuck.contains("the device is stuck"), "{stuck}");
    }

    #[test]
    fn operations_that_complete_are_forgotten_and_a_pause_is_one_look() {
        let (mut dog, mut out) = (Watchdog::new(TIMER, Nanos(100)), Effects::new());
        assert_eq!(dog.timer(Nanos(0), TimerId::new(1, 2), &mut out), Ok(false));
        submit(&mut dog, 0, 1, &mut out);
        assert_eq!(dog.timer(Nanos(25), TIMER, &mut out), Ok(true));
        // Paused for long; the completion comes behind the timer.
        assert_eq!(dog.timer(Nanos(10_000), TIMER, &mut out), Ok(true));
        assert!(dog.completed(Token::new(1, 1)));
        assert!(!dog.completed(Token::new(1, 1)), "a late completion is nobody's");
        timers(&mut out);
        assert_eq!(dog.timer(Nanos(10_025), TIMER, &mut out), Ok(true));
        assert_eq!(timers(&mut out), 0, "nothing to watch");
        submit(&mut dog, 20_000, 2, &mut out);
        assert_eq!(timers(&mut out), 1, "watching again");
    }
}
