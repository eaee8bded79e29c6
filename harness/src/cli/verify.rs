//! `sextant verify`: reopens a data directory and holds it against a journal of acknowledgements.

use checker::Verdict;
use node::Nanos;
use serde_json::json;

use super::args::VerifyArgs;
use crate::acks::read_file;
use crate::aftermath::{REOPEN_PATIENCE, check};
use crate::data::DataDir;
use crate::engines::{self, Options, Setup};
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::printed::outln;
use crate::processes::ProcessSite;
use crate::progress::Progress;
use crate::rig::{LoadPlan, Rig, RuntimeKind, Site, Threads};
use crate::turn::read_one;

/// Transactions a killed writer may have acknowledged without writing them down: what a busy engine finishes between two looks at
/// its acknowledgements, with room to spare.
const UNJOURNALLED_MAX: u64 = 20_000;
/// How long the other nodes have to serve without one that halted.
const HALT_PATIENCE: Nanos = Nanos::from_secs(5);

pub(super) fn run(args: &VerifyArgs) -> Result<Exit, Failure> {
    let (acks, is_cut) = read_file(&args.acks)?;
    let mut dir = DataDir::read(&args.data_dir)?;
    if !dir.manifest.loaded {
        return Err(Failure::usage(format!(
            "data directory {}: loading it was not finished, so there is nothing to verify",
            args.data_dir.display()
        )));
    }
    let engine = engines::find(&dir.manifest.engine)?;
    let settings = workloads::Settings {
        tables: dir.manifest.tables,
        rows: dir.manifest.rows,
        distribution: None,
        seed: dir.manifest.seed,
    };
    let workload =
        workloads::build(&dir.manifest.workload, &settings).map_err(|error| Failure::usage(error.to_string()))?;
    let workload: std::sync::Arc<dyn workloads::Workload> = workload.into();
    let was_closed = dir.manifest.closed;
    let era = dir.next_era()?;
    let setup = Setup {
        schema: workload.schema(),
        cache_bytes: args.cache.0,
        page_bytes: dir.manifest.page_bytes as usize,
        seed: dir.manifest.seed,
        create: false,
        era,
        options: Options { binlog: dir.manifest.binlog, ..Options::default() },
    };
    let site = Site {
        runtime: if args.nodes.is_empty() { RuntimeKind::Real } else { RuntimeKind::Process },
        data_dirs: dir.folders(),
        links: node::LinkProfile::none(),
        disk_delay: None,
        threads: Threads::Shared,
        backend: uring::Backend::Auto,
        queue_depth: None,
        processes: (!args.nodes.is_empty()).then(|| ProcessSite::Others(args.nodes.clone())),
        journal: None,
        seed: dir.manifest.seed,
    };
    let load = LoadPlan {
        config: ::load::Config::closed(engines::DATABASE, 1),
        workload: std::sync::Arc::clone(&workload),
        era,
    };
    let mut progress = Progress::new(args.json);
    progress.label(engine.name());
    progress.say("reopening");
    if site.processes.is_some() && engine.volume(&setup).is_none() {
        return Err(Failure::usage(format!("--nodes: {} has no storage nodes", engine.name())));
    }
    let mut rig = Rig::start(engine, &setup, &site, &load)?;
    refuse_halted(&mut rig)?;
    progress.say("reading everything back");
    let unjournalled = if was_closed && !is_cut { 0 } else { UNJOURNALLED_MAX };
    let report = check(&mut rig, workload.as_ref(), acks, unjournalled);
    let halted = rig.halted();
    let report = match (report, halted) {
        (Ok(report), _) => report,
        (Err(failure), None) => {
            let doing = rig.gauges().waiting.map_or(String::new(), |what| format!("; it is {what}"));
            return Err(Failure { message: format!("{}{doing}", failure.message), ..failure });
        }
        (Err(failure), Some(halt)) => {
            return Err(Failure::io(format!("the data cannot be opened: {halt} ({failure})")));
        }
    };
    rig.stop()?;
    progress.done();
    print(args, &report);
    Ok(match report.verdict {
        Verdict::Valid => Exit::Ok,
        Verdict::Invalid(_) => Exit::Violation,
        Verdict::Unknown(_) => Exit::Unknown,
    })
}

/// A halted node may be one that the engine can do without. If nothing serves a while after it halted, it is not.
fn refuse_halted(rig: &mut Rig) -> Result<(), Failure> {
    let mut halted = None;
    while read_one(rig).is_err() {
        interrupt::check()?;
        halted = halted.or_else(|| Some((rig.halted()?, rig.now() + HALT_PATIENCE)));
        match &halted {
            Some((halt, give_up)) if rig.now() >= *give_up => {
                return Err(Failure::io(format!("the data cannot be opened: {halt}")));
            }
            None if rig.now() >= Nanos(REOPEN_PATIENCE.as_nanos() as u64) => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

fn print(args: &VerifyArgs, report: &checker::durability::Report) {
    let verdict = match &report.verdict {
        Verdict::Valid => "valid: nothing acknowledged is lost".to_owned(),
        Verdict::Invalid(why) => format!("invalid: {why}"),
        Verdict::Unknown(why) => format!("unknown: {why}"),
    };
    if args.json {
        let object = json!({
            "verdict": verdict,
            "keys": report.keys,
            "acknowledged": report.acknowledged,
            "acknowledged_keys": report.acknowledged_keys,
            "unknown": report.unknown,
            "unjournalled_keys": report.unjournalled_keys,
            "violations": report.violations,
            "violations_count": report.violations_count,
        });
        outln!("{object:#}");
        return;
    }
    outln!("{verdict}");
    outln!("{} keys compared, {} of them written by acknowledged transactions", report.keys, report.acknowledged_keys);
    outln!("{} acknowledged transactions, {} of unknown outcome", report.acknowledged, report.unknown);
    if report.unjournalled_keys > 0 {
        outln!("{} keys hold what the killed process had not yet written down", report.unjournalled_keys);
    }
    for violation in &report.violations {
        outln!("  {violation}");
    }
}
