//! Recording latencies while a run goes.
//!
//! A [`LatencyBook`] belongs to whoever completes operations. Recording costs a few nanoseconds and no allocation;
//! at the end of an interval [`LatencyBook::swap`] hands out what was recorded and starts afresh, and
//! [`LatencyBook::recycle`] takes the histograms back.

use std::fmt;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The largest latency a histogram holds, one hour; longer ones count as one hour.
pub const LATENCY_NS_MAX: u64 = 3_600_000_000_000;

const SIGNIFICANT_DIGITS: u8 = 3;

/// A histogram of latencies in nanoseconds: 1 ns to 1 h, three significant digits, 264 KiB.
pub fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, SIGNIFICANT_DIGITS).expect("the bounds are constant and valid")
}

/// Which stretch of an operation's life a latency covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatencyKind {
    /// From the actual send to the final reply.
    Service,
    /// From the *intended* start to the final reply: what a client that does not wait for the harness sees.
    Response,
    /// Waiting in a queue before execution.
    Queue,
    /// Waiting for row locks.
    Lock,
    /// From the first record shipped to the last acknowledgement needed.
    LogShip,
    /// Waiting for the quorum, or for group commit.
    Quorum,
    /// Applying redo to pages.
    Apply,
}

impl LatencyKind {
    /// All kinds, in the order they are reported.
    pub const ALL: [LatencyKind; 7] = [
        LatencyKind::Service,
        LatencyKind::Response,
        LatencyKind::Queue,
        LatencyKind::Lock,
        LatencyKind::LogShip,
        LatencyKind::Quorum,
        LatencyKind::Apply,
    ];

    /// The kind's name in records.
    pub const fn name(self) -> &'static str {
        match self {
            LatencyKind::Service => "service",
            LatencyKind::Response => "response",
            LatencyKind::Queue => "queue",
            LatencyKind::Lock => "lock",
            LatencyKind::LogShip => "log_ship",
            LatencyKind::Quorum => "quorum",
            LatencyKind::Apply => "apply",
        }
    }
}

impl fmt::Display for LatencyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Operations of one type in one interval, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpCounts {
    /// Succeeded.
    pub ok: u64,
    /// Failed for good, or of unknown outcome.
    pub errors: u64,
    /// Sent noticeably after the intended start. `None` in a closed loop.
    pub late: Option<u64>,
    /// Arrivals never sent. `None` in a closed loop.
    pub dropped: Option<u64>,
    /// Succeeded within the stated latency objective. `None` when none is stated.
    pub good: Option<u64>,
}

impl OpCounts {
    /// Operations finished, whatever their outcome.
    pub fn completed(&self) -> u64 {
        self.ok + self.errors
    }

    /// Adds the counts of another operation type or interval. What either does not know, the sum does not know.
    pub fn add(&mut self, other: &OpCounts) {
        let sum = |a: Option<u64>, b: Option<u64>| Some(a? + b?);
        self.ok += other.ok;
        self.errors += other.errors;
        self.late = sum(self.late, other.late);
        self.dropped = sum(self.dropped, other.dropped);
        self.good = sum(self.good, other.good);
    }
}

/// The histograms of one operation type, by latency kind, ascending and without duplicates.
pub type Latencies = Vec<(LatencyKind, Histogram<u64>)>;

/// What one operation type did in one interval.
#[derive(Clone, Debug)]
pub struct OpInterval {
    /// The operation type.
    pub op: String,
    /// Its outcomes.
    pub counts: OpCounts,
    /// Its latencies. `service` and `response` hold one value for each operation completed.
    pub latencies: Latencies,
}

impl OpInterval {
    fn new(op: &str, kinds: &[LatencyKind]) -> OpInterval {
        let latencies = kinds.iter().map(|kind| (*kind, new_histogram())).collect();
        OpInterval { op: op.to_owned(), counts: OpCounts::default(), latencies }
    }

