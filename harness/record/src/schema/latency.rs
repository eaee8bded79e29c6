//! Latency and throughput: by interval, by percentile, by bucket.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::LatencyKind;
use crate::row::{columns, row};

/// What a segment was doing in an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Loading the data set.
    Load,
    /// Running before the window that counts; in no summary.
    Warmup,
    /// Closed loop, to find the throughput the engine can reach. Its latencies say little (coordinated omission).
    Capacity,
    /// The window that counts.
    Measure,
    /// Finishing the deferred work, or recovering after a crash.
    Settle,
}

impl Phase {
    /// The phase's name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Load => "load",
            Phase::Warmup => "warmup",
            Phase::Capacity => "capacity",
            Phase::Measure => "measure",
            Phase::Settle => "settle",
        }
    }

    /// Whether the phase has rows in `summary.csv`.
    pub const fn is_summarised(self) -> bool {
        matches!(self, Phase::Capacity | Phase::Measure)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

columns! {
    /// One operation type and latency kind over one stretch of time: an interval, or in `summary.csv` a whole window.
    pub struct Interval {
        /// What the segment was doing.
        pub phase: Phase,
        /// Operation type, or `ALL`: all types merged.
        pub op: String,
        /// Which latency the `*_ns` columns are about.
        pub latency_kind: LatencyKind,
        /// Start, seconds from the start of the run.
        pub t_start_s: f64,
        /// Length in seconds.
        pub t_len_s: f64,
        /// Arrivals asked of the generator per second; empty in a closed loop, and for single operation types.
        pub offered_per_s: Option<f64>,
        /// Operations finished, whatever their outcome.
        pub completed: u64,
        /// Operations that succeeded.
        pub ok: u64,
        /// Operations that failed for good or whose outcome is unknown.
        pub errors: u64,
        /// Operations sent noticeably after their intended start; empty in a closed loop.
        pub late: Option<u64>,
        /// Arrivals that were never sent; empty in a closed loop.
        pub dropped: Option<u64>,
        /// `ok / t_len_s`: failing fast is no throughput.
        pub throughput_per_s: f64,
        /// Successful operations within the stated latency objective per second; empty when none is stated.
        pub goodput_per_s: Option<f64>,
        /// Smallest latency.
        pub min_ns: Option<u64>,
        /// Mean latency.
        pub mean_ns: Option<u64>,
        /// Median latency.
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
        /// Largest latency.
        pub max_ns: Option<u64>,
        /// Operations of this phase in flight (sent in it, not finished), averaged over time; on `ALL` rows.
        pub in_flight_mean: Option<f64>,
        /// 99th percentile of the generator's own delay: intended start to actual send; on `ALL` rows.
        pub sched_lag_p99_ns: Option<u64>,
    }
}

impl crate::Row for Interval {
    const FILE: &'static str = "intervals.csv";

    fn columns() -> Vec<&'static str> {
        Interval::COLUMNS.to_vec()
    }
}

row! {
    /// One point of a percentile curve of the measured window.
    pub struct Percentile in "percentiles.csv" {
        /// Operation type, or `ALL`.
        pub op: String,
        /// Which latency.
        pub latency_kind: LatencyKind,
        /// The percentile as a fraction from 0 to 1.
        pub percentile: f64,
        /// The latency at or below which that fraction of operations finished.
        pub value_ns: u64,
        /// Operations at or below `value_ns`.
        pub total_count: u64,
        /// `1 / (1 - percentile)`, the axis of percentile plots; `inf` for the maximum.
        pub inv_1_minus_p: f64,
    }
}

row! {
    /// One cell of a heat map: an interval of the measured window and a latency bucket. Empty cells are left out.
    pub struct HistogramCell in "histogram.csv" {
        /// Operation type, or `ALL`.
        pub op: String,
        /// Which latency.
        pub latency_kind: LatencyKind,
        /// Start of the interval, as in `intervals.csv`.
        pub t_start_s: f64,
        /// Smallest latency of the bucket.
        pub bucket_low_ns: u64,
        /// Largest latency of the bucket. Buckets are a quarter of a power of two.
        pub bucket_high_ns: u64,
        /// Operations in the cell; never zero.
        pub count: u64,
    }
}
