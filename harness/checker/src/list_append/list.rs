//! Lists: their versions in order, and the reads that cannot be.

use crate::Map;
use crate::history::{History, Outcome, Value};
use crate::prose;
use crate::report::Findings;

/// The place of an append that nobody saw.
pub const UNSEEN: u32 = u32::MAX;

/// All lists.
#[derive(Debug, Default)]
pub struct Lists<'a> {
    /// The lists, in the order they were first mentioned.
    pub lists: Vec<List<'a>>,
    /// Which list a key is.
    by_key: Map<&'a Value, u32>,
    /// All appends, of whatever outcome.
    pub appends: Vec<Append<'a>>,
    /// Appends of elements that the list was given before, with those.
    twice: Vec<(u32, u32)>,
    /// Which transactions took effect, as far as anybody knows, by their calls' numbers; once the lists are in order.
    pub effective: Vec<bool>,
}

/// One list.
#[derive(Debug)]
pub struct List<'a> {
    /// Its key.
    pub key: &'a Value,
    /// Its elements in order, as the longest read has them.
    pub order: &'a [Value],
    /// Who appended each of them; nobody when it is garbage or the append failed.
    pub writers: Vec<Option<u32>>,
    /// The append of each element.
    appends: Map<&'a Value, u32>,
    /// Reads that transactions did, each one's first.
    pub reads: Vec<Read<'a>>,
    /// Appends that took effect and were not seen.
    pub unseen: Vec<u32>,
    /// Whether its reads agree on an order.
    pub is_ordered: bool,
}

/// An append.
#[derive(Debug)]
pub struct Append<'a> {
    /// The transaction, by its call's number.
    pub txn: u32,
    /// The list.
    pub list: u32,
    /// The element.
    pub value: &'a Value,
    /// How many the transaction had appended to the list before.
    pub nth: u32,
    /// Whether it appended none after it.
    pub is_last: bool,
    /// Where in the order the element stands.
    pub place: u32,
}

/// A read of a list by a transaction that committed.
#[derive(Debug)]
pub struct Read<'a> {
    /// The transaction, by its call's number.
    pub txn: u32,
    /// What it saw.
    pub seen: &'a [Value],
    /// How many of the last elements are its own.
    pub own: u32,
}

impl Read<'_> {
    /// How long the list was before the transaction.
    pub fn version(&self) -> usize {
        self.seen.len() - self.own as usize
    }
}

impl<'a> Lists<'a> {
    /// The list of a key.
    pub fn list(&mut self, key: &'a Value) -> u32 {
        let lists = &mut self.lists;
        *self.by_key.entry(key).or_insert_with(|| {
            let (writers, appends, reads, unseen) = (Vec::new(), Map::default(), Vec::new(), Vec::new());
            lists.push(List { key, order: &[], writers, appends, reads, unseen, is_ordered: true });
            lists.len() as u32 - 1
        })
    }

    /// Adds an append.
    pub fn append(&mut self, append: Append<'a>) -> u32 {
        let number = self.appends.len() as u32;
        let before = self.lists[append.list as usize].appends.insert(append.value, number);
        self.appends.push(append);
        self.twice.extend(before.map(|before| (before, number)));
        number
    }

    /// The list that an append is of.
    pub fn holding(&self, append: u32) -> &List<'a> {
        &self.lists[self.appends[append as usize].list as usize]
    }

    /// Says so when an element was appended twice to a list by transactions that may both have taken effect. Where one of the
    /// two failed, the other is its append.
    pub fn appended_twice(&mut self, history: &History) -> Option<String> {
        for (before, after) in std::mem::take(&mut self.twice) {
            let outcome = |append: u32| history.calls()[self.appends[append as usize].txn as usize].outcome;
            match (outcome(before), outcome(after)) {
                (_, Outcome::Fail) => {
                    let value = self.appends[before as usize].value;
                    let list = self.appends[before as usize].list;
                    self.lists[list as usize].appends.insert(value, before);
                }
                (Outcome::Fail, _) => {}
                _ => {
                    let [before, after] = [before, after].map(|append| &self.appends[append as usize]);
                    let who = |append: &Append<'_>| prose::call(history, &history.calls()[append.txn as usize]);
                    let value = before.value;
                    return Some(format!("{value} is appended twice, by {} and {}", who(before), who(after)));
                }
            }
        }
        None
    }
}