    fn clear(&mut self) {
        self.counts = OpCounts::default();
        self.latencies.iter_mut().for_each(|(_, histogram)| histogram.reset());
    }
}

/// An operation type's place in a [`LatencyBook`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpSlot(usize);

/// Counts and latencies of the current interval, by operation type.
///
/// **Invariant:** every operation type has a histogram for each kind the book was made for.
#[derive(Debug)]
pub struct LatencyBook {
    kinds: Vec<LatencyKind>,
    current: Vec<OpInterval>,
    spare: Vec<OpInterval>,
}

impl LatencyBook {
    /// A book that records these kinds. Service and response belong in every book.
    pub fn new(kinds: &[LatencyKind]) -> LatencyBook {
        let mut kinds = kinds.to_vec();
        kinds.sort_unstable();
        kinds.dedup();
        LatencyBook { kinds, current: Vec::new(), spare: Vec::new() }
    }

    /// The place of an operation type, made when it is new.
    pub fn op(&mut self, name: &str) -> OpSlot {
        let known = self.current.iter().position(|interval| interval.op == name);
        OpSlot(known.unwrap_or_else(|| {
            self.current.push(OpInterval::new(name, &self.kinds));
            self.current.len() - 1
        }))
    }

    /// Records one latency. A kind the book was not made for is ignored.
    #[inline]
    pub fn record(&mut self, op: OpSlot, kind: LatencyKind, latency_ns: u64) {
        let latencies = &mut self.current[op.0].latencies;
        if let Some((_, histogram)) = latencies.iter_mut().find(|(known, _)| *known == kind) {
            histogram.saturating_record(latency_ns);
        }
    }

    /// Records a finished operation: its outcome, service time and response time.
    #[inline]
    pub fn complete(&mut self, op: OpSlot, ok: bool, service_ns: u64, response_ns: u64) {
        let counts = &mut self.current[op.0].counts;
        counts.ok += u64::from(ok);
        counts.errors += u64::from(!ok);
        self.record(op, LatencyKind::Service, service_ns);
        self.record(op, LatencyKind::Response, response_ns);
    }

    /// The outcomes of an operation type in the current interval, to add what [`Self::complete`] cannot know.
    pub fn counts_mut(&mut self, op: OpSlot) -> &mut OpCounts {
        &mut self.current[op.0].counts
    }

    /// Ends the interval: hands out everything recorded since the last swap, and starts the next one empty.
    pub fn swap(&mut self) -> Vec<OpInterval> {
        let kinds = &self.kinds;
        let spare = &mut self.spare;
        let fresh = self.current.iter().map(|old| match spare.pop() {
            Some(mut reused) => {
                reused.op.clone_from(&old.op);
                reused
            }
            None => OpInterval::new(&old.op, kinds),
        });
        let fresh = fresh.collect();
        std::mem::replace(&mut self.current, fresh)
    }

    /// Takes histograms back that [`Self::swap`] handed out, so that the next swap allocates nothing.
    pub fn recycle(&mut self, intervals: Vec<OpInterval>) {
        for mut interval in intervals {
            if interval.latencies.iter().map(|(kind, _)| kind).eq(&self.kinds) {
                interval.clear();
                self.spare.push(interval);
            }
        }
    }
}

/// The latencies every row carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// Smallest.
    pub min_ns: Option<u64>,
    /// Mean.
    pub mean_ns: Option<u64>,
    /// Median.
    pub p50_ns: Option<u64>,
    /// 90th percentile.
    pub p90_ns: Option<u64>,
    /// 95th percentile.
    pub p95_ns: Option<u64>,
    /// 99th percentile.
    pub p99_ns: Option<u64>,
    /// 99.9th percentile.
    pub p999_ns: Option<u64>,
    /// 99.99th percentile.
    pub p9999_ns: Option<u64>,
    /// Largest.
    pub max_ns: Option<u64>,
}

