//! Links between nodes: what delay, bandwidth and loss a pair of zones has.

use crate::{Nanos, Rng, Zone};

/// How long a frame takes between two zones, before bandwidth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Delay {
    /// Always the same.
    Constant(Nanos),
    /// A floor plus an exponential tail: `base + Exp(mean = tail)`, cut at `base + 20 × tail`.
    Tailed {
        /// The least delay.
        base: Nanos,
        /// The mean of what is added.
        tail: Nanos,
    },
}

impl Delay {
    /// One draw.
    #[inline]
    pub fn draw(&self, rng: &mut Rng) -> Nanos {
        match *self {
            Delay::Constant(delay) => delay,
            Delay::Tailed { base, tail } => {
                let extra = rng.exponential(tail.0 as f64).min(20.0 * tail.0 as f64);
                base + Nanos(extra as u64)
            }
        }
    }

    /// The median of the distribution.
    pub fn median(&self) -> Nanos {
        match *self {
            Delay::Constant(delay) => delay,
            Delay::Tailed { base, tail } => base + Nanos((tail.0 as f64 * std::f64::consts::LN_2) as u64),
        }
    }
}

/// One direction of a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkModel {
    /// Propagation.
    pub delay: Delay,
    /// Bytes a second; `None` is unlimited.
    pub bandwidth_bytes_per_s: Option<u64>,
    /// Probability that a frame is lost.
    pub loss: f64,
}

impl LinkModel {
    /// No delay, no limit, no loss.
    pub const DIRECT: LinkModel =
        LinkModel { delay: Delay::Constant(Nanos::ZERO), bandwidth_bytes_per_s: None, loss: 0.0 };
}

/// The links of every pair of zones.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkProfile {
    /// The profile's name, as recorded.
    pub name: String,
    /// Indexed `[from][to]` in the order of [`Zone::ALL`].
    pub between: [[LinkModel; 3]; 3],
}

impl LinkProfile {
    /// The profile without any delay.
    pub fn none() -> LinkProfile {
        LinkProfile { name: "none".into(), between: [[LinkModel::DIRECT; 3]; 3] }
    }

    /// The model from one zone to another.
    pub fn between(&self, from: Zone, to: Zone) -> &LinkModel {
        &self.between[from as usize][to as usize]
    }
}