/// Puts the versions of every list in order, and looks at every read.
pub fn order<'a>(history: &'a History, lists: &mut Lists<'a>, findings: &mut Findings) {
    let Lists { lists, appends, effective, .. } = lists;
    for list in lists.iter_mut() {
        let longest = list.reads.iter().max_by_key(|read| read.seen.len());
        let (order, longest): (&[Value], u32) = longest.map_or((&[], 0), |read| (read.seen, read.txn));
        list.order = order;
        let mut judge = Judge { history, list, longest, appends, findings };
        judge.elements();
        judge.own_order();
        judge.reads();
    }
    effective.extend(history.calls().iter().map(|call| call.outcome == Outcome::Ok));
    for append in appends.iter().filter(|append| append.place != UNSEEN) {
        effective[append.txn as usize] |= history.calls()[append.txn as usize].outcome == Outcome::Info;
    }
    for list in lists.iter_mut() {
        let unseen = list.appends.values().copied().filter(|number| {
            let append = &appends[*number as usize];
            append.place == UNSEEN && effective[append.txn as usize]
        });
        list.unseen = unseen.collect();
        list.unseen.sort_unstable();
    }
}

/// Looks at one list.
struct Judge<'j, 'a> {
    history: &'a History,
    list: &'j mut List<'a>,
    /// Whose read is the longest, and so the order; nobody's when there is none.
    longest: u32,
    appends: &'j mut Vec<Append<'a>>,
    findings: &'j mut Findings,
}

