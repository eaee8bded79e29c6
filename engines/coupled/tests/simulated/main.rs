//! The coupled engine under the simulated runtime.
//!
//! A small node drives the storage with groups it makes itself, so that what must be on every page after every crash is
//! known exactly. Counts rise with `SEXTANT_CAMPAIGN` (a factor, 1 by default).

mod binlog;
mod crash;
mod damage;
mod mending;
mod mirrored;
mod repair;
mod replaced;
mod seeds;
mod serial;
mod store;
mod volumes;

/// The factor by which campaigns are longer than the default run.
pub fn campaign() -> u64 {
    std::env::var("SEXTANT_CAMPAIGN").ok().and_then(|factor| factor.parse().ok()).unwrap_or(1)
}
