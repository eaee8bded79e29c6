//! `sextant chaos`: scripts of operations and faults, drawn, played, replayed and shrunk.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nemesis::{Carrier, EngineClass, ROWS, Script};

use super::args::{ChaosArgs, ChaosCommand, ChaosRuntime, ReplayArgs, RunChaosArgs, ShrinkArgs};
use crate::campaign::Plants;
use crate::chaos::matrix::Matrix;
use crate::chaos::mutants::{MUTANTS, Mutant};
use crate::chaos::page::{Extent, Page};
use crate::chaos::play::{Played, Playing, Seen, play};
use crate::chaos::runner::{Ending, Ground, Order, Turn, run};
use crate::chaos::shrink::shrink;
use crate::chaos::suite::Suite;
use crate::chaos::timeline;
use crate::chaos::verdicts::Verdicts;
use crate::exit::{Exit, Failure};
use crate::printed::{errln, out, outln};
use crate::{interrupt, names};

/// A fault that took effect less often on an engine is named at the end of a run.
const EFFECTS_MIN: u64 = 100;
/// Failures that get a script and a timeline of their own; more are only counted.
const KEPT_MAX: u64 = 100;

pub(super) fn run_command(args: &ChaosArgs) -> Result<Exit, Failure> {
    match &args.command {
        ChaosCommand::List => list(),
        ChaosCommand::Run(args) => run_suites(args),
        ChaosCommand::Replay(args) => replay(args),
        ChaosCommand::Shrink(args) => make_small(args),
        ChaosCommand::Mutants(args) => super::mutants::run_command(args),
    }
}

fn list() -> Result<Exit, Failure> {
    outln!("suites");
    for suite in Suite::built_in() {
        outln!("  {:8}  {} ({} seeds, {})", suite.name, suite.about, suite.seeds, suite.engines.join(", "));
    }
    outln!("\nsuites after planted bugs, see sextant chaos mutants");
    for suite in Suite::canaries() {
        let after = MUTANTS.iter().filter(|mutant| mutant.suite == suite.name).map(|mutant| mutant.slug);
        outln!("  {:12}  {} ({})", suite.name, suite.about, after.collect::<Vec<_>>().join(", "));
    }
    outln!("\nfaults, what is owed at worst, and where they are injected");
    let [coupled, mirrored, decoupled] = EngineClass::ALL.map(EngineClass::name);
    outln!("  {:4} {:26} {coupled:>12} {mirrored:>17} {decoupled:>12}  simulator", "row", "fault");
    for row in &ROWS {
        let [coupled, mirrored, decoupled] = row.owed;
        let (id, slug, sim) = (row.id, row.slug, row.sim.describe());
        outln!("  {id:4} {slug:26} {coupled:>12} {mirrored:>17} {decoupled:>12}  {sim}");
        outln!("       {}; real disks: {}; processes: {}", row.about, row.real.describe(), row.process.describe());
    }
    Ok(Exit::Ok)
}

/// What is asked for to play on; files of real disks lie below `data_dir`, which is made.
fn ground(runtime: ChaosRuntime, data_dir: &Path) -> Result<Ground, Failure> {
    if runtime == ChaosRuntime::Sim {
        return Ok(Ground::Sim);
    }
    let failed = |error: std::io::Error| Failure::io(format!("cannot make {}: {error}", data_dir.display()));
    fs::create_dir_all(data_dir).map_err(failed)?;
    // Processes have it from their parent, wherever that is.
    let place = data_dir.canonicalize().map_err(failed)?;
    match runtime {
        ChaosRuntime::Sim | ChaosRuntime::Real => Ok(Ground::Real(place)),
        ChaosRuntime::Process => {
            let own = |error| Failure::io(format!("this program's own file: {error}"));
            Ok(Ground::Process { place, program: std::env::current_exe().map_err(own)? })
        }
    }
}

/// Takes the directory of the engines' files away, unless something else is in it.
fn leave(ground: &Ground) {
    if let Ground::Real(place) | Ground::Process { place, .. } = ground {
        // Each script has taken its own files away; what somebody else keeps there stays.
        let _ = fs::remove_dir(place);
    }
}

/// What a run of suites leaves on disk and on the terminal.
struct Report {
    ground: Ground,
    out: PathBuf,
    verdicts: Verdicts,
    matrix: Matrix,
    page: Page,
    worst: Exit,
    turns: u64,
    failures: u64,
    events: u64,
    virtual_s: f64,
    wall_s: f64,
}

