//! What comes from outside, damaged in ways that nobody planned: frames, disks, suites and scripts. Histories are fuzzed where
//! their readers are, in `checker`.
//!
//! Everything starts from the real thing, taken from small engines at work in simulation, and is then changed: bits, lengths,
//! pieces lost, doubled, moved and exchanged; behind a checksum that is right again, too, because only then do the readers
//! get to see it. Nothing may panic, and whatever is accepted must come out again as it went in.
//!
//! `SEXTANT_FUZZ_CASES` sets how many cases each test tries; the default is short. `SEXTANT_FUZZ_FIRST` sets the first one: a
//! case draws everything from its number, so that one that failed is tried again alone.

mod disks;
mod frames;
mod mutate;
mod scripts;
mod sealed;
mod suites;
mod worlds;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The numbers of the cases to try, when `by_default` is how many there are unless somebody says.
fn cases(by_default: u64) -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number of cases"));
    let first = number("SEXTANT_FUZZ_FIRST").unwrap_or(0);
    first..first + number("SEXTANT_FUZZ_CASES").unwrap_or(by_default)
}

/// Runs one case; one that panics is named.
fn case<T>(number: u64, run: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| panic!("case {number}: see the panic above"))
}
