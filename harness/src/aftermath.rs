//! After the measuring: a crash under load, a cold start, and every acknowledged version accounted for.

use std::time::Duration;

use ::load::{Arrivals, Phase as LoadPhase};
use checker::durability::{Check, Placed, Report};
use contract::Ack;
use record::{Fault, Phase, Recovery, RunWriter, SegmentId};
use serde_json::json;
use workloads::Workload;

use crate::acks::Journal;
use crate::drive::record_failure;
use crate::exit::Failure;
use crate::interrupt;
use crate::progress::Progress;
use crate::rig::Rig;
use crate::turn::read_all;

/// Load before the crash, so that it meets transactions at every stage.
const UNDER_LOAD: Duration = Duration::from_millis(500);
/// A reopening that takes longer has failed.
pub const REOPEN_PATIENCE: Duration = Duration::from_secs(60);
/// How often the first commit is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What the crash left.
#[derive(Clone, Debug)]
pub struct Aftermath {
    /// From the order to restart until the first transaction succeeded; `None` when none did.
    pub reopen_s: Option<f64>,
    /// What reading everything back found; `None` when the engine did not come back.
    pub durability: Option<Report>,
}

/// Crashes every node of the engine under load, restarts it with empty caches, and reads everything back.
pub fn crash_and_check(
    rig: &mut Rig,
    workload: &dyn Workload,
    journal: &mut Journal,
    writer: &mut RunWriter,
    segment: SegmentId,
    progress: &mut Progress,
) -> Result<Aftermath, Failure> {
    progress.say("crashing under load");
    rig.load(|core| {
        core.set_arrivals(Arrivals::Closed);
        core.set_phase(LoadPhase::Warmup);
    })?;
    rig.sleep(UNDER_LOAD);
    let crashed_at = rig.now();
    rig.crash(None)?;
    let now = rig.now();
    let acks = rig.load(move |core| {
        core.set_phase(LoadPhase::Idle);
        core.abandon(now);
        core.take_acks()
    })?;
    journal.append(&acks)?;
    while rig.halted().is_some() {}

    progress.say("reopening");
    let restarted_at = rig.now();
    rig.restart(None)?;
    let reopen_s = first_commit(rig, journal)?.map(|at_s| at_s - restarted_at.as_secs_f64());
    let crash = Fault {
        fault_id: "crash".to_owned(),
        kind: "crash".to_owned(),
        target: "all".to_owned(),
        az: None,
        t_inject_s: writer.seconds_of(segment, crashed_at.0),
        t_effective_s: Some(writer.seconds_of(segment, crashed_at.0)),
        t_heal_s: Some(writer.seconds_of(segment, restarted_at.0)),
        params_json: json!({ "power": false }).to_string(),
        expected: "masked".to_owned(),
    };
    writer.fault(segment, crash).map_err(record_failure)?;
    let reopened = Recovery {
        fault_id: "crash".to_owned(),
        metric: "reopen_s".to_owned(),
        baseline: None,
        worst: reopen_s,
        t_detect_s: None,
        t_recover95_s: None,
        area_lost_ops: None,
        errors: None,
    };
    writer.recovery(segment, &reopened).map_err(record_failure)?;
    writer.metrics_mut(segment, Phase::Measure).recovery_s = reopen_s;
    if reopen_s.is_none() {
        return Ok(Aftermath { reopen_s, durability: None });
    }
    progress.say("reading everything back");
    let durability = check(rig, workload, journal.read(), 0)?;
    Ok(Aftermath { reopen_s, durability: Some(durability) })
}

/// Runs the load until something succeeds, then stops it. Gives when, on the host's clock.
fn first_commit(rig: &mut Rig, journal: &mut Journal) -> Result<Option<f64>, Failure> {
    let now = rig.now();
    rig.load(move |core| {
        core.take_interval(now);
        core.set_phase(LoadPhase::Measure);
    })?;
    let give_up = rig.now().as_secs_f64() + REOPEN_PATIENCE.as_secs_f64();
    let mut found = None;
    while found.is_none() && rig.now().as_secs_f64() < give_up {
        interrupt::check()?;
        rig.sleep(LOOK_EVERY);
        let (succeeded, acks) = rig.load(|core| (core.interval().all().ok > 0, core.take_acks()))?;
        journal.append(&acks)?;
        found = succeeded.then(|| rig.now().as_secs_f64());
    }
    rig.load(|core| core.set_phase(LoadPhase::Idle))?;
    for _ in 0..2_000 {
        if rig.load(|core| core.is_quiet())? {
            break;
        }
        rig.sleep(LOOK_EVERY);
    }
    let acks = rig.load(|core| core.take_acks())?;
    journal.append(&acks)?;
    Ok(found)
}

/// Reads everything back and holds it against the journal. `unjournalled` transactions may have taken effect without being in
/// it.
pub fn check(rig: &mut Rig, workload: &dyn Workload, acks: Vec<Ack>, unjournalled: u64) -> Result<Report, Failure> {
    let tables = workload.schema().tables.len() as u16;
    let found = read_all(rig, tables, REOPEN_PATIENCE)?;
    Ok(judge(workload, acks, initial(workload), &found, unjournalled))
}

/// Holds `found`, everything that is there, against `initial`, what was there first, and the journal.
pub fn judge(
    workload: &dyn Workload,
    acks: Vec<Ack>,
    initial: impl Iterator<Item = Placed>,
    found: &[Placed],
    unjournalled: u64,
) -> Report {
    let mut report = Check { unjournalled }.run(acks, initial, found.iter().cloned());
    for (table, key, row) in found {
        if let Err(finding) = workload.verify(*table, key, row) {
            report.violations_count += 1;
            report.violations.push(finding);
        }
    }
    if report.violations_count > 0 && matches!(report.verdict, checker::Verdict::Valid) {
        report.verdict = checker::Verdict::Invalid(report.violations.first().cloned().unwrap_or_default());
    }
    report
}

fn initial(workload: &dyn Workload) -> impl Iterator<Item = Placed> {
    workload.load(1).into_iter().flat_map(|shard| {
        let table = shard.table;
        shard.rows.map(move |(key, row)| (table, key, row))
    })
}
