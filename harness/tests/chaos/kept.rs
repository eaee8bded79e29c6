//! Scripts that failed once, each with its story.

use harness::chaos::play::{Playing, play};
use nemesis::{Owed, Script};

fn replay(text: &str) -> harness::chaos::Played {
    let script = Script::from_text(text).expect("a kept script");
    let played = play(&script, &Playing { timeline: true, ..Playing::default() });
    assert_eq!(played.seen.failure(), None, "{:?}", played.timeline);
    played
}

/// One sector of one copy of a storage node's superblock could not be read. The node read all eight places in one operation, took
/// the error for the end of all of them, and never started again: the volume was a copy short until a person replaced the
/// disk. Now what can be read is read.
#[test]
fn an_unreadable_sector_of_a_superblock_leaves_the_other_copies() {
    let played = replay(include_str!("scripts/unreadable-superblock.jsonl"));
    assert!(played.hits["D8"] > 0, "{:?}", played.hits);
}

/// The writer's volume came back empty, as a replaced disk does. The database node found no database there and made a new one, and
/// the comparison of the copies at its start then made the three others equal to that: everything was lost, though three
/// copies of it were whole. Now an empty first volume beside a mirror with files stops the start.
#[test]
fn an_empty_volume_in_the_writers_place_does_not_empty_the_others() {
    let played = replay(include_str!("scripts/replaced-volume.jsonl"));
    assert!(played.hits["D18"] > 0 && played.owed == Owed::Halt, "{:?}", played.hits);
    assert_eq!(played.seen.name(), "halt");
}

/// The disk of a lone database came back empty, and the engine made a new database on it and served that: its clients were told
/// that nothing of theirs had ever been there. Now a database that must exist is not made anew.
#[test]
fn a_lost_disk_is_admitted() {
    let played = replay(include_str!("scripts/lost-disk.jsonl"));
    assert_eq!(played.seen.name(), "halt");
}
