//! Scripts: a text is a script that can be played to a verdict, or an error with its line.

use std::fs;
use std::path::Path;

use harness::chaos::play::Playing;
use harness::chaos::{Seen, play};
use nemesis::Script;
use node::{Nanos, Rng};

use crate::{case, cases, mutate};

const CASES: u64 = 4_000;
/// One in so many that are accepted is played, if it is short.
const PLAYED: u64 = 40;
const SPAN_MAX: Nanos = Nanos::from_millis(400);

fn kept() -> Vec<String> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chaos/scripts");
    let files = fs::read_dir(place).expect("kept scripts").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    files.iter().map(|path| fs::read_to_string(path).expect("a script")).collect()
}

/// Lines lost, doubled, moved from another script, or bytes changed.
fn changed(rng: &mut Rng, scripts: &[String]) -> String {
    let pick = |rng: &mut Rng| &scripts[rng.below(scripts.len() as u64) as usize];
    let mut lines: Vec<String> = pick(rng).lines().map(str::to_owned).collect();
    let others: Vec<&str> = pick(rng).lines().collect();
    let at = rng.below(lines.len() as u64) as usize;
    match rng.below(6) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, others[rng.below(others.len() as u64) as usize].to_owned()),
        _ => {
            let mut bytes = std::mem::take(&mut lines[at]).into_bytes();
            mutate::bytes(rng, &mut bytes);
            lines[at] = String::from_utf8_lossy(&bytes).into_owned();
        }
    }
    lines.join("\n")
}

fn is_short(script: &Script) -> bool {
    let header = &script.header;
    let faults = script.faults.iter().map(|fault| fault.at);
    let last = script.operations.iter().map(|operation| operation.at).chain(faults).max().unwrap_or_default();
    script.span().max(last) <= SPAN_MAX && header.keys <= 200 && header.clients <= 32 && script.events() <= 400
}

#[test]
fn a_text_is_a_script_with_a_verdict_or_an_error_with_its_line() {
    let scripts = kept();
    let (mut read, mut played, mut refused) = (0, 0, 0);
    for number in cases(CASES) {
        case(number, || {
            let mut rng = Rng::new(number);
            let text = changed(&mut rng, &scripts);
            let script = match Script::from_text(&text) {
                Ok(script) => script,
                Err(error) => {
                    refused += 1;
                    assert!((1..=text.lines().count().max(1)).contains(&error.line), "{error}");
                    return;
                }
            };
            read += 1;
            let again = Script::from_text(&script.to_text()).expect("what is written can be read");
            assert_eq!(again.to_text(), script.to_text());
            if rng.below(PLAYED) == 0 && is_short(&script) {
                played += 1;
                if let Seen::Violation(what) = play(&script, &Playing::default()).seen {
                    assert!(!what.contains("panicked"), "{what}\n{text}");
                }
            }
        });
    }
    println!("{read} scripts read, {played} of them played, {refused} refused");
    assert!(played > 0 && refused > read / 20, "{read} read, {played} played, {refused} refused");
}