impl<'a> Judge<'_, 'a> {
    /// The append of an element, by its number, and whether it failed.
    fn append_of(&self, value: &Value) -> Option<(u32, bool)> {
        let number = *self.list.appends.get(value)?;
        let txn = self.appends[number as usize].txn;
        Some((number, self.history.calls()[txn as usize].outcome == Outcome::Fail))
    }

    /// Finds who appended each element of the order.
    fn elements(&mut self) {
        let mut failed = None;
        for (place, value) in (0u32..).zip(self.list.order) {
            let found = self.append_of(value);
            let again = found.is_some_and(|(append, _)| self.appends[append as usize].place != UNSEEN);
            let writer = found.filter(|(_, has_failed)| !has_failed && !again).map(|(append, _)| append);
            self.list.writers.push(writer);
            match found {
                None => self.garbage(self.longest, value),
                Some((append, has_failed)) => {
                    self.appends[append as usize].place = place;
                    if has_failed {
                        failed = failed.or(Some(append));
                    } else if let Some(failed) = failed.take() {
                        self.dirty_update(failed, append);
                    }
                }
            }
        }
    }

    fn garbage(&mut self, reader: u32, value: &Value) {
        self.found("garbage-read", &[reader], |who, key| {
            format!("{} read {key} with {value}, which nobody appended", who[0])
        });
    }

    fn dirty_update(&mut self, failed: u32, append: u32) {
        let [failed, append] = [failed, append].map(|number| {
            let append = &self.appends[number as usize];
            (append.txn, append.value)
        });
        self.found("dirty-update", &[failed.0, append.0], |who, key| {
            let (first, second) = (failed.1, append.1);
            format!("{} appended {second} to {key} after {first}, which {} appended and failed", who[1], who[0])
        });
    }

    /// Neighbours in the order that one transaction appended must stand as it appended them.
    fn own_order(&mut self) {
        for place in 1..self.list.writers.len() {
            let (Some(a), Some(b)) = (self.list.writers[place - 1], self.list.writers[place]) else { continue };
            let [a, b] = [a, b].map(|number| &self.appends[number as usize]);
            if a.txn == b.txn && a.nth > b.nth {
                let (txn, first, second) = (a.txn, a.value, b.value);
                self.list.is_ordered = false;
                self.found("incompatible-order", &[txn], |who, key| {
                    format!("{} appended {second} before {first}, yet {key} has {first} before {second}", who[0])
                });
            }
        }
    }

    fn reads(&mut self) {
        let order = self.list.order;
        let first_repeat = repeat(order);
        let first_failed = order.iter().position(|value| self.append_of(value).is_some_and(|(_, failed)| failed));
        for number in 0..self.list.reads.len() {
            let Read { txn, seen, own } = self.list.reads[number];
            let is_prefix = order.starts_with(seen);
            let (repeated, failed) = if is_prefix {
                (first_repeat.filter(|at| *at < seen.len()), first_failed.filter(|at| *at < seen.len()))
            } else {
                let failed = seen.iter().position(|value| self.append_of(value).is_some_and(|(_, failed)| failed));
                (repeat(seen), failed)
            };
            if let Some(value) = repeated.map(|at| &seen[at]) {
                self.list.is_ordered = false;
                self.found("duplicate-elements", &[txn], |who, key| {
                    format!("{} read {key} with {value} twice", who[0])
                });
            }
            if let Some(value) = failed.map(|at| &seen[at]) {
                let writer = self.append_of(value).map_or(txn, |(append, _)| self.appends[append as usize].txn);
                self.found("G1a", &[txn, writer], |who, key| {
                    format!("{} read {key} with {value}, which {} appended and failed", who[0], who[1])
                });
            }
            if !is_prefix {
                self.incompatible(txn, seen);
            }
            if own == 0 {
                self.intermediate(txn, seen);
            }
        }
    }

    /// A read that is not the beginning of the longest one.
    fn incompatible(&mut self, txn: u32, seen: &[Value]) {
        let order = self.list.order;
        let at = seen.iter().zip(order).position(|(a, b)| a != b).unwrap_or(0);
        self.list.is_ordered = false;
        if let Some(value) = seen.iter().find(|value| !self.list.appends.contains_key(value)) {
            self.garbage(txn, value);
        }
        self.found("incompatible-order", &[txn, self.longest], |who, key| {
            let (here, there) = (&seen[at], &order[at]);
            format!("{} read {key} with {here} at place {at}, where {} has {there}", who[0], who[1])
        });
    }

    /// A read that ends with what its writer appended to once more.
    fn intermediate(&mut self, txn: u32, seen: &[Value]) {
        let Some(value) = seen.last() else { return };
        let Some((append, false)) = self.append_of(value) else { return };
        let Append { txn: writer, is_last, .. } = self.appends[append as usize];
        if !is_last && writer != txn {
            self.found("G1b", &[txn, writer], |who, key| {
                format!("{} read {key} up to {value}, in the middle of {}, which appended more", who[0], who[1])
            });
        }
    }

    fn found(&mut self, kind: &'static str, txns: &[u32], why: impl FnOnce(&[String], &Value) -> String) {
        let calls = txns.iter().map(|txn| &self.history.calls()[*txn as usize]);
        let ops = calls.clone().flat_map(|call| [call.began, call.ended]);
        let ops = ops.filter(|op| *op != crate::history::Call::NEVER).map(|op| op as usize).collect();
        let (history, key) = (self.history, self.list.key);
        self.findings.add(kind, ops, || {
            let who: Vec<String> = calls.map(|call| prose::call(history, call)).collect();
            why(&who, key)
        });
    }
}

/// Where an element stands that stood before.
fn repeat(values: &[Value]) -> Option<usize> {
    let mut seen = crate::Set::default();
    values.iter().position(|value| !seen.insert(value))
}
