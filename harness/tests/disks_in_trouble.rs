//! Disks that are full, closed, damaged or without io_uring: a clear error or a recorded fallback, never a panic, never a loss.

mod process;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use process::{DURABLE, Running, bench, expect, only_run, run, runs, sextant, stderr, workplace};
use record::Run;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

const OK: i32 = 0;
const IO: i32 = 74;
/// `io_uring_setup` has one number on every architecture.
const IO_URING_SETUP: i64 = 425;
/// What a container without io_uring answers.
const EPERM: u32 = 1;
/// The user that owns nothing.
const NOBODY: u32 = 65_534;

/// Runs the binary where the kernel refuses io_uring, as the default profile of a container does.
fn run_without_io_uring(place: &Path, arguments: &[&str]) -> Output {
    let arch = std::env::consts::ARCH.try_into().expect("an architecture that seccomp knows");
    let (allow, refuse) = (SeccompAction::Allow, SeccompAction::Errno(EPERM));
    let filter = SeccompFilter::new([(IO_URING_SETUP, Vec::new())].into(), allow, refuse, arch).expect("a filter");
    let program = BpfProgram::try_from(filter).expect("a program");
    // The filter holds for this thread and for what it starts, and for nothing else.
    std::thread::scope(|scope| {
        let confined = scope.spawn(|| {
            apply_filter(&program).expect("a kernel with seccomp");
            run(place, arguments)
        });
        confined.join().expect("it ran")
    })
}

#[test]
fn where_io_uring_is_refused_the_thread_pool_serves_and_the_record_says_so() {
    let place = workplace();
    for engine in DURABLE {
        let output = run_without_io_uring(place.path(), &bench(engine, engine, "1s"));
        assert_eq!(output.status.code(), Some(OK), "{engine}: {}", stderr(&output));
    }
    assert_eq!(runs(place.path()).len(), DURABLE.len());
    for dir in runs(place.path()) {
        let info = Run::open(&dir).expect("a run").info;
        let notice = info.notices.iter().find(|notice| notice.contains("thread pool"));
        assert!(notice.is_some_and(|notice| notice.contains("io_uring is not available")), "{:?}", info.notices);
        assert_eq!(info.floors.iter().map(|floor| floor.method.as_str()).collect::<Vec<_>>(), ["pwritev2"]);
        assert_eq!(record::check(&dir), []);
    }
    let doctor = run_without_io_uring(place.path(), &["doctor", "--json"]);
    let said: serde_json::Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    assert!(said["io_uring_refused"].is_string(), "{said}");
}

#[test]
fn the_thread_pool_may_be_asked_for() {
    let place = workplace();
    let mut arguments = bench("coupled", "data", "1s");
    arguments.push("--thread-pool");
    expect(place.path(), &arguments, OK, &[]);
    let notices = Run::open(&only_run(place.path())).expect("a run").info.notices;
    assert!(notices.iter().any(|notice| notice.contains("the configuration asks for it")), "{notices:?}");
}

/// Every copy of every superblock below a data directory.
fn superblocks(data: &Path) -> Vec<PathBuf> {
    let nodes = fs::read_dir(data).expect("a data directory").map(|entry| entry.expect("an entry").path());
    nodes.map(|node| node.join("superblock")).filter(|file| file.exists()).collect()
}

#[test]
fn superblocks_may_lose_a_copy_but_not_all() {
    for engine in DURABLE {
        let place = workplace();
        let mut arguments = bench(engine, "data", "1s");
        arguments.extend(["--acks", "acks"]);
        expect(place.path(), &arguments, OK, &[]);
        let verify = ["verify", "--data-dir", "data", "--acks", "acks"];
        let files = superblocks(&place.path().join("data"));
        assert!(!files.is_empty(), "{engine}");
        for file in &files {
            let mut bytes = fs::read(file).expect("a superblock");
            bytes[..512].fill(0xa5);
            fs::write(file, &bytes).expect("written");
        }
        expect(place.path(), &verify, OK, &[]);
        let kept: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).expect("a superblock")).collect();
        for (file, bytes) in files.iter().zip(&kept) {
            fs::write(file, vec![0xa5; bytes.len()]).expect("written");
        }
        let output = run(place.path(), &verify);
        assert_eq!(output.status.code(), Some(IO), "{engine}: {}", stderr(&output));
        assert!(stderr(&output).contains("superblock"), "{engine}: {}", stderr(&output));
        for (file, bytes) in files.iter().zip(&kept) {
            fs::write(file, bytes).expect("written");
        }
        expect(place.path(), &verify, OK, &[]);
    }
}