impl Report {
    fn create(out: &Path, ground: Ground) -> Result<Report, Failure> {
        let io = |error: std::io::Error| Failure::io(format!("cannot write to {}: {error}", out.display()));
        fs::create_dir_all(out).map_err(io)?;
        let verdicts = Verdicts::create(&out.join("verdicts.csv")).map_err(io)?;
        Ok(Report {
            out: out.to_owned(),
            verdicts,
            matrix: Matrix::of(ground.carrier()),
            ground,
            page: Page::default(),
            worst: Exit::Ok,
            turns: 0,
            failures: 0,
            events: 0,
            virtual_s: 0.0,
            wall_s: 0.0,
        })
    }

    fn take(&mut self, turn: &Turn) -> Result<(), Failure> {
        let io = |error: std::io::Error| Failure::io(format!("cannot write verdicts.csv: {error}"));
        self.verdicts.add(turn).map_err(io)?;
        self.matrix.add(turn.script.class(), &turn.played);
        self.page.take(turn);
        self.turns += 1;
        self.events += turn.played.events;
        self.virtual_s += turn.played.span.as_secs_f64();
        self.wall_s += turn.wall.as_secs_f64();
        self.worst = worse(self.worst, exit_of(&turn.played.seen));
        match turn.played.seen.failure() {
            Some(what) => self.keep(turn, what),
            None => Ok(()),
        }
    }

    /// Keeps a failing script, its timeline, and says how to see it again.
    fn keep(&mut self, turn: &Turn, what: &str) -> Result<(), Failure> {
        self.failures += 1;
        if self.failures > KEPT_MAX {
            return Ok(());
        }
        let header = &turn.script.header;
        let stem = format!("{}-{}-{}", header.suite, header.engine, header.seed);
        let path = self.out.join(format!("{stem}.jsonl"));
        let io = |error: std::io::Error| Failure::io(format!("cannot write {}: {error}", path.display()));
        fs::write(&path, turn.script.to_text()).map_err(io)?;
        // What was played in real time was kept with its timeline, and would not run so again.
        let again = match self.ground {
            Ground::Sim => play(&turn.script, &Playing { timeline: true, ..Playing::default() }),
            Ground::Real(_) | Ground::Process { .. } => turn.played.clone(),
        };
        self.keep_history(&stem, &turn.played)?;
        fs::write(self.out.join(format!("{stem}.txt")), timeline::render(&turn.script, &again)).map_err(io)?;
        let (name, first) = (turn.played.seen.name(), what.lines().next().unwrap_or(""));
        outln!("{stem}: {name}: {}", first.chars().take(240).collect::<String>());
        outln!("    sextant chaos replay {}", path.display());
        self.page.keep(turn, &again, &path);
        if again.digest != turn.played.digest {
            let hash = |played: &Played| format!("{:032x}", played.digest.unwrap_or_default());
            outln!("    it ran in two ways: {} and {}", hash(&turn.played), hash(&again));
            self.worst = worse(self.worst, Exit::Nondeterminism);
        }
        Ok(())
    }

    /// Keeps what clients saw in real time, one transaction a line.
    fn keep_history(&self, stem: &str, played: &Played) -> Result<(), Failure> {
        if played.history.is_empty() {
            return Ok(());
        }
        let path = self.out.join(format!("{stem}.history.txt"));
        let text: String = played.history.iter().map(|txn| format!("{txn:?}\n")).collect();
        fs::write(&path, text).map_err(|error| Failure::io(format!("cannot write {}: {error}", path.display())))
    }

    /// Prints the matrix and the figures, and writes the page.
    fn finish(&self, classes: &[EngineClass], began: Instant, cut_short: Option<String>) -> Result<(), Failure> {
        outln!("\n{}\n", self.matrix.render(classes));
        let rare: Vec<String> = (self.matrix.rare(classes, EFFECTS_MIN).into_iter())
            .map(|(row, class, hits)| format!("{} {} {hits}", row.id, class.name()))
            .collect();
        if rare.is_empty() {
            outln!("every fault that strikes took effect at least {EFFECTS_MIN} times on each engine");
        } else {
            outln!("faults that took effect fewer than {EFFECTS_MIN} times: {}", rare.join(", "));
        }
        outln!(
            "{} scripts, {} failed, {} events, {:.1} s {} in {:.1} s ({:.1} s of cores, {:.1} scripts a second)",
            self.turns,
            self.failures,
            self.events,
            self.virtual_s,
            if self.matrix.carrier == Carrier::Sim { "virtual" } else { "of scripts and their checks" },
            began.elapsed().as_secs_f64(),
            self.wall_s,
            self.turns as f64 / began.elapsed().as_secs_f64().max(1e-9)
        );
        if let Some(why) = &cut_short {
            outln!("{why}");
        }
        let path = self.out.join(record::report::FILE);
        let asked: Vec<String> = std::env::args().skip(1).collect();
        let reproduce = format!("sextant {}", asked.join(" "));
        let extent = Extent { elapsed_s: began.elapsed().as_secs_f64(), cut_short, reproduce };
        fs::write(&path, self.page.render(&self.matrix, extent))
            .map_err(|error| Failure::io(format!("cannot write {}: {error}", path.display())))?;
        outln!("verdicts  {}", self.out.join("verdicts.csv").display());
        outln!("report    {}", path.display());
        Ok(())
    }
}

