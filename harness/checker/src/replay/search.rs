//! Finding which transactions of unknown outcome took effect, and where.

use std::collections::BTreeSet;

use contract::{Model, Outcome, Transaction};

use super::footprint::Footprint;
use super::need::Need;
use super::order::describe;
use super::timeline::{Misfit, Timeline};

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
    pub(super) history: &'a [Transaction],
    footprints: Vec<Option<Footprint>>,
    /// Transactions of unknown outcome that may have written.
    unknown: Vec<usize>,
    /// The order: all committed transactions, and the unknown ones taken to have committed.
    pub(super) order: Vec<usize>,
    included: BTreeSet<usize>,
    pub(super) timeline: Timeline,
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
        while self.timeline.len() < self.order.len() {
            let head = self.timeline.len();
            if self.timeline.replayed > self.budget {
                return Err(Failure::Budget);
            }
            if let Err(misfit) = self.forward() {
                return self.explain(head, &misfit);
            }
        }
        Ok(())
    }

    /// The transaction at the head does not fit: tries the unknown transactions that could have made it fit.
    pub(super) fn branch(&mut self, misfit: &Misfit) -> Result<(), Failure> {
        let head = self.timeline.len();
        let failing = self.order[head];
        self.note(head, misfit);
        let mut blamed = BTreeSet::new();
        let mut candidates = Vec::new();
        for at in self.unknown.clone() {
            if self.included.contains(&at) {
                // Taken to have committed, it may be what spoils the reply; or it is the very one that does not fit.
                if at == failing || self.bears_on(at, failing, misfit) {
                    blamed.insert(at);
                }
            } else if self.may_help(at, failing, misfit) {
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
                    match self.try_at(*candidate, place, *wanted, misfit, head) {
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

    /// Whether what `at` writes makes a difference to what does not fit.
    fn bears_on(&mut self, at: usize, failing: usize, misfit: &Misfit) -> bool {
        match misfit {
            Misfit::Reply { call, .. } => {
                let history = self.history;
                self.footprint(at).affects(&history[failing].calls[*call].0)
            }
            Misfit::Change => {
                let footprint = self.footprint(failing).clone();
                self.footprint(at).meets(&footprint)
            }
        }
    }

    /// Whether including `at` can be of direct help.
    fn may_help(&mut self, at: usize, failing: usize, misfit: &Misfit) -> bool {
        let need = match misfit {
            Misfit::Reply { call, expected } => {
                let (statement, seen) = &self.history[failing].calls[*call];
                Need::of(statement, seen.as_ref(), expected)
            }
            Misfit::Change => Need::Unclear,
        };
        need.served_by(&self.history[at]).unwrap_or_else(|| self.bears_on(at, failing, misfit))
    }

    /// Goes on with the candidate at a place; `None` when it is not of the help wanted there.
    fn try_at(
        &mut self,
        candidate: usize,
        place: usize,
        wanted: Option<Help>,
        misfit: &Misfit,
        head: usize,
    ) -> Option<Result<(), Failure>> {
        self.timeline.rewind(place);
        self.order.insert(place, candidate);
        self.included.insert(candidate);
        let fits = wanted.is_none_or(|wanted| self.help(place, misfit, head + 1) == wanted);
        let result = fits.then(|| self.solve());
        if !matches!(result, Some(Ok(()) | Err(Failure::Budget))) {
            self.timeline.rewind(place);
            self.order.remove(place);
            self.included.remove(&candidate);
        }
        result
    }

    /// What the transaction just included at `place` does to the misfit, whose transaction is now at `head`.
    fn help(&mut self, place: usize, misfit: &Misfit, head: usize) -> Help {
        while self.timeline.len() <= head {
            let Err(now) = self.forward() else { continue };
            return match self.timeline.len() {
                at if at == head && now.place() > misfit.place() => Help::Explains,
                at if at == head && now.place() == misfit.place() && now != *misfit => Help::Changes,
                at if at == place => Help::Changes,
                _ => Help::None,
            };
        }
        Help::Explains
    }

    /// The places in the order, at or before `head`, where the candidate may have committed and which differ in effect: right
    /// before each position at which something meets it, or before any when something not in the order yet does, and at the
    /// head. The latest place first: the mismatch is there.
    fn places(&mut self, candidate: usize, head: usize) -> Vec<usize> {
        let invoked_ns = self.history[candidate].invoked_ns;
        let ended_before = |at: &usize| self.history[*at].completed_ns.is_some_and(|ended_ns| ended_ns < invoked_ns);
        let earliest = self.order[..].iter().rposition(ended_before).map_or(0, |last| last + 1);
        let footprint = self.footprint(candidate).clone();
        let mut places = Vec::new();
        let leaves_room = self.effort == Effort::Everything && self.meets_undecided(candidate, &footprint);
        let mut makes_a_difference = true;
        for place in (earliest..=head).rev() {
            makes_a_difference |= leaves_room || self.footprint(self.order[place]).meets(&footprint);
            // All at one position see the same commits, so another commit comes before all of them or after.
            if makes_a_difference && self.begins_position(place) {
                places.push(place);
                makes_a_difference = false;
            }
        }
        places
    }

    /// Whether an unknown transaction that is not in the order yet meets the candidate: it may have to come behind it and
    /// before transactions that the candidate has nothing to do with.
    fn meets_undecided(&mut self, candidate: usize, footprint: &Footprint) -> bool {
        let undecided = self.unknown.clone().into_iter().filter(|at| *at != candidate);
        undecided.into_iter().any(|at| !self.included.contains(&at) && self.footprint(at).meets(footprint))
    }

    pub(super) fn at(&self, index: usize) -> &'a Transaction {
        &self.history[self.order[index]]
    }

    fn footprint(&mut self, at: usize) -> &Footprint {
        self.footprints[at].get_or_insert_with(|| Footprint::of(&self.history[at]))
    }

    fn note(&mut self, head: usize, misfit: &Misfit) {
        if self.furthest.as_ref().is_some_and(|(at, _)| *at >= head) {
            return;
        }
        let txn = self.at(head);
        let text = match misfit {
            Misfit::Reply { call, expected } => {
                let (statement, seen) = &txn.calls[*call];
                format!(
                    "{}, statement {call}: {} was answered {}, the commit order gives {}",
                    describe(txn),
                    shorten(&format!("{statement:?}")),
                    shorten(&format!("{seen:?}")),
                    shorten(&format!("{expected:?}"))
                )
            }
            Misfit::Change => {
                let first = (0..head).rev().find(|at| self.begins_position(*at)).expect("it is not the first");
                if !self.timeline.changed(first) {
                    // It made the commit, and the others did not see it: in the right order one of them tells more.
                    return;
                }
                format!("{} and {} both changed something", describe(self.at(first)), describe(txn))
            }
        };
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
