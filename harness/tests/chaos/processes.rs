//! Scripts with every storage node as a process: each kind of fault seen to take effect, a small campaign, a bug found there
//! too, and the command, which leaves no process behind however it ends.
//!
//! `SEXTANT_PROCESS_SCRIPTS` says how many scripts of each suite the campaign plays, `SEXTANT_CHAOS_SEED` with which it begins.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use harness::chaos::live::{Processes, Stage, play_on_processes};
use harness::chaos::mutants::Mutant;
use harness::chaos::play::{Played, Playing, Seen};
use harness::chaos::{Suite, author_for};
use nemesis::{Carrier, EngineClass, ROWS, Script};

use crate::by_hand::{self, is_empty};
use crate::number;
use crate::process::{Running, expect, nodes_below, workplace};

const OK: i32 = 0;
const USAGE: i32 = 64;
const INTERRUPTED: i32 = 130;

fn play_with(script: &Script, playing: &Playing, place: &Path) -> Played {
    let played = play_on_processes(script, playing, place, Path::new(env!("CARGO_BIN_EXE_sextant")));
    assert_eq!(nodes_below(place), [0_u32; 0], "no process is left");
    played
}

fn play(script: &Script, place: &Path) -> Played {
    play_with(script, &Playing::default(), place)
}

fn drawn(suite: &str, seed: u64) -> Script {
    let suite = Suite::find(suite).expect("built in");
    author_for(Carrier::Process, &suite, EngineClass::Decoupled, seed).expect("a script")
}

/// Kill, stop, cut, delay, damaged bytes on the wire and on disk, an emptied and an exchanged disk, one after the other.
#[test]
fn six_processes_live_through_signals_cuts_and_damaged_files() {
    let _alone = by_hand::alone();
    let pairs = by_hand::pairs_around_zone_c();
    let words = |what: &str| -> Vec<String> { pairs.iter().map(|pair| format!("link {pair} {what}")).collect() };
    let (cuts, delays, damages) = (words("cut"), words("delay 2ms"), words("corrupt 0.5"));
    let heals: Vec<String> = pairs.iter().map(|pair| format!("heal {pair}")).collect();
    let mut faults = vec![
        (10, "P1", "crash storage-b1"),
        (20, "P1", "restart storage-b1"),
        (30, "P4", "pause storage-a2"),
        (50, "P4", "resume storage-a2"),
        (60, "P3", "crash compute"),
        (64, "P3", "restart compute"),
        (170, "D9", "rot storage-c1 pages 500000 8"),
        (190, "D20", "rot storage-c1 superblock 0 1"),
        (210, "D18", "crash storage-c2"),
        (210, "D18", "wipe storage-c2"),
        (220, "D18", "restart storage-c2"),
        (240, "D21", "crash storage-a1"),
        (240, "D21", "crash storage-b2"),
        (240, "D21", "swap storage-a1 storage-b2"),
        (241, "D21", "restart storage-a1"),
        (241, "D21", "restart storage-b2"),
    ];
    for (at, row, rules) in [(80, "N7", &cuts), (110, "N4", &delays), (140, "N9", &damages)] {
        faults.extend(rules.iter().map(|words| (at, row, words.as_str())));
        faults.extend(heals.iter().map(|words| (at + 25, row, words.as_str())));
    }
    faults.sort_by_key(|fault| fault.0);
    let rows = ["P1", "P4", "P3", "N7", "N4", "N9", "D9", "D20", "D18", "D21"];
    by_hand::all_take_effect(Carrier::Process, EngineClass::Decoupled, &faults, &rows, play);
}

/// A small campaign over the suites.
#[test]
fn no_process_does_worse_than_it_owes() {
    let _alone = by_hand::alone();
    let (first, scripts) = (number("SEXTANT_CHAOS_SEED", 1), number("SEXTANT_PROCESS_SCRIPTS", 1));
    let place = workplace();
    let (mut failures, mut hits, mut count) = (Vec::new(), BTreeMap::new(), 0);
    for suite in ["swarm", "rows", "damage", "zones"] {
        for seed in first..first + scripts {
            let script = drawn(suite, seed);
            let played = play(&script, place.path());
            assert!(is_empty(place.path()), "{suite} {seed} leaves something behind");
            played.hits.iter().for_each(|(row, count)| *hits.entry(*row).or_insert(0) += count);
            count += 1;
            if let Some(what) = played.seen.failure() {
                println!("{suite} {seed}: {what}\n{}\n{:#?}", script.to_text(), played.timeline);
                failures.push(format!("{suite} {seed}: {}", played.seen.name()));
            }
        }
    }
    println!("{count} scripts on processes, {} failed; effects {hits:?}", failures.len());
    assert!(failures.is_empty(), "{failures:?}");
    assert!(!hits.is_empty(), "nothing took effect");
}

