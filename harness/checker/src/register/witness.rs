//! Violations in words.

use super::block::Block;
use super::cluster::{Cluster, Mark, Registered, Writer};
use crate::history::{Call, History};
use crate::prose;

/// A call, for a person: who, what, and where in the history it began and ended.
pub fn call(history: &History, number: u32) -> String {
    prose::call(history, &history.calls()[number as usize])
}

/// Whoever wrote a value.
pub fn writer(history: &History, writer: Writer) -> String {
    match writer {
        Writer::Nobody => "nobody".to_owned(),
        Writer::Initial => "the first value".to_owned(),
        Writer::Ok(number) | Writer::Info(number) | Writer::Failed(number) | Writer::Intermediate(number) => {
            call(history, number)
        }
    }
}

/// The places in the history of a call.
pub fn places(call: &Call) -> Vec<usize> {
    let ended = (call.ended != Call::NEVER).then_some(call.ended as usize);
    std::iter::once(call.began as usize).chain(ended).collect()
}

/// The places of whoever wrote a value.
pub fn places_of(history: &History, writer: Writer) -> Vec<usize> {
    match writer {
        Writer::Nobody | Writer::Initial => Vec::new(),
        Writer::Ok(number) | Writer::Info(number) | Writer::Failed(number) | Writer::Intermediate(number) => {
            places(&history.calls()[number as usize])
        }
    }
}

/// The places of the operations that make two marks.
pub fn ops_of_marks<const N: usize>(history: &History, marks: [Mark; N]) -> Vec<usize> {
    let calls = marks.into_iter().filter_map(|(_, number)| number);
    calls.flat_map(|number| places(&history.calls()[number as usize])).collect()
}

/// The places of the operations by which two blocks cross.
pub fn ops(history: &History, a: &Block, b: &Block) -> Vec<usize> {
    ops_of_marks(history, [a.first_ended, a.last_began, b.first_ended, b.last_began])
}

/// Why two blocks cross.
pub fn crossing(history: &History, register: &Registered<'_>, a: &Block, b: &Block) -> String {
    let name = |block: &Block| {
        let cluster = &register.clusters[block.head as usize];
        let chain = if cluster.next.is_some() { " and what was written over it" } else { "" };
        format!("{}{chain}", cluster.value)
    };
    let (first, second) = (name(a), name(b));
    format!(
        "at {}, {first} was there before {second}, because {}; and {second} was there before {first}, because {}. \
         Each is written once, so it cannot go and come back",
        prose::register(register.key),
        before(history, a.first_ended, b.last_began),
        before(history, b.first_ended, a.last_began),
    )
}

/// Why a chain is not in order.
pub fn inside(history: &History, register: &Registered<'_>, later: &Block, cluster: &Cluster<'_>) -> String {
    let over = cluster.next.map_or_else(String::new, |next| register.clusters[next as usize].value.to_string());
    format!(
        "at {}, {} was found and written over with {over}, yet {}",
        prose::register(register.key),
        cluster.value,
        before(history, later.first_ended, cluster.last_began)
    )
}

fn before(history: &History, first: Mark, then: Mark) -> String {
    match (first.1, then.1) {
        (Some(first), Some(then)) => format!("{} ended before {} began", call(history, first), call(history, then)),
        (None, _) => "it was there at first".to_owned(),
        (_, None) => "the other was there at first".to_owned(),
    }
}
