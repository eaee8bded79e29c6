//! Finding which transactions of unknown outcome took effect, and where.

use std::collections::BTreeSet;

use contract::{Model, Outcome, Transaction};

use super::footprint::Footprint;
use super::need::Need;
use super::order::{describe, position};
use super::timeline::{Mismatch, Timeline};

/// Why a part of the search came to nothing.
#[derive(Debug)]
pub enum Failure {
    /// No choice works. These are the unknown transactions whose choices could have made a difference.
    Conflict(BTreeSet<usize>),
    /// Too much was replayed.
    Budget,
}

/// How much the search tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Only choices that explain the reply at hand, or at least change what the model answers. Quick, and may miss a way.
    Likely,
    /// Every choice.
    Everything,
}

/// What including an unknown transaction does to the reply at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Help {
    /// The model now answers as was seen.
    Explains,
    /// The model answers otherwise than before, or what the included transaction read itself is unexplained.
    Changes,
    /// None, or it breaks something before.
    None,
}

/// The search's state: a serial order under construction, and the model at its head.
pub struct Search<'a> {
    history: &'a [Transaction],
    footprints: Vec<Option<Footprint>>,
    /// Transactions of unknown outcome that may have written.
    unknown: Vec<usize>,
    /// The order: all committed transactions, and the unknown ones taken to have committed.
    order: Vec<usize>,
    included: BTreeSet<usize>,
    timeline: Timeline,
    budget: u64,
    effort: Effort,
    /// The mismatch furthest along the order, which is what a person wants to see.
    furthest: Option<(usize, String)>,
}

