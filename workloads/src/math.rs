//! Logarithms, exponentials and powers by additions, multiplications and divisions alone, which round alike everywhere.
//!
//! The C library's own differ in the last bit between processors and versions, and a draw with them: one seed would then
//! ask for different keys on different machines. These are good to a few units in the last place.

use std::f64::consts::{LN_2, SQRT_2};

/// `ln 2` in two parts, the first with few enough bits that small multiples of it are exact.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// The natural logarithm of a positive, normal number.
pub fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i64 - 1023;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    // Into [sqrt(1/2), sqrt(2)], so that the series converges fast and ln 1 is exactly zero.
    let (mantissa, exponent) = if mantissa > SQRT_2 { (mantissa / 2.0, exponent + 1) } else { (mantissa, exponent) };
    exponent as f64 * LN_2 + twice_artanh((mantissa - 1.0) / (mantissa + 1.0))
}

/// `ln (1 + x)`, exact for small `x` too. `x` is above -1.
pub fn ln_1p(x: f64) -> f64 {
    if x.abs() < 0.4 { twice_artanh(x / (2.0 + x)) } else { ln(1.0 + x) }
}

/// `e` to the power of a number in -700..=700.
pub fn exp(x: f64) -> f64 {
    let twos = (x / LN_2).round();
    let rest = x - twos * LN_2_HIGH - twos * LN_2_LOW;
    f64::from_bits(((twos as i64 + 1023) as u64) << 52) * (1.0 + taylor(rest))
}

/// `e^x - 1`, exact for small `x` too.
pub fn exp_m1(x: f64) -> f64 {
    if x.abs() < 0.35 { taylor(x) } else { exp(x) - 1.0 }
}

/// A positive number to a power, or zero to a positive power.
pub fn pow(base: f64, power: f64) -> f64 {
    if base == 0.0 { 0.0 } else { exp((power * ln(base)).clamp(-700.0, 700.0)) }
}

/// `2 artanh z = 2 (z + z^3/3 + z^5/5 + …)`, for `z^2 < 0.063`.
fn twice_artanh(z: f64) -> f64 {
    let square = z * z;
    let series = (0..14).rev().fold(0.0, |sum, term| sum * square + 1.0 / f64::from(2 * term + 1));
    2.0 * z * series
}

/// `x + x^2/2! + x^3/3! + …`, for `|x| < 0.36`.
fn taylor(x: f64) -> f64 {
    (1..=14).rev().fold(0.0, |sum, term| (sum + 1.0) * x / f64::from(term))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    fn near(ours: f64, theirs: f64) {
        let error = (ours - theirs).abs();
        assert!(error <= 4e-15 * theirs.abs() + 1e-300, "{ours} and {theirs}");
    }

    #[test]
    fn they_agree_with_the_library() {
        let mut rng = Rng::new(1);
        for _ in 0..50_000 {
            let x = 1e-3 + rng.unit_f64() * 1e6;
            assert!((ln(x) - x.ln()).abs() <= 1e-15 * x.ln().abs().max(1.0), "{x}");
            let y = (rng.unit_f64() - 0.5) * 60.0;
            assert!((exp(y) - y.exp()).abs() <= 2e-15 * y.exp(), "{y}");
            let small = (rng.unit_f64() - 0.5) * 1e-3;
            near(exp_m1(small), small.exp_m1());
            near(ln_1p(small), small.ln_1p());
            near(exp_m1(y / 30.0), (y / 30.0).exp_m1());
            near(ln_1p(y.abs() - 0.9), (y.abs() - 0.9).ln_1p());
            let u = rng.unit_f64();
            assert!((pow(u, 7.2) - u.powf(7.2)).abs() <= 1e-13 * u.powf(7.2));
        }
        assert_eq!((ln(1.0), exp(0.0), pow(0.0, 7.0), pow(1.0, 100.0)), (0.0, 1.0, 0.0, 1.0));
    }

    #[test]
    fn draws_are_the_same_everywhere() {
        use crate::{Distribution, Sampler};
        let mut sum = 0u64;
        for distribution in Distribution::ALL {
            let sampler = Sampler::new(&distribution, 12_345);
            let mut rng = Rng::new(7);
            sum = (0..1_000).fold(sum, |sum, _| sum.rotate_left(1) ^ sampler.draw(&mut rng));
        }
        assert_eq!(sum, 4_465_302_641_487_145_501);
    }
}