/// Every file of every node below a data directory, with its length and when it was last changed.
fn files(data: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let nodes = fs::read_dir(data).expect("a data directory").map(|entry| entry.expect("an entry").path());
    let entries = nodes.filter(|node| node.is_dir()).flat_map(|node| fs::read_dir(node).expect("a node's directory"));
    let about = entries.map(|entry| {
        let entry = entry.expect("an entry");
        let about = entry.metadata().expect("a file");
        (entry.path(), about.len(), about.modified().expect("a time"))
    });
    let mut all: Vec<_> = about.collect();
    all.sort();
    all
}

/// Gives every copy in a superblock's file another format version, as a program of that version would have written it:
/// with a checksum that holds.
fn set_version(file: &Path, engine: &str, version: u8) {
    let mut bytes = fs::read(file).expect("a superblock");
    let word = |copy: &[u8], at: usize| u32::from_le_bytes(copy[at..at + 4].try_into().expect("four bytes")) as usize;
    let (copies, version_at, len_at, crc_at) = if engine == "decoupled" { (8, 8, 12, 16) } else { (4, 4, 16, 20) };
    let copy_bytes = bytes.len() / copies;
    for copy in bytes.chunks_mut(copy_bytes).filter(|copy| copy.iter().any(|byte| *byte != 0)) {
        copy[version_at] = version;
        let body = 24..24 + word(copy, len_at);
        let crc = if engine == "decoupled" {
            copy[crc_at..crc_at + 4].fill(0);
            crc32c::crc32c(&copy[..body.end])
        } else {
            crc32c::crc32c_append(crc32c::crc32c(&copy[..crc_at]), &copy[body])
        };
        copy[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    }
    fs::write(file, bytes).expect("written");
}

#[test]
fn superblocks_of_another_format_version_are_refused_and_kept() {
    for engine in DURABLE {
        let place = workplace();
        let data = place.path().join("data");
        let mut arguments = bench(engine, "data", "1s");
        arguments.extend(["--acks", "acks"]);
        expect(place.path(), &arguments, OK, &[]);
        let kept: Vec<_> = superblocks(&data).into_iter().map(|file| (fs::read(&file).expect("read"), file)).collect();
        assert!(!kept.is_empty(), "{engine}");
        kept.iter().for_each(|(_, file)| set_version(file, engine, 9));
        let before = files(&data);
        let verify = ["verify", "--data-dir", "data", "--acks", "acks"];
        expect(place.path(), &verify, IO, &["format version 9", "use the program that wrote it"]);
        // A mirrored volume makes its copies equal before anybody asks what they hold; then there is nothing left to write.
        let before = if engine == "coupled-mirrored" { files(&data) } else { before };
        let mut again = bench(engine, "data", "100ms");
        again.push("--reuse");
        expect(place.path(), &again, IO, &["format version 9"]);
        assert_eq!(files(&data), before, "{engine}: nothing is changed");
        kept.iter().for_each(|(bytes, file)| fs::write(file, bytes).expect("written"));
        expect(place.path(), &verify, OK, &[]);
    }
}

/// A small file system in memory, unmounted when dropped; `None` where mounting is refused.
struct Mount(PathBuf);

impl Mount {
    fn tmpfs(at: PathBuf, size: &str) -> Option<Mount> {
        fs::create_dir_all(&at).expect("made");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&at).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Mount(at)),
            _ => {
                println!("skipped: this machine refuses to mount a tmpfs");
                None
            }
        }
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let ballast = fs::File::create(self.0.join("ballast")).expect("a file");
        let written =
            std::io::copy(&mut std::io::repeat(0x5a), &mut std::io::BufWriter::with_capacity(1 << 16, ballast));
        assert!(written.is_err(), "a file system without an end");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // What is still open there goes with the test's process.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_too_small_to_begin_is_named_and_so_is_a_ram_disk() {
    let place = workplace();
    let Some(_mount) = Mount::tmpfs(place.path().join("small"), "1m") else { return };
    for engine in DURABLE {
        let data = format!("small/{engine}");
        let output = expect(place.path(), &bench(engine, &data, "100ms"), IO, &["in memory: nothing there is durable"]);
        assert!(stderr(&output).to_lowercase().contains("space"), "{}", stderr(&output));
        assert!(!place.path().join(data).exists(), "{engine} leaves the little room there is");
    }
}

