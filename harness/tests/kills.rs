//! Real processes killed at random moments: whatever was acknowledged is there afterwards.
//!
//! Each engine is benched over one data directory, killed, verified, benched again over what was left, and so on. The
//! moment is drawn: while it loads its first rows, while it recovers from the kill before, or under load. Every third
//! time the verification is killed too, in the middle of its recovery, and done again. `SEXTANT_KILLS` says how often
//! each engine is killed.

mod process;

use std::fs;
use std::path::Path;

use node::Rng;
use process::{Running, bench, expect, workplace};

/// A kill falls this long, at most, after the moment it was drawn for.
const LATER_MS: u64 = 40;
/// Recoveries take about this long; kills that are meant for them are spread over it.
const RECOVERY_MS: u64 = 700;
/// Bytes of acknowledgements after which a process under load is killed, at most.
const ACKS_BYTES: u64 = 200_000;

fn kills() -> u64 {
    std::env::var("SEXTANT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
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

/// One engine's data directory, and the last journal of a process that served from it.
struct Victim<'a> {
    engine: &'a str,
    place: &'a Path,
    rng: Rng,
    acks: String,
    acknowledged_bytes: u64,
    killed_loading: u64,
    killed_recovering: u64,
    killed_verifying: u64,
}

impl<'a> Victim<'a> {
    fn new(engine: &'a str, place: &'a Path) -> Victim<'a> {
        Victim {
            engine,
            place,
            rng: Rng::new(6).fork(engine, 0),
            acks: String::new(),
            acknowledged_bytes: 0,
            killed_loading: 0,
            killed_recovering: 0,
            killed_verifying: 0,
        }
    }

    fn bench<'b>(&'b self, acks: &'b str, reuse: bool) -> Vec<&'b str> {
        let mut arguments = bench(self.engine, "data", "120s");
        arguments.extend(["--acks", acks]);
        arguments.extend(reuse.then_some("--reuse"));
        arguments
    }

    /// Killed before its first rows were all there: it promised nothing, and says so instead of serving a part.
    fn kill_loading(&mut self) {
        let mut running = Running::start(self.place, &self.bench("acks-loading", false));
        running.hear("loading rows");
        if running.kill().contains("warm-up") {
            return fs::remove_dir_all(self.place.join("data")).expect("removed");
        }
        for arguments in
            [vec!["verify", "--data-dir", "data", "--acks", "acks-loading"], self.bench("acks-refused", true)]
        {
            expect(self.place, &arguments, 64, &["loading it was not finished"]);
        }
        fs::remove_dir_all(self.place.join("data")).expect("removed");
        self.killed_loading += 1;
    }

    /// One process over the data, killed at a moment drawn.
    fn kill(&mut self, round: u64) {
        let acks = format!("acks-{round}");
        let file = self.place.join(&acks);
        let mut running = Running::start(self.place, &self.bench(&acks, round > 0));
        if round > 0 && self.rng.below(3) == 0 {
            let polls = 1 + self.rng.below(RECOVERY_MS);
            idle(&mut running, polls);
            if !running.kill().contains("warm-up") {
                // It had served nobody: what the process before it acknowledged is owed as before.
                self.killed_recovering += 1;
                return;
            }
        } else {
            running.hear("warm-up");
            let wanted = length(&file) + 1 + self.rng.below(ACKS_BYTES);
            let reached = running.wait_until(|| length(&file) >= wanted);
            assert!(reached, "{}, round {round}: it ended by itself", self.engine);
            let polls = 1 + self.rng.below(LATER_MS);
            idle(&mut running, polls);
            running.kill();
        }
        self.acknowledged_bytes += length(&file);
        self.acks = acks;
    }

    /// Everything that the last journal promises is there.
    fn verify(&mut self, round: u64) {
        let verify = ["verify", "--data-dir", "data", "--acks", &self.acks];
        if round % 3 == 1 {
            let mut recovering = Running::start(self.place, &verify);
            let polls = 1 + self.rng.below(RECOVERY_MS);
            idle(&mut recovering, polls);
            recovering.kill();
            self.killed_verifying += 1;
        }
        expect(self.place, &verify, 0, &[]);
    }
}

fn nothing_is_lost(engine: &str) {
    let place = workplace();
    let mut victim = Victim::new(engine, place.path());
    victim.kill_loading();
    for round in 0..kills() {
        victim.kill(round);
        victim.verify(round);
    }
    let Victim { acknowledged_bytes, killed_loading, killed_recovering, killed_verifying, .. } = victim;
    println!(
        "{engine}: {} kills ({killed_recovering} of them in recovery), {killed_loading} while loading and \
         {killed_verifying} while verifying beside; {acknowledged_bytes} bytes of acknowledgements, nothing lost",
        kills()
    );
    assert!(acknowledged_bytes > 0, "{engine} acknowledged nothing");
}

#[test]
fn coupled_loses_nothing_acknowledged_when_the_process_is_killed() {
    nothing_is_lost("coupled");
}

#[test]
fn coupled_mirrored_loses_nothing_acknowledged_when_the_process_is_killed() {
    nothing_is_lost("coupled-mirrored");
}

#[test]
fn decoupled_loses_nothing_acknowledged_when_the_process_is_killed() {
    nothing_is_lost("decoupled");
}
