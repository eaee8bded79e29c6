use super::*;

#[test]
fn medians_and_spreads() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    assert_eq!(spread_ratio(&[90.0, 100.0, 110.0]), Some(0.2));
    assert_eq!(spread_ratio(&[100.0]), None);
}

#[test]
fn exact_p_values_are_those_of_the_tables() {
    // Fully separated: p = 2 / C(m + n, m).
    let p = |m: u32, n: u32| {
        let first: Vec<f64> = (0..m).map(f64::from).collect();
        let second: Vec<f64> = (0..n).map(|value| f64::from(value) + 100.0).collect();
        mann_whitney(&first, &second).unwrap().p
    };
    assert!((p(5, 5) - 2.0 / 252.0).abs() < 1e-12);
    assert!((p(2, 2) - 2.0 / 6.0).abs() < 1e-12);
    assert!((p(10, 10) - 2.0 / 184_756.0).abs() < 1e-12);
    // 5 and 5 with U = 2: the published critical value at 0.05.
    let test = mann_whitney(&[1.0, 2.0, 3.0, 4.0, 7.0], &[5.0, 6.0, 8.0, 9.0, 10.0]).unwrap();
    assert_eq!(test.u, 2.0);
    assert!((test.p - 8.0 / 252.0).abs() < 1e-12, "{}", test.p);
}

#[test]
fn the_approximation_agrees_with_the_exact_test_where_they_meet() {
    // 60 values are tested exactly, 61 by approximation; one value in the middle changes little.
    let first: Vec<f64> = (0..30).map(|value| f64::from(value) * 2.0).collect();
    let second: Vec<f64> = (0..30).map(|value| f64::from(value) * 2.0 + 11.0).collect();
    let exact = mann_whitney(&first, &second).unwrap();
    let by_integration = {
        let z = ((exact.u - 450.0).abs() - 0.5) / (900.0 * 61.0 / 12.0f64).sqrt();
        2.0 * (1.0 - normal_cdf(z))
    };
    assert!((exact.p - by_integration).abs() < 0.005, "{} {by_integration}", exact.p);
    let more = [second.as_slice(), &[34.5]].concat();
    let approximate = mann_whitney(&first, &more).unwrap();
    assert!((exact.p - approximate.p).abs() < 0.01, "{} {}", exact.p, approximate.p);
}

#[test]
fn ties_do_not_make_two_repeats_significant() {
    let tied = mann_whitney(&[5.0, 5.0], &[9.0, 9.0]).unwrap();
    assert!((tied.p - 1.0 / 3.0).abs() < 1e-12, "{}", tied.p);
    // By enumeration of all 70 ways to choose four of the eight values: 8 are as extreme.
    let mixed = mann_whitney(&[1.0, 2.0, 2.0, 3.0], &[2.0, 4.0, 4.0, 5.0]).unwrap();
    assert_eq!(mixed.u, 2.0);
    assert!((mixed.p - 8.0 / 70.0).abs() < 1e-12, "{}", mixed.p * 70.0);
}

/// By numerical integration, to be independent of the polynomial under test.
fn normal_cdf(z: f64) -> f64 {
    let steps = 100_000;
    let width = z / f64::from(steps);
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    0.5 + (0..steps).map(|step| density((f64::from(step) + 0.5) * width) * width).sum::<f64>()
}

#[test]
fn equal_values_are_no_difference() {
    let test = mann_whitney(&[5.0; 4], &[5.0; 4]).unwrap();
    assert_eq!((test.u, test.p), (8.0, 1.0));
    assert!(mann_whitney(&[], &[1.0]).is_none());
}

