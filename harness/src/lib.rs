//! The harness: drives engines with workloads and faults, and says what came of it.
//!
//! The binary `sextant` is the command line over this library. Only the harness names everything: engines, runtimes,
//! workloads, records. To add an engine or a workload, implement one trait and add it to one list.

#![warn(clippy::print_stdout, clippy::print_stderr)]

/// Engines allocate aligned blocks and small buffers by the hundred thousand a second, on the same footing: both get an
/// allocator that is quick at it, here and in tests and benchmarks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod acks;
pub mod aftermath;
pub mod campaign;
pub mod chaos;
pub mod cli;
pub mod data;
pub mod devices;
pub mod drive;
pub mod engines;
pub mod exit;
pub mod floors;
pub mod interrupt;
pub mod names;
pub mod printed;
pub mod processes;
pub mod profile;
pub mod progress;
pub mod rig;
pub mod turn;
pub mod units;
pub mod verdict;
