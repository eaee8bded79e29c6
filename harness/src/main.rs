//! `sextant`: the command line over the harness.

use std::process::ExitCode;

/// Engines allocate aligned blocks and small buffers by the hundred thousand a second, on the same footing: both get an
/// allocator that is quick at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    harness::cli::run(std::env::args_os()).into()
}
