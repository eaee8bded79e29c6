//! Mann-Whitney U: whether values of one set tend to be larger than those of another, whatever their distribution.

/// The outcome of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// Pairs in which the first set's value is larger, ties counting half.
    pub u: f64,
    /// Two-sided p.
    pub p: f64,
}

/// Up to this many values every arrangement is counted; beyond it the normal approximation is good.
const EXACT_VALUES_MAX: usize = 60;

/// Tests two sets of values. Exact up to 60 values together, ties included; beyond that by the normal approximation
/// with corrections for ties and continuity. `None` when either set is empty.
pub fn mann_whitney(first: &[f64], second: &[f64]) -> Option<MannWhitney> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let pairs = first.iter().flat_map(|a| second.iter().map(move |b| (a, b)));
    let u = pairs
        .map(|(a, b)| {
            if a > b {
                1.0
            } else if a == b {
                0.5
            } else {
                0.0
            }
        })
        .sum::<f64>();
    let mut all: Vec<f64> = first.iter().chain(second).copied().collect();
    all.sort_by(f64::total_cmp);
    let ties: Vec<usize> = all.chunk_by(|a, b| a == b).map(<[f64]>::len).collect();
    let p = match all.len() <= EXACT_VALUES_MAX {
        true => exact_p(u, first.len(), second.len(), &ties),
        false => approximate_p(u, first.len(), second.len(), &ties),
    };
    Some(MannWhitney { u, p })
}

/// The share of arrangements whose U lies at least as far from its mean as the one observed.
fn exact_p(u: f64, first: usize, second: usize, ties: &[usize]) -> f64 {
    // Everything doubled, so that the middle ranks of ties are whole.
    let arrangements = arrangements_by_rank_sum(first, &doubled_ranks(ties));
    let lowest_sum = first * (first + 1);
    let mean = (first * second) as f64;
    let distance = (2.0 * u - mean).abs();
    let is_extreme = |sum: usize| ((sum as f64 - lowest_sum as f64) - mean).abs() >= distance - 1e-9;
    let extreme: f64 =
        arrangements.iter().enumerate().filter(|(sum, _)| is_extreme(*sum)).map(|(_, count)| count).sum();
    (extreme / arrangements.iter().sum::<f64>()).min(1.0)
}

/// Twice the rank of every value, ties sharing the middle of theirs.
fn doubled_ranks(ties: &[usize]) -> Vec<usize> {
    let mut below = 0;
    let mut ranks = Vec::new();
    for len in ties {
        ranks.extend(std::iter::repeat_n(2 * below + len + 1, *len));
        below += len;
    }
    ranks
}

/// How many ways of choosing `chosen` of the ranks give each sum.
fn arrangements_by_rank_sum(chosen: usize, ranks: &[usize]) -> Vec<f64> {
    let sum_max: usize = ranks.iter().sum();
    let mut by_count = vec![vec![0.0; sum_max + 1]; chosen + 1];
    by_count[0][0] = 1.0;
    for rank in ranks {
        for count in (0..chosen).rev() {
            for sum in 0..=sum_max - rank {
                by_count[count + 1][sum + rank] += by_count[count][sum];
            }
        }
    }
    by_count.pop().unwrap_or_default()
}

fn approximate_p(u: f64, first: usize, second: usize, ties: &[usize]) -> f64 {
    let (m, n) = (first as f64, second as f64);
    let all = m + n;
    let tie_term: f64 = ties.iter().map(|len| *len as f64).map(|len| len * len * len - len).sum();
    let variance = m * n / 12.0 * ((all + 1.0) - tie_term / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let distance = ((u - m * n / 2.0).abs() - 0.5).max(0.0);
    (2.0 * upper_tail(distance / variance.sqrt())).min(1.0)
}

/// The probability that a standard normal exceeds `z >= 0` (Abramowitz and Stegun 26.2.17, error below 7.5e-8).
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let coefficients = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    density * coefficients.iter().rev().fold(0.0, |sum, coefficient| (sum + coefficient) * t)
}
