//! Disks that fill up under a running engine: files that are there go on, growth is refused, and the refusal is either
//! masked or ends the run with a clear message. Nothing acknowledged is lost, and with space back everything goes on.
//!
//! Small loop devices are filled from outside while the binary runs. Loop devices take rights that not every machine gives.
//! Where there are none, the tests say so and pass.

#[path = "../accounting/loop_device.rs"]
mod loop_device;
#[path = "../process/mod.rs"]
mod process;

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use loop_device::{FileSystem, Unavailable};
use process::{Running, expect, only_run, workplace};
use record::Run;

const OK: i32 = 0;
const IO: i32 = 74;
const INTERRUPTED: i32 = 130;
/// Holds what one node, or three of `decoupled`, make at their start, and not what they come to need.
const DEVICE_BYTES: u64 = 400 << 20;
/// Bytes of acknowledgements that show that work goes on.
const GOES_ON_BYTES: u64 = 50_000;
/// The data directory on the small device.
const SMALL: &str = "small/disk/data";

/// A small device in a workplace, and a directory for data on it.
struct SmallDisk(FileSystem);

impl SmallDisk {
    /// `None` where there are no loop devices.
    fn make(place: &Path) -> Option<SmallDisk> {
        let own = place.join("small");
        fs::create_dir(&own).expect("a new directory");
        match FileSystem::make(&own, DEVICE_BYTES) {
            Ok(file_system) => Some(SmallDisk(file_system)),
            Err(Unavailable(why)) => {
                println!("skipped: {why}");
                None
            }
        }
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Fills it to the last block.
    fn fill(&self) {
        let ballast = File::create(self.ballast()).expect("a file");
        let mut ballast = BufWriter::with_capacity(1 << 16, ballast);
        let written = io::copy(&mut io::repeat(0x5a), &mut ballast).expect_err("a device without an end");
        assert_eq!(written.kind(), io::ErrorKind::StorageFull);
        drop(ballast.into_parts());
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("it was there");
    }
}

/// A bench that grows its tables, with its acknowledgements journalled. Its nodes are spread over `dirs`.
fn inserts(engine: &'static str, runtime: &'static str, dirs: &[&'static str]) -> Vec<&'static str> {
    let mut arguments = vec!["bench", "--engine", engine, "--workload", "oltp_insert", "--data-dir", dirs[0]];
    arguments.extend(["--runtime", runtime]);
    dirs[1..].iter().for_each(|disk| arguments.extend(["--disks", disk]));
    arguments.extend(["--acks", "acks", "--duration", "300s", "--warmup", "50ms"]);
    arguments.extend(["--tables", "2", "--rows", "10000", "--sessions", "16", "--out", "runs"]);
    arguments
}

fn verify(place: &Path, data: &str) {
    expect(place, &["verify", "--data-dir", data, "--acks", "acks"], OK, &[]);
}

fn length(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |found| found.len())
}

/// The nodes whose disks a run found full.
fn full_nodes(run: &Run) -> Vec<String> {
    let full = run.events.iter().filter(|event| event.event == "disk_full");
    let mut names: Vec<String> = full.map(|event| event.detail["node"].as_str().expect("a name").to_owned()).collect();
    names.sort();
    names
}

/// A run that needs a disk which fills up ends there: it names the disk and what to do, keeps what it measured, and has lost
/// nothing. With room again, the same data goes on.
fn ends_and_goes_on(engine: &'static str, runtime: &'static str, dirs: &[&'static str], nodes: &[&str]) {
    let place = workplace();
    let Some(small) = SmallDisk::make(place.path()) else { return };
    let mut running = Running::start(place.path(), &inserts(engine, runtime, dirs));
    running.hear("measure");
    small.fill();
    let (code, said) = running.end();
    assert_eq!(code, Some(IO), "{engine}: {said}");
    for words in ["no space left on the disk of", SMALL, "free some space", "--reuse"] {
        assert!(said.contains(words) && !said.contains("panicked"), "{engine} says nothing of `{words}`: {said}");
    }
    for node in nodes {
        assert!(said.contains(&format!("{node} (")), "{engine} does not name {node}: {said}");
    }
    let dir = only_run(place.path());
    assert_eq!(record::check(&dir), [], "{engine}");
    let run = Run::open(&dir).expect("a run");
    assert_eq!(full_nodes(&run), nodes, "{engine}");
    assert!(run.info.reasons.iter().any(|reason| reason.contains("no space left")), "{:?}", run.info.reasons);
    assert!(run.intervals.iter().any(|(_, row)| row.ok > 0), "{engine}: what was measured until then is kept");
    small.make_room();
    assert!(length(&place.path().join("acks")) > 0, "{engine} acknowledged nothing");
    verify(place.path(), dirs[0]);
    let mut again = inserts(engine, runtime, dirs);
    for (flag, value) in [("--acks", "acks-again"), ("--duration", "300ms")] {
        let at = again.iter().position(|argument| *argument == flag).expect("given");
        again[at + 1] = value;
    }
    again.push("--reuse");
    expect(place.path(), &again, OK, &[]);
}

#[test]
fn coupled_refuses_commits_that_need_space_and_goes_on_when_there_is_some() {
    ends_and_goes_on("coupled", "real", &[SMALL], &["compute"]);
}

#[test]
fn coupled_mirrored_names_the_volume_whose_disk_is_full() {
    ends_and_goes_on("coupled-mirrored", "real", &["data", "second", "third", SMALL], &["ebs-b2"]);
}

#[test]
fn decoupled_cannot_go_on_with_three_full_disks_of_six() {
    ends_and_goes_on("decoupled", "real", &["data", SMALL], &["storage-a2", "storage-b2", "storage-c2"]);
}

#[test]
fn processes_of_decoupled_cannot_go_on_with_three_full_disks_of_six() {
    ends_and_goes_on("decoupled", "process", &["data", SMALL], &["storage-a2", "storage-b2", "storage-c2"]);
}

#[test]
fn decoupled_masks_two_full_disks_of_six() {
    masks_two("real");
}

#[test]
fn processes_of_decoupled_mask_two_full_disks_of_six() {
    masks_two("process");
}

fn masks_two(runtime: &'static str) {
    let place = workplace();
    let Some(small) = SmallDisk::make(place.path()) else { return };
    let mut running = Running::start(place.path(), &inserts("decoupled", runtime, &["data", "second", SMALL]));
    running.hear("measure");
    small.fill();
    let nothing_ended = running.wait_until(|| {
        let dir = only_run(place.path());
        fs::read_to_string(dir.join("events.jsonl")).is_ok_and(|text| text.matches("disk_full").count() == 2)
    });
    assert!(nothing_ended, "{:?}", running.end());
    let acks = place.path().join("acks");
    let wanted = length(&acks) + GOES_ON_BYTES;
    assert!(running.wait_until(|| length(&acks) >= wanted), "{:?}", running.end());
    running.signal("INT");
    let (code, said) = running.end();
    assert_eq!(code, Some(INTERRUPTED), "{said}");
    let dir = only_run(place.path());
    assert_eq!(record::check(&dir), []);
    assert_eq!(full_nodes(&Run::open(&dir).expect("a run")).len(), 2);
    // Full disks start and are read like others; then they take what they missed.
    verify(place.path(), "data");
    small.make_room();
    verify(place.path(), "data");
}
