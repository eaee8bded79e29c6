//! Acts as text, one line each: what a script file holds and a person reads.
//!
//! ```text
//! crash NODE [power [writing FILES | losing N]]       restart NODE       pause NODE       resume NODE
//! clock NODE MILLIONTHS                     crowd NODE SESSIONS
//! link FROM > TO [cut] [loss P] [duplicate P] [later DELAY] [corrupt P] [delay DELAY] [rate BYTES]      heal FROM > TO
//! disk NODE [full] [delay DELAY] [read-error P] [write-error P] [sync-error P] [lost-write P] [misdirected-write P]
//!           [misdirected-read P]                                                                        clear NODE
//! rot NODE FILES MILLIONTHS SECTORS                     unreadable NODE FILES MILLIONTHS SECTORS
//! rot-alike NODE,NODE,... FILES MILLIONTHS
//! wipe NODE           keep NODE           rollback NODE           swap NODE NODE
//! ```
//!
//! `DELAY` is `20us` or `20us+5ms`, the mean of an exponential tail after the plus sign. Times have the units `ns`, `us`,
//! `ms` and `s`.

use std::fmt::Write as _;

use node::fault::{DiskRule, Fault, LinkRule};
use node::{Delay, Nanos, NodeId};

use crate::act::{Act, DamageKind};
use crate::cast::Names;

/// A length of time in its largest whole unit.
pub fn span(nanos: Nanos) -> String {
    let units = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];
    let whole = units.into_iter().find(|(_, unit)| nanos.0 >= *unit && nanos.0.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{}ns", nanos.0), |(name, unit)| format!("{}{name}", nanos.0 / unit))
}

/// Reads a length of time.
pub fn parse_span(text: &str) -> Result<Nanos, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        _ => return Err(format!("`{text}` is no length of time: a number and ns, us, ms or s")),
    };
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is no length of time"))?;
    number.checked_mul(unit).map(Nanos).ok_or_else(|| format!("`{text}` is too long"))
}

fn delay(delay: Delay) -> String {
    match delay {
        Delay::Constant(base) => span(base),
        Delay::Tailed { base, tail } => format!("{}+{}", span(base), span(tail)),
    }
}

fn parse_delay(text: &str) -> Result<Delay, String> {
    match text.split_once('+') {
        Some((base, tail)) => Ok(Delay::Tailed { base: parse_span(base)?, tail: parse_span(tail)? }),
        None => parse_span(text).map(Delay::Constant),
    }
}

/// The line that says `act`.
pub fn of_act(act: &Act, names: &Names) -> String {
    let name = |node: &NodeId| names.name(*node);
    match act {
        Act::Primitive(fault) => of_fault(fault, names),
        Act::CrashWriting { node, files } => format!("crash {} power writing {files}", name(node)),
        Act::CrashLosing { node, units } => format!("crash {} power losing {units}", name(node)),
        Act::RotAlike { nodes, files, place } => {
            format!("rot-alike {} {files} {place}", nodes.iter().map(name).collect::<Vec<_>>().join(","))
        }
        Act::Crowd { node, sessions } => format!("crowd {} {sessions}", name(node)),
        Act::Damage { node, kind, files, place, sectors } => {
            let word = match kind {
                DamageKind::Rot => "rot",
                DamageKind::Unreadable => "unreadable",
            };
            format!("{word} {} {files} {place} {sectors}", name(node))
        }
        Act::Wipe { node } => format!("wipe {}", name(node)),
        Act::Keep { node } => format!("keep {}", name(node)),
        Act::Rollback { node } => format!("rollback {}", name(node)),
        Act::Swap { one, other } => format!("swap {} {}", name(one), name(other)),
    }
}

fn of_fault(fault: &Fault, names: &Names) -> String {
    let name = |node: &NodeId| names.name(*node);
    match fault {
        Fault::Crash { node, power: true } => format!("crash {} power", name(node)),
        Fault::Crash { node, power: false } => format!("crash {}", name(node)),
        Fault::Restart { node } => format!("restart {}", name(node)),
        Fault::Pause { node } => format!("pause {}", name(node)),
        Fault::Resume { node } => format!("resume {}", name(node)),
        Fault::Link { from, to, rule } => format!("link {} > {}{}", name(from), name(to), of_link_rule(rule)),
        Fault::Heal { from, to } => format!("heal {} > {}", name(from), name(to)),
        Fault::Disk { node, rule } => format!("disk {}{}", name(node), of_disk_rule(rule)),
        Fault::DiskClear { node } => format!("clear {}", name(node)),
        Fault::Clock { node, drift_ppm } => format!("clock {} {drift_ppm}", name(node)),
    }
}

fn of_link_rule(rule: &LinkRule) -> String {
    let mut text = String::new();
    let LinkRule { cut, loss, duplicate, corrupt, extra_delay, duplicate_delay, bandwidth_bytes_per_s } = *rule;
    if cut {
        text.push_str(" cut");
    }
    push_probabilities(&mut text, &[("loss", loss), ("duplicate", duplicate), ("corrupt", corrupt)]);
    for (word, value) in [("later", duplicate_delay), ("delay", extra_delay)] {
        if let Some(value) = value {
            let _ = write!(text, " {word} {}", delay(value));
        }
    }
    if let Some(rate) = bandwidth_bytes_per_s {
        let _ = write!(text, " rate {rate}");
    }
    text
}

