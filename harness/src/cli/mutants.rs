//! `sextant chaos mutants`: whether the suites find bugs that are known to be there.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::time::Instant;

use nemesis::EngineClass;
use rayon::ThreadPool;

use super::args::MutantsArgs;
use crate::chaos::mutants::{Caught, Clean, Line, MUTANTS, Mutant, Passed, SmallScripts, Table, hunt, make_small};
use crate::chaos::suite::Suite;
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::printed::{errln, outln};
use crate::progress::Progress;

/// Failures without a planted bug that are told one by one; more are only counted.
const TOLD_MAX: usize = 10;

/// Runs that the command plays are expected to panic: what they say is in the verdict.
fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|_| {}));
}

pub(super) fn run_command(args: &MutantsArgs) -> Result<Exit, Failure> {
    let mutants = chosen(args)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.jobs.unwrap_or(0) as usize).build();
    let pool = pool.map_err(|error| Failure::io(format!("cannot start threads: {error}")))?;
    let mut proof = Proof::begin(args, pool)?;
    keep_panics_quiet();
    errln!("{} planted bugs, at most {} seeds of each suite, from seed {} on", mutants.len(), args.seeds, args.seed);
    // Each part ends early when somebody asks for it; what there is by then is told all the same.
    proof.hunt(&mutants)?;
    proof.pass()?;
    proof.shrink()?;
    proof.finish()
}

fn chosen(args: &MutantsArgs) -> Result<Vec<&'static Mutant>, Failure> {
    if args.mutant.is_empty() {
        return Ok(MUTANTS.iter().collect());
    }
    args.mutant.iter().map(|slug| Mutant::find(slug).map_err(Failure::usage)).collect()
}

/// What a run of the command has found so far.
struct Proof<'a> {
    args: &'a MutantsArgs,
    pool: ThreadPool,
    progress: Progress,
    began: Instant,
    table: Table,
    clean: Clean,
    passed: Passed,
    /// None unless they were asked for.
    small: Option<SmallScripts>,
}

