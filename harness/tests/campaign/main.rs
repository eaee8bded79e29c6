//! Campaigns against every engine: see [`harness::campaign`].
//!
//! `SEXTANT_SEEDS` says how many seeds each campaign runs, `SEXTANT_SEED` with which it begins, `SEXTANT_TRACE` names a file
//! that the trace of the last seed goes to. `SEXTANT_STRIDE` says at every how many points the engines are crashed.

mod broken_off;
mod crash;
mod mirror;
mod recovery;
mod seeds;
mod teller;
mod zombie;

/// The number in an environment variable.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
