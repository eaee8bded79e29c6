//! The report of a chaos run.

use std::path::Path;
use std::time::Duration;

use harness::chaos::matrix::Matrix;
use harness::chaos::mutants::Mutant;
use harness::chaos::page::{Extent, Page};
use harness::chaos::play::{Playing, play};
use harness::chaos::runner::Turn;
use harness::chaos::{Suite, author};
use nemesis::EngineClass;

/// The page of a few seeds of a suite; what fails is kept as the command does.
fn page(suite: &str, classes: &[EngineClass], seeds: std::ops::Range<u64>, playing: Playing) -> String {
    let suite = Suite::find(suite).expect("built in");
    let (mut page, mut matrix) = (Page::default(), Matrix::default());
    page.begin(&suite, classes, "some".to_owned());
    for &class in classes {
        for seed in seeds.clone() {
            let script = author(&suite, class, seed).expect("a script");
            let turn = Turn { played: play(&script, &playing), script, wall: Duration::from_millis(5) };
            page.take(&turn);
            matrix.add(class, &turn.played);
            if turn.played.seen.failure().is_some() {
                let again = play(&turn.script, &Playing { timeline: true, ..playing });
                page.keep(&turn, &again, Path::new(&format!("out/{}-{seed}.jsonl", class.name())));
            }
        }
    }
    page.render(&matrix, Extent { elapsed_s: 1.0, cut_short: None, reproduce: "sextant chaos run".to_owned() })
}

/// Every element that is opened is closed, in order; nothing is fetched from elsewhere.
fn expect_whole_and_alone(page: &str) {
    let (mut open, mut elements) = (Vec::new(), 0);
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag ends");
        let name = tag.split([' ', '\n', '/']).find(|part| !part.is_empty()).expect("a tag has a name");
        match tag {
            _ if tag.starts_with('!') || tag.ends_with('/') || name == "meta" => {}
            _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name), "</{name}>"),
            _ => {
                open.push(name);
                elements += 1;
            }
        }
    }
    assert!(open.is_empty() && elements > 100, "{open:?} are left open of {elements}");
    let text = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for remote in ["<script", "<link", "http://", "https://", "@import", "url("] {
        assert!(!text.contains(remote), "the page is self-contained: {remote}");
    }
}

#[test]
fn a_run_that_kept_every_promise_says_so_for_each_engine_and_row() {
    let page = page("zones", &EngineClass::ALL, 1..5, Playing::default());
    expect_whole_and_alone(&page);
    for wanted in ["Verdict: ok", "coupled-mirrored", "decoupled", "zone-lost", "repairability", "p95", "12 scripts"] {
        assert!(page.contains(wanted), "{wanted} is not in {page}");
    }
    // A row that no script injects says why, and every row is there.
    assert!(page.contains("frames have no connections"), "{page}");
    assert!(nemesis::ROWS.iter().all(|row| page.contains(row.slug)), "{page}");
    assert!(!page.contains("<h2>Failures</h2>") && !page.contains("<h2>How failing runs went</h2>"), "{page}");
}

#[test]
fn a_run_that_found_a_bug_shows_how_to_see_it_again() {
    let mutant = Mutant::find("ack-before-persist").expect("planted");
    let playing = Playing { plants: mutant.plants, ..Playing::default() };
    let page = page(mutant.suite, &[EngineClass::Coupled], 1..3, playing);
    expect_whole_and_alone(&page);
    assert!(page.contains("Verdict: violation") && page.contains("<h2>How failing runs went</h2>"), "{page}");
    let seed = (1..3).find(|seed| page.contains(&format!("sextant chaos replay out/coupled-{seed}.jsonl")));
    let seed = seed.expect("a command that plays it again");
    assert!(page.contains(&format!("sextant chaos shrink out/coupled-{seed}.jsonl")), "{page}");
    // The course: a fault, from when to when, and the account in words.
    assert!(page.contains("class=\"held\"") && page.contains("the end, after"), "{page}");
}
