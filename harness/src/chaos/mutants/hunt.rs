//! Seeds until a planted bug is seen.

use std::collections::BTreeMap;
use std::ops::Range;

use nemesis::{EngineClass, Script};
use rayon::prelude::*;

use super::Mutant;
use crate::campaign::Plants;
use crate::chaos::author;
use crate::chaos::play::{Playing, Seen, play};
use crate::chaos::suite::Suite;
use crate::interrupt;

/// Seeds that are played between two looks at interrupts, for each job.
const BATCH: u64 = 4;

/// A script that fails with the bug and does not without it.
#[derive(Clone, Debug)]
pub struct Caught {
    /// How many seeds were played, this one included.
    pub seeds: u64,
    /// What was played.
    pub script: Script,
    /// How it failed.
    pub seen: Seen,
}

/// Whether a script fails with these bugs.
fn fails(script: &Script, plants: Plants) -> Option<Seen> {
    let seen = play(script, &Playing { plants, ..Playing::default() }).seen;
    seen.failure().is_some().then_some(seen)
}

/// Plays `seeds` of `suite` on an engine with the bug, as many at once as rayon has threads, until one detects it; those
/// behind it are not begun. `None` when none does, or somebody asked for an end. `tell` hears now and then how many were
/// played.
///
/// # Errors
///
/// A script that cannot be drawn.
pub fn hunt(
    mutant: &Mutant,
    suite: &Suite,
    class: EngineClass,
    seeds: Range<u64>,
    mut tell: impl FnMut(u64),
) -> Result<Option<Caught>, String> {
    let try_seed = |seed: u64| -> Result<Option<Caught>, String> {
        let script = author(suite, class, seed)?;
        let Some(seen) = fails(&script, mutant.plants) else { return Ok(None) };
        let detects = fails(&script, Plants::NONE).is_none();
        Ok(detects.then_some(Caught { seeds: seed - seeds.start + 1, script, seen }))
    };
    let step = BATCH * rayon::current_num_threads() as u64;
    let mut next = seeds.start;
    while next < seeds.end && !interrupt::asked() {
        let batch = next..(next + step).min(seeds.end);
        let found = batch.into_par_iter().map(try_seed).find_first(|tried| !matches!(tried, Ok(None)));
        if let Some(found) = found {
            return found;
        }
        next += step;
        tell(next.min(seeds.end) - seeds.start);
    }
    Ok(None)
}

/// Which seeds mutants were hunted with, to be played on the engines as they are.
#[derive(Clone, Debug, Default)]
pub struct Clean {
    upto: BTreeMap<(String, EngineClass), (Suite, u64)>,
}

/// Scripts that were played without any bug.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// How many.
    pub played: u64,
    /// How many there are to play.
    pub of: u64,
    /// What failed among them.
    pub failed: Vec<String>,
}

impl Clean {
    /// These many seeds of the suite were played on the class.
    pub fn note(&mut self, suite: &Suite, class: EngineClass, seeds: u64) {
        let (_, upto) = self.upto.entry((suite.name.clone(), class)).or_insert_with(|| (suite.clone(), 0));
        *upto = seeds.max(*upto);
    }

    /// Plays all of them, from `first` on, without any bug, as many at once as rayon has threads, until somebody asks for an
    /// end. `tell` hears now and then what became of them so far.
    ///
    /// # Errors
    ///
    /// A script that cannot be drawn.
    pub fn play(&self, first: u64, mut tell: impl FnMut(&Passed)) -> Result<Passed, String> {
        let scripts: Vec<(&Suite, EngineClass, u64)> = (self.upto.iter())
            .flat_map(|((_, class), (suite, seeds))| (first..first + seeds).map(move |seed| (suite, *class, seed)))
            .collect();
        let one = |&(suite, class, seed): &(&Suite, EngineClass, u64)| -> Result<Option<String>, String> {
            let seen = fails(&author(suite, class, seed)?, Plants::NONE);
            let name = &suite.name;
            Ok(seen.map(|seen| format!("{name} {} {seed}: {}", class.name(), seen.failure().unwrap_or_default())))
        };
        let mut passed = Passed { of: scripts.len() as u64, ..Passed::default() };
        for batch in scripts.chunks(BATCH as usize * rayon::current_num_threads()) {
            if interrupt::asked() {
                break;
            }
            let failed: Vec<Option<String>> = batch.par_iter().map(one).collect::<Result<_, _>>()?;
            passed.played += batch.len() as u64;
            passed.failed.extend(failed.into_iter().flatten());
            tell(&passed);
        }
        Ok(passed)
    }
}
