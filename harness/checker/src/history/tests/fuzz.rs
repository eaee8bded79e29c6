//! Readers against texts that nobody would write.
//!
//! `SEXTANT_FUZZ_CASES` sets how many texts each format is given; the default is short.

use workloads::Rng;

use super::*;

const CASES: u64 = 20_000;

/// Pieces that mean something to one of the readers.
const PIECES: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "#{",
    "#_",
    "##NaN",
    "#tag",
    "\"",
    "\\",
    "\\u",
    "\\newline",
    ":",
    "::",
    ":type",
    ":f",
    ":ok",
    ":invoke",
    ":process",
    "nil",
    "null",
    "true",
    "-",
    "0",
    "17",
    "9223372036854775808",
    "1.5e3",
    "e",
    "N",
    "M",
    ",",
    ";",
    "\n",
    "\r\n",
    "\"type\":",
    "\"ok\"",
    "ü",
    "\u{1}",
];

fn cases() -> u64 {
    std::env::var("SEXTANT_FUZZ_CASES").map_or(CASES, |text| text.parse().expect("SEXTANT_FUZZ_CASES is a number"))
}

fn pieces(rng: &mut Rng) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..rng.below(30) {
        text.push_str(PIECES[rng.below(PIECES.len() as u64) as usize]);
        text.push_str(["", " "][rng.below(2) as usize]);
    }
    text.into_bytes()
}

/// A history with some bytes changed, lost, doubled or cut off.
fn damaged(rng: &mut Rng, format: Format) -> Vec<u8> {
    let lines: Vec<String> = (0..=rng.below(3)).map(|_| format.line(&random::op(rng))).collect();
    let mut bytes = lines.join("\n").into_bytes();
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len() as u64) as usize;
        match rng.below(5) {
            0 => bytes[at] = rng.below(256) as u8,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, bytes[at]),
            3 => {
                let piece = PIECES[rng.below(PIECES.len() as u64) as usize].bytes();
                drop(bytes.splice(at..at, piece));
            }
            _ => bytes.truncate(at),
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

#[test]
fn no_text_makes_a_reader_panic_and_what_is_read_can_be_written() {
    let (mut accepted, mut refused) = (0, 0);
    for case in 0..cases() {
        let mut rng = Rng::new(case);
        for format in [Format::Jsonl, Format::Edn] {
            let bytes = if case % 2 == 0 { pieces(&mut rng) } else { damaged(&mut rng, format) };
            for reader in [Reader::new(&bytes, format), Reader::new(&bytes, Format::of_content(&bytes))] {
                for op in reader {
                    let Ok(op) = op else {
                        refused += 1;
                        continue;
                    };
                    accepted += 1;
                    let written = Format::Edn.line(&op);
                    let again = Reader::new(written.as_bytes(), Format::Edn).next();
                    assert!(matches!(again, Some(Ok(_))), "case {case}: {written}: {again:?}");
                }
            }
        }
    }
    println!("fuzzed {} texts: {accepted} operations read, {refused} texts refused", 4 * cases());
    assert!(accepted > cases() / 10 && refused > cases() / 10, "{accepted} accepted, {refused} refused");
}
