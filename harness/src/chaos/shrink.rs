//! Making a failing script small.
//!
//! Delta debugging (Zeller and Hildebrandt, *Simplifying and isolating failure-inducing input*, IEEE TSE 2002): parts of the
//! script are left out, halves first and then smaller, as long as what remains fails in the same way. Faults go first, since a
//! run without them is short; then operations; then again both, and at last statements inside transactions. The world's
//! noise is drawn from the script's seed, so a smaller script is another run: whatever fails alike is as good. With a planted bug,
//! what a script without the bug passes must go on to pass.

use nemesis::Script;

use super::play::{Played, Playing, Seen, play};
use crate::campaign::Plants;

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
    let clean = Playing { plants: Plants::NONE, ..playing };
    let must_pass = (playing.plants != Plants::NONE && passes(script, &clean)).then_some(clean);
    let best = Shrunk { script: script.clone(), played: first, tries: 1 };
    let mut search = Search { best, playing, must_pass, goes_on: &mut goes_on };
    loop {
        let before = search.best.script.events();
        let faults = search.best.script.faults.clone();
        search.reduce(faults, |script, faults| Script { faults, ..script.clone() });
        let operations = search.best.script.operations.clone();
        search.reduce(operations, |script, operations| Script { operations, ..script.clone() });
        if search.best.script.events() == before || !(search.goes_on)() {
            break;
        }
    }
    search.trim();
    Some(search.best)
}

fn passes(script: &Script, playing: &Playing) -> bool {
    play(script, playing).seen.failure().is_none()
}

/// A script on its way to being small.
struct Search<'a> {
    best: Shrunk,
    playing: Playing,
    /// How it is played without the planted bug, when it must pass so.
    must_pass: Option<Playing>,
    goes_on: &'a mut dyn FnMut() -> bool,
}

impl Search<'_> {
    /// Leaves out as many of `items` as possible.
    fn reduce<T: Clone>(&mut self, mut items: Vec<T>, with: impl Fn(&Script, Vec<T>) -> Script) {
        let nothing = with(&self.best.script, Vec::new());
        if items.is_empty() || self.accept(nothing) {
            return;
        }
        let mut parts = 2;
        while (self.goes_on)() {
            let size = items.len().div_ceil(parts).max(1);
            let smaller = (0..items.len()).step_by(size).find_map(|start| {
                if !(self.goes_on)() {
                    return None;
                }
                let rest: Vec<T> =
                    items[..start].iter().chain(&items[(start + size).min(items.len())..]).cloned().collect();
                let script = with(&self.best.script, rest.clone());
                self.accept(script).then_some(rest)
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
    fn trim(&mut self) {
        for operation in 0..self.best.script.operations.len() {
            let mut verb = self.best.script.operations[operation].verbs.len();
            while verb > 0 && self.best.script.operations[operation].verbs.len() > 1 && (self.goes_on)() {
                verb -= 1;
                let mut script = self.best.script.clone();
                script.operations[operation].verbs.remove(verb);
                self.accept(script);
            }
        }
    }

    fn accept(&mut self, script: Script) -> bool {
        let played = play(&script, &self.playing);
        self.best.tries += 1;
        let same = alike(&self.best.played.seen, &played.seen)
            && self.must_pass.as_ref().is_none_or(|clean| passes(&script, clean));
        if same {
            (self.best.script, self.best.played) = (script, played);
        }
        same
    }
}
