//! What became of each mutant, line by line.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use nemesis::EngineClass;
use record::report::chaos::mutants::{Catch, Clean, Mutants, Small};

use super::{Caught, MUTANTS, Mutant, Passed, SmallScripts};
use crate::chaos::play::Seen;

/// The columns of `mutants.csv`; `results/README.md` says what is in them.
pub const COLUMNS: [&str; 9] =
    ["mutant", "engine", "suite", "own_seeds", "own_checker", "swarm_seeds", "swarm_checker", "seeds_max", "what"];

/// One mutant on one engine.
#[derive(Clone, Debug)]
pub struct Line {
    /// The bug.
    pub mutant: &'static Mutant,
    /// Where it was planted.
    pub class: EngineClass,
    /// What its own suite found.
    pub own: Option<Caught>,
    /// What the swarm found.
    pub swarm: Option<Caught>,
}

impl Line {
    /// What its own suite found, or else the swarm.
    pub fn caught(&self) -> Option<&Caught> {
        self.own.as_ref().or(self.swarm.as_ref())
    }
}

/// Which check a failure comes from.
pub fn checker_of(seen: &Seen) -> &'static str {
    let what = match seen {
        Seen::Kept(_) => return "",
        Seen::Broken { .. } => return "promise",
        Seen::Liveness(_) => return "liveness",
        Seen::Unknown(_) => return "unknown",
        Seen::Violation(what) => what,
    };
    let says = |words: &str| what.contains(words);
    match () {
        () if says("a node panicked") => "assertion",
        () if says("strict serializability is") && says("durability is valid") => "replay",
        () if says("strict serializability is") => "durability",
        () if says("clients found") => "client",
        () if says("were silent all that time") => "silence",
        () if says("halted at") => "halt",
        () => "probe",
    }
}

/// The lines so far, on the terminal and in a file.
#[derive(Debug)]
pub struct Table {
    file: BufWriter<File>,
    seeds_max: u64,
    lines: Vec<Line>,
}

impl Table {
    /// A new table, with a file at `path`. At most `seeds_max` seeds are played for each line and suite.
    ///
    /// # Errors
    ///
    /// The file cannot be made or written.
    pub fn create(path: &Path, seeds_max: u64) -> io::Result<Table> {
        let mut file = BufWriter::new(File::create(path)?);
        writeln!(file, "{}", COLUMNS.join(","))?;
        Ok(Table { file, seeds_max, lines: Vec::new() })
    }

    /// What stands above the lines.
    pub fn head() -> String {
        let slugs = MUTANTS.iter().map(|mutant| mutant.slug.len()).max().unwrap_or(0);
        format!(
            "{:slugs$}  {:16}  {:12} {:>6}  {:10} {:>6}  {:10}",
            "mutant", "engine", "own suite", "seeds", "checker", "swarm", "checker"
        )
        .trim_end()
        .to_owned()
    }

    /// Takes a line, and gives it as text.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn add(&mut self, line: Line) -> io::Result<String> {
        let slugs = MUTANTS.iter().map(|mutant| mutant.slug.len()).max().unwrap_or(0);
        let (seeds, checker) = (seeds_of, checker_column);
        let (slug, class, suite) = (line.mutant.slug, line.class.name(), line.mutant.suite);
        let mut text = format!("{slug:slugs$}  {class:16}  {suite:12}");
        for caught in [&line.own, &line.swarm] {
            let _ =
                write!(text, " {:>6}  {:10}", seeds(caught).map_or("–".to_owned(), |n| n.to_string()), checker(caught));
        }
        let what = line.caught().and_then(|caught| caught.seen.failure()).unwrap_or("");
        let cells = [
            slug.to_owned(),
            class.to_owned(),
            suite.to_owned(),
            seeds(&line.own).map_or(String::new(), |n| n.to_string()),
            checker(&line.own).to_owned(),
            seeds(&line.swarm).map_or(String::new(), |n| n.to_string()),
            checker(&line.swarm).to_owned(),
            self.seeds_max.to_string(),
            format!("\"{}\"", what.replace(['"', '\n', '\r'], "'")),
        ];
        writeln!(self.file, "{}", cells.join(","))?;
        self.file.flush()?;
        self.lines.push(line);
        Ok(text.trim_end().to_owned())
    }

    /// The lines so far.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The report of the lines so far, of what passed without a bug, and of what was made small.
    pub fn page(&self, passed: Passed, small: Option<&SmallScripts>, elapsed_s: f64, reproduce: String) -> Mutants {
        let catch = |caught: &Option<Caught>| {
            caught.as_ref().map(|Caught { seeds, seen, .. }| Catch {
                seeds: *seeds,
                checker: checker_of(seen).to_owned(),
                what: seen.failure().unwrap_or_default().to_owned(),
            })
        };
        let line = |(at, line): (usize, &Line)| record::report::chaos::mutants::Mutant {
            name: line.mutant.slug.to_owned(),
            about: line.mutant.about.to_owned(),
            engine: line.class.name().to_owned(),
            suite: line.mutant.suite.to_owned(),
            own: catch(&line.own),
            swarm: catch(&line.swarm),
            small: small.and_then(|small| small.of(at)).map(|small| Small {
                events: small.events() as u64,
                events_before: small.events_before as u64,
                seconds: small.wall.as_secs_f64(),
            }),
        };
        let (own, swarm, all) = self.totals();
        Mutants {
            mutants: self.lines.iter().enumerate().map(line).collect(),
            found: (own as u64, swarm as u64, all as u64),
            seeds_max: self.seeds_max,
            clean: Clean { played: passed.played, to_play: passed.of, failed: passed.failed },
            elapsed_s,
            code: record::info::Code::capture(),
            reproduce,
        }
    }

    /// Mutants so far that were found on every engine: by their own suites, and by the swarm; and how many there are.
    pub fn totals(&self) -> (usize, usize, usize) {
        let of = |mutant: &&Mutant, found: &dyn Fn(&Line) -> bool| {
            let mut lines = self.lines.iter().filter(|line| line.mutant.slug == mutant.slug).peekable();
            lines.peek().is_some() && lines.all(found)
        };
        let count = |found: &dyn Fn(&Line) -> bool| MUTANTS.iter().filter(|mutant| of(mutant, found)).count();
        (count(&|line| line.own.is_some()), count(&|line| line.swarm.is_some()), count(&|_| true))
    }
}

fn seeds_of(caught: &Option<Caught>) -> Option<u64> {
    caught.as_ref().map(|caught| caught.seeds)
}

fn checker_column(caught: &Option<Caught>) -> &'static str {
    caught.as_ref().map_or("", |caught| checker_of(&caught.seen))
}
