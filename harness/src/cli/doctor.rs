//! `sextant doctor`: what this machine can do, and the floors every commit is held against.

use std::path::Path;

use serde_json::{Value, json};
use uring::FileSystem;
use uring::floor::{Floor, Via, durable_write, quorum};

use super::args::DoctorArgs;
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::rig::runtime_failure;

/// Samples of the single write, and records of the quorum loop.
const SAMPLES: u64 = 2_000;

pub(super) fn run(args: &DoctorArgs) -> Result<Exit, Failure> {
    let dir = args.data_dir.join(format!("doctor-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|error| Failure::io(format!("{}: {error}", dir.display())))?;
    let result = examine(&dir, args);
    let removed = std::fs::remove_dir_all(&dir);
    removed.map_err(|error| Failure::io(format!("{}: {error}", dir.display())))?;
    result
}

fn examine(dir: &Path, args: &DoctorArgs) -> Result<Exit, Failure> {
    let mut progress = Progress::new(args.json);
    progress.label("doctor");
    let host = record::Host::capture(Some(dir));
    let file_system = FileSystem::of(dir).map_err(runtime_failure)?;
    progress.say("durable write of one copy");
    let alone = durable_write(dir, SAMPLES, Via::SameThread).map_err(runtime_failure)?;
    progress.say("the same through another thread");
    let through = durable_write(dir, SAMPLES, Via::OtherThread).map_err(runtime_failure)?;
    progress.say("4 of 6 loop");
    let depth_one = quorum(dir, 1, SAMPLES);
    let depth_four = quorum(dir, 4, SAMPLES);
    progress.done();
    let mut floors =
        vec![("durable write, one copy, alone", alone), ("durable write, one copy, through another thread", through)];
    let refused = depth_one.as_ref().err().map(ToString::to_string);
    floors.extend(depth_one.ok().map(|floor| ("raw 4 of 6, depth 1", floor)));
    floors.extend(depth_four.ok().map(|floor| ("raw 4 of 6, depth 4", floor)));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if args.json {
        let floors: Vec<Value> = floors.iter().map(|(name, floor)| to_json(name, floor)).collect();
        let object = json!({
            "host": host,
            "cores": cores,
            "file_system": file_system.name(),
            "in_memory": file_system.in_memory(),
            "io_uring_refused": refused,
            "floors": floors,
        });
        println!("{object:#}");
        return Ok(Exit::Ok);
    }
    let buffered = floors.iter().any(|(_, floor)| floor.buffered);
    println!("cores        {cores}");
    println!(
        "file system  {}{}",
        file_system.name(),
        if file_system.in_memory() { " (in memory: nothing is durable)" } else { "" }
    );
    println!("io_uring     {}", refused.as_deref().unwrap_or("usable"));
    println!("O_DIRECT     {}", if buffered { "refused: writes go through the page cache" } else { "usable" });
    println!("timers       {}", clock_source());
    println!();
    println!("{:<50} {:>10} {:>10} {:>10}", "floor (4 KiB, this device)", "p50 µs", "p99 µs", "per s");
    for (name, floor) in &floors {
        let micros = |quantile| floor.quantile(quantile).0 as f64 / 1e3;
        println!("{name:<50} {:>10.0} {:>10.0} {:>10.0}", micros(0.5), micros(0.99), floor.per_s());
    }
    Ok(Exit::Ok)
}

fn to_json(name: &str, floor: &Floor) -> Value {
    json!({
        "name": name,
        "method": floor.method,
        "samples": floor.latency_ns.len(),
        "p50_ns": floor.quantile(0.5).0,
        "p99_ns": floor.quantile(0.99).0,
        "per_s": floor.per_s(),
        "buffered": floor.buffered,
    })
}

fn clock_source() -> String {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    std::fs::read_to_string(path)
        .map_or_else(|_| "clock source unknown".to_owned(), |text| format!("clock source {}", text.trim()))
}
