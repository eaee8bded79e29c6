//! Planted bugs, to prove that the suites have teeth.
//!
//! # Mechanism
//!
//! Each [`Mutant`] is a bug in one engine's nodes, planted as a value ([`compute::planted`]), and names the suite that must
//! find it: its *own*, one of `harness/suites/canary`. [`hunt()`] plays the suite's scripts seed by seed against the engine
//! with the bug, until one fails that the engine without it passes. The general `swarm`, which knows none of the bugs, is
//! hunted with in the same way. What the engine as it is makes of the same seeds is played as well ([`Clean`]), and a script
//! that detects a bug can be made small ([`make_small()`]).
//!
//! # Invariants
//!
//! - A script that fails on the engine as it is detects nothing.
//! - Nobody but this module plants bugs: a test of the repository's rules says so.

mod catalogue;
mod hunt;
mod small;
mod table;

use nemesis::EngineClass;

use crate::campaign::Plants;
use crate::names;

pub use catalogue::MUTANTS;
pub use hunt::{Caught, Clean, Passed, hunt};
pub use small::{SHRUNK_COLUMNS, Small, SmallScripts, make_small};
pub use table::{COLUMNS, Line, Table, checker_of};

/// One planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// Its name.
    pub slug: &'static str,
    /// What is broken, and what a user would lose.
    pub about: &'static str,
    /// The engines it is planted in, one at a time.
    pub engines: &'static [EngineClass],
    /// The suite that must find it.
    pub suite: &'static str,
    /// The bug.
    pub plants: Plants,
}

impl Mutant {
    /// The mutant of that name.
    ///
    /// # Errors
    ///
    /// There is none; the text says which was probably meant.
    pub fn find(slug: &str) -> Result<&'static Mutant, String> {
        let known = MUTANTS.iter().map(|mutant| mutant.slug);
        MUTANTS.iter().find(|mutant| mutant.slug == slug).ok_or_else(|| names::unknown("mutant", slug, known))
    }

    /// The mutant with these bugs.
    pub fn with(plants: Plants) -> Option<&'static Mutant> {
        MUTANTS.iter().find(|mutant| mutant.plants == plants)
    }
}
