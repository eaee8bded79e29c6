//! What a run says at its end, and what it must say of its limits.

use std::path::{Path, PathBuf};

use node::Zone;
use record::{LinkDelay, RunWriter, Status, Verdict};

use crate::data::DataDir;
use crate::drive::record_failure;
use crate::exit::{Exit, Failure};
use crate::floors;
use crate::printed::{errln, outln};
use crate::progress::Progress;
use crate::rig::{Host, Rig, RuntimeKind};
use crate::verdict::Finding;

/// Samples of each floor: enough for a median that stands, in a fraction of a second.
const FLOOR_SAMPLES: u64 = 500;
/// Columns of the terminal's table when the terminal does not say.
const WIDTH: u16 = 110;

/// Ends the record: status from the figures, verdict from the checks. Gives the run's directory.
pub fn finish(mut writer: RunWriter, verdict: Verdict, findings: &[Finding]) -> Result<PathBuf, Failure> {
    let validity = writer.validity();
    for notice in validity.notices {
        writer.notice(notice).map_err(record_failure)?;
    }
    let reasons = validity.reasons.into_iter().chain(findings.iter().map(ToString::to_string)).collect();
    writer.finish(validity.status, Some(verdict), reasons).map_err(record_failure)
}

/// Ends the record of a run that failed, with the reason in `run.json`: what was measured until then is kept.
pub fn abort(mut writer: RunWriter, failure: Failure) -> Failure {
    writer.info_mut().reasons = vec![failure.message.clone()];
    // A writer dropped before its end closes its segments and says `aborted`.
    drop(writer);
    failure
}

/// Measures the floors below a data directory and notes them.
pub fn note_floors(writer: &mut RunWriter, data_dir: &Path, progress: &mut Progress) -> Result<(), Failure> {
    writer.info_mut().floors = floors::of_run(data_dir, FLOOR_SAMPLES, progress)?;
    writer.save_info().map_err(record_failure)
}

/// Notes the link delays that the engine's frames were given, asked and realised.
pub fn note_links(writer: &mut RunWriter, engine: &str, rig: &Rig) -> Result<(), Failure> {
    if let Host::Processes(fleet) = rig.host() {
        for told in fleet.notices() {
            writer.notice(told).map_err(record_failure)?;
        }
    }
    let delays = rig.usage()?.delays;
    for (from, to) in Zone::ALL.into_iter().flat_map(|from| Zone::ALL.map(|to| (from, to))) {
        let Some(record) = delays.between(from, to) else { continue };
        writer.info_mut().links.push(LinkDelay {
            engine: engine.to_owned(),
            from: from.name().to_owned(),
            to: to.name().to_owned(),
            frames: record.frames(),
            intended_p50_ns: record.intended_ns.value_at_quantile(0.5),
            realised_p50_ns: record.realised_ns.value_at_quantile(0.5),
        });
    }
    writer.save_info().map_err(record_failure)
}

/// The process's exit code: the engines' verdict; when they kept every promise, whether the figures may be used.
fn exit(verdict: Verdict, are_figures_sound: bool) -> Exit {
    match verdict {
        Verdict::Ok if are_figures_sound => Exit::Ok,
        Verdict::Ok => Exit::Unknown,
        Verdict::Violation => Exit::Violation,
        Verdict::Unknown => Exit::Unknown,
        Verdict::Liveness => Exit::Liveness,
    }
}

/// Prints the run's table, renders its report, checks the directory. Gives the process's exit code.
pub fn report(dir: &Path, verdict: Verdict, as_json: bool) -> Result<Exit, Failure> {
    let run = record::Run::open(dir).map_err(record_failure)?;
    let html = record::report::render(dir).map_err(record_failure)?;
    let problems = record::check(dir);
    if as_json {
        let rows: Vec<_> =
            run.summary.iter().map(|(key, row)| serde_json::json!({ "key": key, "summary": row })).collect();
        let conclusions = record::conclusions::of(&run.info, &run.summary);
        outln!("{:#}", serde_json::json!({ "run": run.info, "conclusions": conclusions, "summary": rows }));
    } else {
        outln!("{}", record::table::render(&run.info, &run.summary, WIDTH));
        outln!("run     {}", dir.display());
        outln!("report  {}", html.display());
    }
    for problem in &problems {
        errln!("sextant: the record contradicts itself: {problem}");
    }
    Ok(exit(verdict, problems.is_empty() && run.info.status != Status::Invalid))
}

/// A data directory that forgets is named loudly.
pub fn warn_ram_disk(dir: &DataDir) {
    if let Some(kind) = dir.ram_disk() {
        errln!("sextant: {} lies on {kind}, in memory: nothing there is durable", dir.path().display());
    }
}

/// Notes how the runtime came to be set up, fallbacks included.
pub fn note_runtime(writer: &mut RunWriter, host: &Host) -> Result<(), Failure> {
    let Some(runtime) = host.real() else { return Ok(()) };
    let description = runtime.description();
    let notices = description.notices.iter().cloned();
    let backend = format!("disk backend {}: {}", description.backend.name, description.backend.reason);
    for notice in std::iter::once(backend).chain(notices) {
        writer.notice(notice).map_err(record_failure)?;
    }
    Ok(())
}

/// What a reader must know to read the figures rightly.
pub fn limits(runtime: RuntimeKind) -> Vec<String> {
    let mut limits = vec![
        "Both engines have the same author; where coupled wins is printed as plainly as where it loses.".to_owned(),
        "Zones are simulated: link delays are parameters of this run, not measurements of any provider.".to_owned(),
        "No SQL, no undo: statements cost less CPU than a database server's, on both sides alike.".to_owned(),
    ];
    if runtime == RuntimeKind::Process {
        limits.push("Storage nodes are processes, reached over TCP: what that costs is in the figures.".to_owned());
    }
    match runtime {
        RuntimeKind::Real | RuntimeKind::Process => limits.push(
            "All nodes share this machine's cores, and its devices as far as --disks does not spread them: `copies, devices` \
             says how many copies lie on how many."
                .to_owned(),
        ),
        RuntimeKind::Sim => limits.push("Simulated devices and CPU: uncalibrated models, not this machine.".to_owned()),
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_contradict_themselves_are_no_success_and_hide_no_violation() {
        assert_eq!(exit(Verdict::Ok, true), Exit::Ok);
        assert_eq!(exit(Verdict::Ok, false), Exit::Unknown);
        assert_eq!(exit(Verdict::Violation, false), Exit::Violation);
        assert_eq!(exit(Verdict::Liveness, false), Exit::Liveness);
    }
}
