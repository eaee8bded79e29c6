//! The one generator nodes may draw from: seeded, forkable, reproducible.

use rand_core::{Rng as _, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A deterministic pseudo-random generator (xoshiro256++).
///
/// Streams are forked by label, so that a draw added to one concern does not shift the draws of another.
#[derive(Clone, Debug)]
pub struct Rng {
    seed: u64,
    inner: Xoshiro256PlusPlus,
}

impl Rng {
    /// The generator of `seed`.
    pub fn new(seed: u64) -> Rng {
        Rng { seed, inner: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// An independent generator that depends on this one's seed and `label`, and not on what was drawn so far.
    pub fn fork(&self, label: &str, index: u64) -> Rng {
        Rng::new(xxh3_64_with_seed(label.as_bytes(), self.seed ^ index.rotate_left(17)))
    }

    /// 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        self.inner.next_u64()
    }

    /// Uniform in `0..bound`, without modulo bias worth measuring (multiply-shift on 64 bits).
    /// Panics when `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "an empty range has no draw");
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Uniform in `low..=high`. Panics when the range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "an empty range has no draw");
        match (high - low).checked_add(1) {
            Some(width) => low + self.below(width),
            None => self.next_u64(),
        }
    }

    /// Uniform in `[0, 1)` with 53 bits.
    pub fn unit_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True with probability `p` (clamped to `[0, 1]`).
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit_f64() < p
    }

    /// An exponential draw with the given mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit_f64()).ln()
    }

    /// Fills `out` with uniform bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.inner.fill_bytes(out);
    }
}
