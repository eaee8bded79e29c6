//! Keys that transactions connect, and the calls that concern them.

use crate::access::{Access, What, accesses};
use crate::history::{Call, History, Malformed, Outcome, Value};
use crate::{Map, Set};

/// What is held under each key of a component, by the values' numbers.
pub type State = Box<[u32]>;

/// One part of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Found this under the key.
    Read(usize, u32),
    /// Left this under the key.
    Write(usize, u32),
    /// Found the first, left the second.
    Cas(usize, u32, u32),
}

/// A call of a component.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its number in the history.
    pub number: u32,
    /// Where it began.
    pub began: u32,
    /// Where it ended.
    pub ended: u32,
    /// What it did.
    pub steps: Vec<Step>,
}

/// Keys judged together.
#[derive(Debug)]
pub struct Component<'a> {
    keys: Vec<&'a Value>,
    values: Vec<&'a Value>,
    /// The calls that matter, in the order they began.
    pub tasks: Vec<Task>,
}

impl Component<'_> {
    /// What the keys hold at first.
    pub fn initial(&self) -> State {
        vec![0; self.keys.len()].into()
    }

    /// What the keys may have held, in words.
    pub fn describe(&self, states: &[State]) -> String {
        let one = |state: &State| {
            let pairs = self.keys.iter().zip(state).take(8);
            let pairs: Vec<_> = pairs.map(|(key, value)| format!("{key} = {}", self.values[*value as usize])).collect();
            pairs.join(", ")
        };
        let held: Vec<String> = states.iter().take(4).map(one).collect();
        let more = if states.len() > 4 { ", or more" } else { "" };
        format!("before it there could only be {}{more}", held.join(" or "))
    }
}

/// The components of a history, each with its calls.
pub fn components<'a>(history: &'a History, initial: &'a Value) -> Result<Vec<Component<'a>>, Malformed> {
    let calls = Calls::of(history)?;
    let mut keys = Keys::default();
    for (_, parts) in &calls.0 {
        for part in parts {
            keys.number(part.key);
        }
        parts.windows(2).for_each(|pair| keys.join(pair[0].key, pair[1].key));
    }
    let mut by_root: Map<usize, usize> = Map::default();
    let mut places = Vec::new();
    let mut components: Vec<Component<'a>> = Vec::new();
    for (number, key) in keys.keys.clone().into_iter().enumerate() {
        let root = keys.root(number);
        let at = *by_root.entry(root).or_insert_with(|| {
            components.push(Component { keys: Vec::new(), values: vec![initial], tasks: Vec::new() });
            components.len() - 1
        });
        places.push((at, components[at].keys.len()));
        components[at].keys.push(key);
    }
    let mut numbers: Vec<Map<&'a Value, u32>> = vec![Map::from_iter([(initial, 0)]); components.len()];
    for (number, parts) in &calls.0 {
        let Some(first) = parts.first() else { continue };
        let component = places[keys.number(first.key)].0;
        let values = &mut components[component].values;
        let mut value = |value: &'a Value| {
            *numbers[component].entry(value).or_insert_with(|| {
                values.push(value);
                values.len() as u32 - 1
            })
        };
        let step = |part: &Access<'a>| {
            let key = places[keys.number(part.key)].1;
            match part.what {
                What::Read(found) => Step::Read(key, value(found)),
                What::Write(left) => Step::Write(key, value(left)),
                What::Cas(from, to) => Step::Cas(key, value(from), value(to)),
            }
        };
        let steps = parts.iter().map(step).collect();
        let call = &history.calls()[*number as usize];
        components[component].tasks.push(Task { number: *number, began: call.began, ended: call.ended, steps });
    }
    Ok(components)
}

/// The calls that matter, with their parts.
struct Calls<'a>(Vec<(u32, Vec<Access<'a>>)>);

impl<'a> Calls<'a> {
    fn of(history: &'a History) -> Result<Calls<'a>, Malformed> {
        let mut all = Vec::new();
        let mut found: Set<(&Value, &Value)> = Set::default();
        for (number, call) in (0u32..).zip(history.calls()) {
            let mut parts = Vec::new();
            accesses(history, call, &mut parts)?;
            for part in &parts {
                match part.what {
                    What::Read(value) if call.outcome == Outcome::Ok => drop(found.insert((part.key, value))),
                    What::Cas(from, _) => drop(found.insert((part.key, from))),
                    _ => {}
                }
            }
            match call.outcome {
                Outcome::Fail => {}
                Outcome::Ok => all.push((number, parts)),
                Outcome::Info => {
                    // Nobody knows what it read.
                    parts.retain(|part| !matches!(part.what, What::Read(_)));
                    all.push((number, parts));
                }
            }
        }
        let matters = |(number, parts): &(u32, Vec<Access<'a>>)| {
            let call: &Call = &history.calls()[*number as usize];
            let is_found = |part: &Access<'a>| match part.what {
                What::Write(value) | What::Cas(_, value) => found.contains(&(part.key, value)),
                What::Read(_) => false,
            };
            call.outcome == Outcome::Ok || parts.iter().any(is_found)
        };
        all.retain(matters);
        Ok(Calls(all))
    }
}

/// Keys by number, and which of them belong together.
#[derive(Default)]
struct Keys<'a> {
    keys: Vec<&'a Value>,
    numbers: Map<&'a Value, usize>,
    /// Each key's parent in its tree.
    parents: Vec<usize>,
}

impl<'a> Keys<'a> {
    fn number(&mut self, key: &'a Value) -> usize {
        let (keys, parents) = (&mut self.keys, &mut self.parents);
        *self.numbers.entry(key).or_insert_with(|| {
            keys.push(key);
            parents.push(parents.len());
            keys.len() - 1
        })
    }

    fn root(&mut self, mut number: usize) -> usize {
        while self.parents[number] != number {
            self.parents[number] = self.parents[self.parents[number]];
            number = self.parents[number];
        }
        number
    }

    fn join(&mut self, a: &'a Value, b: &'a Value) {
        let (a, b) = (self.number(a), self.number(b));
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a.max(b)] = a.min(b);
    }
}
