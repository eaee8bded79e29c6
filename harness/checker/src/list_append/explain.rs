//! Cycles in words.

use std::fmt::Write as _;

use super::cycle::Step;
use super::graph::{By, PROCESS, RW, WR, WW};
use super::list::Lists;
use crate::history::{Call, History};
use crate::prose;

/// The operations of a cycle's transactions.
pub fn ops(history: &History, steps: &[Step]) -> Vec<usize> {
    let calls = steps.iter().map(|step| &history.calls()[step.from as usize]);
    let ops = calls.flat_map(|call| [call.began, call.ended]).filter(|op| *op != Call::NEVER);
    ops.map(|op| op as usize).collect()
}

/// Who they are, and why each comes before the next.
pub fn cycle(history: &History, lists: &Lists<'_>, steps: &[Step]) -> String {
    let mut text = String::from("let");
    for (number, step) in (1..).zip(steps) {
        let who = prose::call(history, &history.calls()[step.from as usize]);
        write!(text, "\n  T{number} = {who}").expect("a string takes everything");
    }
    text.push_str("\nthen");
    for (number, step) in (1..).zip(steps) {
        let is_last = number == steps.len();
        let (from, to) = (format!("T{number}"), format!("T{}", if is_last { 1 } else { number + 1 }));
        let why = reason(history, lists, step, &from, &to);
        let (however, end) = if is_last { ("however, ", ": a contradiction") } else { ("", "") };
        write!(text, "\n  {however}{from} < {to}, because {why}{end}").expect("a string takes everything");
    }
    text
}

fn reason(history: &History, lists: &Lists<'_>, step: &Step, from: &str, to: &str) -> String {
    let calls = [step.from, step.to].map(|txn| &history.calls()[txn as usize]);
    let By::Append(append) = step.by else {
        let [first, then] = calls;
        let client = if step.kind == PROCESS {
            format!("{} ran both, and ", history.invocation(first).process)
        } else {
            String::new()
        };
        return format!("{client}{from} ended (at {}) before {to} began (at {})", first.ended, then.began);
    };
    let list = lists.holding(append);
    let (key, append) = (list.key, &lists.appends[append as usize]);
    let value = append.value;
    let before = |txn: u32| {
        let place = (append.place as usize).min(list.writers.len());
        let earlier = list.writers[..place].iter().flatten().map(|number| &lists.appends[*number as usize]);
        earlier.rev().find(|append| append.txn == txn).map(|append| append.value)
    };
    match step.kind {
        WW => match before(step.from) {
            Some(earlier) => format!("{to} appended {value} to {key} after {from} appended {earlier}"),
            None => format!("{to} appended {value} to {key} after {from} did"),
        },
        WR => format!("{to} saw {from}'s append of {value} to {key}"),
        RW => format!("{from} did not see {to}'s append of {value} to {key}"),
        kind => unreachable!("edges of kind {kind} go by time"),
    }
}
