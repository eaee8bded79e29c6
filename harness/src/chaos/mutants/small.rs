//! How small the scripts become that detect planted bugs.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use nemesis::{EngineClass, Script};
use record::stats::median;

use super::{Caught, Mutant};
use crate::chaos::play::Playing;
use crate::chaos::shrink::shrink;
use crate::interrupt;

/// The columns of `shrunk.csv`; `results/README.md` says what is in them.
pub const SHRUNK_COLUMNS: [&str; 11] = [
    "mutant",
    "engine",
    "suite",
    "seed",
    "events_before",
    "operations",
    "faults",
    "events",
    "tries",
    "wall_s",
    "ended",
];

/// A detecting script that was made small.
#[derive(Clone, Debug)]
pub struct Small {
    /// What is left: it fails with the bug as the whole did, and passes without it.
    pub script: Script,
    /// How many events the whole had.
    pub events_before: usize,
    /// Scripts tried.
    pub tries: u64,
    /// What it took on the wall clock.
    pub wall: Duration,
    /// Whether nothing more could be left out; otherwise the time was over first.
    pub is_minimal: bool,
}

impl Small {
    /// How many events are left: operations and faults.
    pub fn events(&self) -> usize {
        self.script.events()
    }
}

/// Makes the script that detected `mutant` small, for at most `limit`. `None` when somebody asked for an end.
pub fn make_small(mutant: &Mutant, caught: &Caught, limit: Duration) -> Option<Small> {
    let playing = Playing { plants: mutant.plants, ..Playing::default() };
    let (began, mut is_minimal) = (Instant::now(), true);
    let shrunk = shrink(&caught.script, playing, || {
        let goes_on = began.elapsed() < limit && !interrupt::asked();
        is_minimal &= goes_on;
        goes_on
    })?;
    let (wall, events_before) = (began.elapsed(), caught.script.events());
    let small = Small { script: shrunk.script, events_before, tries: shrunk.tries, wall, is_minimal };
    (!interrupt::asked()).then_some(small)
}

/// Small scripts by the line of the table that they belong to, in a file as they come.
#[derive(Debug)]
pub struct SmallScripts {
    file: BufWriter<File>,
    all: Vec<(usize, Small)>,
}

impl SmallScripts {
    /// None so far, with a file at `path`.
    ///
    /// # Errors
    ///
    /// The file cannot be made or written.
    pub fn create(path: &Path) -> io::Result<SmallScripts> {
        let mut file = BufWriter::new(File::create(path)?);
        writeln!(file, "{}", SHRUNK_COLUMNS.join(","))?;
        file.flush()?;
        Ok(SmallScripts { file, all: Vec::new() })
    }

    /// Takes the script of a line, and gives what came of it as text.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn add(&mut self, line: usize, mutant: &Mutant, class: EngineClass, small: Small) -> io::Result<String> {
        let (header, left) = (&small.script.header, &small.script);
        let cells = [
            mutant.slug.to_owned(),
            class.name().to_owned(),
            header.suite.clone(),
            header.seed.to_string(),
            small.events_before.to_string(),
            left.operations.len().to_string(),
            left.faults.len().to_string(),
            small.events().to_string(),
            small.tries.to_string(),
            format!("{:.3}", small.wall.as_secs_f64()),
            if small.is_minimal { "minimal" } else { "time-limit" }.to_owned(),
        ];
        writeln!(self.file, "{}", cells.join(","))?;
        self.file.flush()?;
        let text = format!(
            "{} on {}: {} events are left of {} ({} operations, {} faults), after {} tries in {:.1} s{}",
            mutant.slug,
            class.name(),
            small.events(),
            small.events_before,
            left.operations.len(),
            left.faults.len(),
            small.tries,
            small.wall.as_secs_f64(),
            if small.is_minimal { "" } else { ", when the time was over" }
        );
        self.all.push((line, small));
        Ok(text)
    }

    /// That of a line.
    pub fn of(&self, line: usize) -> Option<&Small> {
        self.all.iter().find(|(of, _)| *of == line).map(|(_, small)| small)
    }

    /// Their medians in words.
    pub fn summary(&self) -> String {
        let median_of =
            |figure: fn(&Small) -> f64| median(&self.all.iter().map(|(_, small)| figure(small)).collect::<Vec<_>>());
        match (median_of(|small| small.events() as f64), median_of(|small| small.wall.as_secs_f64())) {
            (Some(events), Some(seconds)) => format!(
                "made small: {} scripts, a median of {events} events left of {}, after a median of {seconds:.1} s",
                self.all.len(),
                median_of(|small| small.events_before as f64).unwrap_or_default(),
            ),
            _ => "made small: no script".to_owned(),
        }
    }
}
