//! YCSB's own zipfian generators: `ZipfianGenerator`, `ScrambledZipfianGenerator`, `SkewedLatestGenerator`.
//!
//! Source: J. Gray et al., *Quickly generating billion-record synthetic databases*, SIGMOD 1994, as YCSB codes it.

use crate::Rng;
use crate::math::pow;

/// YCSB's zipfian constant.
pub const THETA: f64 = 0.99;

/// The items the scrambled generator draws from: `0..=10^10` in the original.
const SCRAMBLED_ITEMS: f64 = 10_000_000_001.0;
/// The sum of `i^-0.99` over them, a literal in the original.
const SCRAMBLED_ZETA: f64 = 26.46902820178302;

/// Gray's approximate Zipf draw over ranks `0..items`.
#[derive(Clone, Debug)]
pub struct GrayZipf {
    items: f64,
    zeta: f64,
    eta: f64,
}

impl GrayZipf {
    /// Over `n` ranks.
    pub fn over(n: u64) -> GrayZipf {
        GrayZipf::with_zeta(n as f64, terms(1, n))
    }

    fn with_zeta(items: f64, zeta: f64) -> GrayZipf {
        let zeta_two = 1.0 + pow(0.5, THETA);
        let eta = (1.0 - pow(2.0 / items, 1.0 - THETA)) / (1.0 - zeta_two / zeta);
        GrayZipf { items, zeta, eta }
    }

    /// Extends the ranks to `n`, adding only the new terms.
    pub fn grow(&mut self, n: u64) {
        *self = GrayZipf::with_zeta(n as f64, self.zeta + terms(self.items as u64 + 1, n));
    }

    /// A rank from 0.
    pub fn draw(&self, rng: &mut Rng) -> u64 {
        let u = rng.unit_f64();
        let scaled = u * self.zeta;
        if scaled < 1.0 {
            0
        } else if scaled < 1.0 + pow(0.5, THETA) {
            1
        } else {
            let alpha = 1.0 / (1.0 - THETA);
            (self.items * pow(self.eta * u - self.eta + 1.0, alpha)) as u64
        }
    }
}

/// The sum of `i^-θ` for `i` in `first..=last`.
fn terms(first: u64, last: u64) -> f64 {
    (first..=last).map(|i| pow(i as f64, -THETA)).sum()
}

/// Gray's draw over ten billion items, hashed onto the keys there are.
#[derive(Clone, Debug)]
pub struct Scrambled(GrayZipf);

impl Scrambled {
    pub fn new() -> Scrambled {
        Scrambled(GrayZipf::with_zeta(SCRAMBLED_ITEMS, SCRAMBLED_ZETA))
    }

    /// A rank below `n`.
    pub fn draw(&self, n: u64, rng: &mut Rng) -> u64 {
        fnv_hash(self.0.draw(rng)) % n
    }
}

/// YCSB's `fnvhash64`: FNV-1a over the eight octets, low first, then the absolute value as a signed number.
pub(crate) fn fnv_hash(value: u64) -> u64 {
    let hash = value
        .to_le_bytes()
        .into_iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(1_099_511_628_211));
    (hash as i64).unsigned_abs()
}
