//! A node's own clock, which may run fast or slow.

use node::Nanos;

const MILLION: i128 = 1_000_000;

/// A clock that agreed with virtual time when it was set going, and runs at its own rate since its rate was last changed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// How fast it is, in millionths of the true rate.
    drift_ppm: i32,
    /// When its rate was changed, in virtual time and by itself.
    since: (Nanos, Nanos),
}

impl Clock {
    /// Runs at another rate from the virtual time `now` on. It goes on from where it is: it never jumps.
    pub(crate) fn set_drift(&mut self, now: Nanos, drift_ppm: i32) {
        *self = Clock { drift_ppm, since: (now, self.reads(now)) };
    }

    /// What it says at the virtual time `now`.
    pub(crate) fn reads(&self, now: Nanos) -> Nanos {
        let (truth, own) = self.since;
        if self.drift_ppm == 0 {
            return Nanos(own.0 + (now.0 - truth.0));
        }
        let passed = i128::from(now.0 - truth.0);
        Nanos(own.0 + (passed + passed * i128::from(self.drift_ppm) / MILLION) as u64)
    }

    /// How much virtual time passes while it counts `span`.
    pub(crate) fn waits(&self, span: Nanos) -> Nanos {
        if self.drift_ppm == 0 {
            return span;
        }
        let waits = i128::from(span.0) * MILLION / (MILLION + i128::from(self.drift_ppm));
        Nanos(u64::try_from(waits).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_drifts_goes_on_from_where_it_is() {
        let mut clock = Clock::default();
        clock.set_drift(Nanos::from_secs(1), 1_000);
        assert_eq!(clock.reads(Nanos::from_secs(1)), Nanos::from_secs(1));
        assert_eq!(clock.reads(Nanos::from_secs(3)), Nanos(3_002_000_000));
        assert_eq!(clock.waits(Nanos(1_001_000)), Nanos::from_millis(1));
        clock.set_drift(Nanos::from_secs(3), -1_000);
        assert_eq!(clock.reads(Nanos::from_secs(3)), Nanos(3_002_000_000));
        assert_eq!(clock.reads(Nanos::from_secs(5)), Nanos::from_secs(5));
        clock.set_drift(Nanos::from_secs(5), 0);
        assert_eq!((clock.reads(Nanos::from_secs(6)), clock.waits(Nanos(7))), (Nanos::from_secs(6), Nanos(7)));
    }
}
