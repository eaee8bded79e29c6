//! `--binlog` on real disks: its writes are accounted for as their own class, on every copy; a killed process loses nothing
//! acknowledged; and data made with a binlog is not opened without one.

mod process;

use std::collections::BTreeSet;
use std::fs;

use process::{Running, bench, expect, only_run, workplace};
use record::Run;

const OK: i32 = 0;
const USAGE: i32 = 64;
const VERIFY: [&str; 5] = ["verify", "--data-dir", "data", "--acks", "acks"];
/// Bytes of acknowledgements after which the process is killed.
const ACKS_BYTES: u64 = 20_000;

/// What the nodes with copies are called, and who sends the binlog over links.
const TOPOLOGIES: [(&str, &[&str], &[&str]); 2] = [
    ("coupled", &["compute"], &[]),
    ("coupled-mirrored", &["ebs-a1", "ebs-a2", "ebs-b1", "ebs-b2"], &["compute", "ebs-a1", "ebs-b1", "standby"]),
];

fn with_binlog(engine: &'static str, duration: &'static str) -> Vec<&'static str> {
    let mut arguments = bench(engine, "data", duration);
    // A machine with much else to do must not look like the loss of the standby's zone.
    arguments.extend(["--acks", "acks", "--binlog", "--standby-loss", "stop"]);
    arguments
}

#[test]
fn every_copy_writes_the_binlog_and_the_data_is_opened_with_it_only() {
    for (engine, copies, senders) in TOPOLOGIES {
        let place = workplace();
        expect(place.path(), &with_binlog(engine, "1s"), OK, &[]);
        let run = Run::open(&only_run(place.path())).expect("a run");
        let segments = run.info.engines[0].params["binlog"]["segments"].as_u64();
        assert!(segments.is_some_and(|count| count > 0), "{engine}: {:?}", run.info.engines);
        let rows = || run.io.iter().map(|(_, row)| row).filter(|row| row.class == "binlog");
        let written: BTreeSet<_> = rows().filter(|row| row.writes > 0).map(|row| row.node.as_str()).collect();
        assert_eq!(written.into_iter().collect::<Vec<_>>(), copies, "{engine}");
        let sent: BTreeSet<_> = rows().filter(|row| row.sends > 0).map(|row| row.node.as_str()).collect();
        assert!(sent.iter().all(|node| senders.contains(node)), "{engine}: {sent:?}");
        assert_eq!(sent.contains("compute"), senders.contains(&"compute"), "{engine}: {sent:?}");
        expect(place.path(), &VERIFY, OK, &[]);
        let mut without = bench(engine, "data", "200ms");
        without.push("--reuse");
        expect(place.path(), &without, USAGE, &["with a binlog"]);
    }
}

#[test]
fn a_killed_process_with_a_binlog_loses_nothing_acknowledged() {
    for (engine, ..) in TOPOLOGIES {
        let place = workplace();
        let mut running = Running::start(place.path(), &with_binlog(engine, "120s"));
        running.hear("measure");
        let acks = place.path().join("acks");
        let length = || fs::metadata(&acks).map_or(0, |found| found.len());
        let wanted = length() + ACKS_BYTES;
        assert!(running.wait_until(|| length() >= wanted), "{engine}: {:?}", running.end());
        running.kill();
        expect(place.path(), &VERIFY, OK, &[]);
    }
}
