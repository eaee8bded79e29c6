//! Planted bugs: the quick part of `sextant chaos mutants`.

use std::collections::BTreeSet;

use harness::campaign::Plants;
use harness::chaos::Suite;
use harness::chaos::mutants::{Clean, MUTANTS, Mutant, Passed, checker_of, hunt};
use harness::chaos::play::{Playing, Seen, play};
use harness::chaos::shrink::{alike, shrink};
use nemesis::{EngineClass, Script};

/// Found within a few seeds, on each engine and by each kind of check.
const QUICK: [(&str, EngineClass, u64); 10] = [
    ("phantom", EngineClass::Coupled, 2),
    ("early-reply", EngineClass::Mirrored, 2),
    ("lost-wake-up", EngineClass::Coupled, 2),
    ("ack-before-persist", EngineClass::Coupled, 2),
    ("checkpoint-ahead", EngineClass::Coupled, 2),
    ("answer-after-step-1", EngineClass::Mirrored, 4),
    ("quorum-of-three", EngineClass::Decoupled, 6),
    ("idle-group-unreadable", EngineClass::Decoupled, 2),
    ("commit-on-send", EngineClass::Decoupled, 2),
    ("index-before-sync", EngineClass::Decoupled, 2),
];

#[test]
fn planted_bugs_are_found_by_their_own_suites() {
    let mut checkers = BTreeSet::new();
    for (slug, class, seeds) in QUICK {
        let mutant = Mutant::find(slug).expect("in the catalogue");
        let suite = Suite::find(mutant.suite).expect("a suite");
        let caught = hunt(mutant, &suite, class, 1..1 + seeds, |_| {}).expect("scripts");
        let caught = caught.unwrap_or_else(|| panic!("{slug} is not found on {} in {seeds} seeds", class.name()));
        let clean = play(&caught.script, &Playing::default());
        assert_eq!(clean.seen.failure(), None, "{slug}: the engine as it is passes the same script");
        checkers.insert(checker_of(&caught.seen));
    }
    assert!(checkers.len() >= 4, "only {checkers:?} found anything");
}

/// With a million seeds to go, nobody would see the end of a hunt that did not stop.
#[test]
fn a_hunt_ends_with_the_first_seed_that_detects_the_bug() {
    let mutant = Mutant::find("lost-wake-up").expect("in the catalogue");
    let suite = Suite::find(mutant.suite).expect("a suite");
    let hunt = |seeds| hunt(mutant, &suite, EngineClass::Coupled, seeds, |_| {}).expect("scripts");
    let first = hunt(1..1_000_000).expect("found");
    assert_eq!(first.script.header.seed, first.seeds);
    assert!(hunt(1..first.seeds).is_none(), "no seed before it detects the bug");
    let next = hunt(first.seeds + 1..1_000_000).expect("found again");
    assert_eq!(next.script.header.seed, first.seeds + next.seeds);
}

#[test]
fn the_seeds_of_a_hunt_are_played_without_the_bug_as_well() {
    let (mut clean, suite) = (Clean::default(), Suite::find("contention").expect("a suite"));
    clean.note(&suite, EngineClass::Coupled, 2);
    clean.note(&suite, EngineClass::Coupled, 1);
    clean.note(&suite, EngineClass::Decoupled, 3);
    let mut told = Vec::new();
    let passed = clean.play(7, |passed| told.push(passed.played)).expect("scripts");
    assert_eq!(passed, Passed { played: 5, of: 5, failed: Vec::new() });
    assert_eq!(told.last(), Some(&5));
}

#[test]
fn a_script_that_finds_a_planted_bug_is_made_small() {
    let mutant = Mutant::find("ack-before-persist").expect("in the catalogue");
    let suite = Suite::find(mutant.suite).expect("a suite");
    let caught = hunt(mutant, &suite, EngineClass::Coupled, 1..5, |_| {}).expect("scripts").expect("found");
    let playing = Playing { plants: mutant.plants, ..Playing::default() };
    let small = shrink(&caught.script, playing, || true).expect("it fails");
    assert!(alike(&caught.seen, &small.played.seen));
    assert_eq!(play(&small.script, &Playing::default()).seen.failure(), None, "it is the bug that makes it fail");
    assert!(small.script.events() <= 20, "{} events are left:\n{}", small.script.events(), small.script.to_text());
}

/// A storage node acknowledged, after it had promised the volume to another writer, what it had taken in before. Four
/// hundred seeds of every suite passed: a commit is lost only when promise, walk, log write and truncation meet within a
/// millisecond. Now what a writer was told is compared with what the segment was complete to when it promised.
#[test]
fn an_acknowledgement_across_a_fence_is_seen_whether_or_not_a_commit_is_lost() {
    let script = Script::from_text(include_str!("scripts/ack-across-fence.jsonl")).expect("a kept script");
    let mutant = Mutant::find("ack-across-fence").expect("in the catalogue");
    let seen = play(&script, &Playing { plants: mutant.plants, ..Playing::default() }).seen;
    assert!(matches!(&seen, Seen::Violation(what) if what.contains("it had promised epoch")), "{seen:?}");
    assert_eq!(play(&script, &Playing::default()).seen.failure(), None);
}

#[test]
fn every_planted_bug_has_a_suite_and_every_suite_has_bugs() {
    let slugs: BTreeSet<&str> = MUTANTS.iter().map(|mutant| mutant.slug).collect();
    assert_eq!(slugs.len(), MUTANTS.len(), "a slug is given twice");
    assert!(MUTANTS.len() >= 25);
    let on = |class| MUTANTS.iter().filter(|mutant| mutant.engines.contains(&class)).count();
    let coupled = MUTANTS.iter().filter(|mutant| !mutant.engines.contains(&EngineClass::Decoupled)).count();
    assert!(coupled >= 8 && EngineClass::ALL.into_iter().all(|class| on(class) > 0), "{coupled}");
    for mutant in MUTANTS {
        assert_ne!(mutant.plants, Plants::NONE, "{} is no bug", mutant.slug);
        let suite = Suite::canaries().into_iter().find(|suite| suite.name == mutant.suite);
        let classes = suite.expect("one of the canaries").classes();
        assert!(mutant.engines.iter().all(|class| classes.contains(class)), "{}", mutant.slug);
    }
    for suite in Suite::canaries() {
        assert!(MUTANTS.iter().any(|mutant| mutant.suite == suite.name), "{} is after nothing", suite.name);
    }
}
