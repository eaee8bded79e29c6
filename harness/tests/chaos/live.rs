//! Scripts on real rings: short runs of every engine, each kind of fault seen to take effect, bugs found there too.
//!
//! What is asserted is what happened, never how long it took.

use std::collections::BTreeSet;

use harness::chaos::live::{Rings, Stage, play_on_rings};
use harness::chaos::mutants::Mutant;
use harness::chaos::play::{Playing, Seen};
use harness::chaos::{Suite, author_for};
use nemesis::{Carrier, EngineClass, ROWS, Reach};

use crate::by_hand::{self, is_empty};
use crate::process::{expect, workplace};

const OK: i32 = 0;

/// Plays these faults on rings until each of `rows` has taken effect.
fn all_take_effect(class: EngineClass, faults: &[(u64, &str, &str)], rows: &[&str]) {
    by_hand::all_take_effect(Carrier::Real, class, faults, rows, |script, place| {
        play_on_rings(script, &Playing::default(), place)
    });
}

/// Kill, pause, zone cut, slow disk, EIO, ENOSPC and damaged files, one after the other on the six nodes of a volume.
#[test]
fn decoupled_lives_through_kills_cuts_and_disks_in_trouble() {
    let _alone = by_hand::alone();
    let pairs = by_hand::pairs_around_zone_c();
    let cuts: Vec<String> = pairs.iter().map(|pair| format!("link {pair} cut")).collect();
    let heals: Vec<String> = pairs.iter().map(|pair| format!("heal {pair}")).collect();
    let mut faults = vec![
        (10, "P1", "crash storage-b1"),
        (30, "P1", "restart storage-b1"),
        (40, "P4", "pause storage-a2"),
        (60, "P4", "resume storage-a2"),
        (150, "D15", "disk storage-a1 delay 2ms+1ms"),
        (170, "D15", "clear storage-a1"),
        (180, "D12", "disk storage-b2 write-error 0.5"),
        (200, "D12", "clear storage-b2"),
        (210, "D13", "disk storage-a1 full"),
        (230, "D13", "clear storage-a1"),
        (240, "D9", "rot storage-c1 log 500000 2"),
        (241, "P2", "crash storage-c1 power"),
        (260, "P2", "restart storage-c1"),
        (270, "P2", "crash compute power"),
        (280, "P2", "restart compute"),
    ];
    faults.extend(cuts.iter().map(|words| (70, "N7", words.as_str())));
    faults.extend(heals.iter().map(|words| (140, "N7", words.as_str())));
    faults.sort_by_key(|fault| fault.0);
    all_take_effect(EngineClass::Decoupled, &faults, &["P1", "P4", "N7", "D15", "D12", "D13", "D9", "P2"]);
}

#[test]
fn mirrored_lives_through_a_lost_standby_and_a_damaged_copy() {
    let _alone = by_hand::alone();
    let faults = [
        (10, "D12", "disk ebs-b2 write-error 0.3"),
        (50, "D12", "clear ebs-b2"),
        (60, "D9", "rot ebs-a2 pages 300000 1"),
        (80, "P4", "pause standby"),
        (100, "P4", "resume standby"),
        (120, "P1", "crash ebs-b1"),
        (150, "P1", "restart ebs-b1"),
        (200, "P2", "crash compute power"),
        (240, "P2", "restart compute"),
    ];
    all_take_effect(EngineClass::Mirrored, &faults, &["P1", "P2", "P4", "D12"]);
}

#[test]
fn coupled_lives_through_power_cuts_and_a_disk_that_fails() {
    let _alone = by_hand::alone();
    let faults = [
        (10, "D15", "disk compute delay 1ms"),
        (40, "D15", "clear compute"),
        (60, "D1", "crash compute power writing log"),
        (90, "D1", "restart compute"),
        (91, "D12", "disk compute write-error 0.2"),
        (180, "D12", "clear compute"),
        (200, "P1", "crash compute"),
        (240, "P1", "restart compute"),
    ];
    all_take_effect(EngineClass::Coupled, &faults, &["D15", "D12", "P1", "D1"]);
}

/// A database that acknowledges before its log is durable is told by a power cut on real files as well.
#[test]
fn a_planted_bug_is_found_on_real_rings() {
    let _alone = by_hand::alone();
    let playing = Playing { plants: Mutant::find("ack-before-persist").expect("known").plants, ..Playing::default() };
    let place = workplace();
    let suite = Suite::find("power").expect("built in");
    let found = (1..60).find_map(|seed| {
        let script = author_for(Carrier::Real, &suite, EngineClass::Coupled, seed).expect("a script");
        let played = play_on_rings(&script, &playing, place.path());
        matches!(played.seen, Seen::Violation(_)).then_some(played)
    });
    let played = found.expect("an acknowledged commit is lost within 60 scripts");
    assert!(!played.history.is_empty(), "what clients saw is kept");
    assert!(is_empty(place.path()), "a run that fails leaves nothing behind either");
}

/// The catalogue's column for the real runtime and what its stage carries out are the same.
#[test]
fn the_catalogue_says_what_the_stage_carries_out() {
    let mut drawn = BTreeSet::new();
    for suite in Suite::built_in() {
        for class in suite.classes() {
            for seed in 1..=150 {
                let script = author_for(Carrier::Real, &suite, class, seed).expect("a script");
                for fault in &script.faults {
                    assert!(Rings::carries(&fault.act), "{:?} cannot be carried out", fault.act);
                    drawn.insert(fault.row.id);
                }
            }
        }
    }
    let said = ROWS.iter().filter(|row| row.real == Reach::Script).map(|row| row.id).collect();
    assert_eq!(drawn, said, "rows that scripts draw for the real runtime, and rows that the catalogue says they do");
}

#[test]
fn the_command_plays_on_the_real_runtime_and_says_so() {
    let _alone = by_hand::alone();
    let place = workplace();
    let arguments = ["chaos", "run", "rows", "--engine", "coupled,decoupled", "--runtime", "real", "--seeds", "9..11"];
    let output = expect(place.path(), &[&arguments[..], &["--out", "out", "--data-dir", "data"]].concat(), OK, &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("4 scripts, 0 failed"), "{text}");
    assert!(!place.path().join("data").exists(), "the engines' files are gone");
    let verdicts = std::fs::read_to_string(place.path().join("out/verdicts.csv")).expect("verdicts");
    for line in verdicts.lines().skip(1) {
        assert_eq!(line.split(',').nth(8), Some(""), "real time has no hash of events: {line}");
    }
}
