//! Draws from a distribution over ranks `0..n`.

use super::Distribution;
use super::ycsb::{GrayZipf, Scrambled};
use super::zipf::Zipf;
use crate::Rng;
use crate::math::{ln, pow};

/// A distribution prepared for `n` keys.
#[derive(Clone, Debug)]
pub struct Sampler {
    n: u64,
    law: Law,
}

#[derive(Clone, Debug)]
enum Law {
    Uniform,
    Gaussian { iterations: u32 },
    Special { iterations: u32, hot_percent: u32, hot_share_percent: u32 },
    Pareto { power: f64 },
    Zipf(Zipf),
    Scrambled(Scrambled),
    Latest(GrayZipf),
}

impl Sampler {
    /// Prepares `distribution` for `n` keys. `latest` sums a series of `n` terms once. Panics when `n` is zero.
    pub fn new(distribution: &Distribution, n: u64) -> Sampler {
        assert!(n > 0, "there is no key to draw");
        let law = match *distribution {
            Distribution::Uniform => Law::Uniform,
            Distribution::Gaussian { iterations } => Law::Gaussian { iterations },
            Distribution::Special { iterations, hot_percent, hot_share_percent } => {
                Law::Special { iterations, hot_percent, hot_share_percent }
            }
            Distribution::Pareto { h } => Law::Pareto { power: ln(h) / ln(1.0 - h) },
            Distribution::Zipf { theta } => Law::Zipf(Zipf::new(n, theta)),
            Distribution::YcsbScrambled => Law::Scrambled(Scrambled::new()),
            Distribution::Latest => Law::Latest(GrayZipf::over(n)),
        };
        Sampler { n, law }
    }

    /// How many keys there are.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// One draw, below [`Sampler::n`].
    pub fn draw(&self, rng: &mut Rng) -> u64 {
        let n = self.n as f64;
        let rank = match &self.law {
            Law::Uniform => rng.below(self.n),
            Law::Gaussian { iterations } => (n * mean_of(*iterations, rng)) as u64,
            Law::Special { iterations, hot_percent, hot_share_percent } => {
                special(n - 1.0, *iterations, f64::from(*hot_percent), f64::from(*hot_share_percent), rng)
            }
            Law::Pareto { power } => (n * pow(rng.unit_f64(), *power)) as u64,
            Law::Zipf(zipf) => zipf.draw(rng),
            Law::Scrambled(scrambled) => scrambled.draw(self.n, rng),
            Law::Latest(gray) => self.n - 1 - gray.draw(rng),
        };
        rank.min(self.n - 1)
    }

    /// Makes room for keys up to `n`; only `latest` follows the newest key, every other law stays as it was prepared.
    pub fn grow(&mut self, n: u64) {
        if let Law::Latest(gray) = &mut self.law
            && n > self.n
        {
            self.n = n;
            gray.grow(n);
        }
    }
}

fn mean_of(iterations: u32, rng: &mut Rng) -> f64 {
    (0..iterations).map(|_| rng.unit_f64()).sum::<f64>() / f64::from(iterations)
}

/// `sb_rand_special` over `0..=t`.
fn special(t: f64, iterations: u32, hot_percent: f64, hot_share_percent: f64, rng: &mut Rng) -> u64 {
    let u = rng.unit_f64();
    if u * t * 100.0 / (100.0 - hot_share_percent) < t {
        return (t * mean_of(iterations, rng)) as u64;
    }
    let width = t * hot_percent / 100.0;
    // The same `u` again, as in the original.
    (u * (width + 1.0) + t / 2.0 - width / 2.0) as u64
}
