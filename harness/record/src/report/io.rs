//! I/O per transaction by class, at the database node and at storage.

use std::collections::BTreeMap;

use super::charts::{self, WIDTH_PX, legend};
use super::svg::{Anchor, Scale, Svg, round_up};
use crate::Run;
use crate::figures::format::{bytes, significant};
use crate::schema::{Io, Phase, Site};

const TITLE: &str = "I/O per transaction";

const HOW_TO_READ: &str = "Measured window, all repeats. Top: what the database node sends to other nodes, client \
    traffic left out; one send to one node is one network I/O, so a six-way ship is six. Bottom: what is written to \
    disks, over all copies and on whatever node.";

/// Classes in the order they stack, with the place of their colour in the style sheet: logs, then pages, then the rest.
const CLASSES: [(&str, &str); 16] = [
    ("redo", "c0"),
    ("log_shipping", "c0"),
    ("hot_log", "c1"),
    ("binlog", "c2"),
    ("data_page", "c3"),
    ("coalesced_page", "c3"),
    ("double_write", "c4"),
    ("page_read", "c5"),
    ("mirror", "c6"),
    ("gossip", "c7"),
    ("repair", "c8"),
    ("recovery", "c8"),
    ("metadata", "c9"),
    ("zero_fill", "c9"),
    ("control", "c9"),
    ("client", "c9"),
];

const ROW_PX: f64 = 34.0;
const BAR_PX: f64 = 20.0;
const LEFT_PX: f64 = 136.0;
const GAP_PX: f64 = 76.0;
const VALUE_PX: f64 = 70.0;
const PANEL_HEAD_PX: f64 = 34.0;
const PANEL_FOOT_PX: f64 = 18.0;

struct Panel {
    title: &'static str,
    belongs: fn(&Io) -> bool,
    count: fn(&Io) -> u64,
    show: fn(f64) -> String,
}

fn is_network(row: &Io) -> bool {
    row.site == Site::Database && row.class != "client"
}

fn is_disk(row: &Io) -> bool {
    row.site != Site::Load
}

const PANELS: [Panel; 4] = [
    Panel { title: "Database node: network I/Os", belongs: is_network, count: |row| row.sends, show: significant },
    Panel { title: "Database node: network bytes", belongs: is_network, count: |row| row.send_bytes, show: bytes },
    Panel { title: "Storage: writes", belongs: is_disk, count: |row| row.writes, show: significant },
    Panel { title: "Storage: bytes written", belongs: is_disk, count: |row| row.write_bytes, show: bytes },
];

/// Per engine, per class, per transaction.
type Bars<'a> = Vec<(&'a str, BTreeMap<&'a str, f64>)>;

/// The section; empty when no I/O was recorded.
pub(super) fn section(run: &Run) -> String {
    let bars: Vec<Bars<'_>> = PANELS.iter().map(|panel| bars(run, panel)).collect();
    if bars.iter().all(|panel| panel.iter().all(|(_, classes)| classes.is_empty())) {
        return String::new();
    }
    let used = |class: &str| bars.iter().flatten().any(|(_, classes)| classes.contains_key(class));
    let entries = CLASSES.iter().filter(|(class, _)| used(class));
    let mut merged: Vec<(String, String)> = Vec::new();
    for (class, colour) in entries {
        let name = class.replace('_', " ");
        match merged.iter_mut().find(|(known, _)| known == colour) {
            Some((_, names)) => *names = format!("{names}, {name}"),
            None => merged.push(((*colour).to_owned(), name)),
        }
    }
    charts::section(TITLE, HOW_TO_READ, &(legend(merged) + &chart(run, &bars)))
}

