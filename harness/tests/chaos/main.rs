//! Chaos, end to end: short runs of every suite, scripts that failed once, planted bugs that must be found and made small, and
//! the command line.
//!
//! `SEXTANT_CHAOS_SEEDS` says how many seeds of each suite are played, `SEXTANT_CHAOS_SEED` with which it begins.

#[path = "../process/mod.rs"]
mod process;

mod by_hand;
mod cli;
mod connections;
mod kept;
mod live;
mod mutants;
mod page;
mod planted;
mod processes;

use std::collections::BTreeSet;

use harness::chaos::play::{Playing, play};
use harness::chaos::{Suite, author};
use nemesis::Script;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Every suite on every engine of it, a few seeds each. What fails prints its script.
#[test]
fn no_engine_does_worse_than_it_owes() {
    let first = number("SEXTANT_CHAOS_SEED", 1);
    let (mut failures, mut hit) = (Vec::new(), BTreeSet::new());
    for suite in Suite::built_in() {
        for class in suite.classes() {
            for seed in first..first + number("SEXTANT_CHAOS_SEEDS", 6) {
                let script = author(&suite, class, seed).expect("a suite makes scripts");
                let played = play(&script, &Playing::default());
                hit.extend(played.hits.keys().copied());
                if let Some(what) = played.seen.failure() {
                    println!("{} {} {seed}: {what}\n{}", suite.name, class.name(), script.to_text());
                    failures.push(format!("{} {} {seed}: {}", suite.name, class.name(), played.seen.name()));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
    assert!(hit.len() >= 12, "only {hit:?} took effect");
}

#[test]
fn a_script_is_one_run_also_when_it_was_read_from_its_text() {
    for suite in Suite::built_in() {
        for class in suite.classes() {
            let script = author(&suite, class, 3).expect("a suite makes scripts");
            let again = Script::from_text(&script.to_text()).expect("its own text");
            let (first, second) = (play(&script, &Playing::default()), play(&again, &Playing::default()));
            assert_eq!(first.digest, second.digest, "{} on {}", suite.name, class.name());
            assert_eq!((first.seen, first.hits), (second.seen, second.hits));
            assert!(first.events > 500, "{} events are no run", first.events);
        }
    }
}

#[test]
fn what_was_available_is_measured() {
    let suite = Suite::find("zones").expect("built in");
    let mut open = Vec::new();
    for seed in 1..=6 {
        let script = author(&suite, nemesis::EngineClass::Decoupled, seed).expect("a script");
        let played = play(&script, &Playing::default());
        let availability = played.availability;
        let shares = [availability.commit, availability.read, availability.open, availability.durability];
        assert!(shares.iter().all(|share| share.had <= share.asked), "{availability:?}");
        assert!(availability.open.asked >= 20, "seconds of virtual time are many slices: {availability:?}");
        assert_eq!(availability.durability.ratio(), Some(1.0), "no disk was lost in seed {seed}");
        open.push(availability.open.ratio().expect("it was asked"));
    }
    assert!(open.iter().any(|ratio| *ratio < 1.0) && open.iter().any(|ratio| *ratio > 0.5), "{open:?}");
}
