//! How failing runs went: faults, halts and silence over virtual time.

use super::{Chaos, Failure};
use crate::figures::format::tick_ns;
use crate::report::charts::{self, WIDTH_PX};
use crate::report::svg::{Anchor, Scale, Svg, escape};

const TITLE: &str = "How failing runs went";

const HOW_TO_READ: &str = "The script's time, from its first instant to the mending of everything, or to the instant at which \
    an invariant broke. Orange: from where a fault begins to where it ends, a thin mark where it takes place once. Red: \
    slices in which clients waited for a commit in vain. Marks carry what happened as tooltips. In the text below, time \
    counts from the start of the world, before the first rows were written.";

const LEFT_PX: f64 = 250.0;
const RIGHT_PX: f64 = 28.0;
const LANE_PX: f64 = 22.0;
const BAR_PX: f64 = 14.0;
const AXIS_PX: f64 = 30.0;
/// What takes place once is drawn as wide as this.
const INSTANT_PX: f64 = 3.0;
/// The least that a stretch of time is drawn as.
const STRETCH_MIN_PX: f64 = 1.5;
/// Lines of the text that stand on the page; all of it lies beside it.
const LINES_MAX: usize = 400;

/// Something that held from one instant to another; equal instants for what takes place once.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// From when, in seconds from the script's start.
    pub from_s: f64,
    /// Until when.
    pub to_s: f64,
    /// What.
    pub what: String,
}

/// The stretches of one fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// The fault.
    pub name: String,
    /// When it held.
    pub stretches: Vec<Stretch>,
}

/// The course of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// How much of the script's time was played.
    pub span_s: f64,
    /// A lane for each fault.
    pub faults: Vec<Lane>,
    /// Nodes that halted.
    pub halts: Vec<Stretch>,
    /// When clients waited for a commit in vain.
    pub outages: Vec<Stretch>,
    /// All that happened, as text.
    pub text: String,
}

/// The section; empty when no course was kept.
pub(super) fn section(chaos: &Chaos) -> String {
    let drawn: String =
        chaos.failures.iter().filter_map(|failure| Some(one(failure, failure.course.as_ref()?))).collect();
    if drawn.is_empty() { drawn } else { charts::section(TITLE, HOW_TO_READ, &drawn) }
}

fn one(failure: &Failure, course: &Course) -> String {
    let title = format!("{} on {}, seed {}: {}", failure.suite, failure.engine, failure.seed, failure.seen.name);
    // A world that could not be built has no course.
    let picture = if course.span_s > 0.0 { strip(course, &title) } else { String::new() };
    let lines: Vec<&str> = course.text.lines().collect();
    let more = lines.len().saturating_sub(LINES_MAX);
    let mut text = lines[..lines.len() - more].join("\n");
    if more > 0 {
        text += &format!("\n… {more} more lines");
    }
    let open = if picture.is_empty() { " open" } else { "" };
    format!(
        "<h3>{}</h3>\n{picture}<details{open}><summary>As text</summary><pre>{}</pre></details>\n",
        escape(&title),
        escape(&text)
    )
}

fn strip(course: &Course, label: &str) -> String {
    let lanes = course.faults.iter().map(|lane| (lane.name.as_str(), "held", lane.stretches.as_slice()));
    let ends = [("halts", "halt", course.halts.as_slice()), ("no commits", "outage", course.outages.as_slice())];
    let lanes: Vec<_> = lanes.chain(ends).collect();
    let height_px = lanes.len() as f64 * LANE_PX + AXIS_PX;
    let floor_px = height_px - AXIS_PX;
    let x = Scale::linear(0.0, course.span_s, LEFT_PX, WIDTH_PX - RIGHT_PX);
    let mut svg = Svg::new(WIDTH_PX, height_px, label);
    for tick in x.ticks(8) {
        svg.line((x.at(tick), 0.0), (x.at(tick), floor_px), "grid");
        svg.text(x.at(tick), floor_px + 18.0, Anchor::Middle, "tick", &tick_ns(tick * 1e9));
    }
    for outage in &course.outages {
        let width_px = x.at(outage.to_s) - x.at(outage.from_s);
        svg.rect((x.at(outage.from_s), 0.0), (width_px, floor_px), "outage-shade", "");
    }
    for (index, (name, class, stretches)) in lanes.iter().enumerate() {
        let top_px = index as f64 * LANE_PX + (LANE_PX - BAR_PX) / 2.0;
        svg.text(LEFT_PX - 10.0, top_px + BAR_PX - 3.0, Anchor::End, "row-name", name);
        for stretch in *stretches {
            let (from_px, to_px) = (x.at(stretch.from_s), x.at(stretch.to_s));
            let (corner_px, width_px) = match stretch.from_s == stretch.to_s {
                true => (from_px - INSTANT_PX / 2.0, INSTANT_PX),
                false => (from_px, (to_px - from_px).max(STRETCH_MIN_PX)),
            };
            let kind = if stretch.from_s == stretch.to_s && *class == "held" { "instant" } else { class };
            svg.rect((corner_px, top_px), (width_px, BAR_PX), kind, &stretch.what);
        }
    }
    svg.line((LEFT_PX, floor_px), (WIDTH_PX - RIGHT_PX, floor_px), "axis");
    svg.finish()
}
