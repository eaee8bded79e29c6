//! `sextant bench`: one engine, one workload, one measured window.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::load::Arrivals;
use record::{Phase, RunWriter, SegmentId};

use super::args::{BenchArgs, RunArgs};
use super::output;
use super::plan::{Timing, run_plan};
use crate::acks::Journal;
use crate::data::DataDir;
use crate::drive::{Drive, FaultPlan, PhaseOutcome, PhasePlan, record_failure};
use crate::engines::{self, Engine};
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::rig::RuntimeKind;
use crate::turn::{Common, Turn, temporary_path};
use crate::verdict::{Finding, judge_phase};

/// Arrivals that may wait for a client before they are dropped and counted.
pub const QUEUE_MAX: usize = 200_000;
/// Length of an interval.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// What was measured, before it is written down.
struct Measured {
    turn: Turn,
    segment: SegmentId,
    findings: Vec<Finding>,
}

pub(super) fn run(args: &BenchArgs) -> Result<Exit, Failure> {
    let engine = engines::find(&args.engine)?;
    let mut common = Common::resolve(&args.run, &args.profile)?;
    let mut args = args.clone();
    if !args.nodes.is_empty() {
        common.use_nodes(&args.nodes);
        args.run.runtime = RuntimeKind::Process;
    }
    let args = &args;
    engine.topology(&common.setup(true))?;
    common.refuse_processes(engine.as_ref())?;
    let journal = args.acks.as_deref().map(Journal::create).transpose()?;
    let dir = directory(args, &common, engine.as_ref()).inspect_err(|_| discard(args))?;
    output::warn_ram_disk(&dir);
    let timing = Timing { duration: args.duration.0, warmup: args.warmup.0, fault: args.fault };
    let plan = run_plan("bench", &args.run, &common, &[engine.as_ref()], timing, &dir);
    let mut writer = RunWriter::create(&args.run.out, plan).map_err(record_failure)?;
    match measure(args, &engine, &common, dir, journal, &mut writer) {
        Ok(measured) => finish(args, writer, measured),
        Err(failure) => Err(output::abort(writer, failure)),
    }
}

/// Where the data goes. What is simulated leaves nothing there.
fn directory(args: &BenchArgs, common: &Common, engine: &dyn Engine) -> Result<DataDir, Failure> {
    let parent = PathBuf::from(".sextant");
    if args.run.runtime.is_simulated() {
        let path = temporary_path(&parent, engine.name());
        return DataDir::temporary(&path, common.manifest(engine, &path));
    }
    let path = args.run.data_dir.clone().unwrap_or_else(|| parent.join(engine.name()));
    DataDir::open(&path, common.manifest(engine, &path), args.run.reuse)
}

/// Removes the journal that was just made and holds nothing, so that the same command may be given again.
fn discard(args: &BenchArgs) {
    if let Some(file) = &args.acks {
        // The failure that led here is the one to tell.
        let _ = std::fs::remove_file(file);
    }
}

fn measure(
    args: &BenchArgs,
    engine: &Arc<dyn Engine>,
    common: &Common,
    dir: DataDir,
    mut journal: Option<Journal>,
    writer: &mut RunWriter,
) -> Result<Measured, Failure> {
    let mut progress = Progress::new(false);
    progress.label(engine.name());
    // Before the engine is there: its accounting is held against the device's from its start on.
    if !args.run.runtime.is_simulated() && engine.is_durable() {
        output::note_floors(writer, dir.path(), &mut progress)?;
    }
    let mut turn = Turn::open(Arc::clone(engine), common, dir, journal.is_some(), &mut progress)?;
    output::note_runtime(writer, turn.rig.host())?;
    let origin_ns = writer.now_ns().saturating_sub(turn.rig.now().0);
    let segment = writer.segment(engine.name(), &args.run.workload, 1, origin_ns);
    let arrivals = arrivals(&args.run);
    let mut drive =
        Drive { rig: &mut turn.rig, writer: &mut *writer, segment, progress: &mut progress, acks: journal.as_mut() };
    if !turn.fresh && drive.acks.is_some() {
        drive.journal_snapshot(common.workload.schema().tables.len() as u16)?;
    }
    drive.warm_up(arrivals, args.warmup.0)?;
    let outcome: PhaseOutcome = drive.run(&PhasePlan {
        phase: Phase::Measure,
        arrivals,
        length: args.duration.0,
        interval: INTERVAL,
        faults: FaultPlan::named(args.fault.name(), engine.protection()),
        settle: true,
    })?;
    progress.done();
    output::note_links(writer, engine.name(), &turn.rig)?;
    let findings = judge_phase(engine.as_ref(), args.fault, &outcome);
    Ok(Measured { turn, segment, findings })
}

fn finish(args: &BenchArgs, mut writer: RunWriter, measured: Measured) -> Result<Exit, Failure> {
    let Measured { turn, segment, findings } = measured;
    let verdict = Finding::verdict(&findings);
    let durability_class = turn.rig.engine.durability_class().to_owned();
    turn.close(&mut writer, segment)?;
    writer.close(segment).map_err(record_failure)?;
    let metrics = writer.metrics_mut(segment, Phase::Measure);
    metrics.durability_class = Some(durability_class);
    metrics.verdict = Some(verdict);
    let dir = output::finish(writer, verdict, &findings)?;
    output::report(&dir, verdict, args.run.json)
}

/// When transactions start.
pub fn arrivals(args: &RunArgs) -> Arrivals {
    match args.rate {
        Some(rate_per_s) => Arrivals::Poisson { rate_per_s, queue_max: QUEUE_MAX },
        None => Arrivals::Closed,
    }
}