/// A zone is cut off while four nodes acknowledge. Then three of these are killed and the fourth comes back empty, beside the
/// two that were cut off: nobody may open the volume with these three.
fn emptied_beside_two_that_missed_it(seed: u64) -> Script {
    let pairs = by_hand::pairs_around_zone_c();
    let cuts: Vec<String> = pairs.iter().map(|pair| format!("link {pair} cut")).collect();
    let heals: Vec<String> = pairs.iter().map(|pair| format!("heal {pair}")).collect();
    let mut faults: Vec<(u64, &str, &str)> = cuts.iter().map(|words| (20, "N7", words.as_str())).collect();
    let killed = ["crash compute", "crash storage-a1", "crash storage-a2", "crash storage-b1", "crash storage-b2"];
    faults.extend(killed.map(|words| (200, "P1", words)));
    faults.push((201, "D18", "wipe storage-b2"));
    faults.extend(heals.iter().map(|words| (202, "N7", words.as_str())));
    faults.extend([(203, "D18", "restart storage-b2"), (204, "P1", "restart compute")]);
    let mut script = by_hand::disturbed(Carrier::Process, EngineClass::Decoupled, seed, &faults);
    script.header.span = "1s".to_owned();
    script
}

/// A wiped node that votes in a recovery loses what its three dead peers acknowledged. Without the bug the recovery waits for
/// one of them.
#[test]
fn a_planted_bug_is_found_on_processes() {
    let _alone = by_hand::alone();
    let bug = Playing { plants: Mutant::find("wiped-votes").expect("known").plants, ..Playing::default() };
    let place = workplace();
    let found = (1..=8).map(emptied_beside_two_that_missed_it).find_map(|script| {
        let played = play_with(&script, &bug, place.path());
        matches!(played.seen, Seen::Violation(_)).then_some((script, played))
    });
    let (script, failed) = found.expect("an acknowledged commit is lost within 8 scripts");
    assert!(!failed.history.is_empty(), "what clients saw is kept");
    assert!(is_empty(place.path()), "a run that fails leaves nothing behind either");
    let held = by_hand::played(&script, play);
    assert!(held.hits.contains_key("D18"), "{:?}", held.hits);
}

/// The catalogue's column for processes and what their stage carries out are the same.
#[test]
fn the_catalogue_says_what_processes_can_be_done() {
    let mut struck = BTreeSet::new();
    for suite in Suite::built_in() {
        for seed in 1..=150 {
            if !suite.classes().contains(&EngineClass::Decoupled) {
                continue;
            }
            let script = drawn(&suite.name, seed);
            for fault in &script.faults {
                assert!(Processes::carries(&fault.act), "{:?} cannot be carried out", fault.act);
                struck.insert(fault.row.id);
            }
        }
    }
    let said = ROWS.iter().filter(|row| row.process.is_injected()).map(|row| row.id).collect();
    assert_eq!(struck, said, "rows that scripts draw for processes, and rows that the catalogue says they do");
}

#[test]
fn the_command_plays_on_processes_and_says_what_it_cannot() {
    let _alone = by_hand::alone();
    let place = workplace();
    let arguments = ["chaos", "run", "rows", "--runtime", "process", "--seeds", "9..11", "--data-dir", "data"];
    let output = expect(place.path(), &[&arguments[..], &["--out", "out"]].concat(), OK, &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("2 scripts, 0 failed"), "{text}");
    assert!(!place.path().join("data").exists(), "the engines' files are gone");
    let coupled = ["chaos", "run", "rows", "--runtime", "process", "--engine", "coupled"];
    expect(place.path(), &coupled, USAGE, &["--runtime process plays decoupled", "coupled has no storage nodes"]);

    let suite = Suite::find("quiet").expect("built in");
    let mut script = author_for(Carrier::Sim, &suite, EngineClass::Coupled, 1).expect("a script");
    let file = place.path().join("script.jsonl");
    let replay = ["chaos", "replay", "script.jsonl", "--runtime", "process", "--data-dir", "data"];
    fs::write(&file, script.to_text()).expect("written");
    expect(place.path(), &replay, USAGE, &["coupled cannot be played there, only decoupled"]);
    for (row, act, why) in [
        ("D12", "disk storage-a1 write-error 0.5", "needs a device that fails"),
        ("P2", "crash storage-a1 power", "power cannot be cut"),
        ("N2", "link compute > storage-a1 duplicate 0.5", "TCP delivers once"),
    ] {
        script = by_hand::disturbed(Carrier::Process, EngineClass::Decoupled, 1, &[(10, row, act)]);
        fs::write(&file, script.to_text()).expect("written");
        expect(place.path(), &replay, USAGE, &[row, act, why]);
    }
    assert!(!place.path().join("data").exists(), "what is refused leaves nothing behind");
}

/// Ctrl-C ends a run after the script that is being played; a kill of the command ends its processes with it.
#[test]
fn no_process_outlives_the_command() {
    let _alone = by_hand::alone();
    let place = workplace();
    let arguments = ["chaos", "run", "swarm", "--runtime", "process", "--seeds", "1000", "--data-dir", "data"];
    for signal in ["INT", "KILL"] {
        let mut running = Running::start(place.path(), &arguments);
        assert!(running.wait_until(|| nodes_below(place.path()).len() == 6), "six processes come up");
        running.signal(signal);
        let (code, said) = running.end();
        assert_eq!(code, (signal == "INT").then_some(INTERRUPTED), "{said}");
        while signal == "KILL" && !nodes_below(place.path()).is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(nodes_below(place.path()), [0_u32; 0]);
        assert!(signal == "KILL" || !place.path().join("data").exists(), "an end in order leaves no file behind");
    }
}
