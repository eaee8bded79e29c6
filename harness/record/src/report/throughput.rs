//! Throughput over time: a lane for each engine, a line for each repeat, faults shaded.

use super::charts::{self, WIDTH_PX, engine_class};
use super::svg::{Anchor, Scale, Svg, round_up};
use super::window::Window;
use crate::Run;
use crate::figures::format::{count, duration_ns, tick_ns};
use crate::stats::median;

const LEFT_PX: f64 = 64.0;
const RIGHT_PX: f64 = 28.0;
const TOP_PX: f64 = 8.0;
const LANE_PX: f64 = 108.0;
const LANE_GAP_PX: f64 = 34.0;
const AXIS_PX: f64 = 30.0;
const HEADROOM_RATIO: f64 = 1.5;

const TITLE: &str = "Throughput over time";

const HOW_TO_READ: &str = "Successful transactions per second in each interval of the measured window, one line for \
    each repeat, all lanes on one scale. The dashed line is the offered rate, the shaded stretch the fault; red marks \
    at the bottom are intervals with errors. A burst beyond the scale is cut and labelled.";

/// The section; empty when nothing was measured.
pub(super) fn section(run: &Run, windows: &[Window<'_>]) -> String {
    if windows.is_empty() {
        return String::new();
    }
    charts::section(TITLE, HOW_TO_READ, &chart(run, windows))
}

fn chart(run: &Run, windows: &[Window<'_>]) -> String {
    let lanes: Vec<&[Window<'_>]> =
        windows.chunk_by(|a, b| (&a.key.engine, &a.key.workload) == (&b.key.engine, &b.key.workload)).collect();
    let height_px = TOP_PX + lanes.len() as f64 * (LANE_PX + LANE_GAP_PX) + AXIS_PX;
    let length_s = windows.iter().map(|window| window.end_s - window.start_s).fold(0.0, f64::max);
    let highest = highest(windows);
    let x = Scale::linear(0.0, length_s, LEFT_PX, WIDTH_PX - RIGHT_PX);
    let mut svg = Svg::new(WIDTH_PX, height_px, "Throughput over time by engine");
    for (index, lane) in lanes.iter().enumerate() {
        let top_px = TOP_PX + LANE_GAP_PX + index as f64 * (LANE_PX + LANE_GAP_PX);
        let y = Scale::linear(0.0, round_up(highest), top_px + LANE_PX, top_px);
        draw_lane(&mut svg, run, lane, x, y, top_px);
    }
    let bottom_px = height_px - AXIS_PX;
    for tick in x.ticks(10) {
        svg.text(x.at(tick), bottom_px + 18.0, Anchor::Middle, "tick", &tick_ns(tick * 1e9));
    }
    svg.finish()
}

/// The top of the scale. A burst that drains a queue may be many times the steady rate and would flatten everything
/// else: lanes reach half as high again as the steadiest engine, and what lies above is cut and labelled.
fn highest(windows: &[Window<'_>]) -> f64 {
    let rates = |window: &Window<'_>| window.rows.iter().map(|row| row.throughput_per_s).collect::<Vec<_>>();
    let steady = windows.iter().filter_map(|window| median(&rates(window))).fold(0.0, f64::max);
    let offered =
        windows.iter().flat_map(|window| &window.rows).filter_map(|row| row.offered_per_s).fold(0.0, f64::max);
    let all = windows.iter().flat_map(rates).fold(offered, f64::max);
    all.min(steady.max(offered) * HEADROOM_RATIO)
}

fn draw_lane(svg: &mut Svg, run: &Run, lane: &[Window<'_>], x: Scale, y: Scale, top_px: f64) {
    let bottom_px = top_px + LANE_PX;
    let key = lane[0].key;
    let class = engine_class(run, &key.engine);
    shade_faults(svg, &lane[0], x, top_px, LANE_PX);
    for tick in y.ticks(3) {
        svg.line((LEFT_PX, y.at(tick)), (WIDTH_PX - RIGHT_PX, y.at(tick)), "grid");
        svg.text(LEFT_PX - 8.0, y.at(tick) + 4.0, Anchor::End, "tick", &count(tick));
    }
    if let Some(offered) = lane[0].rows.iter().find_map(|row| row.offered_per_s) {
        svg.line((LEFT_PX, y.at(offered)), (WIDTH_PX - RIGHT_PX, y.at(offered)), "offered");
    }
    for window in lane {
        let middle = |row: &crate::Interval| x.at(row.t_start_s - window.start_s + row.t_len_s / 2.0);
        svg.polyline(
            window.rows.iter().map(|row| (middle(row), y.at(row.throughput_per_s))),
            &format!("series {class}"),
        );
        for row in &window.rows {
            let tooltip = format!(
                "{} repeat {}, {:.2} s: {} txn/s, p99 {}",
                key.engine,
                window.key.repeat,
                row.t_start_s - window.start_s,
                count(row.throughput_per_s),
                row.p99_ns.map_or("–".to_owned(), |ns| duration_ns(ns as f64))
            );
            svg.dot(middle(row), y.at(row.throughput_per_s), "hover", &tooltip);
            if row.errors > 0 {
                let left_px = x.at(row.t_start_s - window.start_s);
                let width_px = x.at(row.t_start_s - window.start_s + row.t_len_s) - left_px;
                svg.rect((left_px, bottom_px - 5.0), (width_px, 5.0), "error", &format!("{} errors", row.errors));
            }
        }
    }
    label_cut(svg, lane, x, y, top_px, &class);
    svg.line((LEFT_PX, bottom_px), (WIDTH_PX - RIGHT_PX, bottom_px), "axis");
    svg.text(LEFT_PX, top_px - 8.0, Anchor::Start, &format!("lane-name {class}"), &key.engine);
}

/// Labels the highest interval of a lane when it lies beyond the scale.
fn label_cut(svg: &mut Svg, lane: &[Window<'_>], x: Scale, y: Scale, top_px: f64, class: &str) {
    let all = lane.iter().flat_map(|window| window.rows.iter().map(move |row| (window, row)));
    let highest = all.max_by(|(_, a), (_, b)| a.throughput_per_s.total_cmp(&b.throughput_per_s));
    if let Some((window, row)) = highest.filter(|(_, row)| row.throughput_per_s > y.high()) {
        let at_px = x.at(row.t_start_s - window.start_s + row.t_len_s / 2.0) + 8.0;
        svg.text(
            at_px,
            top_px + 10.0,
            Anchor::Start,
            &format!("cut {class}"),
            &format!("▲ {}", count(row.throughput_per_s)),
        );
    }
}

/// Shades the faults of a lane and names them.
pub(super) fn shade_faults(svg: &mut Svg, window: &Window<'_>, x: Scale, top_px: f64, height_px: f64) {
    for fault in &window.faults {
        let Some((from_s, to_s)) = window.shade(fault) else { continue };
        let (from_px, to_px) = (x.at(from_s), x.at(to_s));
        let healed = fault.t_heal_s.map_or("not healed".to_owned(), |_| format!("until {to_s:.2} s"));
        let tooltip =
            format!("{} {}, from {from_s:.2} s, {healed}; owed: {}", fault.kind, fault.target, fault.expected);
        svg.rect((from_px, top_px), (to_px - from_px, height_px), "fault", &tooltip);
        svg.line((from_px, top_px), (from_px, top_px + height_px), "fault-edge");
        svg.line((to_px, top_px), (to_px, top_px + height_px), "fault-edge");
        svg.text(from_px + 5.0, top_px - 8.0, Anchor::Start, "fault-name", &format!("{} {}", fault.kind, fault.target));
    }
}