#[test]
fn a_record_that_cannot_be_written_ends_the_run() {
    let place = workplace();
    let Some(mount) = Mount::tmpfs(place.path().join("runs"), "8m") else { return };
    let mut running = Running::start(place.path(), &bench("coupled", "data", "300s"));
    running.hear("measure");
    mount.fill();
    let (code, said) = running.end();
    assert_eq!(code, Some(IO), "{said}");
    assert!(said.to_lowercase().contains("space") && !said.contains("panicked"), "{said}");
}

/// Runs the binary as a user who may write in `place/open` only.
fn run_unprivileged(place: &Path, arguments: &[&str]) -> Output {
    let mut command = sextant(place, arguments);
    let is_root = fs::metadata(place.join("open")).expect("made by this process").uid() == 0;
    if is_root {
        // Mode bits mean nothing to root. The binary may lie where nobody else may look.
        let copy = place.join("sextant");
        if !copy.exists() {
            fs::copy(env!("CARGO_BIN_EXE_sextant"), &copy).expect("copied");
        }
        command = Command::new(copy);
        command.args(arguments).current_dir(place).uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().expect("the binary starts");
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    output
}

#[test]
fn places_without_permission_are_named() {
    // Not in the repository's folder: above that, others may not be let through.
    let place = tempfile::tempdir().expect("a directory");
    let place = place.path();
    let mode = |path: &Path, bits: u32| fs::set_permissions(path, fs::Permissions::from_mode(bits)).expect("set");
    mode(place, 0o755);
    for (name, bits) in [("open", 0o777), ("closed", 0o555)] {
        fs::create_dir(place.join(name)).expect("made");
        mode(&place.join(name), bits);
    }
    let arguments = |engine: &'static str, data: &'static str, out: &'static str| {
        let mut arguments = bench(engine, data, "100ms");
        *arguments.last_mut().expect("the parent of runs") = out;
        arguments
    };
    let refused = |arguments: &[&str], named: &str| {
        let output = run_unprivileged(place, arguments);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(IO), "{said}");
        assert!(said.contains(named) && said.contains("ermission denied"), "{said}");
    };
    refused(&arguments("coupled", "closed/data", "open/runs"), "closed/data");
    refused(&arguments("coupled", "open/data", "closed/runs"), "closed/runs");
    let output = run_unprivileged(place, &arguments("coupled", "open/data", "open/runs"));
    assert_eq!(output.status.code(), Some(OK), "{}", stderr(&output));
    let node = place.join("open/data/compute");
    mode(&node, 0o000);
    let mut again = arguments("coupled", "open/data", "open/runs");
    again.push("--reuse");
    let output = run_unprivileged(place, &again);
    assert_eq!(output.status.code(), Some(IO), "{}", stderr(&output));
    mode(&node, 0o755);
    let output = run_unprivileged(place, &again);
    assert_eq!(output.status.code(), Some(OK), "what was there is there: {}", stderr(&output));
}
