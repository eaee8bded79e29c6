//! `hgrm/*.hgrm`: percentile distributions in the text form that wrk2 prints and HdrHistogram plotters read.
//!
//! One file for each engine, workload, operation type and latency kind, all repeats merged. Values are
//! milliseconds, as those plotters expect; it is the one place where a unit does not stand in a column's name.

use std::fmt::Write;

use hdrhistogram::Histogram;

use crate::LatencyKind;
use crate::latency::percentile_curve;

/// The folder inside the run directory.
pub const DIR: &str = "hgrm";

const NS_PER_MS: f64 = 1e6;

/// The name of the file for these latencies.
pub fn file_name(engine: &str, workload: &str, op: &str, kind: LatencyKind) -> String {
    format!("{engine}.{workload}.{op}.{}.hgrm", kind.name()).replace(['/', ' '], "_")
}

/// The file's text.
pub fn render(histogram: &Histogram<u64>) -> String {
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    for point in percentile_curve(histogram) {
        let value_ms = point.value_ns as f64 / NS_PER_MS;
        let _ = write!(text, "{value_ms:12.6} {:2.12} {:10}", point.percentile, point.total_count);
        let _ = match point.percentile < 1.0 {
            true => writeln!(text, " {:14.2}", 1.0 / (1.0 - point.percentile)),
            false => writeln!(text),
        };
    }
    let mean_ms = histogram.mean() / NS_PER_MS;
    let stddev_ms = histogram.stdev() / NS_PER_MS;
    let max_ms = histogram.max() as f64 / NS_PER_MS;
    let _ = writeln!(text, "#[Mean    = {mean_ms:12.6}, StdDeviation   = {stddev_ms:12.6}]");
    let _ = writeln!(text, "#[Max     = {max_ms:12.6}, Total count    = {:12}]", histogram.len());
    let _ = writeln!(text, "#[Buckets = {:12}, SubBuckets     = {:12}]", histogram.buckets(), 2048);
    text
}
