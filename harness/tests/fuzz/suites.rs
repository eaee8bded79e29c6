//! Suites: a text is a suite that makes sense, or an error that says where it does not.

use std::fs;
use std::path::Path;

use harness::chaos::{Suite, author};
use node::Rng;

use crate::{case, cases, mutate};

const CASES: u64 = 5_000;

fn texts() -> Vec<String> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites");
    let files = |place: &Path| -> Vec<_> {
        fs::read_dir(place).expect("suites").map(|entry| entry.expect("an entry").path()).collect()
    };
    let all = [files(&place), files(&place.join("canary"))].concat();
    let suites = all.iter().filter(|path| path.extension().is_some_and(|ext| ext == "toml"));
    suites.map(|path| fs::read_to_string(path).expect("a suite")).collect()
}

/// Lines of one suite in another, or bytes changed.
fn changed(rng: &mut Rng, texts: &[String]) -> String {
    let pick = |rng: &mut Rng| &texts[rng.below(texts.len() as u64) as usize];
    let mut lines: Vec<&str> = pick(rng).lines().collect();
    if rng.chance(0.5) {
        let others: Vec<&str> = pick(rng).lines().collect();
        let from = rng.below(others.len() as u64) as usize;
        let to = rng.below(lines.len() as u64) as usize;
        lines[to] = others[from];
        return lines.join("\n");
    }
    let mut bytes = lines.join("\n").into_bytes();
    mutate::bytes(rng, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_text_is_a_suite_that_can_be_drawn_from_or_an_error_with_its_place() {
    let texts = texts();
    let (mut read, mut refused) = (0, 0);
    for number in cases(CASES) {
        case(number, || {
            let mut rng = Rng::new(number);
            match Suite::parse("fuzzed.toml", &changed(&mut rng, &texts)) {
                Ok(suite) => {
                    read += 1;
                    if read % 100 == 1 {
                        let class = suite.classes()[0];
                        author(&suite, class, number).expect("what is accepted can be drawn from");
                    }
                }
                Err(why) => {
                    refused += 1;
                    assert!(why.starts_with("suite fuzzed.toml: "), "{why}");
                }
            }
        });
    }
    println!("{read} suites read, {refused} refused");
    assert!(read > 0 && refused > read / 10, "{read} read, {refused} refused");
}
