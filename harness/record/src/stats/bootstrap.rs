//! Intervals of confidence by resampling, with a fixed seed so that a report reads the same every time.

use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::median;

/// A 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval95 {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

const SEED: u64 = 0x5e87_a27e;
const RESAMPLES: usize = 2_000;
const RESAMPLES_OF_INTERVALS: usize = 400;

/// Fewer values than this cannot be resampled usefully.
const REPEATS_MIN: usize = 3;
const INTERVALS_MIN: usize = 6;

/// The interval of the ratio of two medians, resampling each side. `None` with fewer than three values on a side, or
/// when a resampled median of the second is zero.
pub fn ratio_of_medians(first: &[f64], second: &[f64]) -> Option<Interval95> {
    if first.len().min(second.len()) < REPEATS_MIN {
        return None;
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let mut draw = |values: &[f64]| {
        let drawn: Vec<f64> = values.iter().map(|_| values[below(&mut random, values.len())]).collect();
        median(&drawn)
    };
    let ratios: Option<Vec<f64>> = (0..RESAMPLES)
        .map(|_| Some(draw(first)? / draw(second)?))
        .map(|ratio| ratio.filter(|ratio: &f64| ratio.is_finite()))
        .collect();
    Some(middle_95(ratios?))
}

/// The interval of the mean of autocorrelated values (one per interval of time), by moving blocks. `None` with fewer
/// than six.
pub fn mean_interval(values: &[f64]) -> Option<Interval95> {
    if values.len() < INTERVALS_MIN {
        return None;
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let mean = |indices: Vec<usize>| indices.iter().map(|index| values[*index]).sum::<f64>() / indices.len() as f64;
    Some(middle_95((0..RESAMPLES).map(|_| mean(blocks(&mut random, values.len()))).collect()))
}

/// The intervals of quantiles of the merged latencies, by moving blocks of intervals. Each interval is a list of
/// (latency, count), ascending. `None` with fewer than six intervals or no latencies.
pub fn quantile_intervals<const N: usize>(
    intervals: &[Vec<(u64, u64)>],
    quantiles: [f64; N],
) -> Option<[Interval95; N]> {
    let mut values: Vec<u64> = intervals.iter().flatten().map(|(value, _)| *value).collect();
    values.sort_unstable();
    values.dedup();
    if intervals.len() < INTERVALS_MIN || values.is_empty() {
        return None;
    }
    // Latencies become indices once, so that a resample is additions and no search.
    let place = |value: &u64| values.binary_search(value).unwrap_or_else(|place| place);
    let placed = |interval: &Vec<(u64, u64)>| interval.iter().map(|(value, count)| (place(value), *count)).collect();
    let intervals: Vec<Vec<(usize, u64)>> = intervals.iter().map(placed).collect();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let mut samples: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(RESAMPLES_OF_INTERVALS));
    for _ in 0..RESAMPLES_OF_INTERVALS {
        let mut counts = vec![0u64; values.len()];
        for interval in blocks(&mut random, intervals.len()) {
            intervals[interval].iter().for_each(|(place, count)| counts[*place] += count);
        }
        for (sample, quantile) in samples.iter_mut().zip(quantiles) {
            sample.extend(at_quantile(&values, &counts, quantile));
        }
    }
    samples.iter().all(|sample| !sample.is_empty()).then(|| samples.map(middle_95))
}

fn at_quantile(values: &[u64], counts: &[u64], quantile: f64) -> Option<f64> {
    let target = (counts.iter().sum::<u64>() as f64 * quantile).ceil().max(1.0) as u64;
    let mut seen = 0;
    let found = values.iter().zip(counts).find(|(_, count)| {
        seen += **count;
        seen >= target
    });
    found.map(|(value, _)| *value as f64)
}

/// `len` indices in blocks of consecutive ones, of a length that grows with the cube root (Künsch; Hall, Horowitz
/// and Jing for the rate).
fn blocks(random: &mut Xoshiro256PlusPlus, len: usize) -> Vec<usize> {
    let block = (len as f64).cbrt().round().max(1.0) as usize;
    let mut indices = Vec::with_capacity(len + block);
    while indices.len() < len {
        let start = below(random, len - block + 1);
        indices.extend(start..start + block);
    }
    indices.truncate(len);
    indices
}

fn below(random: &mut Xoshiro256PlusPlus, bound: usize) -> usize {
    ((u128::from(random.next_u64()) * bound as u128) >> 64) as usize
}

fn middle_95(mut sample: Vec<f64>) -> Interval95 {
    sample.sort_by(f64::total_cmp);
    let at = |fraction: f64| sample[((sample.len() - 1) as f64 * fraction).round() as usize];
    Interval95 { low: at(0.025), high: at(0.975) }
}
