//! Mann-Whitney U: whether values of one set tend to be larger than those of another, whatever their distribution.

/// The outcome of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// Pairs in which the first set's value is larger, ties counting half.
    pub u: f64,
    /// Two-sided p.
    pub p: f64,
}

/// Above this many pairs the normal approximation is good, and counting arrangements is slow.
const EXACT_PAIRS_MAX: usize = 400;

/// Tests two sets of values. Exact for small sets without ties, otherwise by the normal approximation with
/// corrections for ties and continuity. `None` when either set is empty.
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
    let has_ties = ties.iter().any(|len| *len > 1);
    let p = match !has_ties && first.len() * second.len() <= EXACT_PAIRS_MAX {
        true => exact_p(u, first.len(), second.len()),
        false => approximate_p(u, first.len(), second.len(), &ties),
    };
    Some(MannWhitney { u, p })
}

fn exact_p(u: f64, first: usize, second: usize) -> f64 {
    let arrangements = arrangements_by_u(first, second);
    let total: f64 = arrangements.iter().sum();
    let extreme = u.min((first * second) as f64 - u) as usize;
    let tail: f64 = arrangements[..=extreme].iter().sum();
    (2.0 * tail / total).min(1.0)
}

/// How many ways of interleaving the two sets give each U: the coefficients of a Gaussian binomial, built up by one
/// value of the first set at a time.
fn arrangements_by_u(first: usize, second: usize) -> Vec<f64> {
    let mut by_second: Vec<Vec<f64>> = vec![vec![1.0]; second + 1];
    for m in 1..=first {
        let mut next: Vec<Vec<f64>> = vec![vec![1.0]];
        for n in 1..=second {
            // Either the largest value is of the first set, above all n of the second, or it is of the second set.
            let mut counts = vec![0.0; m * n + 1];
            by_second[n].iter().enumerate().for_each(|(u, count)| counts[u + n] += count);
            next[n - 1].iter().enumerate().for_each(|(u, count)| counts[u] += count);
            next.push(counts);
        }
        by_second = next;
    }
    by_second.pop().unwrap_or_default()
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
