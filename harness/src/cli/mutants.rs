//! `sextant chaos mutants`: whether the suites find bugs that are known to be there.

use std::fs;
use std::io::Write as _;
use std::time::Instant;

use nemesis::EngineClass;

use super::args::MutantsArgs;
use crate::chaos::mutants::{Caught, Clean, Line, MUTANTS, Mutant, Table, hunt};
use crate::chaos::suite::Suite;
use crate::exit::{Exit, Failure};
use crate::interrupt;

/// Failures without a planted bug that are told one by one; more are only counted.
const TOLD_MAX: usize = 10;

/// Runs that the command plays are expected to panic: what they say is in the verdict.
fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|_| {}));
}

pub(super) fn run_command(args: &MutantsArgs) -> Result<Exit, Failure> {
    let io = |error: std::io::Error| Failure::io(format!("cannot write to {}: {error}", args.out.display()));
    let mutants = chosen(args)?;
    fs::create_dir_all(&args.out).map_err(io)?;
    let mut table = Table::create(&args.out.join("mutants.csv"), args.seeds).map_err(io)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.jobs.unwrap_or(0) as usize).build();
    let pool = pool.map_err(|error| Failure::io(format!("cannot start threads: {error}")))?;
    keep_panics_quiet();
    let (began, mut clean) = (Instant::now(), Clean::default());
    eprintln!("{} planted bugs, at most {} seeds of each suite, from seed {} on", mutants.len(), args.seeds, args.seed);
    println!("{}", Table::head());
    for mutant in &mutants {
        for &class in mutant.engines {
            let line = pool.install(|| hunted(args, mutant, class, &mut clean))?;
            interrupt::check()?;
            for (what, caught) in [("own", &line.own), ("swarm", &line.swarm)] {
                keep(args, mutant, class, what, caught).map_err(io)?;
            }
            println!("{}", table.add(line).map_err(io)?);
            std::io::stdout().flush().map_err(io)?;
        }
    }
    let (played, failed) = pool.install(|| clean.play(args.seed)).map_err(Failure::from)?;
    interrupt::check()?;
    failed.iter().take(TOLD_MAX).for_each(|what| println!("without a planted bug: {what}"));
    let (own, swarm, of) = table.totals();
    println!("\nwithout a planted bug: {played} of the same scripts, {} failed", failed.len());
    println!(
        "found by its own suite: {own} of {of}; found by the swarm: {swarm} of {of}; {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let good = own == of && failed.is_empty();
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let reproduce = format!("sextant {}", asked.join(" "));
    let path = args.out.join(record::report::FILE);
    let page = table.page((played, failed), began.elapsed().as_secs_f64(), reproduce);
    fs::write(&path, page.html()).map_err(io)?;
    println!("mutants  {}", args.out.join("mutants.csv").display());
    println!("report   {}", path.display());
    Ok(if good { Exit::Ok } else { Exit::Violation })
}

fn chosen(args: &MutantsArgs) -> Result<Vec<&'static Mutant>, Failure> {
    if args.mutant.is_empty() {
        return Ok(MUTANTS.iter().collect());
    }
    args.mutant.iter().map(|slug| Mutant::find(slug).map_err(Failure::usage)).collect()
}

fn hunted(args: &MutantsArgs, mutant: &'static Mutant, class: EngineClass, clean: &mut Clean) -> Result<Line, Failure> {
    let mut search = |name: &str| -> Result<Option<Caught>, Failure> {
        let suite = Suite::find(name)?;
        let caught = hunt(mutant, &suite, class, args.seed..args.seed + args.seeds)?;
        clean.note(&suite, class, caught.as_ref().map_or(args.seeds, |caught| caught.seeds));
        Ok(caught)
    };
    Ok(Line { mutant, class, own: search(mutant.suite)?, swarm: search("swarm")? })
}

/// Keeps a detecting script, to be replayed and made small.
fn keep(
    args: &MutantsArgs,
    mutant: &Mutant,
    class: EngineClass,
    by: &str,
    caught: &Option<Caught>,
) -> std::io::Result<()> {
    let Some(caught) = caught else { return Ok(()) };
    fs::write(args.out.join(format!("{}-{}-{by}.jsonl", mutant.slug, class.name())), caught.script.to_text())
}
