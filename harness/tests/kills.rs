//! Real processes killed at random moments: whatever was acknowledged is there afterwards.
//!
//! Each engine is benched over one data directory, killed, verified, benched again over what was left, and so on. Every third
//! time the verification is killed too, in the middle of its recovery, and done again. `SEXTANT_KILLS` says how often.

mod process;

use std::fs;
use std::path::Path;

use node::Rng;
use process::{DURABLE, Running, bench, expect, workplace};

fn kills() -> u64 {
    std::env::var("SEXTANT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(2)
}

/// Waits for up to `polls` looks of a millisecond each.
fn idle(running: &mut Running, polls: u64) {
    let mut left = polls;
    running.wait_until(|| {
        left = left.saturating_sub(1);
        left == 0
    });
}

fn length(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |found| found.len())
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    for engine in DURABLE {
        let place = workplace();
        let mut rng = Rng::new(6).fork(engine, 0);
        let mut acknowledged_bytes = 0;
        for round in 0..kills() {
            let acks = format!("acks-{round}");
            let mut arguments = bench(engine, "data", "120s");
            arguments.extend(["--acks", &acks]);
            if round > 0 {
                arguments.push("--reuse");
            }
            let file = place.path().join(&acks);
            let mut running = Running::start(place.path(), &arguments);
            running.hear("warm-up");
            let wanted = length(&file) + 1 + rng.below(200_000);
            assert!(running.wait_until(|| length(&file) >= wanted), "{engine}, round {round}: it ended by itself");
            let polls = 1 + rng.below(40);
            idle(&mut running, polls);
            running.kill();
            acknowledged_bytes += length(&file);
            let verify = ["verify", "--data-dir", "data", "--acks", &acks];
            if round % 3 == 1 {
                let mut recovering = Running::start(place.path(), &verify);
                let polls = 1 + rng.below(400);
                idle(&mut recovering, polls);
                recovering.kill();
            }
            expect(place.path(), &verify, 0, &[]);
            fs::remove_file(&file).expect("removed");
        }
        println!("{engine}: {} kills, {acknowledged_bytes} bytes of acknowledgements, nothing lost", kills());
    }
}