impl Quantiles {
    /// Reads them off a histogram; all `None` when it is empty.
    pub fn of(histogram: &Histogram<u64>) -> Quantiles {
        if histogram.is_empty() {
            return Quantiles::default();
        }
        let mut at = histogram.value_at_quantiles([0.5, 0.9, 0.95, 0.99, 0.999, 0.9999]);
        Quantiles {
            min_ns: Some(histogram.min()),
            mean_ns: Some(histogram.mean().round() as u64),
            p50_ns: at.next(),
            p90_ns: at.next(),
            p95_ns: at.next(),
            p99_ns: at.next(),
            p999_ns: at.next(),
            p9999_ns: at.next(),
            max_ns: Some(histogram.max()),
        }
    }
}

/// One point of a percentile curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// Fraction from 0 to 1.
    pub percentile: f64,
    /// Latency at or below which that fraction lies.
    pub value_ns: u64,
    /// How many lie there.
    pub total_count: u64,
}

/// Steps per halving of the distance to 1, as in `.hgrm` files.
const STEPS_PER_HALVING: u32 = 5;

/// The percentile curve of a histogram: five points for every halving of the distance to the maximum, the usual
/// named percentiles among them, and the maximum last. Empty for an empty histogram.
pub fn percentile_curve(histogram: &Histogram<u64>) -> Vec<CurvePoint> {
    if histogram.is_empty() {
        return Vec::new();
    }
    let percentiles = curve_percentiles(histogram.len());
    let values: Vec<u64> = histogram.value_at_quantiles(percentiles.iter().copied()).collect();
    let mut recorded = histogram.iter_recorded().peekable();
    let mut total_count = 0;
    let points = percentiles.into_iter().zip(values).map(|(percentile, value_ns)| {
        while let Some(step) = recorded.next_if(|step| step.value_iterated_to() <= value_ns) {
            total_count += step.count_at_value();
        }
        CurvePoint { percentile, value_ns, total_count }
    });
    points.collect()
}

fn curve_percentiles(count: u64) -> Vec<f64> {
    let named = [0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999, 0.999999];
    let mut percentiles: Vec<f64> = named.into_iter().filter(|p| (1.0 - p) * count as f64 >= 1.0).collect();
    let mut remaining = 1.0;
    while remaining * count as f64 >= 1.0 {
        for step in 0..STEPS_PER_HALVING {
            let percentile = 1.0 - remaining + remaining / 2.0 * f64::from(step) / f64::from(STEPS_PER_HALVING);
            percentiles.push((percentile * 1e9).round() / 1e9);
        }
        remaining /= 2.0;
    }
    percentiles.push(1.0);
    percentiles.sort_by(f64::total_cmp);
    percentiles.dedup();
    percentiles
}

/// A coarse bucket for heat maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoarseBucket {
    /// Smallest latency in it.
    pub low_ns: u64,
    /// Largest latency in it.
    pub high_ns: u64,
    /// How many.
    pub count: u64,
}

/// The non-empty buckets of a histogram at a quarter of a power of two each. Their bounds are bounds of the fine
/// buckets too, so that the counts are exact.
pub fn coarse_buckets(histogram: &Histogram<u64>) -> Vec<CoarseBucket> {
    let mut buckets: Vec<CoarseBucket> = Vec::new();
    for step in histogram.iter_recorded() {
        let (low_ns, high_ns) = coarse_bounds(histogram.lowest_equivalent(step.value_iterated_to()));
        match buckets.last_mut() {
            Some(last) if last.low_ns == low_ns => last.count += step.count_at_value(),
            _ => buckets.push(CoarseBucket { low_ns, high_ns, count: step.count_at_value() }),
        }
    }
    buckets
}

fn coarse_bounds(value_ns: u64) -> (u64, u64) {
    if value_ns < 4 {
        return (value_ns, value_ns);
    }
    let width = 1u64 << (value_ns.ilog2() - 2);
    let low_ns = value_ns / width * width;
    (low_ns, low_ns + width - 1)
}

#[cfg(test)]
mod tests;
