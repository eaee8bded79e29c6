//! What is known of a run before it starts.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use record::{Factors, RunPlan};
use serde_json::json;

use super::args::{FaultArg, RunArgs};
use super::bench::{INTERVAL, arrivals};
use super::output;
use crate::data::DataDir;
use crate::engines::Engine;
use crate::processes::ProcessSite;
use crate::turn::{Common, PAGE_BYTES};

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
        runtime: args.runtime.name().to_owned(),
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
    let devices = devices(args, dir);
    let info = |engine: &&dyn Engine| record::EngineInfo {
        name: engine.name().to_owned(),
        durability_class: engine.durability_class().to_owned(),
        protection: engine.protection().to_owned(),
        placement: placement(*engine, common, devices),
        floor: engine.floor().map(str::to_owned),
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
            "queue_depth": args.queue_depth,
        }),
        data_dir: (!args.runtime.is_simulated()).then(|| dir.path().to_owned()),
        limits: output::limits(args.runtime),
        ..RunPlan::default()
    }
}

/// How many copies of the data lie on how many devices: six copies on one device are not six independent copies.
fn placement(engine: &dyn Engine, common: &Common, devices: Option<usize>) -> String {
    let copies = engine
        .topology(&common.setup(true))
        .map_or(0, |topology| topology.members.iter().filter(|m| m.has_disk).count());
    let plural =
        |count: usize, one: &str, many: &str| if count == 1 { one.to_owned() } else { format!("{count} {many}") };
    match (copies, devices) {
        (0, _) => "nothing stored".to_owned(),
        _ if matches!(common.processes, Some(ProcessSite::Others(_))) => {
            format!("{}, on disks of others", plural(copies, "one copy", "copies"))
        }
        (_, None) => format!("{}, simulated disks", plural(copies, "one copy", "copies")),
        (_, Some(devices)) => {
            let used = devices.min(copies);
            format!("{}, {}", plural(copies, "one copy", "copies"), plural(used, "one device", "devices"))
        }
    }
}

/// The devices that the data is spread over; `None` where disks are simulated.
fn devices(args: &RunArgs, dir: &DataDir) -> Option<usize> {
    if args.runtime.is_simulated() {
        return None;
    }
    let device = |folder: PathBuf| {
        let existing = folder.ancestors().find_map(|ancestor| std::fs::metadata(ancestor).ok())?;
        Some(existing.dev())
    };
    let absolute = dir.folders().into_iter().filter_map(|folder| std::path::absolute(folder).ok());
    Some(absolute.filter_map(device).collect::<BTreeSet<_>>().len().max(1))
}
