//! What a run says, in sentences a person can act on. Correctness first, then each thing that a reader would choose by; no
//! ranking of speeds where repeats do not tell engines apart.
//!
//! Everything follows from `run.json` and `summary.csv`; nothing is known of particular engines.

use crate::figures::format::{bytes, count, duration_ns, percent, seconds_text, significant};
use crate::figures::pairs;
use crate::index::Headline;
use crate::schema::{Phase, Summary};
use crate::stats::median;
use crate::validity;
use crate::{Key, LatencyKind, LinkDelay, RunInfo, Status, Verdict};

/// Deferred work that grew by more than this over the window is debt the figures do not show.
const DEBT_RATIO_MAX: f64 = 1.1;
/// Log that remains below this is no debt worth a sentence.
const DEBT_BYTES_MIN: f64 = 16.0 * 1024.0 * 1024.0;

/// Links that came later than asked by more than this share make latencies this machine's, not the profile's.
const LATE_RATIO_MAX: f64 = 0.1;

/// The sentences, most important first.
pub fn of(info: &RunInfo, summary: &[(Key, Summary)]) -> Vec<String> {
    let headlines: Vec<Headline<'_>> =
        pairs(info, summary).iter().map(|(engine, workload)| Headline::new(summary, engine, workload)).collect();
    let mut sentences = vec![correctness(info, &headlines)];
    sentences.extend(measurement(info));
    sentences.extend(company(summary));
    sentences.extend(lateness(info));
    sentences.extend(info.reasons.iter().map(|reason| full_stop(reason)));
    if info.status == Status::Invalid || headlines.is_empty() {
        return sentences;
    }
    sentences.extend(protection(info, &headlines));
    sentences.extend(fault(&headlines));
    sentences.extend(reopening(&headlines));
    sentences.extend(capacity(&headlines));
    sentences.extend(latency(info, &headlines));
    sentences.extend(cost(&headlines));
    sentences.extend(debt(&headlines));
    sentences
}

