//! When transactions intend to start.

use node::{Nanos, Rng};

/// The arrival process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// Each client starts when its last transaction is over.
    Closed,
    /// Exponential gaps.
    Poisson {
        /// The mean rate, transactions a second.
        rate_per_s: f64,
        /// The most that may wait for a client; beyond, arrivals are dropped and counted.
        queue_max: usize,
    },
    /// Equal gaps.
    Constant {
        /// The rate, transactions a second.
        rate_per_s: f64,
        /// As for [`Arrivals::Poisson`].
        queue_max: usize,
    },
    /// At the instants that [`Core::start_at`](crate::Core::start_at) was given; all wait for a client.
    Listed,
}

impl Arrivals {
    /// The offered rate; `None` in a closed loop.
    pub fn rate_per_s(&self) -> Option<f64> {
        match self {
            Arrivals::Closed | Arrivals::Listed => None,
            Arrivals::Poisson { rate_per_s, .. } | Arrivals::Constant { rate_per_s, .. } => Some(*rate_per_s),
        }
    }

    /// The most that may wait for a client.
    pub fn queue_max(&self) -> usize {
        match self {
            Arrivals::Closed => 0,
            Arrivals::Listed => usize::MAX / 2,
            Arrivals::Poisson { queue_max, .. } | Arrivals::Constant { queue_max, .. } => *queue_max,
        }
    }

    /// The process's name in records.
    pub const fn name(&self) -> &'static str {
        match self {
            Arrivals::Closed => "closed",
            Arrivals::Poisson { .. } => "poisson",
            Arrivals::Constant { .. } => "constant",
            Arrivals::Listed => "listed",
        }
    }
}

/// The intended starts of an open loop, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    rng: Rng,
    poisson: bool,
    gap_ns: f64,
    /// The next intended start, with its fraction of a nanosecond, so that the rate is kept over any time.
    next_ns: f64,
}

impl Schedule {
    /// The schedule from `now` on; `None` in a closed loop. Panics on a rate that is not positive.
    pub fn new(arrivals: &Arrivals, now: Nanos, seed: u64) -> Option<Schedule> {
        let rate = arrivals.rate_per_s()?;
        assert!(rate > 0.0 && rate.is_finite(), "a rate is a positive number, not {rate}");
        let rng = Rng::new(seed).fork("arrivals", 0);
        let poisson = matches!(arrivals, Arrivals::Poisson { .. });
        let mut schedule = Schedule { rng, poisson, gap_ns: 1e9 / rate, next_ns: now.0 as f64 };
        schedule.advance();
        Some(schedule)
    }

    /// The next intended start.
    pub fn next(&self) -> Nanos {
        Nanos(self.next_ns as u64)
    }

    /// Takes the next intended start if it is not after `now`.
    pub fn due(&mut self, now: Nanos) -> Option<Nanos> {
        let next = self.next();
        (next <= now).then(|| {
            self.advance();
            next
        })
    }

    fn advance(&mut self) {
        self.next_ns += if self.poisson { self.rng.exponential(self.gap_ns) } else { self.gap_ns };
    }
}
