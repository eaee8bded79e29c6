//! Latency over time as a heat map: what percentiles hide, such as two populations or a queue draining.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::charts::{self, WIDTH_PX, engine_class};
use super::svg::{Anchor, Scale, Svg};
use super::throughput::shade_faults;
use super::window::Window;
use crate::figures::format::tick_ns;
use crate::schema::HistogramCell;
use crate::{LatencyKind, Run};

const TITLE: &str = "Response time over time";

const HOW_TO_READ: &str = "First repeat of each engine. Each cell is one interval and one stretch of response times, \
    darker where more operations fell (on a logarithmic scale). Two bands mean two populations; a slope that falls to \
    the right is a queue draining.";

const LEFT_PX: f64 = 64.0;
const RIGHT_PX: f64 = 28.0;
const TOP_PX: f64 = 8.0;
const LANE_PX: f64 = 150.0;
const LANE_GAP_PX: f64 = 34.0;
const AXIS_PX: f64 = 30.0;

/// Steps of the colour scale; the style sheet has a class for each.
const LEVELS: usize = 8;

/// The section; empty when nothing was measured.
pub(super) fn section(run: &Run, windows: &[Window<'_>]) -> String {
    let firsts: Vec<&Window<'_>> = windows
        .chunk_by(|a, b| (&a.key.engine, &a.key.workload) == (&b.key.engine, &b.key.workload))
        .map(|repeats| &repeats[0])
        .collect();
    let lanes: Vec<(&Window<'_>, Vec<&HistogramCell>)> =
        firsts.into_iter().map(|window| (window, cells(run, window))).filter(|(_, cells)| !cells.is_empty()).collect();
    if lanes.is_empty() {
        return String::new();
    }
    charts::section(TITLE, HOW_TO_READ, &chart(run, &lanes))
}

fn cells<'a>(run: &'a Run, window: &Window<'_>) -> Vec<&'a HistogramCell> {
    let of_kind = |kind| -> Vec<&'a HistogramCell> {
        let of_window = run.histogram.iter().filter(|(key, _)| key == window.key).map(|(_, cell)| cell);
        of_window.filter(|cell| cell.op == "ALL" && cell.latency_kind == kind).collect()
    };
    let response = of_kind(LatencyKind::Response);
    if response.is_empty() { of_kind(LatencyKind::Service) } else { response }
}

fn chart(run: &Run, lanes: &[(&Window<'_>, Vec<&HistogramCell>)]) -> String {
    let all = || lanes.iter().flat_map(|(_, cells)| cells);
    let low_ns = all().map(|cell| cell.bucket_low_ns).min().unwrap_or(1).max(1) as f64;
    let high_ns = all().map(|cell| cell.bucket_high_ns + 1).max().unwrap_or(10) as f64;
    let most = all().map(|cell| cell.count).max().unwrap_or(1);
    let length_s = lanes.iter().map(|(window, _)| window.end_s - window.start_s).fold(0.0, f64::max);
    let height_px = TOP_PX + lanes.len() as f64 * (LANE_PX + LANE_GAP_PX) + AXIS_PX;
    let x = Scale::linear(0.0, length_s, LEFT_PX, WIDTH_PX - RIGHT_PX);
    let mut svg = Svg::new(WIDTH_PX, height_px, "Heat map of response times over time by engine");
    for (index, (window, cells)) in lanes.iter().enumerate() {
        let top_px = TOP_PX + LANE_GAP_PX + index as f64 * (LANE_PX + LANE_GAP_PX);
        let y = Scale::log(low_ns, high_ns, top_px + LANE_PX, top_px);
        shade_faults(&mut svg, window, x, top_px, LANE_PX);
        for tick in y.ticks(4) {
            svg.line((LEFT_PX, y.at(tick)), (WIDTH_PX - RIGHT_PX, y.at(tick)), "grid");
            svg.text(LEFT_PX - 8.0, y.at(tick) + 4.0, Anchor::End, "tick", &tick_ns(tick));
        }
        draw_cells(&mut svg, window, cells, x, y, most);
        svg.line((LEFT_PX, top_px + LANE_PX), (WIDTH_PX - RIGHT_PX, top_px + LANE_PX), "axis");
        let class = format!("lane-name {}", engine_class(run, &window.key.engine));
        svg.text(LEFT_PX, top_px - 8.0, Anchor::Start, &class, &window.key.engine);
    }
    for tick in x.ticks(10) {
        svg.text(x.at(tick), height_px - AXIS_PX + 18.0, Anchor::Middle, "tick", &tick_ns(tick * 1e9));
    }
    svg.finish()
}

/// One path for each colour level: thousands of cells, few elements.
fn draw_cells(svg: &mut Svg, window: &Window<'_>, cells: &[&HistogramCell], x: Scale, y: Scale, most: u64) {
    let lengths: BTreeMap<u64, f64> = window.rows.iter().map(|row| (micros(row.t_start_s), row.t_len_s)).collect();
    let mut paths = vec![String::new(); LEVELS];
    for cell in cells {
        let len_s = lengths.get(&micros(cell.t_start_s)).copied().unwrap_or_default();
        let (left_px, right_px) =
            (x.at(cell.t_start_s - window.start_s), x.at(cell.t_start_s - window.start_s + len_s));
        let (base_px, top_px) = (y.at(cell.bucket_low_ns as f64), y.at((cell.bucket_high_ns + 1) as f64));
        let (width_px, height_px) = (right_px - left_px, base_px - top_px);
        let path = &mut paths[level(cell.count, most)];
        let _ = write!(path, "M{left_px:.1} {top_px:.1}h{width_px:.1}v{height_px:.1}h-{width_px:.1}z");
    }
    for (level, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        svg.path(path, &format!("heat h{level}"));
    }
}

fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

fn level(count: u64, most: u64) -> usize {
    let share = (count as f64).ln_1p() / (most as f64).ln_1p();
    ((share * LEVELS as f64) as usize).min(LEVELS - 1)
}
