//! Storage nodes as processes: killed, stopped, cut off, damaged and called upon by strangers, and nothing acknowledged is
//! lost.

#[path = "../process/mod.rs"]
mod process;

mod campaign;
mod children;
mod damage;
mod disturbed;
mod nodes;
mod proxy;
mod readme;
mod refused;

use std::path::Path;

use process::{Running, bench, expect};

/// The length of a bench that the test ends.
const LONG: &str = "300s";

/// A small bench of storage nodes at `addresses`, acknowledgements in `acks`.
fn bench_of<'a>(addresses: &'a str, duration: &'a str) -> Vec<&'a str> {
    let mut arguments = bench("decoupled", "data", duration);
    arguments.extend(["--nodes", addresses, "--acks", "acks"]);
    arguments
}

/// A bench at work over `addresses`, which has acknowledged something.
fn at_work(place: &Path, addresses: &str) -> Running {
    at_work_again(place, addresses, &[])
}

/// The same, told something more.
fn at_work_again(place: &Path, addresses: &str, more: &[&str]) -> Running {
    let mut running = Running::start(place, &[&bench_of(addresses, LONG)[..], more].concat());
    running.hear("measure");
    acknowledges_more(&mut running, place);
    running
}

/// Waits until so many more bytes of acknowledgements are there that most of them came after the call.
fn acknowledges_more(running: &mut Running, place: &Path) {
    let length = || std::fs::metadata(place.join("acks")).map_or(0, |found| found.len());
    let before = length();
    assert!(running.wait_until(|| length() > before + 20_000), "it goes on acknowledging");
}

/// Ends a bench as Ctrl-C does.
fn interrupt(running: Running) {
    running.signal("INT");
    let (code, said) = running.end();
    assert_eq!(code, Some(130), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

/// Everything acknowledged is there, as the nodes that run have it.
fn verify(place: &Path, addresses: &str) {
    let output = expect(place, &["verify", "--data-dir", "data", "--acks", "acks", "--nodes", addresses], 0, &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("valid: nothing acknowledged is lost"), "{said}");
}
