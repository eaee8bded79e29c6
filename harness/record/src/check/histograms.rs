//! The interval log, the percentiles, the heat map and the `.hgrm` files against each other.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::Findings;
use crate::hlog::{self, HlogInterval};
use crate::latency::{Quantiles, new_histogram, percentile_curve};
use crate::schema::{HistogramCell, Percentile, Phase, Summary};
use crate::{Key, LatencyKind, Row, Run, hgrm};

/// One curve: a segment, an operation type, a latency kind.
type CurveId<'a> = (&'a Key, &'a str, LatencyKind);

pub(super) fn check(run: &Run, log: &[HlogInterval], findings: &mut Findings) {
    let merged = merged(run, log, findings);
    cells(run, &merged, findings);
    let mut written: BTreeMap<CurveId<'_>, Vec<&Percentile>> = BTreeMap::new();
    for (key, row) in &run.percentiles {
        written.entry((key, &row.op, row.latency_kind)).or_default().push(row);
    }
    for (key, row) in run.summary.iter().filter(|(_, row)| row.window.phase == Phase::Measure) {
        let id = (key, row.window.op.as_str(), row.window.latency_kind);
        let empty = new_histogram();
        let histogram = merged.get(&id).unwrap_or(&empty);
        summary(key, row, histogram, findings);
        curve(id, written.get(&id).map_or(&[], Vec::as_slice), histogram, findings);
        let name = hgrm::file_name(&key.engine, &key.workload, id.1, id.2);
        let path = run.dir.join(hgrm::DIR).join(&name);
        findings.demand(path.is_file(), hgrm::DIR, || format!("{name} is missing"));
    }
}

/// Merges the log by curve. A line belongs to the interval with its tag and start.
fn merged<'a>(run: &'a Run, log: &[HlogInterval], findings: &mut Findings) -> BTreeMap<CurveId<'a>, Histogram<u64>> {
    let at = |t_s: f64| (t_s * 1e6).round() as u64;
    let measured = run.intervals.iter().filter(|(_, row)| row.phase == Phase::Measure);
    let owners: BTreeMap<(String, u64), CurveId<'a>> = measured
        .map(|(key, row)| {
            let tag = hlog::tag(&key.engine, &row.op, row.latency_kind);
            ((tag, at(row.t_start_s)), (key, row.op.as_str(), row.latency_kind))
        })
        .collect();
    let mut merged: BTreeMap<CurveId<'a>, Histogram<u64>> = BTreeMap::new();
    let mut matched = 0;
    for line in log {
        let Some(owner) = owners.get(&(line.tag.clone(), at(line.t_start_s))) else {
            findings.add(hlog::FILE, format!("{} at {} s is no measured interval", line.tag, line.t_start_s));
            continue;
        };
        matched += 1;
        if merged.entry(*owner).or_insert_with(new_histogram).add(&line.histogram).is_err() {
            findings.add(hlog::FILE, format!("{} at {} s: its histogram has wider bounds", line.tag, line.t_start_s));
        }
    }
    findings.demand(matched == owners.len(), hlog::FILE, || {
        format!("{matched} of {} measured intervals are in the log", owners.len())
    });
    merged
}

fn summary(key: &Key, row: &Summary, histogram: &Histogram<u64>, findings: &mut Findings) {
    let window = &row.window;
    let name = || format!("{} repeat {} {} {}", key.engine, key.repeat, window.op, window.latency_kind);
    let written = Quantiles {
        min_ns: window.min_ns,
        mean_ns: window.mean_ns,
        p50_ns: window.p50_ns,
        p90_ns: window.p90_ns,
        p95_ns: window.p95_ns,
        p99_ns: window.p99_ns,
        p999_ns: window.p999_ns,
        p9999_ns: window.p9999_ns,
        max_ns: window.max_ns,
    };
    // The log keeps buckets, not the exact extremes: a decoded histogram's minimum is its bucket's.
    let of_log = Quantiles { min_ns: written.min_ns, max_ns: written.max_ns, ..Quantiles::of(histogram) };
    findings.demand(written == of_log, Summary::FILE, || {
        format!("{}: {written:?}, but the log merged gives {of_log:?}", name())
    });
    let extreme = |value: Option<u64>, of_log: u64| value.is_none_or(|value| histogram.equivalent(value, of_log));
    let extremes = extreme(written.min_ns, histogram.min()) && extreme(written.max_ns, histogram.max());
    findings.demand(extremes, Summary::FILE, || {
        let (min_ns, max_ns) = (histogram.min(), histogram.max());
        format!(
            "{}: min {:?} and max {:?}, but the log merged gives {min_ns} and {max_ns}",
            name(),
            written.min_ns,
            written.max_ns
        )
    });
    findings.demand(row.spread.n == histogram.len(), Summary::FILE, || {
        format!("{}: n is {}, the log holds {}", name(), row.spread.n, histogram.len())
    });
}

fn curve(id: CurveId<'_>, written: &[&Percentile], histogram: &Histogram<u64>, findings: &mut Findings) {
    let of_log = percentile_curve(histogram);
    let same = written.len() == of_log.len()
        && written.iter().zip(&of_log).all(|(row, point)| {
            (row.percentile, row.value_ns, row.total_count) == (point.percentile, point.value_ns, point.total_count)
        });
    findings.demand(same, Percentile::FILE, || {
        let (key, op, kind) = id;
        let first = written.iter().zip(&of_log).find(|(row, point)| row.value_ns != point.value_ns);
        let what = first.map_or("other points".to_owned(), |(row, point)| {
            format!("{} at {}, the log merged {}", row.value_ns, row.percentile, point.value_ns)
        });
        format!("{} repeat {} {op} {kind}: {what}", key.engine, key.repeat)
    });
}

fn cells(run: &Run, merged: &BTreeMap<CurveId<'_>, Histogram<u64>>, findings: &mut Findings) {
    let mut sums: BTreeMap<CurveId<'_>, u64> = BTreeMap::new();
    for (key, cell) in &run.histogram {
        *sums.entry((key, &cell.op, cell.latency_kind)).or_default() += cell.count;
    }
    for (id, histogram) in merged {
        let sum = sums.remove(id).unwrap_or_default();
        findings.demand(sum == histogram.len(), HistogramCell::FILE, || {
            let (key, op, kind) = id;
            format!(
                "{} repeat {} {op} {kind}: cells add up to {sum}, the log to {}",
                key.engine,
                key.repeat,
                histogram.len()
            )
        });
    }
    for ((key, op, kind), _) in sums {
        findings
            .add(HistogramCell::FILE, format!("{} repeat {} {op} {kind} is not in the log", key.engine, key.repeat));
    }
}
