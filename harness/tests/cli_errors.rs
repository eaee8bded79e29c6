//! Bad input, bad disks and interrupts: a clear message, the documented code, no panic, nothing lost.

mod process;

use std::fs;
use std::process::Command;

use process::{DURABLE, Running, bench, expect, only_run, run, runs, stderr, workplace};

const OK: i32 = 0;
const USAGE: i32 = 64;
const IO: i32 = 74;
const INTERRUPTED: i32 = 130;

#[test]
fn unknown_names_list_the_known_ones() {
    let place = workplace();
    let cases: [(&[&str], &str); 7] = [
        (&["bench", "--engine", "mars"], "decoupled"),
        (&["compare", "--engines", "coupled,mars"], "decoupled"),
        (&["bench", "--engine", "coupled", "--workload", "mars"], "oltp_write_only"),
        (&["bench", "--engine", "coupled", "--profile", "mars"], "three-az"),
        (&["bench", "--engine", "coupled", "--distribution", "mars"], "uniform"),
        (&["bench", "--engine", "coupled", "--fault", "mars"], "az-loss"),
        (&["explode"], "explode"),
    ];
    for (arguments, known) in cases {
        expect(place.path(), arguments, USAGE, &[known]);
    }
    assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 0, "nothing is left behind");
}

#[test]
fn settings_that_make_no_sense_are_refused_before_anything_is_touched() {
    let place = workplace();
    fs::write(place.path().join("torn.toml"), "name = \"x\n").expect("written");
    fs::write(place.path().join("odd.toml"), "name = \"x\"\nabout = \"\"\nsource = \"\"\nspeed = 3\n")
        .expect("written");
    for (flag, value, about) in [
        ("--rate", "0", "--rate"),
        ("--rate", "-3", "--rate"),
        ("--rate", "fast", "--rate"),
        ("--cache", "64KiB", "too small"),
        ("--cache", "lots", "256MiB"),
        ("--sessions", "0", "--sessions"),
        ("--rows", "0", "rows"),
        ("--duration", "soon", "10s"),
        ("--profile", "torn.toml", "torn.toml"),
        ("--profile", "odd.toml", "speed"),
    ] {
        let value = format!("{flag}={value}");
        expect(place.path(), &["bench", "--engine", "coupled", "--data-dir", "d", &value], USAGE, &[about]);
    }
    expect(place.path(), &["bench", "--engine", "coupled", "--profile", "none.toml"], IO, &["none.toml"]);
    assert!(!place.path().join("d").exists());
}

#[test]
fn places_that_cannot_be_used_are_named() {
    let place = workplace();
    fs::write(place.path().join("file"), "").expect("written");
    for data in ["file/data", "/proc/self/data"] {
        expect(place.path(), &bench("coupled", data, "100ms"), IO, &[data]);
    }
    let mut arguments = bench("coupled", "data", "100ms");
    arguments.extend(["--acks", "file"]);
    expect(place.path(), &arguments, IO, &["file"]);
    expect(place.path(), &["verify", "--data-dir", "none", "--acks", "none"], IO, &["none"]);
    expect(place.path(), &["verify", "--data-dir", ".", "--acks", "file"], IO, &["no data directory"]);
}

#[test]
fn data_of_another_format_or_another_run_is_refused_and_kept() {
    let place = workplace();
    expect(place.path(), &bench("coupled", "data", "100ms"), OK, &[]);
    expect(place.path(), &bench("coupled", "data", "100ms"), USAGE, &["--reuse"]);
    let mut other = bench("decoupled", "data", "100ms");
    other.push("--reuse");
    expect(place.path(), &other, USAGE, &["coupled data"]);
    let manifest = place.path().join("data/sextant.json");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    fs::write(&manifest, text.replace("\"format_version\": 1", "\"format_version\": 9")).expect("written");
    let mut again = bench("coupled", "data", "100ms");
    again.push("--reuse");
    expect(place.path(), &again, USAGE, &["format version 9"]);
    fs::write(&manifest, "{ torn").expect("written");
    expect(place.path(), &again, USAGE, &["sextant.json"]);
    fs::write(&manifest, text).expect("written");
    expect(place.path(), &again, OK, &[]);
}

#[test]
fn two_processes_cannot_share_a_data_directory() {
    let place = workplace();
    let mut first = Running::start(place.path(), &bench("coupled", "data", "60s"));
    first.hear("measure");
    let mut second = bench("coupled", "data", "100ms");
    second.push("--reuse");
    expect(place.path(), &second, IO, &["in use"]);
    first.signal("INT");
    assert_eq!(first.end().0, Some(INTERRUPTED));
}

