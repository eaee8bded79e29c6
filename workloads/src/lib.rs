//! Workloads: what clients ask of an engine, exactly as the tools they are named after ask it.
//!
//! A [`Workload`] names its schema, its first rows and the transactions its clients run. It sees the contract only, so it
//! cannot know which storage architecture it drives.
//!
//! # Mechanism
//!
//! - [`sysbench`]: the OLTP family of sysbench 1.0.20 (`oltp_common.lua`), statement by statement and in its order.
//! - [`ycsb`]: YCSB's core workloads A to F (`CoreWorkload.java`).
//! - [`bank`], [`register`], [`list_append`], [`mixed`]: small workloads whose outcomes a checker can judge.
//! - [`distribution`]: which keys are asked for, each law under a name that says which it is.
//!
//! Values are *self-describing*: each carries the key it belongs to, a [`Stamp`] (who wrote it, and which of the writer's
//! transactions it was) and a checksum. Every read verifies itself; a value that does not verify, or belongs to another
//! key, is a *finding*, and so is a loaded row that is missing where no statement could have removed it.
//!
//! # Invariants
//!
//! - One seed, one sequence of transactions per client, whatever the interleaving (YCSB's reads also follow what
//!   was acknowledged, as in the original).
//! - Loaded rows are a function of the seed and the key.
//! - A stamp is used once, so no two transactions write the same value.
//!
//! # Caveats
//!
//! - A self-describing value costs a hash to make and to check, some 50 to 150 ns; the null engine's run shows it.
//! - Findings that depend on more than one value (missing rows, totals) are told only of committed transactions: an
//!   optimistic transaction may see a mix that its validation then refuses.

pub mod bank;
mod clients;
pub mod distribution;
pub mod list_append;
mod math;
pub mod mixed;
pub mod register;
mod registry;
mod rng;
mod stamp;
pub mod sysbench;
#[cfg(test)]
mod testing;

pub mod workload;
pub mod ycsb;

pub use distribution::{Distribution, DistributionError, Sampler};
pub use registry::{NAMES, Settings, SettingsError, build};
pub use rng::Rng;
pub use stamp::Stamp;
pub use workload::{LoadShard, Workload};
#[cfg(test)]
mod tests;