fn bars<'a>(run: &'a Run, panel: &Panel) -> Bars<'a> {
    let of_engine = |engine: &'a str| {
        let of = |of: &str| of == engine;
        let measured = run.summary.iter().filter(|(key, row)| of(&key.engine) && row.window.phase == Phase::Measure);
        // Every ALL row has the same count; take one kind.
        let first_kind = measured.clone().map(|(_, row)| row.window.latency_kind).min();
        let ok: u64 = measured
            .filter(|(_, row)| row.window.op == "ALL" && Some(row.window.latency_kind) == first_kind)
            .map(|(_, row)| row.window.ok)
            .sum();
        let mut classes: BTreeMap<&str, f64> = BTreeMap::new();
        for (_, row) in run.io.iter().filter(|(key, row)| of(&key.engine) && row.phase == Phase::Measure) {
            let count = (panel.count)(row);
            if (panel.belongs)(row) && count > 0 && ok > 0 {
                *classes.entry(row.class.as_str()).or_default() += count as f64 / ok as f64;
            }
        }
        (engine, classes)
    };
    run.engines().into_iter().map(of_engine).collect()
}

fn chart(run: &Run, bars: &[Bars<'_>]) -> String {
    let panel_height_px = PANEL_HEAD_PX + run.engines().len() as f64 * ROW_PX + PANEL_FOOT_PX;
    let panel_px = (WIDTH_PX - LEFT_PX - GAP_PX - VALUE_PX) / 2.0;
    let mut svg = Svg::new(WIDTH_PX, 2.0 * panel_height_px, "I/O per transaction by class and engine");
    for (index, (panel, bars)) in PANELS.iter().zip(bars).enumerate() {
        let (column, row) = (index % 2, index / 2);
        let left_px = LEFT_PX + column as f64 * (panel_px + GAP_PX);
        draw_panel(&mut svg, panel, bars, (left_px, row as f64 * panel_height_px), panel_px, column == 0);
    }
    svg.finish()
}

fn draw_panel(svg: &mut Svg, panel: &Panel, bars: &Bars<'_>, corner: (f64, f64), width_px: f64, is_named: bool) {
    let (left_px, top_px) = corner;
    let total = |classes: &BTreeMap<&str, f64>| classes.values().sum::<f64>();
    let highest = bars.iter().map(|(_, classes)| total(classes)).fold(0.0, f64::max);
    let x = Scale::linear(0.0, round_up(highest), left_px, left_px + width_px);
    svg.text(left_px, top_px + 18.0, Anchor::Start, "panel-name", panel.title);
    for (index, (engine, classes)) in bars.iter().enumerate() {
        let bar_top_px = top_px + PANEL_HEAD_PX + index as f64 * ROW_PX;
        let text_px = bar_top_px + BAR_PX * 0.72;
        if is_named {
            svg.text(left_px - 10.0, text_px, Anchor::End, "row-name", engine);
        }
        let mut reached = 0.0;
        for (class, value) in stacked(classes) {
            let from_px = x.at(reached);
            reached += value;
            let tooltip = format!("{engine}, {}: {} per transaction", class.replace('_', " "), (panel.show)(value));
            let style = format!("bar {}", colour(class));
            svg.rect((from_px, bar_top_px), (x.at(reached) - from_px, BAR_PX), &style, &tooltip);
        }
        svg.text(x.at(reached) + 6.0, text_px, Anchor::Start, "value", &(panel.show)(total(classes)));
    }
    let base_px = top_px + PANEL_HEAD_PX - 6.0;
    svg.line((left_px, base_px), (left_px, base_px + bars.len() as f64 * ROW_PX), "axis");
}

fn stacked<'a>(classes: &BTreeMap<&'a str, f64>) -> Vec<(&'a str, f64)> {
    let place = |class: &str| CLASSES.iter().position(|(known, _)| *known == class).unwrap_or(CLASSES.len());
    let mut stacked: Vec<(&str, f64)> = classes.iter().map(|(class, value)| (*class, *value)).collect();
    stacked.sort_by_key(|(class, _)| place(class));
    stacked
}

fn colour(class: &str) -> &'static str {
    CLASSES.iter().find(|(known, _)| *known == class).map_or("c9", |(_, colour)| colour)
}
