//! From a script and its run to lanes of faults over time.

use nemesis::{Act, Names, ROWS, Row, Script, words};
use node::fault::Fault;
use node::{Nanos, NodeId};
use record::report::chaos::{Course, Lane, Stretch};

use super::play::Played;

/// What an act begins and a later one ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Down(NodeId),
    Still(NodeId),
    Link(NodeId, NodeId),
    Disk(NodeId),
    Clock(NodeId),
}

/// A fault that holds.
struct Open {
    hold: Hold,
    row: &'static Row,
    from: Nanos,
    what: String,
}

/// The course of a run of `script`, with its account in words.
pub fn of(script: &Script, played: &Played, text: String) -> Course {
    let span = played.struck_for;
    let stretch = |from: Nanos, to: Nanos, what: String| Stretch {
        from_s: from.as_secs_f64(),
        to_s: to.as_secs_f64(),
        what: if from == to { format!("{from:?} {what}") } else { format!("{from:?} to {to:?} {what}") },
    };
    let struck: Vec<_> = stretches(script, &played.struck_at, span)
        .into_iter()
        .map(|(row, from, to, what)| (row, stretch(from, to, what)))
        .collect();
    let lanes = ROWS.iter().map(|row| Lane {
        name: format!("{} {}", row.id, row.slug),
        stretches: struck.iter().filter(|(of, _)| of.id == row.id).map(|(_, stretch)| stretch.clone()).collect(),
    });
    Course {
        span_s: span.as_secs_f64(),
        faults: lanes.filter(|lane| !lane.stretches.is_empty()).collect(),
        halts: played.halts.iter().map(|(at, what)| stretch(*at, *at, what.clone())).collect(),
        outages: played.outages.iter().map(|(from, to)| stretch(*from, *to, "no commit".to_owned())).collect(),
        text,
    }
}

/// From when to when each fault held, of those that took place `at` some time: until what ends it, until another of its kind
/// takes its place, or until everything is mended.
fn stretches(script: &Script, at: &[Nanos], span: Nanos) -> Vec<(&'static Row, Nanos, Nanos, String)> {
    let names = Names(script.header.nodes.clone());
    let (mut open, mut all): (Vec<Open>, Vec<_>) = (Vec::new(), Vec::new());
    for (fault, &at) in script.faults.iter().zip(at) {
        let (begins, ends) = (begins(&fault.act), ends(&fault.act));
        if let Some(hold) = begins.or(ends)
            && let Some(index) = open.iter().position(|open| open.hold == hold)
        {
            let Open { row, from, what, .. } = open.swap_remove(index);
            all.push((row, from, at, what));
        }
        let what = words::of_act(&fault.act, &names);
        match begins {
            Some(hold) => open.push(Open { hold, row: fault.row, from: at, what }),
            None if ends.is_none() => all.push((fault.row, at, at, what)),
            None => {}
        }
    }
    all.extend(open.into_iter().map(|open| (open.row, open.from, span, open.what)));
    all.sort_by_key(|(_, from, to, _)| (*from, *to));
    all
}

fn begins(act: &Act) -> Option<Hold> {
    match *act {
        Act::CrashWriting { node, .. } | Act::CrashLosing { node, .. } | Act::Primitive(Fault::Crash { node, .. }) => {
            Some(Hold::Down(node))
        }
        Act::Primitive(Fault::Clock { node, drift_ppm }) if drift_ppm != 0 => Some(Hold::Clock(node)),
        Act::Primitive(Fault::Pause { node }) => Some(Hold::Still(node)),
        Act::Primitive(Fault::Link { from, to, .. }) => Some(Hold::Link(from, to)),
        Act::Primitive(Fault::Disk { node, .. }) => Some(Hold::Disk(node)),
        _ => None,
    }
}

fn ends(act: &Act) -> Option<Hold> {
    match *act {
        Act::Primitive(Fault::Restart { node }) => Some(Hold::Down(node)),
        Act::Primitive(Fault::Resume { node }) => Some(Hold::Still(node)),
        Act::Primitive(Fault::Heal { from, to }) => Some(Hold::Link(from, to)),
        Act::Primitive(Fault::DiskClear { node }) => Some(Hold::Disk(node)),
        Act::Primitive(Fault::Clock { node, drift_ppm: 0 }) => Some(Hold::Clock(node)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"{"format":"sextant-script","version":1,"suite":"mine","engine":"coupled","seed":8,"demand":"safety","rows":["D9","P1","P4"],"clients":1,"tables":1,"keys":4,"page_bytes":512,"span":"100ms","nodes":{"compute":1,"load":0}}
{"at":"10ms","row":"P1","fault":"crash compute"}
{"at":"15ms","row":"D9","fault":"rot compute any 500000 1"}
{"at":"20ms","row":"P1","fault":"restart compute"}
{"at":"30ms","row":"P4","fault":"pause compute"}
{"at":"90ms","row":"P1","fault":"crash compute"}
"#;

    #[test]
    fn a_fault_holds_from_when_it_took_place_until_it_is_undone() {
        let script = Script::from_text(LINES).expect("a script");
        // The restart had to wait, and the last crash was never reached.
        let at = [10, 15, 25, 30].map(Nanos::from_millis);
        let found: Vec<_> = stretches(&script, &at, Nanos::from_millis(80))
            .into_iter()
            .map(|(row, from, to, what)| (row.id, from.0 / 1_000_000, to.0 / 1_000_000, what))
            .collect();
        let expected = [
            ("P1", 10, 25, "crash compute"),
            ("D9", 15, 15, "rot compute any 500000 1"),
            ("P4", 30, 80, "pause compute"),
        ];
        assert_eq!(found, expected.map(|(id, from, to, what)| (id, from, to, what.to_owned())));
    }
}
