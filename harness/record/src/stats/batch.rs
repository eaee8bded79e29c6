//! How many independent samples a run of autocorrelated ones is worth.

/// A stretch of consecutive samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Batch {
    /// Samples in it.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
}

/// Fewer batches than this say nothing about the variance of their means.
const BATCHES_MIN: usize = 5;

/// The effective sample size of consecutive batches whose samples have this variance, at most their number.
///
/// Were samples independent, the means of batches of `b` would vary by `variance / b`. The factor by which they vary
/// more is the cost of autocorrelation. Batches are merged pairwise while enough remain, and the smallest estimate
/// counts, since correlation longer than a batch hides from it. `None` with fewer than five non-empty batches.
pub fn effective_sample_size(batches: &[Batch], variance: f64) -> Option<f64> {
    let mut level: Vec<Batch> = batches.iter().copied().filter(|batch| batch.count > 0).collect();
    let total: u64 = level.iter().map(|batch| batch.count).sum();
    let mut smallest: Option<f64> = None;
    while level.len() >= BATCHES_MIN {
        let estimate = estimate(&level, total, variance);
        smallest = Some(smallest.map_or(estimate, |known| known.min(estimate)));
        level = level.chunks(2).map(merged).collect();
    }
    smallest
}

fn estimate(batches: &[Batch], total: u64, variance: f64) -> f64 {
    let grand_mean = merged(batches).mean;
    let weighted = |batch: &Batch| batch.count as f64 * (batch.mean - grand_mean).powi(2);
    // Expectation: `variance` if independent, whatever the batches' sizes.
    let between = batches.iter().map(weighted).sum::<f64>() / (batches.len() - 1) as f64;
    if between <= variance { total as f64 } else { (total as f64 * variance / between).max(1.0) }
}

fn merged(batches: &[Batch]) -> Batch {
    let count: u64 = batches.iter().map(|batch| batch.count).sum();
    let sum: f64 = batches.iter().map(|batch| batch.mean * batch.count as f64).sum();
    Batch { count, mean: sum / count as f64 }
}