fn exit_of(seen: &Seen) -> Exit {
    match seen {
        Seen::Kept(_) => Exit::Ok,
        Seen::Broken { .. } | Seen::Violation(_) => Exit::Violation,
        Seen::Liveness(_) => Exit::Liveness,
        Seen::Unknown(_) => Exit::Unknown,
    }
}

/// A wrong answer is worse than one that differs from run to run, than none, than no verdict.
fn worse(one: Exit, other: Exit) -> Exit {
    let order = [Exit::Ok, Exit::Unknown, Exit::Liveness, Exit::Nondeterminism, Exit::Violation];
    let rank = |exit: Exit| order.iter().position(|at| *at == exit).unwrap_or(order.len());
    if rank(other) > rank(one) { other } else { one }
}

fn run_suites(args: &RunChaosArgs) -> Result<Exit, Failure> {
    let suites = if args.suite == "all" { Suite::built_in() } else { vec![Suite::find(&args.suite)?] };
    let chosen = chosen(args)?;
    let shard = shard(args.shard.as_deref().unwrap_or("1/1"))?;
    let ground = ground(args.runtime, &args.data_dir)?;
    let mut report = Report::create(&args.out, ground.clone())?;
    let began = Instant::now();
    let until = args.time_limit.map(|limit| began + limit.0);
    let jobs = args.jobs.unwrap_or(if ground.carrier() == Carrier::Sim { 0 } else { 1 }) as usize;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build();
    let pool = pool.map_err(|error| Failure::io(format!("cannot start threads: {error}")))?;
    let (mut classes, mut ending) = (Vec::new(), Ending::Complete);
    for suite in suites {
        let mine: Vec<EngineClass> = suite.classes().into_iter().filter(|class| chosen.contains(class)).collect();
        if mine.is_empty() && args.suite != "all" {
            return Err(Failure::usage(format!("suite {} strikes none of these engines", suite.name)));
        }
        classes.extend(mine.iter().copied());
        let seeds = seeds(args, &suite)?;
        report.page.begin(&suite, &mine, told(&seeds, shard));
        errln!("{}: {} on {} engines", suite.name, suite.about, mine.len());
        let order = Order { suite, classes: mine, seeds, ground: ground.clone(), shard };
        ending = pool.install(|| run(&order, until, |turn| report.take(&turn)))?;
        if ending != Ending::Complete {
            break;
        }
    }
    leave(&ground);
    classes.sort_unstable();
    classes.dedup();
    let cut_short = match ending {
        Ending::Interrupted => Some("interrupted before all seeds were played"),
        Ending::OutOfTime => Some("stopped at the time limit, before all seeds were played"),
        Ending::Complete => None,
    };
    report.finish(&classes, began, cut_short.map(str::to_owned))?;
    match ending {
        Ending::Interrupted => interrupt::check().map(|()| Exit::Interrupted),
        Ending::OutOfTime | Ending::Complete => Ok(report.worst),
    }
}

/// The engines that are asked for: all that can be played there when none is named.
fn chosen(args: &RunChaosArgs) -> Result<Vec<EngineClass>, Failure> {
    let playable = args.runtime.carrier().classes();
    let named: Vec<EngineClass> = args.engine.iter().map(|name| engine(name)).collect::<Result<_, _>>()?;
    if let Some(class) = named.iter().find(|class| !playable.contains(class)) {
        let names: Vec<&str> = playable.iter().map(|class| class.name()).collect();
        return Err(Failure::usage(format!(
            "--runtime process plays {}: {} has no storage nodes that are processes",
            names.join(", "),
            class.name()
        )));
    }
    Ok(if named.is_empty() { playable.to_vec() } else { named })
}

fn engine(name: &str) -> Result<EngineClass, Failure> {
    let known = EngineClass::ALL.map(EngineClass::name);
    EngineClass::find(name).ok_or_else(|| Failure::usage(names::unknown("engine under chaos", name, known)))
}

