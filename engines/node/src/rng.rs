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
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.inner.next_u64()
    }

    /// Uniform in `0..bound`, without modulo bias worth measuring (multiply-shift on 64 bits).
    /// Panics when `bound` is zero.
    #[inline]
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
    #[inline]
    pub fn unit_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True with probability `p` (clamped to `[0, 1]`).
    #[inline]
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit_f64() < p
    }

    /// An exponential draw with the given mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * ln(1.0 - self.unit_f64())
    }

    /// Fills `out` with uniform bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.inner.fill_bytes(out);
    }
}

/// 1, 1/3, 1/5, ...: divided once, not at every draw.
const ODD_RECIPROCALS: [f64; 11] = {
    let (mut reciprocals, mut term) = ([0.0; 11], 0);
    while term < 11 {
        reciprocals[term] = 1.0 / (2 * term + 1) as f64;
        term += 1;
    }
    reciprocals
};

/// The natural logarithm of a positive, normal number, by additions, multiplications and divisions alone, which round
/// alike everywhere. The C library's own differs in the last bit between processors, and a seed's run with it.
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i64 - 1023;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    // Into [sqrt(1/2), sqrt(2)], so that the series converges fast and ln 1 is exactly zero.
    let (mantissa, exponent) =
        if mantissa > std::f64::consts::SQRT_2 { (mantissa / 2.0, exponent + 1) } else { (mantissa, exponent) };
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    // ln m = 2 (z + z^3/3 + z^5/5 + ...); z^2 < 0.03, so eleven terms leave less than 2^-53.
    let series = ODD_RECIPROCALS.iter().rev().fold(0.0, |sum, reciprocal| sum * z * z + reciprocal);
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * z * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_agrees_with_the_libraries() {
        let mut rng = Rng::new(1);
        assert_eq!(ln(1.0), 0.0);
        for _ in 0..100_000 {
            let x = (1.0 - rng.unit_f64()) * if rng.chance(0.5) { 1.0 } else { 1e-9 };
            let error = (ln(x) - x.ln()).abs();
            assert!(error <= 4e-16 * x.ln().abs().max(0.5), "ln {x} is off by {error}");
        }
    }

    #[test]
    fn exponential_draws_have_their_mean_and_are_the_same_everywhere() {
        let mut rng = Rng::new(7);
        let mean = (0..200_000).map(|_| rng.exponential(50.0)).sum::<f64>() / 200_000.0;
        assert!((49.5..50.5).contains(&mean), "{mean}");
        let mut rng = Rng::new(7);
        let bits = (0..1_000).fold(0, |sum: u64, _| sum.rotate_left(1) ^ rng.exponential(1.0).to_bits());
        assert_eq!(bits, 0xccd7_e810_53e5_5aac);
    }
}
