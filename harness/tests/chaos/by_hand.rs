//! Scripts with faults by hand, played in real time until each has taken effect.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use harness::chaos::play::Played;
use harness::chaos::{Suite, author_for};
use nemesis::words::parse_act;
use nemesis::{Carrier, EngineClass, Names, Row, Script, Timed};
use node::Nanos;

use crate::process::workplace;

/// Holds every other world in real time off. Two at once on two cores keep each other from what a script asks for in time: an
/// engine has then been seen not to serve for half a minute.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A script of the quiet suite with these faults: milliseconds, row, words.
pub fn disturbed(carrier: Carrier, class: EngineClass, seed: u64, faults: &[(u64, &str, &str)]) -> Script {
    let suite = Suite::find("quiet").expect("built in");
    let mut script = author_for(carrier, &suite, class, seed).expect("a script");
    let names = Names(script.header.nodes.clone());
    script.header.rows = faults.iter().map(|(_, row, _)| (*row).to_owned()).collect();
    script.header.span = "300ms".to_owned();
    script.faults = faults
        .iter()
        .map(|(at, row, words)| Timed {
            at: Nanos::from_millis(*at),
            row: Row::find(row).expect("a row"),
            act: parse_act(words, &names).expect("an act"),
        })
        .collect();
    script
}

/// Every direction of a link between `az-c` and the rest of a volume of six.
pub fn pairs_around_zone_c() -> Vec<String> {
    let others = ["compute", "storage-a1", "storage-a2", "storage-b1", "storage-b2"];
    let around = |other: &&str| {
        let pairs = ["storage-c1", "storage-c2"].map(|cut| [format!("{cut} > {other}"), format!("{other} > {cut}")]);
        pairs.into_iter().flatten()
    };
    others.iter().flat_map(around).collect()
}

pub fn is_empty(place: &Path) -> bool {
    std::fs::read_dir(place).expect("a directory").next().is_none()
}

/// Plays a script, and sees that it came out well, that it was one, and that it left nothing behind.
pub fn played(script: &Script, play: impl Fn(&Script, &Path) -> Played) -> Played {
    let place = workplace();
    let played = play(script, place.path());
    assert!(is_empty(place.path()), "a run leaves nothing behind");
    assert!(played.seen.failure().is_none(), "{}\n{:?}\n{:#?}", script.to_text(), played.seen, played.timeline);
    assert_eq!(played.digest, None, "no two runs in real time are alike");
    assert!(played.history.len() > script.operations.len(), "{} transactions are no history", played.history.len());
    assert!(played.substance.get("transactions acknowledged") > 0);
    played
}

/// Plays these faults until each of `rows` has taken effect, which a busy machine may put off: an act that comes late may find
/// its node down already.
pub fn all_take_effect(
    carrier: Carrier,
    class: EngineClass,
    faults: &[(u64, &str, &str)],
    rows: &[&str],
    play: impl Fn(&Script, &Path) -> Played,
) {
    let mut hit = BTreeSet::new();
    for seed in 1..=8 {
        let played = played(&disturbed(carrier, class, seed, faults), &play);
        assert!(played.recovery.is_some() && played.availability.commit.asked > 0, "{:?}", played.availability);
        hit.extend(played.hits.into_keys());
        if rows.iter().all(|row| hit.contains(row)) {
            return;
        }
    }
    panic!("of {rows:?} only {hit:?} took effect");
}