impl<'a> Search<'a> {
    pub fn new(
        initial: Model,
        history: &'a [Transaction],
        order: Vec<usize>,
        budget: u64,
        effort: Effort,
    ) -> Search<'a> {
        let unknown: Vec<usize> = (0..history.len())
            .filter(|at| history[*at].outcome == Outcome::Info && Footprint::of(&history[*at]).writes_anything())
            .collect();
        Search {
            history,
            footprints: vec![None; history.len()],
            unknown,
            budget: 1_000 + budget * order.len() as u64,
            effort,
            order,
            included: BTreeSet::new(),
            timeline: Timeline::new(initial),
            furthest: None,
        }
    }

    /// Transactions replayed so far.
    pub fn replayed(&self) -> u64 {
        self.timeline.replayed
    }

    /// Unknown transactions taken to have committed.
    pub fn applied(&self) -> u64 {
        self.included.len() as u64
    }

    /// Transactions done that changed something.
    pub fn writers(&self) -> u64 {
        (0..self.timeline.len()).filter(|at| self.timeline.changed(*at)).count() as u64
    }

    /// What could not be explained.
    pub fn explanation(&self) -> String {
        self.furthest.as_ref().map_or_else(String::new, |(_, text)| text.clone())
    }

    /// Goes forward to the end of the order, including unknown transactions where nothing else explains a reply.
    pub fn solve(&mut self) -> Result<(), Failure> {
        while let Some(next) = self.order.get(self.timeline.len()) {
            if self.timeline.replayed > self.budget {
                return Err(Failure::Budget);
            }
            if let Err(mismatch) = self.timeline.push(&self.history[*next]) {
                return self.branch(&mismatch);
            }
        }
        Ok(())
    }

    /// Two transactions that changed something must not claim one position.
    pub fn check_positions(&self) -> Result<(), String> {
        let mut last: Option<usize> = None;
        for (at, txn) in self.order.iter().enumerate() {
            if self.included.contains(txn) || !self.timeline.changed(at) {
                continue;
            }
            if let Some(before) = last.replace(*txn)
                && position(&self.history[before]) == position(&self.history[*txn])
            {
                let (a, b) = (describe(&self.history[before]), describe(&self.history[*txn]));
                return Err(format!("{a} and {b} both changed something"));
            }
        }
        Ok(())
    }

    /// The transaction at the head does not fit: tries the unknown transactions that could have made it fit.
    fn branch(&mut self, mismatch: &Mismatch) -> Result<(), Failure> {
        let head = self.timeline.len();
        let failing = self.order[head];
        self.note(head, mismatch);
        let (statement, seen) = &self.history[failing].calls[mismatch.call];
        let need = Need::of(statement, seen.as_ref(), &mismatch.expected);
        let mut blamed = BTreeSet::new();
        let mut candidates = Vec::new();
        for at in self.unknown.clone() {
            if self.included.contains(&at) {
                // Taken to have committed, it may be what spoils the reply; or it is the very one that does not fit.
                if at == failing || self.footprint(at).affects(statement) {
                    blamed.insert(at);
                }
            } else if need.served_by(&self.history[at]).unwrap_or_else(|| self.footprint(at).affects(statement)) {
                candidates.push(at);
            }
        }
        let rounds: &[Option<Help>] = match self.effort {
            Effort::Likely => &[Some(Help::Explains), Some(Help::Changes)],
            Effort::Everything => &[None],
        };
        for wanted in rounds {
            for candidate in &candidates {
                for place in self.places(*candidate, head) {
                    match self.try_at(*candidate, place, *wanted, mismatch, head) {
                        None => {}
                        Some(Ok(())) => return Ok(()),
                        Some(Err(Failure::Budget)) => return Err(Failure::Budget),
                        // Whatever broke later has nothing to do with this choice.
                        Some(Err(Failure::Conflict(causes))) if !causes.contains(candidate) => {
                            return Err(Failure::Conflict(causes));
                        }
                        Some(Err(Failure::Conflict(causes))) => blamed.extend(causes),
                    }
                }
            }
        }
        blamed.retain(|at| !candidates.contains(at));
        Err(Failure::Conflict(blamed))
    }

    /// Goes on with the candidate at a place; `None` when it is not of the help wanted there.
    fn try_at(
        &mut self,
        candidate: usize,
        place: usize,
        wanted: Option<Help>,
        mismatch: &Mismatch,
        head: usize,
    ) -> Option<Result<(), Failure>> {
        self.timeline.rewind(place);
        self.order.insert(place, candidate);
        self.included.insert(candidate);
        let fits = wanted.is_none_or(|wanted| self.help(place, mismatch, head + 1) == wanted);
        let result = fits.then(|| self.solve());
        if !matches!(result, Some(Ok(()) | Err(Failure::Budget))) {
            self.timeline.rewind(place);
            self.order.remove(place);
            self.included.remove(&candidate);
        }
        result
    }

    /// What the transaction just included at `place` does to the mismatch, whose transaction is now at `head`.
    fn help(&mut self, place: usize, mismatch: &Mismatch, head: usize) -> Help {
        while self.timeline.len() <= head {
            let at = self.timeline.len();
            let Err(now) = self.timeline.push(&self.history[self.order[at]]) else { continue };
            return match at {
                at if at == head && now.call > mismatch.call => Help::Explains,
                at if at == head && now.call == mismatch.call && now.expected != mismatch.expected => Help::Changes,
                at if at == place => Help::Changes,
                _ => Help::None,
            };
        }
        Help::Explains
    }

    /// The places in the order, at or before `head`, where the candidate may have committed and which differ in effect: right
    /// before each transaction that it meets, and at the head. The latest place first: the mismatch is there.
    fn places(&mut self, candidate: usize, head: usize) -> Vec<usize> {
        let invoked_ns = self.history[candidate].invoked_ns;
        let ended_before = |at: &usize| self.history[*at].completed_ns.is_some_and(|ended_ns| ended_ns < invoked_ns);
        let earliest = self.order[..].iter().rposition(ended_before).map_or(0, |last| last + 1);
        let footprint = self.footprint(candidate).clone();
        let mut places = Vec::new();
        if earliest <= head {
            places.push(head);
        }
        for place in (earliest..head).rev() {
            if self.footprint(self.order[place]).meets(&footprint) {
                places.push(place);
            }
        }
        places
    }

    fn footprint(&mut self, at: usize) -> &Footprint {
        self.footprints[at].get_or_insert_with(|| Footprint::of(&self.history[at]))
    }

    fn note(&mut self, head: usize, mismatch: &Mismatch) {
        if self.furthest.as_ref().is_some_and(|(at, _)| *at >= head) {
            return;
        }
        let txn = &self.history[self.order[head]];
        let (statement, seen) = &txn.calls[mismatch.call];
        let text = format!(
            "{}, statement {}: {} was answered {}, the commit order gives {}",
            describe(txn),
            mismatch.call,
            shorten(&format!("{statement:?}")),
            shorten(&format!("{seen:?}")),
            shorten(&format!("{:?}", mismatch.expected))
        );
        self.furthest = Some((head, text));
    }
}

fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 400;
    if text.len() <= CHARS_MAX {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(CHARS_MAX).collect::<String>())
    }
}
