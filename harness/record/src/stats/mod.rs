//! The statistics a comparison needs, and no more.
//!
//! The unit of replication is the *repeat* (its own data, its own seed), never the second or the request. Engines are
//! compared by medians over repeats, with the effect first and the p-value second: a ratio, its bootstrap interval,
//! Mann-Whitney U, and `~` where the difference may be chance. Outliers are never dropped: a stall is a finding.
//!
//! # Sources
//!
//! - Mann and Whitney, *On a Test of Whether one of Two Random Variables is Stochastically Larger than the Other*, 1947.
//! - Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993 (percentile intervals; chapter 8 for blocks).
//! - Flegal, Haran and Jones, *Markov Chain Monte Carlo: Can We Trust the Third Significant Figure?*, 2008, for
//!   effective sample size by batch means.
//!
//! # Caveats
//!
//! - With two repeats on each side no test can find significance (the smallest p is 1/3); with five the smallest
//!   two-sided p is 0.008.

mod batch;
mod bootstrap;
mod rank;

use crate::figures::format::significant;

pub use batch::{Batch, effective_sample_size};
pub use bootstrap::{Interval95, mean_interval, quantile_intervals, ratio_of_medians};
pub use rank::{MannWhitney, mann_whitney};

/// The level below which a difference is called one.
pub const SIGNIFICANCE: f64 = 0.05;

/// The middle value, or the mean of the two middle ones. `None` for no values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        len if len % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// How far repeats lie apart: (largest - smallest) / median. `None` with fewer than two values or a median of zero.
pub fn spread_ratio(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    median(values).filter(|median| *median != 0.0).map(|median| (high - low) / median.abs())
}

/// Two sets of repeats compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Median of the first over median of the second.
    pub ratio: f64,
    /// 95 % bootstrap interval of the ratio; `None` with fewer than three repeats on a side.
    pub interval: Option<Interval95>,
    /// Two-sided p of Mann-Whitney U.
    pub p: f64,
}

impl Comparison {
    /// Whether the difference is unlikely to be chance.
    pub fn is_significant(&self) -> bool {
        self.p < SIGNIFICANCE
    }
}

impl std::fmt::Display for Comparison {
    /// `1.42x (1.31 to 1.55), p 0.008`; a leading `~` when it may be chance.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.is_significant() {
            f.write_str("~ ")?;
        }
        write!(f, "{}x", significant(self.ratio))?;
        if let Some(interval) = self.interval {
            write!(f, " ({} to {})", significant(interval.low), significant(interval.high))?;
        }
        write!(f, ", p {:.3}", self.p)
    }
}

/// Compares two sets of repeats. `None` when either is empty or the second median is zero.
pub fn compare(first: &[f64], second: &[f64]) -> Option<Comparison> {
    let ratio = median(first)? / median(second).filter(|median| *median != 0.0)?;
    let p = mann_whitney(first, second)?.p;
    Some(Comparison { ratio, interval: ratio_of_medians(first, second), p })
}

#[cfg(test)]
mod tests;