/// A transaction that only reads, right after a recovery, once waited for the next write: recovery skips LSNs, and the reply
/// waited for the log to pass them. `verify` of a decoupled database never ended.
#[test]
fn what_a_finished_bench_acknowledged_verifies_in_another_process() {
    for engine in DURABLE {
        let place = workplace();
        let mut arguments = bench(engine, "data", "200ms");
        arguments.extend(["--acks", "acks"]);
        expect(place.path(), &arguments, OK, &[]);
        let verified = expect(place.path(), &["verify", "--data-dir", "data", "--acks", "acks"], OK, &[]);
        assert!(String::from_utf8_lossy(&verified.stdout).contains("nothing acknowledged is lost"));
    }
}

#[test]
fn without_io_uring_the_thread_pool_serves_and_the_record_says_so() {
    let place = workplace();
    for engine in DURABLE {
        let mut arguments = bench(engine, engine, "1s");
        arguments.push("--thread-pool");
        expect(place.path(), &arguments, OK, &[]);
    }
    assert_eq!(runs(place.path()).len(), DURABLE.len());
    for run in runs(place.path()) {
        let text = fs::read_to_string(run.join("run.json")).expect("run.json");
        assert!(text.contains("thread pool") || text.contains("thread-pool"), "{text}");
    }
}

#[test]
fn superblocks_may_lose_one_copy_but_not_all() {
    let place = workplace();
    let mut arguments = bench("coupled", "data", "100ms");
    expect(place.path(), &arguments, OK, &[]);
    arguments.push("--reuse");
    let file = place.path().join("data/compute/superblock");
    let mut bytes = fs::read(&file).expect("a superblock");
    let whole = bytes.clone();
    bytes[..512].fill(0xa5);
    fs::write(&file, &bytes).expect("written");
    expect(place.path(), &arguments, OK, &[]);
    let kept = fs::read(&file).expect("a superblock");
    fs::write(&file, vec![0xa5; whole.len()]).expect("written");
    let output = run(place.path(), &arguments);
    assert_ne!(output.status.code(), Some(OK));
    assert!(stderr(&output).contains("superblock"), "{}", stderr(&output));
    fs::write(&file, kept).expect("written");
    expect(place.path(), &arguments, OK, &[]);
}

#[test]
fn an_interrupt_keeps_what_was_measured() {
    let place = workplace();
    let mut running = Running::start(place.path(), &bench("coupled", "data", "60s"));
    running.hear("measure");
    let measured = || {
        let found = runs(place.path()).pop();
        let text = found.and_then(|run| fs::read_to_string(run.join("intervals.csv")).ok());
        text.is_some_and(|text| text.lines().count() > 2)
    };
    assert!(running.wait_until(measured), "intervals are written as the run goes");
    running.signal("INT");
    let (code, said) = running.end();
    assert_eq!(code, Some(INTERRUPTED), "{said}");
    let run = only_run(place.path());
    let info = fs::read_to_string(run.join("run.json")).expect("run.json");
    assert!(info.contains("aborted"), "{info}");
    assert!(fs::read_to_string(run.join("intervals.csv")).expect("intervals").lines().count() > 2);
}

#[test]
fn an_interrupted_comparison_removes_its_temporary_data() {
    let place = workplace();
    let arguments = ["compare", "--engines", "coupled", "--rows", "300", "--duration", "60s", "--out", "runs"];
    let mut running = Running::start(place.path(), &arguments);
    running.hear("warm-up");
    running.signal("INT");
    let (code, said) = running.end();
    assert_eq!(code, Some(INTERRUPTED), "{said}");
    assert_eq!(fs::read_dir(place.path().join(".sextant")).expect("made").count(), 0);
    assert!(fs::read_to_string(only_run(place.path()).join("run.json")).expect("run.json").contains("aborted"));
}

/// A small file system in memory, unmounted when dropped; `None` where mounting is refused.
struct Mount(std::path::PathBuf);

impl Mount {
    fn tmpfs(at: std::path::PathBuf, size: &str) -> Option<Mount> {
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
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_ends_the_run_with_a_reason_and_a_ram_disk_is_named() {
    let place = workplace();
    let Some(mount) = Mount::tmpfs(place.path().join("small"), "20m") else { return };
    for engine in DURABLE {
        let data = format!("small/{engine}");
        let output = run(place.path(), &bench(engine, &data, "100ms"));
        let said = stderr(&output);
        assert!(said.contains("in memory: nothing there is durable"), "{said}");
        if engine != "decoupled" {
            assert_ne!(output.status.code(), Some(OK), "{engine} fits: {said}");
            assert!(said.to_lowercase().contains("space"), "{said}");
        }
        fs::remove_dir_all(mount.0.join(engine)).expect("removed");
    }
}
