//! A 128-bit hash chained over what happened, to prove that two runs were the same run.

use xxhash_rust::xxh3::xxh3_128;

/// A running 128-bit digest. Order matters: each value is hashed together with the digest so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub u128);

impl Digest {
    /// Chains `bytes`.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.chain(xxh3_128(bytes));
    }

    /// Chains one integer.
    #[inline]
    pub fn word(&mut self, value: u64) {
        self.pair(value, 0);
    }

    /// Chains two integers for the price of one.
    #[inline]
    pub fn pair(&mut self, one: u64, other: u64) {
        self.chain((u128::from(other) << 64 | u128::from(one)) ^ 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834);
    }

    #[inline]
    fn chain(&mut self, value: u128) {
        // Two rounds of a 64-bit multiply-fold: cheap enough for every event, and any changed input changes it.
        let low = fold(self.0 as u64 ^ value as u64, 0xa076_1d64_78bd_642f ^ (value >> 64) as u64);
        let high = fold((self.0 >> 64) as u64 ^ low, 0xe703_7ed1_a0b4_28db ^ value as u64);
        self.0 = (u128::from(high) << 64 | u128::from(low)).wrapping_add(self.0.rotate_left(43));
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}
