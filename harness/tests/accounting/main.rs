//! The accounting against the kernel: what an engine says it wrote and synced is what its device saw.
//!
//! The data directory lies alone on a loop device, and `sextant bench` runs over it as anybody would run it. The kernel's
//! counts from start to end are in its record, as a `device` event, and so are its own, in `resources.csv`. A run that makes the
//! files and loads rows comes first, so that this does not outweigh everything else afterwards.
//!
//! Bytes must agree. So must flushes, with one operation at a time: where several wait together the kernel lets them
//! share one, and counts one. For runs without that limit it must have been asked for all syncs all the same, which it
//! counts among the writes.
//!
//! Loop devices take rights that not every machine gives. Where there are none, the test says so and passes.

mod loop_device;
#[path = "../process/mod.rs"]
mod process;

use std::collections::BTreeMap;
use std::path::Path;

use loop_device::{FileSystem, Unavailable};
use process::{runs, sextant, workplace};
use record::Run;

/// How far the two may lie apart.
const TOLERANCE: f64 = 0.02;
/// Syncs in a run, at least, so that the few of the runtime's own set-up do not show. A machine too slow for it in one window
/// is given a longer one.
const SYNCS_LEAST: u64 = 1_000;
/// The exit code of a run that made no progress for a while.
const LIVENESS: i32 = 3;
/// Bytes of the device below the data: more than a run takes.
const DEVICE_BYTES: u64 = 4 << 30;
/// Windows, in seconds, until one is long enough.
const WINDOWS_S: [u64; 5] = [3, 6, 12, 24, 48];

/// Both accounts of a run.
#[derive(Debug, Default)]
struct Accounts {
    write_bytes: u64,
    writes: u64,
    syncs: u64,
    device_write_bytes: u64,
    device_requests: u64,
    device_flushes: u64,
}

impl Accounts {
    fn of(run: &Run) -> Accounts {
        let mut accounts = Accounts::default();
        // Counts are cumulative: the last row of each node holds the whole.
        let last: BTreeMap<&str, _> = run.resources.iter().map(|(_, row)| (row.node.as_str(), row)).collect();
        // The row of the whole process counts CPU time and memory, no operations.
        for row in last.into_values().filter(|row| row.write_ios.is_some()) {
            accounts.write_bytes += row.write_bytes.expect("counted");
            accounts.writes += row.write_ios.expect("counted");
            accounts.syncs += row.fsyncs.expect("counted");
        }
        assert!(accounts.writes > 0 && accounts.syncs > 0, "nodes count their operations: {accounts:?}");
        let devices: Vec<_> = run.events.iter().filter(|event| event.event == "device").collect();
        assert_eq!(devices.len(), 1, "one device is below the data: {devices:?}");
        let count = |name: &str| devices[0].detail["counts"][name].as_u64().expect("a count");
        accounts.device_write_bytes = count("write_bytes");
        accounts.device_requests = count("writes") + count("merged_writes");
        accounts.device_flushes = count("flushes");
        accounts
    }

    fn bytes(&self) -> f64 {
        excess(self.device_write_bytes, self.write_bytes)
    }

    fn requests(&self) -> f64 {
        excess(self.device_requests, self.writes + self.syncs)
    }

    fn flushes(&self) -> f64 {
        excess(self.device_flushes, self.syncs)
    }
}

/// By what share the kernel's count exceeds ours.
fn excess(kernel: u64, ours: u64) -> f64 {
    (kernel as f64 - ours as f64) / ours as f64
}

fn bench(place: &Path, engine: &str, disk: &FileSystem, more: &[&str]) -> Run {
    let data = disk.path().join("data");
    let mut arguments = vec!["bench", "--engine", engine, "--data-dir", data.to_str().expect("UTF-8")];
    arguments.extend(["--warmup", "100ms", "--tables", "2", "--rows", "500", "--sessions", "8", "--out", "runs"]);
    arguments.extend(more);
    let before = runs(place);
    let output = sextant(place, &arguments).output().expect("the binary starts");
    // A device so slow that the engine stood still earns it a verdict; the accounts must hold all the same.
    let is_judged = matches!(output.status.code(), Some(0 | LIVENESS));
    assert!(is_judged, "{arguments:?}: {:?}, {}", output.status, process::stderr(&output));
    // Two runs of one second are not told apart in time by their names.
    let made = runs(place).into_iter().find(|run| !before.contains(run)).expect("another run");
    Run::open(&made).expect("a whole record")
}

/// Runs over the rows loaded before, for long enough to compare.
fn account(place: &Path, engine: &str, disk: &FileSystem, more: &[&str]) -> Accounts {
    let accounts = WINDOWS_S.into_iter().find_map(|seconds| {
        let duration = format!("{seconds}s");
        let arguments = [&["--reuse", "--duration", &duration], more].concat();
        let accounts = Accounts::of(&bench(place, engine, disk, &arguments));
        (accounts.syncs >= SYNCS_LEAST).then_some(accounts)
    });
    let accounts = accounts.unwrap_or_else(|| panic!("{engine}: fewer than {SYNCS_LEAST} syncs in {WINDOWS_S:?} s"));
    println!(
        "{engine} {more:?}: {} bytes written, {:+.2} % at the device; {} writes and syncs, {:+.2} % requests; {} syncs, \
         {:+.2} % flushes",
        accounts.write_bytes,
        100.0 * accounts.bytes(),
        accounts.writes + accounts.syncs,
        100.0 * accounts.requests(),
        accounts.syncs,
        100.0 * accounts.flushes(),
    );
    accounts
}

fn accounts_agree(engine: &str) {
    let place = workplace();
    let disk = match FileSystem::make(place.path(), DEVICE_BYTES) {
        Ok(disk) => disk,
        Err(Unavailable(why)) => {
            eprintln!("{engine}: NOT CHECKED against the kernel, since this machine gives no loop device: {why}");
            return;
        }
    };
    let made = Accounts::of(&bench(place.path(), engine, &disk, &["--duration", "1s"]));
    println!("{engine}, made: {} bytes written, {:+.2} % at the device", made.write_bytes, 100.0 * made.bytes());
    assert!(made.bytes().abs() <= TOLERANCE, "{engine}, zeroes of new files included: {made:?}");
    // One at a time comes first: it is slow, and there is little log yet to be read on opening.
    let apart = account(place.path(), engine, &disk, &["--queue-depth", "1"]);
    assert!(apart.bytes().abs() <= TOLERANCE, "{engine}: {apart:?}");
    assert!(apart.flushes().abs() <= TOLERANCE, "{engine}: {apart:?}");
    let together = account(place.path(), engine, &disk, &[]);
    assert!(together.bytes().abs() <= TOLERANCE, "{engine}: {together:?}");
    assert!(together.flushes() <= TOLERANCE, "{engine}: flushes nobody asked for: {together:?}");
    assert!(together.requests() >= -TOLERANCE, "{engine}: syncs that never got to the kernel: {together:?}");
}

#[test]
fn coupled_writes_and_syncs_what_it_says() {
    accounts_agree("coupled");
}

#[test]
fn coupled_mirrored_writes_and_syncs_what_it_says() {
    accounts_agree("coupled-mirrored");
}

#[test]
fn decoupled_writes_and_syncs_what_it_says() {
    accounts_agree("decoupled");
}
