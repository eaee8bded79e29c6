//! Percentile curves on an axis that gives every nine the same room.

use std::collections::BTreeMap;

use super::charts::{self, WIDTH_PX, engine_class, engine_legend};
use super::svg::{Anchor, Scale, Svg};
use crate::figures::format::{duration_ns, tick_ns};
use crate::schema::Percentile;
use crate::{Key, LatencyKind, Run};

const TITLE: &str = "Latency by percentile";

const HOW_TO_READ: &str = "All operations of the measured window. The axis stretches towards the tail, so that each \
    further nine takes the same room. Left: response time, from the intended start, as a client sees it that does not \
    wait for the harness. Right: service time, from the actual send. One line for each repeat.";

const HEIGHT_PX: f64 = 340.0;
const TOP_PX: f64 = 30.0;
const BOTTOM_PX: f64 = 40.0;
const LEFT_PX: f64 = 64.0;
const PANEL_GAP_PX: f64 = 34.0;

/// The percentiles that get a label.
const LABELLED: [(f64, &str); 7] =
    [(1.0, "0"), (2.0, "50 %"), (10.0, "90 %"), (1e2, "99 %"), (1e3, "99.9 %"), (1e4, "99.99 %"), (1e5, "99.999 %")];

type Curves<'a> = BTreeMap<(&'a Key, LatencyKind), Vec<&'a Percentile>>;

/// The section; empty when nothing was measured.
pub(super) fn section(run: &Run) -> String {
    let mut curves: Curves<'_> = BTreeMap::new();
    for (key, row) in run.percentiles.iter().filter(|(_, row)| row.op == "ALL") {
        curves.entry((key, row.latency_kind)).or_default().push(row);
    }
    if curves.is_empty() {
        return String::new();
    }
    charts::section(TITLE, HOW_TO_READ, &(engine_legend(run) + &chart(run, &curves)))
}

fn chart(run: &Run, curves: &Curves<'_>) -> String {
    let shown = [LatencyKind::Response, LatencyKind::Service];
    let points = || curves.iter().filter(|((_, kind), _)| shown.contains(kind)).flat_map(|(_, points)| points);
    let low_ns = points().map(|point| point.value_ns).filter(|ns| *ns > 0).min().unwrap_or(1) as f64;
    let high_ns = points().map(|point| point.value_ns).max().unwrap_or(10) as f64;
    let furthest = points().map(|point| point.inv_1_minus_p).filter(|inverse| inverse.is_finite()).fold(10.0, f64::max);
    let y = Scale::log(low_ns * 0.9, high_ns * 1.15, HEIGHT_PX - BOTTOM_PX, TOP_PX);
    let mut svg = Svg::new(WIDTH_PX, HEIGHT_PX, "Latency percentiles by engine, response and service time");
    let panel_px = (WIDTH_PX - LEFT_PX - PANEL_GAP_PX) / 2.0 - 8.0;
    for (index, kind) in shown.into_iter().enumerate() {
        let left_px = LEFT_PX + index as f64 * (panel_px + PANEL_GAP_PX);
        let x = Scale::log(1.0, furthest, left_px, left_px + panel_px);
        draw_axes(&mut svg, x, y, left_px, panel_px, index == 0);
        svg.text(left_px, TOP_PX - 12.0, Anchor::Start, "panel-name", &format!("{kind} time"));
        for ((key, _), points) in curves.iter().filter(|((_, of), _)| *of == kind) {
            draw_curve(&mut svg, run, key, points, x, y);
        }
    }
    svg.finish()
}

fn draw_axes(svg: &mut Svg, x: Scale, y: Scale, left_px: f64, width_px: f64, is_labelled: bool) {
    let base_px = HEIGHT_PX - BOTTOM_PX;
    for tick in y.ticks(6) {
        svg.line((left_px, y.at(tick)), (left_px + width_px, y.at(tick)), "grid");
        if is_labelled {
            svg.text(left_px - 8.0, y.at(tick) + 4.0, Anchor::End, "tick", &tick_ns(tick));
        }
    }
    let last_px = left_px + width_px;
    for (inverse, label) in LABELLED {
        let at_px = x.at(inverse);
        if at_px < last_px - 1.0 || x.at(inverse * 1.01) > at_px {
            svg.line((at_px, base_px), (at_px, base_px + 4.0), "axis");
            svg.text(at_px, base_px + 18.0, Anchor::Middle, "tick", label);
        }
    }
    svg.line((left_px, base_px), (last_px, base_px), "axis");
}

fn draw_curve(svg: &mut Svg, run: &Run, key: &Key, points: &[&Percentile], x: Scale, y: Scale) {
    let class = engine_class(run, &key.engine);
    let finite = || points.iter().filter(|point| point.inv_1_minus_p.is_finite());
    svg.polyline(
        finite().map(|point| (x.at(point.inv_1_minus_p), y.at(point.value_ns as f64))),
        &format!("series {class}"),
    );
    for named in [0.5, 0.9, 0.99, 0.999, 0.9999] {
        let Some(point) = finite().find(|point| point.percentile == named) else { continue };
        let value = duration_ns(point.value_ns as f64);
        let tooltip = format!("{} repeat {}, p{}: {value}", key.engine, key.repeat, named * 100.0);
        svg.dot(x.at(point.inv_1_minus_p), y.at(point.value_ns as f64), &format!("point {class}"), &tooltip);
    }
}