fn correctness(info: &RunInfo, headlines: &[Headline<'_>]) -> String {
    let crashed = headlines.iter().any(|of| !of.metric_values(|row| row.metrics.recovery_s).is_empty());
    let kept = match crashed {
        true => "and after the crash every acknowledged change was there",
        false => "and no node gave up",
    };
    match info.verdict {
        Some(Verdict::Ok) => format!("Every promise was kept: no reply was wrong, {kept}."),
        Some(Verdict::Violation) => "An engine broke its promise: what it stores cannot be trusted.".to_owned(),
        Some(Verdict::Liveness) => "An engine did not make the progress it owed.".to_owned(),
        Some(Verdict::Unknown) => "The checks could not decide: take this for no verdict, and run it again.".to_owned(),
        None => "Nothing was checked.".to_owned(),
    }
}

fn measurement(info: &RunInfo) -> Option<String> {
    match info.status {
        Status::Ok => None,
        Status::Saturated => Some(
            "The offered rate was not reached, so response times grow with the length of the run: offer less with --rate to \
             compare them."
                .to_owned(),
        ),
        Status::Aborted => Some("The run did not reach its end; what it measured until then is kept.".to_owned()),
        Status::Invalid => Some("The figures must not be used.".to_owned()),
    }
}

/// Other programs on the machine, where they had so much of it that times are theirs as well.
fn company(summary: &[(Key, Summary)]) -> Option<String> {
    let of_row = |(key, row): &'_ (Key, Summary)| Some((row.metrics.cpu_others_ratio?, key.clone(), row.window.phase));
    let (others_ratio, key, phase) = summary.iter().filter_map(of_row).max_by(|(a, ..), (b, ..)| a.total_cmp(b))?;
    (others_ratio > validity::OTHERS_RATIO_MAX).then(|| {
        format!(
            "Other programs had up to {} of the machine's CPU ({} repeat {}, {phase}): counts stand, times and rates do not. Run it \
             again on a quiet machine.",
            percent(others_ratio),
            key.engine,
            key.repeat
        )
    })
}

/// Engines whose frames came later than the profile asked, where they came latest.
fn lateness(info: &RunInfo) -> Option<String> {
    let late_ns = |link: &LinkDelay| link.realised_p50_ns as f64 - link.intended_p50_ns as f64;
    let latest = |name: &str, is_inside: bool| {
        let links = info.links.iter().filter(|link| link.engine == name && (link.from == link.to) == is_inside);
        let late = links.filter(|link| link.late_ratio().is_some_and(|ratio| ratio > LATE_RATIO_MAX));
        late.max_by(|a, b| late_ns(a).total_cmp(&late_ns(b)))
    };
    let part = |name: &str| {
        let places = [(true, "inside a zone"), (false, "between zones")];
        let parts = places.into_iter().filter_map(|(is_inside, place)| {
            let link = latest(name, is_inside)?;
            Some(format!("{} {place} ({})", duration_ns(late_ns(link)), percent(link.late_ratio()?)))
        });
        let parts: Vec<String> = parts.collect();
        (!parts.is_empty()).then(|| format!("{name} {}", parts.join(", ")))
    };
    let parts: Vec<String> = info.engines.iter().filter_map(|engine| part(&engine.name)).collect();
    (!parts.is_empty()).then(|| {
        format!(
            "Frames came later than the profile asks, at the median by up to: {}. Latencies contain that for each hop.",
            parts.join("; ")
        )
    })
}

/// Who survives what, in the words of the durability class.
fn protection(info: &RunInfo, headlines: &[Headline<'_>]) -> Vec<String> {
    let mut sentences = Vec::new();
    for of in headlines {
        let Some(engine) = info.engines.iter().find(|engine| engine.name == of.engine()) else { continue };
        let (name, class) = (&engine.name, &engine.durability_class);
        let weakest = of.texts(Phase::Measure, |row| row.metrics.degraded_class.clone());
        match engine.protection.as_str() {
            "not protected" if class.as_str() != "none" => sentences.push(format!(
                "{name} keeps {class} and is not protected: it survives a crash, not the loss of its disk or zone. Do not read \
                 its speed as the price of durability."
            )),
            "degraded" if !weakest.is_empty() => sentences.push(format!(
                "{name} promises {class}, but served on with {} while the zone was away: a second loss then would have lost \
                 acknowledged data.",
                weakest.join(", ")
            )),
            _ => {}
        }
    }
    sentences
}

fn fault(headlines: &[Headline<'_>]) -> Option<String> {
    let of_engine = |of: &Headline<'_>| {
        let dip = of.metric(|row| row.metrics.dip_ratio)?;
        let errors = of.metric_values(|row| row.metrics.fault_errors.map(|errors| errors as f64)).iter().sum::<f64>();
        let struck = of.metric_values(|row| row.metrics.dip_ratio).len();
        let backs = of.metric_values(|row| row.metrics.t_recover95_s);
        let errors = if errors == 0.0 { "no errors".to_owned() } else { format!("{} errors", count(errors)) };
        let back = match median(&backs) {
            _ if backs.len() < struck => "not back at 95 % inside the window".to_owned(),
            Some(0.0) => "never down".to_owned(),
            Some(back_s) => format!("back at 95 % after {}", seconds_text(back_s)),
            None => return None,
        };
        Some(format!("{}: {errors}, worst interval {} of before, {back}", of.engine(), percent(dip)))
    };
    let parts: Vec<String> = headlines.iter().filter_map(of_engine).collect();
    (!parts.is_empty()).then(|| format!("What the fault cost. {}.", parts.join("; ")))
}

fn reopening(headlines: &[Headline<'_>]) -> Option<String> {
    let parts = each(headlines, |of| of.metric(|row| row.metrics.recovery_s).map(seconds_text));
    (!parts.is_empty()).then(|| format!("Crashed under load and reopened cold, the first commit came after: {parts}."))
}

fn capacity(headlines: &[Headline<'_>]) -> Option<String> {
    let first = median(&headlines.first()?.capacities())?;
    let phase = |of: &Headline<'_>| match of.values(Phase::Capacity, LatencyKind::Service, |_| Some(0.0)).is_empty() {
        true => Phase::Measure,
        false => Phase::Capacity,
    };
    let parts = each(headlines, |of| {
        let capacity = median(&of.capacities())?;
        let limit = of.texts(phase(of), |row| row.metrics.bottleneck.clone()).join(", ");
        let limit = if limit.is_empty() { limit } else { format!(", limited by {limit}") };
        let ratio = match of.engine() == headlines[0].engine() {
            true => String::new(),
            false => format!(" ({} of {}'s)", percent(capacity / first), headlines[0].engine()),
        };
        Some(format!("{} txn/s{ratio}{limit}", count(capacity)))
    });
    let caveat = match headlines.iter().all(|of| of.capacities().len() < 2) {
        true if headlines.len() > 1 => " Each was probed once: a guide to the common rate, not a ranking.",
        _ => "",
    };
    Some(format!("Capacity in a closed loop. {parts}.{caveat}"))
}

/// Response p99 at the common rate, against the first engine: a difference only where no repeat contradicts it.
fn latency(info: &RunInfo, headlines: &[Headline<'_>]) -> Option<String> {
    let rate = count(info.factors.rate_per_s?);
    let p99 = |of: &Headline<'_>| {
        of.values(Phase::Measure, LatencyKind::Response, |row| row.window.p99_ns.map(|ns| ns as f64))
    };
    let (first, others) = headlines.split_first().filter(|(_, others)| !others.is_empty())?;
    let base = p99(first);
    if base.len() < 2 {
        return Some(format!("One repeat at {rate} txn/s: no speed verdict without a spread (--repeats)."));
    }
    let part = |of: &Headline<'_>| {
        let values = p99(of);
        let (ours, theirs) = (median(&values)?, median(&base)?);
        let (low, high) = range(&values);
        let (base_low, base_high) = range(&base);
        let said = if low > base_high {
            format!("higher than {}'s in every repeat", first.engine())
        } else if high < base_low {
            format!("lower than {}'s in every repeat", first.engine())
        } else {
            format!("not told apart from {}'s by these repeats", first.engine())
        };
        Some(format!("{} {} ({} ×), {said}", of.engine(), duration_ns(ours), significant(ours / theirs)))
    };
    let parts: Vec<String> = others.iter().filter_map(part).collect();
    Some(format!(
        "Response p99 at {rate} txn/s through the whole window, fault included: {} {}; {}.",
        first.engine(),
        duration_ns(median(&base)?),
        parts.join("; ")
    ))
}

fn cost(headlines: &[Headline<'_>]) -> Option<String> {
    let parts = each(headlines, |of| {
        let written = of.metric(|row| row.metrics.storage_write_bytes_per_txn)?;
        let sends = of.metric(|row| row.metrics.net_ios_per_txn)?;
        let cpu = of.metric(|row| row.metrics.cpu_database_s_per_txn);
        let storage_cpu = of.metric(|row| row.metrics.cpu_storage_s_per_txn);
        let cpu = cpu.map(|cpu| format!(", {} CPU", seconds_text(cpu + storage_cpu.unwrap_or_default())));
        let sent =
            if sends == 0.0 { "nothing sent".to_owned() } else { format!("{} network I/Os", significant(sends)) };
        Some(format!("{sent}, {} written{}", bytes(written), cpu.unwrap_or_default()))
    });
    (!parts.is_empty()).then(|| format!("Each transaction cost, over all copies. {parts}."))
}

/// Engines whose deferred work did not go back to where it began.
fn debt(headlines: &[Headline<'_>]) -> Option<String> {
    let part = |of: &Headline<'_>| {
        let start = of.metric(|row| row.metrics.deferred_log_bytes_start.map(|held| held as f64))?;
        let left = of.metric(|row| row.metrics.deferred_log_bytes.map(|held| held as f64))?;
        let grew = left > start * DEBT_RATIO_MAX && left - start > DEBT_BYTES_MIN;
        grew.then(|| format!("{} ({} of log, {} before)", of.engine(), bytes(left), bytes(start)))
    };
    let parts: Vec<String> = headlines.iter().filter_map(part).collect();
    (!parts.is_empty()).then(|| {
        format!(
            "Work put off and not done when the window was settled, so not in the cost above: {}.",
            parts.join("; ")
        )
    })
}

/// `engine: text` of every engine that has a text.
fn each(headlines: &[Headline<'_>], text: impl Fn(&Headline<'_>) -> Option<String>) -> String {
    let parts = headlines.iter().filter_map(|of| Some(format!("{}: {}", of.engine(), text(of)?)));
    parts.collect::<Vec<_>>().join("; ")
}

fn range(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    (low, values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

fn full_stop(sentence: &str) -> String {
    if sentence.ends_with(['.', '!', '?']) { sentence.to_owned() } else { format!("{sentence}.") }
}
