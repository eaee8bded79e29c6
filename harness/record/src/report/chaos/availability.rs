//! The five availabilities, apart.

use super::{AVAILABILITIES, Availability, Chaos};
use crate::figures::format::count;
use crate::report::charts::{self, WIDTH_PX, colour};
use crate::report::svg::{Anchor, Scale, Svg};

const TITLE: &str = "What was available while faults struck";

const HOW_TO_READ: &str = "Bars: slices of the scripts' time in which it was there, among those in which it was asked for, \
    all runs of the engine pooled, whether it was owed just then or not; beside them the share of those slices in which the \
    state of the faults promised it, throughout and for 50 ms before. The two marks are single runs: the least, and the \
    one that a twentieth of the runs fall below. Commit and tracked read: a transaction of the kind ended well while \
    clients waited. Open: the database served. Durability: everything acknowledged was on a disk that was not lost. \
    Repairability: what was up was enough to make a lost copy again, which one copy alone never is.";

const LEFT_PX: f64 = 290.0;
const RIGHT_PX: f64 = 430.0;
const ROW_PX: f64 = 21.0;
const BAR_PX: f64 = 13.0;
const GROUP_PX: f64 = 12.0;
const AXIS_PX: f64 = 26.0;

/// The section; empty when nothing was played.
pub(super) fn section(chaos: &Chaos) -> String {
    if chaos.scripts() == 0 {
        return String::new();
    }
    charts::section(TITLE, HOW_TO_READ, &chart(chaos))
}

fn chart(chaos: &Chaos) -> String {
    let group_px = chaos.engines.len() as f64 * ROW_PX + GROUP_PX;
    let height_px = group_px * AVAILABILITIES.len() as f64 + AXIS_PX;
    let x = Scale::linear(0.0, 1.0, LEFT_PX, WIDTH_PX - RIGHT_PX);
    let mut svg = Svg::new(WIDTH_PX, height_px, "Share of time in which each engine was available, five ways");
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        svg.line((x.at(tick), 0.0), (x.at(tick), height_px - AXIS_PX), "grid");
        svg.text(x.at(tick), height_px - 8.0, Anchor::Middle, "tick", &format!("{:.0} %", tick * 100.0));
    }
    for (kind, name) in AVAILABILITIES.iter().enumerate() {
        let top_px = kind as f64 * group_px + GROUP_PX / 2.0;
        svg.text(0.0, top_px + BAR_PX, Anchor::Start, "panel-name", name);
        for (place, engine) in chaos.engines.iter().enumerate() {
            let base_px = top_px + place as f64 * ROW_PX + BAR_PX;
            svg.text(LEFT_PX - 10.0, base_px - 2.0, Anchor::End, "row-name", &engine.name);
            bar(&mut svg, &engine.availabilities[kind], x, base_px, &colour(place));
        }
    }
    svg.finish()
}

fn bar(svg: &mut Svg, availability: &Availability, x: Scale, base_px: f64, colour: &str) {
    let text_px = WIDTH_PX - RIGHT_PX + 14.0;
    let mut runs = availability.runs.clone();
    runs.sort_by(f64::total_cmp);
    let (Some(&least), true) = (runs.first(), availability.asked > 0) else {
        svg.text(text_px, base_px - 2.0, Anchor::Start, "tick", "never asked for");
        return;
    };
    let ratio = availability.had as f64 / availability.asked as f64;
    let tooltip = format!("{} of {} slices", count(availability.had as f64), count(availability.asked as f64));
    let width_px = x.at(ratio) - x.at(0.0);
    svg.rect((x.at(0.0), base_px - BAR_PX), (width_px, BAR_PX), &format!("bar {colour}"), &tooltip);
    for (value, name) in [(least, "least"), (at(&runs, 0.05), "a twentieth of the runs fall below")] {
        let tooltip = format!("{name}: {}", share(value));
        svg.rect((x.at(value) - 1.0, base_px - BAR_PX - 2.0), (2.0, BAR_PX + 4.0), "mark", &tooltip);
    }
    let whole = runs.iter().filter(|ratio| **ratio >= 1.0).count();
    svg.text(text_px + 58.0, base_px - 2.0, Anchor::End, "value", &share(ratio));
    let detail = format!(
        "{}; least {}, whole in {} of {} runs",
        promised(availability),
        share(least),
        count(whole as f64),
        count(runs.len() as f64)
    );
    svg.text(text_px + 70.0, base_px - 2.0, Anchor::Start, "tick", &detail);
}

fn promised(availability: &Availability) -> String {
    match availability.promised {
        0 => "never promised".to_owned(),
        slices => format!("promised {}", share(availability.kept as f64 / slices as f64)),
    }
}

/// The value that a share of sorted ones falls below.
pub(super) fn at(sorted: &[f64], quantile: f64) -> f64 {
    let rank = (sorted.len() as f64 * quantile).ceil().max(1.0) as usize;
    sorted[rank.min(sorted.len()) - 1]
}

/// A percentage that is 100 % only when nothing is missing.
pub(super) fn share(ratio: f64) -> String {
    if ratio >= 1.0 { "100 %".to_owned() } else { format!("{:.2} %", (ratio * 1e4).floor() / 100.0) }
}
