//! Running the world: for a while, until something holds, up to an effect.

use node::Nanos;

use crate::Sim;
use crate::trace::Trace;

/// Why a run ended.
#[must_use = "a run may end before what was hoped for"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing is left to happen.
    Idle,
    /// The time allowed is over.
    Deadline,
    /// What was waited for holds.
    Reached,
    /// More events at one virtual instant than the configuration allows: a livelock.
    Livelock,
}

impl Sim {
    /// Runs for `span` of virtual time. The clock stands at its end afterwards unless the world was a livelock.
    pub fn run_for(&mut self, span: Nanos) -> Stop {
        self.run_until(span, |_| false)
    }

    /// Runs until `done` holds, looking before the first and after every step, for at most `span` of virtual time.
    pub fn run_until(&mut self, span: Nanos, mut done: impl FnMut(&Sim) -> bool) -> Stop {
        self.stop_at_effects = u64::MAX;
        let deadline = self.now() + span;
        loop {
            if done(self) {
                return Stop::Reached;
            }
            match self.step_before(deadline) {
                None => {}
                Some(Stop::Idle) => {
                    self.queue.advance(deadline);
                    return Stop::Idle;
                }
                Some(stop) => return stop,
            }
        }
    }

    /// Runs until nothing is left to happen, for at most `span` of virtual time. A node with a periodic timer is never
    /// idle.
    pub fn run_until_idle(&mut self, span: Nanos) -> Stop {
        self.stop_at_effects = u64::MAX;
        let deadline = self.now() + span;
        loop {
            if let Some(stop) = self.step_before(deadline) {
                return stop;
            }
        }
    }

    /// Runs until [`Sim::effects`] is `count`, stopping right after that effect: later effects of the same event are
    /// held back, to be carried out by the next run or lost in a crash.
    pub fn run_until_effect(&mut self, count: u64, span: Nanos) -> Stop {
        self.stop_at_effects = count;
        let deadline = self.now() + span;
        loop {
            if self.effects >= count {
                return Stop::Reached;
            }
            if let Some(stop) = self.step_before(deadline) {
                self.stop_at_effects = u64::MAX;
                return stop;
            }
        }
    }

    /// Runs until a watched node is about to carry out an effect, and holds that effect back.
    pub fn run_until_next_effect(&mut self, span: Nanos) -> Stop {
        self.run_until_held(span, &|_| false)
    }

    /// Runs until an effect of a watched node is held back, or `over` holds.
    pub(crate) fn run_until_held(&mut self, span: Nanos, over: &dyn Fn(&Sim) -> bool) -> Stop {
        self.stop_at_effects = self.effects;
        let deadline = self.now() + span;
        loop {
            if self.held.is_some() || over(self) {
                return Stop::Reached;
            }
            if let Some(stop) = self.step_before(deadline) {
                return stop;
            }
        }
    }

    /// Runs until [`Sim::events`] is `count`.
    pub fn run_until_event(&mut self, count: u64, span: Nanos) -> Stop {
        self.run_until(span, |sim| sim.events >= count)
    }

    /// Writes an account of every event, effect and fault from now on to `write`, a line at a time.
    pub fn trace_to(&mut self, write: impl FnMut(&str) + 'static) {
        self.trace = Some(Trace { write: Box::new(write) });
    }

    /// One step, unless the world is idle, livelocked, or has nothing more to do by `deadline`.
    fn step_before(&mut self, deadline: Nanos) -> Option<Stop> {
        if self.held.is_none() {
            match self.queue.next_at() {
                None => return Some(Stop::Idle),
                Some(at) if at > deadline => {
                    self.queue.advance(deadline);
                    return Some(Stop::Deadline);
                }
                Some(_) if self.events_this_instant > self.setting.config.events_per_instant_max => {
                    return Some(Stop::Livelock);
                }
                Some(_) => {}
            }
        }
        self.advance();
        None
    }
}