#[test]
fn a_comparison_says_when_it_may_be_chance() {
    let two = compare(&[100.0, 101.0], &[50.0, 51.0]).unwrap();
    assert!(!two.is_significant(), "two repeats prove nothing");
    assert!(two.to_string().starts_with("~ 1.99x"), "{two}");
    let five = compare(&[100.0, 101.0, 99.0, 102.0, 98.0], &[50.0, 51.0, 49.0, 52.0, 48.0]).unwrap();
    assert!(five.is_significant());
    let interval = five.interval.unwrap();
    assert!(interval.low > 1.85 && interval.low < 2.0 && interval.high > 2.0 && interval.high < 2.15, "{interval:?}");
    assert_eq!(
        five.to_string(),
        compare(&[100.0, 101.0, 99.0, 102.0, 98.0], &[50.0, 51.0, 49.0, 52.0, 48.0]).unwrap().to_string()
    );
}

/// A small generator of its own, so that figures below do not depend on the crate's.
fn noise(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f64 / f64::from(1 << 24)
}

fn batches(samples: &[f64], size: usize) -> (Vec<Batch>, f64) {
    let mean = samples.iter().sum::<f64>() / samples.len() as f64;
    let variance = samples.iter().map(|sample| (sample - mean).powi(2)).sum::<f64>() / samples.len() as f64;
    let batch =
        |chunk: &[f64]| Batch { count: chunk.len() as u64, mean: chunk.iter().sum::<f64>() / chunk.len() as f64 };
    (samples.chunks(size).map(batch).collect(), variance)
}

#[test]
fn independent_samples_keep_most_of_their_worth_and_correlated_ones_lose_it() {
    let mut state = 7;
    let independent: Vec<f64> = (0..10_000).map(|_| noise(&mut state)).collect();
    let (independent_batches, variance) = batches(&independent, 250);
    let kept = effective_sample_size(&independent_batches, variance).unwrap();
    assert!(kept > 3_000.0, "{kept}");

    // A first-order autoregression with 0.95: worth (1 - 0.95) / (1 + 0.95) of its samples, 256 of 10,000.
    let mut level = 0.0;
    let correlated: Vec<f64> = (0..10_000)
        .map(|_| {
            level = 0.95 * level + noise(&mut state) - 0.5;
            level
        })
        .collect();
    let (correlated_batches, variance) = batches(&correlated, 250);
    let kept = effective_sample_size(&correlated_batches, variance).unwrap();
    assert!(kept > 60.0 && kept < 600.0, "{kept}");
    assert_eq!(effective_sample_size(&correlated_batches[..4], variance), None);
}

#[test]
fn block_intervals_hold_the_truth_and_widen_with_noise() {
    let mut state = 11;
    let mut around = |noise_ratio: f64| -> Vec<f64> {
        (0..40).map(|_| 1_000.0 * (1.0 + noise_ratio * (noise(&mut state) - 0.5))).collect()
    };
    let calm = mean_interval(&around(0.02)).unwrap();
    let rough = mean_interval(&around(0.5)).unwrap();
    assert!(calm.low < 1_001.0 && calm.high > 999.0, "{calm:?}");
    assert!(rough.high - rough.low > 5.0 * (calm.high - calm.low), "{rough:?} {calm:?}");
    assert_eq!(mean_interval(&[1.0; 5]), None);
}

#[test]
fn quantile_intervals_bracket_the_quantile() {
    let mut state = 3;
    let interval = |state: &mut u64| {
        let mut counts = vec![0u64; 1_001];
        (0..1_000).for_each(|_| counts[(noise(state) * 1_000.0) as usize] += 1);
        counts
            .into_iter()
            .enumerate()
            .filter(|(_, count)| *count > 0)
            .map(|(value, count)| (value as u64, count))
            .collect()
    };
    let intervals: Vec<Vec<(u64, u64)>> = (0..20).map(|_| interval(&mut state)).collect();
    let [median, p99] = quantile_intervals(&intervals, [0.5, 0.99]).unwrap();
    assert!(median.low < 505.0 && median.high > 495.0 && median.high - median.low < 40.0, "{median:?}");
    assert!(p99.low > 980.0 && p99.high < 1_000.0, "{p99:?}");
    assert_eq!(quantile_intervals(&intervals[..3], [0.5]), None);
}
