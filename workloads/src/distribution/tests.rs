use super::*;
use crate::Rng;

const DRAWS: u64 = 400_000;

/// Shares of draws by rank.
fn masses(distribution: Distribution, n: u64) -> Vec<f64> {
    let sampler = Sampler::new(&distribution, n);
    let mut rng = Rng::new(20_260);
    let mut counts = vec![0u64; n as usize];
    for _ in 0..DRAWS {
        counts[sampler.draw(&mut rng) as usize] += 1;
    }
    counts.into_iter().map(|count| count as f64 / DRAWS as f64).collect()
}

fn first(masses: &[f64], share: f64) -> f64 {
    masses[..(masses.len() as f64 * share) as usize].iter().sum()
}

fn assert_near(measured: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((measured - expected).abs() <= tolerance, "{what}: {measured:.5}, expected {expected} ± {tolerance}");
}

#[test]
fn uniform_gives_every_key_its_share() {
    let masses = masses(Distribution::Uniform, 100);
    for (rank, mass) in masses.iter().enumerate() {
        assert_near(*mass, 0.01, 0.001, &format!("rank {rank}"));
    }
}

#[test]
fn gaussian_is_the_mean_of_twelve() {
    let masses = masses(Distribution::Gaussian { iterations: 12 }, 1200);
    let mean: f64 = masses.iter().enumerate().map(|(rank, mass)| rank as f64 * mass).sum();
    let variance: f64 = masses.iter().enumerate().map(|(rank, mass)| (rank as f64 - mean).powi(2) * mass).sum();
    assert_near(mean, 599.5, 1.0, "mean");
    // A uniform number over n has variance n²/12; the mean of twelve has a twelfth of that.
    assert_near(variance.sqrt(), 100.0, 1.0, "standard deviation");
}

#[test]
fn special_has_the_band_of_sysbench_1_0_20() {
    let masses = masses(Distribution::SPECIAL, 1000);
    // Ids count from 1.
    let id = |id: usize| masses[id - 1];
    assert_near(id(499), 0.0926, 0.0015, "id 499");
    assert_near((496..=505).map(id).sum(), 0.717, 0.002, "ids 496 to 505");
    assert_near(masses.iter().sum::<f64>() - (496..=506).map(id).sum::<f64>(), 0.2375, 0.003, "outside the band");
}

#[test]
fn pareto_gives_the_first_fifth_four_fifths() {
    let masses = masses(Distribution::Pareto { h: 0.2 }, 10_000);
    assert_near(first(&masses, 0.01), 0.528, 0.003, "first 1 %");
    assert_near(first(&masses, 0.2), 0.8, 0.003, "first 20 %");
}

#[test]
fn zipf_is_a_zipf_law() {
    let small = masses(Distribution::Zipf { theta: 0.8 }, 10_000);
    assert_near(first(&small, 0.01), 0.300, 0.003, "theta 0.8, 10^4 keys, top 1 %");
    let large = masses(Distribution::Zipf { theta: 0.8 }, 1_000_000);
    assert_near(first(&large, 0.01), 0.362, 0.003, "theta 0.8, 10^6 keys, top 1 %");
    for (n, hottest) in
        [(1_000, 0.1294), (10_000, 0.0978), (100_000, 0.0783), (1_000_000, 0.0650), (10_000_000, 0.0554)]
    {
        let masses = masses(Distribution::Zipf { theta: 0.99 }, n);
        assert_near(masses[0], hottest, 0.0015, &format!("theta 0.99, {n} keys, hottest"));
    }
}

#[test]
fn zipf_matches_theory_rank_by_rank_on_both_sides_of_one() {
    for theta in [0.5, 0.99, 1.0, 1.3] {
        let masses = masses(Distribution::Zipf { theta }, 50);
        let zeta: f64 = (1..=50).map(|rank| f64::from(rank).powf(-theta)).sum();
        for (rank, mass) in masses.iter().enumerate() {
            let expected = (rank as f64 + 1.0).powf(-theta) / zeta;
            assert_near(*mass, expected, 0.0025, &format!("theta {theta}, rank {rank}"));
        }
    }
}

#[test]
fn ycsb_scrambled_is_as_hot_whatever_the_number_of_keys() {
    for n in [1_000u64, 10_000, 100_000, 1_000_000, 10_000_000] {
        let masses = masses(Distribution::YcsbScrambled, n);
        let hottest = masses.iter().copied().fold(0.0, f64::max);
        // Few keys collide under the hash, which adds to the hottest.
        let tolerance = if n == 1_000 { 0.003 } else { 0.0015 };
        assert_near(hottest, 0.0378, tolerance, &format!("{n} keys, hottest"));
        assert!((masses[(fnv_hash(0) % n) as usize] - hottest).abs() < 1e-12, "rank 0 hashes to the hottest key");
    }
}

#[test]
fn latest_prefers_the_newest_and_follows_growth() {
    let masses = masses(Distribution::Latest, 1_000);
    assert_near(masses[999], 0.1294, 0.002, "newest");
    assert!(masses[999] > masses[998] && masses[998] > masses[990]);
    let mut grown = Sampler::new(&Distribution::Latest, 1_000);
    grown.grow(2_000);
    let fresh = Sampler::new(&Distribution::Latest, 2_000);
    let (mut a, mut b) = (Rng::new(1), Rng::new(1));
    for _ in 0..10_000 {
        assert_eq!(grown.draw(&mut a), fresh.draw(&mut b), "growing adds the missing terms exactly enough");
    }
}

#[test]
fn the_scrambled_zeta_is_the_sum_it_claims_to_be() {
    // Euler-Maclaurin for the sum of i^-0.99 up to 10^10: the first 10^5 terms, then the integral and two corrections.
    let head: f64 = (1..=100_000u64).map(|i| (i as f64).powf(-0.99)).sum();
    let (a, b) = (1e5f64, 1e10f64);
    let tail = (b.powf(0.01) - a.powf(0.01)) / 0.01 + (b.powf(-0.99) - a.powf(-0.99)) / 2.0;
    assert_near(head + tail, 26.469028201752, 1e-6, "zeta");
}

#[test]
fn draws_stay_in_range_for_tiny_ranges() {
    let mut rng = Rng::new(3);
    for distribution in Distribution::ALL {
        for n in 1..=5 {
            let sampler = Sampler::new(&distribution, n);
            for _ in 0..200 {
                assert!(sampler.draw(&mut rng) < n, "{distribution} over {n}");
            }
        }
    }
}

#[test]
fn what_is_recorded_parses_back() {
    let mut all = Distribution::ALL.to_vec();
    all.push(Distribution::Zipf { theta: 1.25 });
    all.push(Distribution::Special { iterations: 3, hot_percent: 10, hot_share_percent: 50 });
    for distribution in all {
        assert_eq!(distribution.to_string().parse(), Ok(distribution));
    }
    assert_eq!("zipf".parse(), Ok(Distribution::Zipf { theta: 0.8 }));
    assert_eq!(
        "special".parse::<Distribution>().unwrap().to_string(),
        "special(iterations=12,hot_percent=1,hot_share_percent=75)"
    );
    assert!(matches!("zipfian".parse::<Distribution>(), Err(DistributionError::Name(_))));
    for bad in [
        "zipf(theta=0)",
        "zipf(h=1)",
        "pareto(h=1)",
        "uniform(x=1)",
        "special(hot_share_percent=100)",
        "latest(theta=1)",
        "zipf(theta)",
    ] {
        assert!(matches!(bad.parse::<Distribution>(), Err(DistributionError::Parameter { .. })), "{bad}");
    }
}
