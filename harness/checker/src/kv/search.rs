//! The search for a serial order.

use super::component::{Component, State, Step, Task};
use crate::Set;
use crate::history::Call;

/// Calls that may be open at once.
const OPEN_MAX: usize = 128;

/// What the search found.
#[derive(Debug)]
pub enum Found {
    /// There is an order.
    Valid,
    /// There is none: this call's reply fits nowhere. When it ended, the keys could only have held one of these.
    Unexplained {
        /// The call's number in the history.
        number: u32,
        /// What the keys could have held.
        held: Vec<State>,
    },
    /// It was too much, for this reason.
    GaveUp(&'static str),
}

/// Which of the open calls have taken effect, by their places, and what the keys hold.
type Configuration = (u128, State);

/// Looks for an order of the component's calls, looking at no more than `budget` configurations; gives how many it did.
pub fn search(component: &Component<'_>, budget: u64) -> (Found, u64) {
    let mut search = Search { component, open: vec![None; OPEN_MAX], looked_at: 0, budget };
    let found = search.run();
    (found, search.looked_at)
}

struct Search<'a> {
    component: &'a Component<'a>,
    /// The open calls, by their places in a configuration's mask.
    open: Vec<Option<usize>>,
    looked_at: u64,
    budget: u64,
}

impl Search<'_> {
    fn run(&mut self) -> Found {
        let mut configurations: Set<Configuration> = Set::from_iter([(0, self.component.initial())]);
        for (_, is_end, task) in events(&self.component.tasks) {
            if !is_end {
                match self.open.iter().position(Option::is_none) {
                    Some(place) => self.open[place] = Some(task),
                    None => {
                        return Found::GaveUp(
                            "more than 128 calls are open at once, those of unknown outcome included",
                        );
                    }
                }
                continue;
            }
            let place = self.open.iter().position(|open| *open == Some(task)).expect("it began before it ended");
            let mut next = Set::default();
            let mut seen = Set::default();
            let mut left: Vec<Configuration> = configurations.into_iter().collect();
            let mut held: Vec<State> = Vec::new();
            while let Some((mask, state)) = left.pop() {
                self.looked_at += 1;
                if self.looked_at > self.budget {
                    return Found::GaveUp("there are too many ways in which the calls may have overlapped");
                }
                if mask & 1 << place != 0 {
                    next.insert((mask & !(1 << place), state));
                    continue;
                }
                if !held.contains(&state) && held.len() < 8 {
                    held.push(state.clone());
                }
                self.extend(mask, &state, &mut seen, &mut left);
            }
            self.open[place] = None;
            if next.is_empty() {
                held.sort_unstable();
                return Found::Unexplained { number: self.component.tasks[task].number, held };
            }
            configurations = next;
        }
        Found::Valid
    }

    /// Every configuration in which one more open call has taken effect.
    fn extend(&self, mask: u128, state: &State, seen: &mut Set<Configuration>, left: &mut Vec<Configuration>) {
        for (place, task) in self.open.iter().enumerate() {
            let Some(task) = task.filter(|_| mask & 1 << place == 0) else { continue };
            if let Some(state) = apply(&self.component.tasks[task].steps, state) {
                let configuration = (mask | 1 << place, state);
                if seen.insert(configuration.clone()) {
                    left.push(configuration);
                }
            }
        }
    }
}

/// Beginnings and ends of calls, in order: where, whether it is an end, and the call's place among the component's.
fn events(tasks: &[Task]) -> Vec<(u32, bool, usize)> {
    let begin = tasks.iter().enumerate().map(|(at, task)| (task.began, false, at));
    let ended = tasks.iter().enumerate().filter(|(_, task)| task.ended != Call::NEVER);
    let mut events: Vec<_> = begin.chain(ended.map(|(at, task)| (task.ended, true, at))).collect();
    events.sort_unstable();
    events
}

/// What the keys hold after these steps; `None` when a step found something else.
fn apply(steps: &[Step], state: &State) -> Option<State> {
    let mut state = state.clone();
    for step in steps {
        match *step {
            Step::Read(key, value) => (state[key] == value).then_some(())?,
            Step::Write(key, value) => state[key] = value,
            Step::Cas(key, from, to) => {
                (state[key] == from).then_some(())?;
                state[key] = to;
            }
        }
    }
    Some(state)
}
