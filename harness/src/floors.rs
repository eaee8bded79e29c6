//! Durable writes without any engine, measured on the spot: what every commit is held against.

use std::path::Path;

use record::Floor;
use uring::floor::{Via, durable_write, quorum};

use crate::exit::Failure;
use crate::progress::Progress;
use crate::rig::runtime_failure;

/// One copy, written and waited for on one thread.
pub const ONE_COPY_ALONE: &str = "durable write, one copy, alone";
/// One copy, asked of another thread, as every client of an engine does. The floor of a commit with one copy.
pub const ONE_COPY: &str = "durable write, one copy";
/// Six copies on this device, done at the fourth. The floor of a commit with a quorum.
pub const QUORUM: &str = "raw 4 of 6";
/// The same, four records at a time.
pub const QUORUM_FOUR_DEEP: &str = "raw 4 of 6, depth 4";

/// The two floors that runs are held against, in a folder of their own below `data_dir`.
///
/// # Errors
///
/// The folder cannot be made, written or removed.
pub fn of_run(data_dir: &Path, samples: u64, progress: &mut Progress) -> Result<Vec<Floor>, Failure> {
    in_folder(data_dir, |dir| {
        progress.say("measuring the disk's floor");
        let one_copy = durable_write(dir, samples, Via::OtherThread).map_err(runtime_failure)?;
        let mut floors = vec![row(ONE_COPY, &one_copy)];
        // Where io_uring is refused there is no quorum loop; the run's notices say so.
        floors.extend(quorum(dir, 1, samples).ok().map(|floor| row(QUORUM, &floor)));
        Ok(floors)
    })
}

/// All of them, for `doctor`, and what refused io_uring if it was.
///
/// # Errors
///
/// The folder cannot be made, written or removed.
pub fn all(data_dir: &Path, samples: u64, progress: &mut Progress) -> Result<(Vec<Floor>, Option<String>), Failure> {
    in_folder(data_dir, |dir| {
        progress.say("durable write of one copy");
        let alone = durable_write(dir, samples, Via::SameThread).map_err(runtime_failure)?;
        progress.say("the same through another thread");
        let through = durable_write(dir, samples, Via::OtherThread).map_err(runtime_failure)?;
        let mut floors = vec![row(ONE_COPY_ALONE, &alone), row(ONE_COPY, &through)];
        progress.say("4 of 6 loop");
        let one_deep = quorum(dir, 1, samples);
        let refused = one_deep.as_ref().err().map(ToString::to_string);
        floors.extend(one_deep.ok().map(|floor| row(QUORUM, &floor)));
        floors.extend(quorum(dir, 4, samples).ok().map(|floor| row(QUORUM_FOUR_DEEP, &floor)));
        Ok((floors, refused))
    })
}

/// Runs `measure` in a folder made for it, and removes the folder whatever came of it.
fn in_folder<R>(data_dir: &Path, measure: impl FnOnce(&Path) -> Result<R, Failure>) -> Result<R, Failure> {
    let dir = data_dir.join(format!("floor-{}", std::process::id()));
    let about = |error: std::io::Error| Failure::io(format!("{}: {error}", dir.display()));
    std::fs::create_dir_all(&dir).map_err(about)?;
    let result = measure(&dir);
    let removed = std::fs::remove_dir_all(&dir).map_err(about);
    result.and_then(|measured| removed.map(|()| measured))
}

fn row(name: &str, floor: &uring::floor::Floor) -> Floor {
    Floor {
        name: name.to_owned(),
        method: floor.method.to_owned(),
        samples: floor.latency_ns.len(),
        p50_ns: floor.quantile(0.5).0,
        p99_ns: floor.quantile(0.99).0,
        per_s: floor.per_s(),
        buffered: floor.buffered,
    }
}