fn seeds(args: &RunChaosArgs, suite: &Suite) -> Result<Range<u64>, Failure> {
    let wrong = |text: &str| Failure::usage(format!("--seeds {text}: a number, or a range such as 100..200"));
    match (args.seed, args.seeds.as_deref()) {
        (Some(seed), _) => Ok(seed..seed + 1),
        (None, None) if args.runtime == ChaosRuntime::Sim => Ok(1..1 + suite.seeds),
        // In real time a script takes as long as it says.
        (None, None) => Ok(1..1 + suite.seeds.div_ceil(10)),
        (None, Some(text)) => match text.split_once("..") {
            Some((from, to)) => {
                let (from, to) = (from.parse().map_err(|_| wrong(text))?, to.parse().map_err(|_| wrong(text))?);
                if from < to { Ok(from..to) } else { Err(wrong(text)) }
            }
            None => {
                let count: u64 = text.parse().map_err(|_| wrong(text))?;
                if count > 0 { Ok(1..1 + count) } else { Err(wrong(text)) }
            }
        },
    }
}

/// The seeds that were asked for, and which part of them, for a reader.
fn told(seeds: &Range<u64>, (part, parts): (u64, u64)) -> String {
    let all = format!("{} to {}", seeds.start, seeds.end - 1);
    if parts == 1 { all } else { format!("{all}, part {part} of {parts}") }
}

fn shard(text: &str) -> Result<(u64, u64), Failure> {
    let parts = text.split_once('/').and_then(|(part, parts)| Some((part.parse().ok()?, parts.parse().ok()?)));
    match parts {
        Some((part, parts)) if part >= 1 && part <= parts => Ok((part, parts)),
        _ => Err(Failure::usage(format!("--shard {text}: a part and how many there are, such as 1/4"))),
    }
}

pub(super) fn read(path: &Path) -> Result<Script, Failure> {
    let text =
        fs::read_to_string(path).map_err(|error| Failure::io(format!("cannot read {}: {error}", path.display())))?;
    Script::from_text(&text).map_err(|error| Failure::usage(format!("script {}: {error}", path.display())))
}

/// How to play a file that is told, with the planted bug that was asked for, if any.
pub(super) fn telling(mutant: Option<&str>) -> Result<Playing, Failure> {
    let mutant = mutant.map(Mutant::find).transpose().map_err(Failure::usage)?;
    let plants = mutant.map_or(Plants::NONE, |mutant| mutant.plants);
    Ok(Playing { timeline: true, plants, ..Playing::default() })
}

fn replay(args: &ReplayArgs) -> Result<Exit, Failure> {
    let (script, playing) = (read(&args.script)?, telling(args.mutant.as_deref())?);
    let ground = ground(args.runtime, &args.data_dir)?;
    if let Some(why) = ground.refuses(&script) {
        leave(&ground);
        return Err(Failure::usage(format!("{}: {why}", args.script.display())));
    }
    let played = ground.play(&script, &playing);
    leave(&ground);
    out!("{}", timeline::render(&script, &played));
    let Some(digest) = played.digest else { return Ok(exit_of(&played.seen)) };
    outln!("script {:016x}, events {digest:032x}", script.hash());
    let again = play(&script, &playing).digest.unwrap_or_default();
    if again != digest {
        outln!("played again, it ran in another way: {again:032x}");
        return Ok(Exit::Nondeterminism);
    }
    Ok(exit_of(&played.seen))
}

fn make_small(args: &ShrinkArgs) -> Result<Exit, Failure> {
    let (script, playing) = (read(&args.script)?, telling(args.mutant.as_deref())?);
    let until = Instant::now() + args.time_limit.0;
    let small =
        shrink(&script, Playing { timeline: false, ..playing }, || Instant::now() < until && !interrupt::asked());
    let Some(small) = small else {
        outln!("the script does not fail: there is nothing to shrink");
        return Ok(Exit::Ok);
    };
    let out = args.out.clone().unwrap_or_else(|| args.script.with_extension("small.jsonl"));
    fs::write(&out, small.script.to_text())
        .map_err(|error| Failure::io(format!("cannot write {}: {error}", out.display())))?;
    let played: Played = play(&small.script, &playing);
    out!("{}", timeline::render(&small.script, &played));
    outln!("{} events are left of {}, after {} tries", small.script.events(), script.events(), small.tries);
    outln!("    sextant chaos replay {}", out.display());
    Ok(exit_of(&played.seen))
}
