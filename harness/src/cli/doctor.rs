//! `sextant doctor`: what this machine can do, and the floors every commit is held against.

use record::figures::format::{count, duration_ns};
use serde_json::json;
use uring::FileSystem;

use super::args::DoctorArgs;
use crate::exit::{Exit, Failure};
use crate::floors;
use crate::printed::outln;
use crate::progress::Progress;
use crate::rig::runtime_failure;

/// Samples of the single write, and records of the quorum loop.
const SAMPLES: u64 = 2_000;

pub(super) fn run(args: &DoctorArgs) -> Result<Exit, Failure> {
    let dir = &args.data_dir;
    let is_new = !dir.exists();
    std::fs::create_dir_all(dir).map_err(|error| Failure::io(format!("{}: {error}", dir.display())))?;
    let result = examine(args);
    if is_new {
        // It was made to look at the file system; nothing else may have come into it meanwhile, or it stays.
        let _ = std::fs::remove_dir(dir);
    }
    result
}

fn examine(args: &DoctorArgs) -> Result<Exit, Failure> {
    let dir = &args.data_dir;
    let mut progress = Progress::new(args.json);
    progress.label("doctor");
    let host = record::Host::capture(Some(dir));
    let file_system = FileSystem::of(dir).map_err(runtime_failure)?;
    let (floors, refused) = floors::all(dir, SAMPLES, &mut progress)?;
    progress.done();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let buffered = floors.iter().any(|floor| floor.buffered);
    if args.json {
        let object = json!({
            "host": host,
            "cores": cores,
            "file_system": file_system.name(),
            "in_memory": file_system.in_memory(),
            "direct_io": !buffered,
            "io_uring_refused": refused,
            "floors": floors,
        });
        outln!("{object:#}");
        return Ok(Exit::Ok);
    }
    outln!("cores        {cores}");
    outln!(
        "data         {} on {}{}",
        dir.display(),
        file_system.name(),
        if file_system.in_memory() { " (in memory: nothing is durable)" } else { "" }
    );
    outln!("io_uring     {}", refused.as_deref().unwrap_or("usable"));
    outln!("O_DIRECT     {}", if buffered { "refused: writes go through the page cache" } else { "usable" });
    outln!("timers       {}", clock_source());
    outln!();
    outln!("{:<34} {:>10} {:>10} {:>10}  method", "floor (4 KiB, this device)", "p50", "p99", "per s");
    for floor in &floors {
        let (p50, p99) = (duration_ns(floor.p50_ns as f64), duration_ns(floor.p99_ns as f64));
        outln!("{:<34} {p50:>10} {p99:>10} {:>10}  {}", floor.name, count(floor.per_s), floor.method);
    }
    outln!();
    outln!(
        "One copy is the floor of coupled's commit, 4 of 6 that of decoupled's; a run prints its commit as a multiple."
    );
    Ok(Exit::Ok)
}

fn clock_source() -> String {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    std::fs::read_to_string(path)
        .map_or_else(|_| "clock source unknown".to_owned(), |text| format!("clock source {}", text.trim()))
}
