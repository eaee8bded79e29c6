//! `sextant bench`.

use std::path::PathBuf;
use std::time::Duration;

use ::load::Arrivals;
use record::{Factors, Phase, RunPlan, RunWriter};
use serde_json::json;

use super::args::{BenchArgs, FaultArg, RunArgs};
use super::output;
use crate::acks::Journal;
use crate::data::DataDir;
use crate::drive::{Drive, FaultPlan, PhasePlan, record_failure};
use crate::engines::{self, Engine};
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::rig::RuntimeKind;
use crate::turn::{Common, PAGE_BYTES, Turn};
use crate::verdict::{Finding, judge_phase};

/// Arrivals that may wait for a client before they are dropped and counted.
pub const QUEUE_MAX: usize = 200_000;
/// Length of an interval.
pub const INTERVAL: Duration = Duration::from_millis(250);

pub(super) fn run(args: &BenchArgs) -> Result<Exit, Failure> {
    let engine = engines::find(&args.engine)?;
    let common = Common::resolve(&args.run, &args.profile)?;
    engine.topology(&common.setup(true))?;
    let path = args.run.data_dir.clone().unwrap_or_else(|| PathBuf::from(".sextant").join(engine.name()));
    let dir = DataDir::open(&path, common.manifest(engine.as_ref(), &path), args.run.reuse)?;
    let mut journal = args.acks.as_deref().map(Journal::create).transpose()?;
    let mut progress = Progress::new(false);
    progress.label(engine.name());
    output::warn_ram_disk(&dir);
    let timing = Timing { duration: args.duration.0, warmup: args.warmup.0, fault: args.fault };
    let plan = run_plan("bench", &args.run, &common, &[engine.as_ref()], timing, &dir);
    let mut writer = RunWriter::create(&args.run.out, plan).map_err(record_failure)?;
    let mut turn = Turn::open(engine.clone(), &common, dir, journal.is_some(), &mut progress)?;
    output::note_runtime(&mut writer, turn.rig.host())?;
    let segment =
        writer.segment(engine.name(), &args.run.workload, 1, writer.now_ns().saturating_sub(turn.rig.now().0));
    let arrivals = arrivals(&args.run);
    let mut drive =
        Drive { rig: &mut turn.rig, writer: &mut writer, segment, progress: &mut progress, acks: journal.as_mut() };
    if !turn.fresh && drive.acks.is_some() {
        drive.journal_snapshot(common.workload.schema().tables.len() as u16)?;
    }
    drive.warm_up(arrivals, args.warmup.0)?;
    let outcome = drive.run(&PhasePlan {
        phase: Phase::Measure,
        arrivals,
        length: args.duration.0,
        interval: INTERVAL,
        faults: FaultPlan::named(args.fault.name(), engine.protection()),
        settle: true,
    })?;
    progress.done();
    let findings = judge_phase(engine.as_ref(), args.fault, &outcome);
    finish(args, writer, segment, turn, &findings)
}

fn finish(
    args: &BenchArgs,
    mut writer: RunWriter,
    segment: record::SegmentId,
    mut turn: Turn,
    findings: &[Finding],
) -> Result<Exit, Failure> {
    let verdict = Finding::verdict(findings);
    writer.close(segment).map_err(record_failure)?;
    let metrics = writer.metrics_mut(segment, Phase::Measure);
    metrics.durability_class = Some(turn.rig.engine.durability_class().to_owned());
    metrics.verdict = Some(verdict);
    let dir = output::finish(writer, verdict, findings)?;
    turn.rig.stop()?;
    turn.dir.mark_closed()?;
    output::report(&dir, args.run.json)?;
    Ok(output::exit(verdict))
}

/// When transactions start.
pub fn arrivals(args: &RunArgs) -> Arrivals {
    match args.rate {
        Some(rate_per_s) => Arrivals::Poisson { rate_per_s, queue_max: QUEUE_MAX },
        None => Arrivals::Closed,
    }
}

/// The measured window.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Its length.
    pub duration: Duration,
    /// The time before it.
    pub warmup: Duration,
    /// What is disturbed in it.
    pub fault: FaultArg,
}

/// What is known of a run before it starts.
pub fn run_plan(
    command: &str,
    args: &RunArgs,
    common: &Common,
    engines: &[&dyn Engine],
    timing: Timing,
    dir: &DataDir,
) -> RunPlan {
    let parameters = common.workload.parameters();
    let distribution = parameters.iter().find(|(name, _)| *name == "distribution").map(|(_, value)| value.clone());
    let factors = Factors {
        runtime: match args.runtime {
            RuntimeKind::Real => "real".to_owned(),
            RuntimeKind::Sim => "sim".to_owned(),
        },
        profile: common.profile.name.clone(),
        fault: timing.fault.name().to_owned(),
        distribution: distribution.unwrap_or_default(),
        arrival: arrivals(args).name().to_owned(),
        sessions: Some(args.sessions),
        rate_per_s: args.rate,
        duration_s: Some(timing.duration.as_secs_f64()),
        warmup_s: Some(timing.warmup.as_secs_f64()),
        tables: Some(u32::from(args.tables)),
        rows: Some(args.rows),
        cache_bytes: Some(args.cache.0),
    };
    let info = |engine: &&dyn Engine| record::EngineInfo {
        name: engine.name().to_owned(),
        durability_class: engine.durability_class().to_owned(),
        protection: engine.protection().to_owned(),
        params: engine.parameters(&common.setup(true)),
    };
    RunPlan {
        command: command.to_owned(),
        seed: args.seed,
        factors,
        engines: engines.iter().map(info).collect(),
        config: json!({
            "workload": { "name": args.workload, "parameters": parameters.into_iter().collect::<std::collections::BTreeMap<_, _>>() },
            "profile": { "name": common.profile.name, "source": common.profile.source },
            "page_bytes": PAGE_BYTES,
            "interval_s": INTERVAL.as_secs_f64(),
        }),
        data_dir: (args.runtime == RuntimeKind::Real).then(|| dir.path().to_owned()),
        limits: output::limits(args.runtime),
        ..RunPlan::default()
    }
}
