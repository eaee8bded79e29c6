//! What must be read with the figures.

use super::format::{count, duration_ns, percent};
use crate::index::Headline;
use crate::schema::Phase;
use crate::{LatencyKind, LinkDelay, RunInfo, stats};

pub(super) fn of(info: &RunInfo, headlines: &[Headline<'_>]) -> Vec<String> {
    let mut notes =
        vec!["Response time runs from the intended start to the reply, service time from the actual send.".to_owned()];
    if info.factors.rate_per_s.is_none() {
        notes.push(
            "Closed loop: a session that waits sends nothing, so its latencies leave out what others would have waited."
                .to_owned(),
        );
    }
    notes.push(match headlines.iter().map(Headline::repeats).max().unwrap_or_default() {
        0 | 1 => "One repeat: nothing here says how far another would lie from it.".to_owned(),
        many => format!("Medians of {many} repeats (lowest–highest). – is not measured, or too few samples."),
    });
    let p99 = |of: &Headline<'_>| {
        of.values(Phase::Measure, LatencyKind::Response, |row| row.window.p99_ns.map(|ns| ns as f64))
    };
    if let Some(spread) = headlines.iter().filter_map(|of| stats::spread_ratio(&p99(of))).max_by(f64::total_cmp) {
        notes.push(format!(
            "Repeats of one engine lie up to {} apart in response p99; smaller differences mean nothing.",
            percent(spread)
        ));
    }
    notes.extend(links(info));
    notes
}

/// Profile and realised delays, the widest deviation of all engines.
fn links(info: &RunInfo) -> Option<String> {
    let widest = |is_wanted: &dyn Fn(&LinkDelay) -> bool| {
        let links =
            info.links.iter().filter(|link| is_wanted(link)).filter_map(|link| Some((link.late_ratio()?.abs(), link)));
        links.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, link)| link)
    };
    let shown = |place: &str, link: Option<&LinkDelay>| {
        link.map(|link| {
            let (asked, came) = (duration_ns(link.intended_p50_ns as f64), duration_ns(link.realised_p50_ns as f64));
            format!("{asked} asked {place}, {came} came ({} frames)", count(link.frames as f64))
        })
    };
    let inside = shown("inside a zone", widest(&|link| link.from == link.to));
    let between = shown("between zones", widest(&|link| link.from != link.to));
    let parts: Vec<String> = inside.into_iter().chain(between).collect();
    (!parts.is_empty()).then(|| {
        format!(
            "Links, profile {}, one way, median, where it deviates most: {}.",
            info.factors.profile,
            parts.join("; ")
        )
    })
}
