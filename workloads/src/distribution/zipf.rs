//! A true Zipf law over `n` ranks, without a table: rejection-inversion.
//!
//! Source: W. Hörmann and G. Derflinger, *Rejection-inversion to generate variates from monotone discrete distributions*,
//! ACM TOMACS 6(3), 1996. The density is enclosed by a hat that can be inverted; at most a few percent of draws are
//! rejected, whatever `n` and the exponent.

use crate::Rng;
use crate::math::{exp, exp_m1, ln, ln_1p};

#[derive(Clone, Debug)]
pub struct Zipf {
    n: u64,
    theta: f64,
    hat_first: f64,
    hat_last: f64,
    shortcut: f64,
}

impl Zipf {
    pub fn new(n: u64, theta: f64) -> Zipf {
        let mut zipf = Zipf { n, theta, hat_first: 0.0, hat_last: 0.0, shortcut: 0.0 };
        zipf.hat_first = zipf.hat_integral(1.5) - 1.0;
        zipf.hat_last = zipf.hat_integral(n as f64 + 0.5);
        zipf.shortcut = 2.0 - zipf.hat_integral_inverse(zipf.hat_integral(2.5) - zipf.hat(2.0));
        zipf
    }

    /// A rank from 0.
    pub fn draw(&self, rng: &mut Rng) -> u64 {
        loop {
            let u = self.hat_last + rng.unit_f64() * (self.hat_first - self.hat_last);
            let x = self.hat_integral_inverse(u);
            let rank = (x + 0.5).clamp(1.0, self.n as f64).floor();
            if rank - x <= self.shortcut || u >= self.hat_integral(rank + 0.5) - self.hat(rank) {
                return rank as u64 - 1;
            }
        }
    }

    fn hat(&self, x: f64) -> f64 {
        exp(-self.theta * ln(x))
    }

    /// An antiderivative of the hat: `(x^(1−θ) − 1) / (1−θ)`, which is `ln x` at `θ = 1`.
    fn hat_integral(&self, x: f64) -> f64 {
        let log = ln(x);
        expm1_over((1.0 - self.theta) * log) * log
    }

    fn hat_integral_inverse(&self, y: f64) -> f64 {
        let t = (y * (1.0 - self.theta)).max(-1.0 + f64::EPSILON);
        exp(ln1p_over(t) * y)
    }
}

/// `(e^x − 1) / x`, with its limit at zero.
fn expm1_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { exp_m1(x) / x } else { 1.0 + x / 2.0 }
}

/// `ln(1 + x) / x`, with its limit at zero.
fn ln1p_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { ln_1p(x) / x } else { 1.0 - x / 2.0 }
}