impl Proof<'_> {
    fn begin(args: &MutantsArgs, pool: ThreadPool) -> Result<Proof<'_>, Failure> {
        let begin = || -> io::Result<Proof<'_>> {
            fs::create_dir_all(&args.out)?;
            Ok(Proof {
                args,
                pool,
                progress: Progress::new(false),
                began: Instant::now(),
                table: Table::create(&args.out.join("mutants.csv"), args.seeds)?,
                clean: Clean::default(),
                passed: Passed::default(),
                small: args.shrink.map(|_| SmallScripts::create(&args.out.join("shrunk.csv"))).transpose()?,
            })
        };
        begin().map_err(|error| cannot_write(&args.out, &error))
    }

    /// Hunts each bug with its own suite and with the swarm.
    fn hunt(&mut self, mutants: &[&'static Mutant]) -> Result<(), Failure> {
        outln!("{}", Table::head());
        for &mutant in mutants {
            for &class in mutant.engines {
                let own = self.search(mutant, class, mutant.suite)?;
                let swarm = self.search(mutant, class, "swarm")?;
                // A hunt that was broken off says nothing about its bug.
                if interrupt::asked() {
                    return Ok(());
                }
                self.keep(mutant, class, "own", own.as_ref())?;
                self.keep(mutant, class, "swarm", swarm.as_ref())?;
                let line = self.table.add(Line { mutant, class, own, swarm });
                let line = line.map_err(|error| cannot_write(&self.args.out, &error))?;
                self.print(&line);
            }
        }
        Ok(())
    }

    fn search(&mut self, mutant: &Mutant, class: EngineClass, name: &str) -> Result<Option<Caught>, Failure> {
        let (suite, args) = (Suite::find(name)?, self.args);
        let progress = &mut self.progress;
        progress.label(format!("{} on {}", mutant.slug, class.name()));
        let tell = |played| progress.count(name, played, args.seeds);
        let caught = self.pool.install(|| hunt(mutant, &suite, class, args.seed..args.seed + args.seeds, tell))?;
        if !interrupt::asked() {
            self.clean.note(&suite, class, caught.as_ref().map_or(args.seeds, |caught| caught.seeds));
        }
        Ok(caught)
    }

    /// Keeps a detecting script, to be replayed.
    fn keep(&self, mutant: &Mutant, class: EngineClass, by: &str, caught: Option<&Caught>) -> Result<(), Failure> {
        let Some(caught) = caught else { return Ok(()) };
        let path = self.args.out.join(format!("{}-{}-{by}.jsonl", mutant.slug, class.name()));
        fs::write(&path, caught.script.to_text()).map_err(|error| cannot_write(&path, &error))
    }

    /// Plays the same seeds without any bug.
    fn pass(&mut self) -> Result<(), Failure> {
        let progress = &mut self.progress;
        progress.label("without a planted bug");
        let tell = |passed: &Passed| progress.count("scripts", passed.played, passed.of);
        self.passed = self.pool.install(|| self.clean.play(self.args.seed, tell))?;
        let told: Vec<String> = self.passed.failed.iter().take(TOLD_MAX).cloned().collect();
        told.iter().for_each(|what| self.print(&format!("without a planted bug: {what}")));
        Ok(())
    }

    /// Makes a detecting script of each line small, as many at once as there are jobs, when that was asked for.
    fn shrink(&mut self) -> Result<(), Failure> {
        let (Some(small), Some(limit), false) = (&mut self.small, self.args.shrink, interrupt::asked()) else {
            return Ok(());
        };
        let found: Vec<(usize, &'static Mutant, EngineClass, Caught)> = (self.table.lines().iter().enumerate())
            .filter_map(|(at, line)| Some((at, line.mutant, line.class, line.caught()?.clone())))
            .collect();
        self.progress.label("shrinking");
        let (done, made) = mpsc::channel();
        let (pool, total) = (&self.pool, found.len() as u64);
        let (progress, out) = (&mut self.progress, &self.args.out);
        pool.in_place_scope(|scope| {
            for (at, mutant, class, caught) in found {
                let done = done.clone();
                scope.spawn(move |_| {
                    let small = make_small(mutant, &caught, limit.0);
                    // Whoever listens has given up only over an error of its own.
                    let _ = done.send((at, mutant, class, small));
                });
            }
            drop(done);
            progress.count("scripts", 0, total);
            for (count, (at, mutant, class, made)) in (1..).zip(made) {
                let Some(made) = made else { continue };
                let path = out.join(format!("{}-{}.small.jsonl", mutant.slug, class.name()));
                fs::write(&path, made.script.to_text()).map_err(|error| cannot_write(&path, &error))?;
                let text = small.add(at, mutant, class, made).map_err(|error| cannot_write(out, &error))?;
                print(progress, &text);
                progress.count("scripts", count, total);
            }
            Ok(())
        })
    }

    /// The figures, the page, and how it went.
    fn finish(mut self) -> Result<Exit, Failure> {
        self.progress.clear();
        let (own, swarm, of) = self.table.totals();
        let Passed { played, of: to_play, failed } = &self.passed;
        let all = if played == to_play { String::new() } else { format!(" of {to_play}") };
        outln!("\nwithout a planted bug: {played}{all} of the same scripts, {} failed", failed.len());
        if let Some(small) = &self.small {
            outln!("{}", small.summary());
        }
        // 100 % only when nothing is missing.
        let share = |found: usize| format!("{found} of {of} ({} %)", 100 * found / of.max(1));
        outln!(
            "found by its own suite: {}; found by the swarm: {}; {:.1} s",
            share(own),
            share(swarm),
            self.began.elapsed().as_secs_f64()
        );
        let good = own == of && failed.is_empty();
        let asked: Vec<String> = std::env::args().skip(1).collect();
        let reproduce = format!("sextant {}", asked.join(" "));
        let path = self.args.out.join(record::report::FILE);
        let page = self.table.page(self.passed, self.small.as_ref(), self.began.elapsed().as_secs_f64(), reproduce);
        fs::write(&path, page.html()).map_err(|error| cannot_write(&path, &error))?;
        outln!("mutants  {}", self.args.out.join("mutants.csv").display());
        outln!("report   {}", path.display());
        interrupt::check()?;
        Ok(if good { Exit::Ok } else { Exit::Violation })
    }

    fn print(&mut self, line: &str) {
        print(&mut self.progress, line);
    }
}

/// A line of results in the place of that of progress.
fn print(progress: &mut Progress, line: &str) {
    progress.clear();
    outln!("{line}");
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::io(format!("cannot write to {}: {error}", path.display()))
}
