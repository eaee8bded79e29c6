//! Making a failing script small.
//!
//! Delta debugging (Zeller and Hildebrandt, *Simplifying and isolating failure-inducing input*, IEEE TSE 2002): parts of the
//! script are left out, halves first and then smaller, as long as what remains fails in the same way. Faults go first, since a
//! run without them is short; then operations; then again both, and at last statements inside transactions. The world's
//! noise is drawn from the script's seed, so a smaller script is another run: whatever fails alike is as good.

use nemesis::Script;

use super::play::{Played, Playing, Seen, play};

/// A script that was made smaller.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// What is left.
    pub script: Script,
    /// How it fails.
    pub played: Played,
    /// Scripts tried.
    pub tries: u64,
}

/// Whether two runs failed in the same way: the same kind of verdict, for the same kind of reason.
pub fn alike(one: &Seen, other: &Seen) -> bool {
    let kind = |seen: &Seen| seen.failure().map(|what| (seen.name(), reason(what)));
    kind(one).is_some() && kind(one) == kind(other)
}

/// A failure's text without what differs from run to run: the words up to the first number.
fn reason(what: &str) -> String {
    what.chars()
        .take_while(|c| !c.is_ascii_digit())
        .collect::<String>()
        .split_whitespace()
        .take(6)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Makes `script` small. `None` when it does not fail. `goes_on` is asked before every try.
pub fn shrink(script: &Script, playing: Playing, mut goes_on: impl FnMut() -> bool) -> Option<Shrunk> {
    let first = play(script, &playing);
    first.seen.failure()?;
    let mut best = Shrunk { script: script.clone(), played: first, tries: 1 };
    loop {
        let before = best.script.events();
        let faults = best.script.faults.clone();
        reduce(&mut best, faults, playing, &mut goes_on, |script, faults| Script { faults, ..script.clone() });
        let operations = best.script.operations.clone();
        reduce(&mut best, operations, playing, &mut goes_on, |script, operations| Script {
            operations,
            ..script.clone()
        });
        if best.script.events() == before || !goes_on() {
            break;
        }
    }
    trim(&mut best, playing, &mut goes_on);
    Some(best)
}

/// Leaves out as many of `items` as possible.
fn reduce<T: Clone>(
    best: &mut Shrunk,
    mut items: Vec<T>,
    playing: Playing,
    goes_on: &mut dyn FnMut() -> bool,
    with: impl Fn(&Script, Vec<T>) -> Script,
) {
    let nothing = with(&best.script, Vec::new());
    if items.is_empty() || accept(best, nothing, playing) {
        return;
    }
    let mut parts = 2;
    while goes_on() {
        let size = items.len().div_ceil(parts).max(1);
        let smaller = (0..items.len()).step_by(size).find_map(|start| {
            if !goes_on() {
                return None;
            }
            let rest: Vec<T> =
                items[..start].iter().chain(&items[(start + size).min(items.len())..]).cloned().collect();
            let script = with(&best.script, rest.clone());
            accept(best, script, playing).then_some(rest)
        });
        match smaller {
            Some(rest) => {
                items = rest;
                parts = (parts - 1).max(2);
            }
            None if size == 1 => return,
            None => parts = (parts * 2).min(items.len()),
        }
        if items.len() <= 1 {
            return;
        }
    }
}

/// Leaves out statements of transactions, one at a time.
fn trim(best: &mut Shrunk, playing: Playing, goes_on: &mut dyn FnMut() -> bool) {
    for operation in 0..best.script.operations.len() {
        let mut verb = best.script.operations[operation].verbs.len();
        while verb > 0 && best.script.operations[operation].verbs.len() > 1 && goes_on() {
            verb -= 1;
            let mut script = best.script.clone();
            script.operations[operation].verbs.remove(verb);
            accept(best, script, playing);
        }
    }
}

fn accept(best: &mut Shrunk, script: Script, playing: Playing) -> bool {
    let played = play(&script, &playing);
    best.tries += 1;
    let same = alike(&best.played.seen, &played.seen);
    if same {
        (best.script, best.played) = (script, played);
    }
    same
}