fn of_disk_rule(rule: &DiskRule) -> String {
    let mut text = String::new();
    if rule.full {
        text.push_str(" full");
    }
    if let Some(extra) = rule.extra_delay {
        let _ = write!(text, " delay {}", delay(extra));
    }
    let probabilities = [
        ("read-error", rule.read_error),
        ("write-error", rule.write_error),
        ("sync-error", rule.sync_error),
        ("lost-write", rule.lost_write),
        ("misdirected-write", rule.misdirected_write),
        ("misdirected-read", rule.misdirected_read),
    ];
    push_probabilities(&mut text, &probabilities);
    text
}

fn push_probabilities(text: &mut String, values: &[(&str, f64)]) {
    for (word, value) in values.iter().filter(|(_, value)| *value != 0.0) {
        let _ = write!(text, " {word} {value}");
    }
}

/// Reads a line.
///
/// # Errors
///
/// What is wrong with it, for a person.
pub fn parse_act(line: &str, names: &Names) -> Result<Act, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let node = |name: &str| names.find(name);
    Ok(match words.as_slice() {
        ["crash", name] => Act::Primitive(Fault::Crash { node: node(name)?, power: false }),
        ["crash", name, "power"] => Act::Primitive(Fault::Crash { node: node(name)?, power: true }),
        ["crash", name, "power", "writing", files] => {
            Act::CrashWriting { node: node(name)?, files: (*files).to_owned() }
        }
        ["crash", name, "power", "losing", units] => Act::CrashLosing { node: node(name)?, units: number(units)? },
        ["clock", name, ppm] => {
            let drift_ppm: i32 = number(ppm)?;
            if drift_ppm.abs() >= 1_000_000 {
                return Err(format!("`{ppm}` is no rate: a clock neither stands still nor goes back"));
            }
            Act::Primitive(Fault::Clock { node: node(name)?, drift_ppm })
        }
        ["crowd", name, sessions] => Act::Crowd { node: node(name)?, sessions: number(sessions)? },
        ["rot-alike", names, files, place] => Act::RotAlike {
            nodes: names.split(',').map(node).collect::<Result<_, _>>()?,
            files: (*files).to_owned(),
            place: number(place)?,
        },
        ["restart", name] => Act::Primitive(Fault::Restart { node: node(name)? }),
        ["pause", name] => Act::Primitive(Fault::Pause { node: node(name)? }),
        ["resume", name] => Act::Primitive(Fault::Resume { node: node(name)? }),
        ["link", from, ">", to, rest @ ..] => {
            let (from, to, rule) = (node(from)?, node(to)?, parse_link_rule(rest)?);
            Act::Primitive(Fault::Link { from, to, rule })
        }
        ["heal", from, ">", to] => Act::Primitive(Fault::Heal { from: node(from)?, to: node(to)? }),
        ["disk", name, rest @ ..] => Act::Primitive(Fault::Disk { node: node(name)?, rule: parse_disk_rule(rest)? }),
        ["clear", name] => Act::Primitive(Fault::DiskClear { node: node(name)? }),
        [word @ ("rot" | "unreadable"), name, files, place, sectors] => Act::Damage {
            node: node(name)?,
            kind: if *word == "rot" { DamageKind::Rot } else { DamageKind::Unreadable },
            files: (*files).to_owned(),
            place: number(place)?,
            sectors: number(sectors)?,
        },
        ["wipe", name] => Act::Wipe { node: node(name)? },
        ["keep", name] => Act::Keep { node: node(name)? },
        ["rollback", name] => Act::Rollback { node: node(name)? },
        ["swap", one, other] => Act::Swap { one: node(one)?, other: node(other)? },
        _ => return Err(format!("`{line}` is no fault")),
    })
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number that fits here"))
}

fn probability(text: &str) -> Result<f64, String> {
    let value: f64 = number(text)?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(format!("`{text}` is no probability")) }
}

fn parse_link_rule(words: &[&str]) -> Result<LinkRule, String> {
    let (mut rule, mut words) = (LinkRule::default(), words.iter());
    while let Some(word) = words.next() {
        if *word == "cut" {
            rule.cut = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("`{word}` needs a value"))?;
        match *word {
            "loss" => rule.loss = probability(value)?,
            "duplicate" => rule.duplicate = probability(value)?,
            "corrupt" => rule.corrupt = probability(value)?,
            "later" => rule.duplicate_delay = Some(parse_delay(value)?),
            "delay" => rule.extra_delay = Some(parse_delay(value)?),
            "rate" => rule.bandwidth_bytes_per_s = Some(number(value)?),
            _ => return Err(format!("a link has no `{word}`")),
        }
    }
    Ok(rule)
}

fn parse_disk_rule(words: &[&str]) -> Result<DiskRule, String> {
    let (mut rule, mut words) = (DiskRule::default(), words.iter());
    while let Some(word) = words.next() {
        if *word == "full" {
            rule.full = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("`{word}` needs a value"))?;
        match *word {
            "delay" => rule.extra_delay = Some(parse_delay(value)?),
            "read-error" => rule.read_error = probability(value)?,
            "write-error" => rule.write_error = probability(value)?,
            "sync-error" => rule.sync_error = probability(value)?,
            "lost-write" => rule.lost_write = probability(value)?,
            "misdirected-write" => rule.misdirected_write = probability(value)?,
            "misdirected-read" => rule.misdirected_read = probability(value)?,
            _ => return Err(format!("a disk has no `{word}`")),
        }
    }
    Ok(rule)
}
