//! Processes that `bench --runtime process` starts and ends by itself.

use record::Run;
use record::schema::Site;

use crate::nodes::NAMES;
use crate::process::{Running, bench, expect, nodes_below, only_run, workplace};

fn bench_of_its_own(duration: &str) -> Vec<&str> {
    let mut arguments = bench("decoupled", "data", duration);
    arguments.extend(["--runtime", "process", "--acks", "acks"]);
    arguments
}

#[test]
fn six_processes_commit_are_counted_and_end_with_their_parent() {
    let place = workplace();
    let mut arguments = bench_of_its_own("1s");
    arguments.extend(["--fault", "az-loss"]);
    expect(place.path(), &arguments, 0, &[]);
    assert_eq!(nodes_below(place.path()), [0_u32; 0], "no process is left");

    let dir = only_run(place.path());
    assert_eq!(record::check(&dir), []);
    let run = Run::open(&dir).expect("a run");
    assert_eq!(run.info.factors.runtime, "process");
    for name in NAMES {
        let writes: u64 = run.io.iter().filter(|(_, row)| row.node == name).map(|(_, row)| row.writes).sum();
        assert!(writes > 0, "{name} wrote nothing that was counted");
    }
    assert!(run.io.iter().any(|(_, row)| row.site == Site::Database && row.sends > 0));
    // What one process left, another reads: the layout of a data directory is the same.
    let verify = expect(place.path(), &["verify", "--data-dir", "data", "--acks", "acks"], 0, &[]);
    assert!(String::from_utf8_lossy(&verify.stdout).contains("nothing acknowledged is lost"));
}

#[test]
fn children_do_not_outlive_a_parent_that_is_killed() {
    let place = workplace();
    let mut running = Running::start(place.path(), &bench_of_its_own("300s"));
    running.hear("measure");
    crate::acknowledges_more(&mut running, place.path());
    let children = nodes_below(place.path());
    assert_eq!(children.len(), NAMES.len());
    // One of them stands still, and could not end by itself.
    let stopped = std::process::Command::new("kill").args(["-STOP", &children[3].to_string()]).status();
    assert!(stopped.expect("kill runs").success());
    running.kill();
    while !nodes_below(place.path()).is_empty() {
        std::thread::yield_now();
    }
    let verify = expect(place.path(), &["verify", "--data-dir", "data", "--acks", "acks"], 0, &[]);
    assert!(String::from_utf8_lossy(&verify.stdout).contains("nothing acknowledged is lost"));
}

#[test]
fn an_interrupted_parent_ends_its_children() {
    let place = workplace();
    let mut running = Running::start(place.path(), &bench_of_its_own("300s"));
    running.hear("measure");
    crate::interrupt(running);
    assert_eq!(nodes_below(place.path()), [0_u32; 0]);
}

#[test]
fn a_child_whose_process_dies_is_named_and_done_without() {
    let place = workplace();
    let mut running = Running::start(place.path(), &bench_of_its_own("300s"));
    running.hear("measure");
    let victim = nodes_below(place.path())[0];
    let killed = std::process::Command::new("kill").args(["-KILL", &victim.to_string()]).status();
    assert!(killed.expect("kill runs").success());
    crate::acknowledges_more(&mut running, place.path());
    let dir = only_run(place.path());
    let told = || {
        let events = std::fs::read_to_string(dir.join("events.jsonl")).unwrap_or_default();
        events.lines().any(|line| line.contains("halt") && line.contains("signal: 9"))
    };
    assert!(running.wait_until(told), "the record names the process that ended");
    crate::interrupt(running);
}
