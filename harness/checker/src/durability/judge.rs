//! Whether one key holds something it may hold.

use std::collections::BTreeSet;

use contract::acks::mark;
use contract::{Effect, Mark, Row};

use super::expectation::{Expected, Field, Log};

/// Additions of unknown outcome whose every combination is tried.
const ADDITIONS_MAX: usize = 10;

/// What one key looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Acknowledged and unknown transactions of the journal explain it.
    Explained,
    /// Only a transaction outside the journal explains it.
    Unjournalled,
    /// Nothing explains it.
    Violation(String),
}

/// Judges the row found under a key.
pub fn judge(initial: Option<&Row>, log: &Log, found: Option<&Row>, unjournalled: u64) -> Judgement {
    let expected = Expected::new(initial, &log.acknowledged);
    let unknown_has = |kind: fn(&Effect) -> bool| log.unknown.iter().any(kind);
    let excuse = |why: String| if unjournalled > 0 { Judgement::Unjournalled } else { Judgement::Violation(why) };
    let Some(row) = found else {
        return match expected.exists && !unknown_has(|effect| *effect == Effect::Delete) {
            true => excuse("the row is missing".into()),
            false => Judgement::Explained,
        };
    };
    let count = row.fields().count();
    let revived = !expected.exists;
    if revived && !unknown_has(|effect| matches!(effect, Effect::Row(_))) {
        // Nobody wrote a row since it was deleted. One that was there before is a deletion undone.
        let known = count == expected.fields.len()
            && row
                .fields()
                .zip(&expected.fields)
                .all(|(field, past)| past.older.contains(&mark(field)) || past.value() == mark(field).0);
        return if known && count > 0 {
            Judgement::Violation("a deleted row is back".into())
        } else {
            excuse("a row is there that nobody inserted".into())
        };
    }
    if !revived && count != expected.fields.len() && !unknown_has(|effect| matches!(effect, Effect::Row(_))) {
        return Judgement::Violation(format!("the row has {count} fields, not {}", expected.fields.len()));
    }
    let empty = Field::default();
    let fields = row.fields().enumerate().map(|(at, bytes)| {
        let past = expected.fields.get(at).unwrap_or(&empty);
        (at, bytes, judge_field(at, bytes, past, revived, log))
    });
    fold(fields.collect(), &expected, unjournalled)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldJudgement {
    Explained,
    /// A value known to have been overwritten.
    Older,
    /// A value nobody wrote down.
    Strange,
}

fn judge_field(at: usize, bytes: &[u8], past: &Field, revived: bool, log: &Log) -> FieldJudgement {
    let seen = mark(bytes);
    let (candidates, deltas) = candidates(at, past, revived, &log.unknown);
    if candidates.contains(&seen) || (!deltas.is_empty() && reaches(&candidates, &deltas, seen)) {
        FieldJudgement::Explained
    } else if bytes.len() != 8 && past.older.contains(&seen) {
        FieldJudgement::Older
    } else {
        // A number may come back to an older value by additions, so its age proves nothing.
        FieldJudgement::Strange
    }
}

/// The values a field may have, and the unknown additions that may come on top.
fn candidates(at: usize, past: &Field, revived: bool, unknown: &[Effect]) -> (BTreeSet<Mark>, Vec<u64>) {
    let mut candidates = BTreeSet::new();
    let mut deltas = Vec::new();
    if !revived || past.in_unknown_row {
        candidates.insert(Mark(past.value()));
    }
    for effect in unknown {
        let written = match effect {
            Effect::Row(marks) => marks.get(at).copied(),
            Effect::Set { field, mark } if usize::from(*field) == at => Some(*mark),
            Effect::Add { field, delta } if usize::from(*field) == at => {
                deltas.push(*delta);
                None
            }
            _ => None,
        };
        let Some(Mark(mut value)) = written else { continue };
        // It may have come before any number of the acknowledged additions.
        candidates.insert(Mark(value));
        for delta in past.added.iter().rev() {
            value = value.wrapping_add(*delta);
            candidates.insert(Mark(value));
        }
    }
    (candidates, deltas)
}

fn reaches(candidates: &BTreeSet<Mark>, deltas: &[u64], seen: Mark) -> bool {
    if deltas.len() > ADDITIONS_MAX {
        return true;
    }
    let mut sums = BTreeSet::from([0u64]);
    for delta in deltas {
        let more: Vec<u64> = sums.iter().map(|sum| sum.wrapping_add(*delta)).collect();
        sums.extend(more);
    }
    sums.iter().any(|sum| candidates.contains(&Mark(seen.0.wrapping_sub(*sum))))
}

fn fold(fields: Vec<(usize, &[u8], FieldJudgement)>, expected: &Expected, unjournalled: u64) -> Judgement {
    let worst = |wanted| fields.iter().find(|(_, _, judgement)| *judgement == wanted);
    if let Some((at, bytes, _)) = worst(FieldJudgement::Older) {
        return Judgement::Violation(format!(
            "field {at} holds a value that was overwritten: \"{}\"",
            bytes.escape_ascii()
        ));
    }
    let Some((at, bytes, _)) = worst(FieldJudgement::Strange) else { return Judgement::Explained };
    if unjournalled == 0 {
        return Judgement::Violation(format!("field {at} holds \"{}\", which nobody wrote", bytes.escape_ascii()));
    }
    // A transaction outside the journal that replaced the row changed a text too; one that only added to a number
    // did not add more than such transactions can.
    let replaced = fields.iter().any(|(_, bytes, judgement)| *judgement == FieldJudgement::Strange && bytes.len() != 8);
    let lost = fields.iter().find(|(at, bytes, judgement)| {
        *judgement == FieldJudgement::Strange && !replaced && {
            let past = expected.fields.get(*at).map_or(0, Field::value);
            fell_back(past, mark(bytes).0, expected.fields.get(*at))
        }
    });
    match lost {
        Some((at, _, _)) => Judgement::Violation(format!("field {at} lost an acknowledged addition")),
        None => Judgement::Unjournalled,
    }
}

/// Whether a number looks as if some of its last acknowledged additions were undone: it is what it was before them.
fn fell_back(value: u64, seen: u64, past: Option<&Field>) -> bool {
    let mut earlier = value;
    past.into_iter().flat_map(|past| past.added.iter().rev()).any(|delta| {
        earlier = earlier.wrapping_sub(*delta);
        earlier == seen
    })
}
