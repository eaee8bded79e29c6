//! A whole window in one row, and the engine-level metrics beside it.

use serde::{Deserialize, Serialize};

use super::Interval;
use crate::row::{Row, columns};

/// One row of `summary.csv`: an operation type and latency kind over a whole window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The same columns as an interval, from merged histograms.
    pub window: Interval,
    /// How certain they are.
    pub spread: Spread,
    /// Engine-level metrics; filled in on the `ALL` rows of the phase, empty elsewhere.
    pub metrics: Metrics,
}

impl Row for Summary {
    const FILE: &'static str = "summary.csv";

    fn columns() -> Vec<&'static str> {
        [Interval::COLUMNS, Spread::COLUMNS, Metrics::COLUMNS].concat()
    }
}

columns! {
    /// Dispersion within one window. Intervals of confidence are 95 %, by block bootstrap over the intervals; they
    /// say how steady the window was, and are no substitute for the spread of repeats.
    #[derive(Default)]
    pub struct Spread {
        /// Standard deviation of the latency.
        pub stddev_ns: Option<u64>,
        /// Latencies recorded.
        pub n: u64,
        /// How many independent samples the `n` autocorrelated ones are worth, by batch means.
        pub ess: Option<f64>,
        /// Lower end for `throughput_per_s`.
        pub throughput_ci_low_per_s: Option<f64>,
        /// Upper end for `throughput_per_s`.
        pub throughput_ci_high_per_s: Option<f64>,
        /// Lower end for `p50_ns`.
        pub p50_ci_low_ns: Option<u64>,
        /// Upper end for `p50_ns`.
        pub p50_ci_high_ns: Option<u64>,
        /// Lower end for `p99_ns`.
        pub p99_ci_low_ns: Option<u64>,
        /// Upper end for `p99_ns`.
        pub p99_ci_high_ns: Option<u64>,
    }
}

columns! {
    /// What an engine did for its operations in one phase. Everything per transaction is divided by `ok`.
    ///
    /// The columns from `net_ios_per_txn` to `write_amp_ratio` are computed by the writer from the phase's rows of
    /// `io.csv`, and `dip_ratio` to `t_recover95_s` from its intervals and faults; the rest is for the caller.
    #[derive(Default)]
    pub struct Metrics {
        /// Transactions that gave up, after retries.
        pub aborts: Option<u64>,
        /// Attempts that were run again after a conflict or a deadlock.
        pub retries: Option<u64>,
        /// Frames sent by the database site, client traffic excluded. One send to one node is one network I/O.
        pub net_ios_per_txn: Option<f64>,
        /// Bytes of those frames.
        pub net_bytes_per_txn: Option<f64>,
        /// Disk writes, on whatever node.
        pub storage_writes_per_txn: Option<f64>,
        /// Bytes of those writes.
        pub storage_write_bytes_per_txn: Option<f64>,
        /// Durability points, on whatever node.
        pub storage_syncs_per_txn: Option<f64>,
        /// Disk reads, on whatever node.
        pub read_ios_per_txn: Option<f64>,
        /// Write amplification: bytes written to disks, on whatever node, for each byte of user data changed
        /// (`user_bytes_per_txn`).
        pub write_amp_ratio: Option<f64>,
        /// CPU seconds of the database site.
        pub cpu_database_s_per_txn: Option<f64>,
        /// CPU seconds of the storage site.
        pub cpu_storage_s_per_txn: Option<f64>,
        /// CPU seconds of the load generator.
        pub cpu_load_s_per_txn: Option<f64>,
        /// Page requests answered from the cache.
        pub hit_ratio: Option<f64>,
        /// Worst interval's throughput after the first fault over the median before it; 1 is no dip.
        pub dip_ratio: Option<f64>,
        /// Failed operations from the first fault to the end of the window.
        pub fault_errors: Option<u64>,
        /// From the first fault until throughput was back at 95 % for two intervals; empty when it was not.
        pub t_recover95_s: Option<f64>,
        /// From the start of the reopening after the crash until the first transaction committed.
        pub recovery_s: Option<f64>,
        /// Pages changed in the cache and not written yet, after settling: debt that these figures leave unpaid.
        pub deferred_dirty_pages: Option<u64>,
        /// Log records not yet applied to a page, over all copies, after settling.
        pub deferred_records: Option<u64>,
        /// Bytes of log that recovery would read or storage still holds, over all copies, after settling.
        pub deferred_log_bytes: Option<u64>,
        /// What limited throughput: `offered load`, `cpu`, `database thread`, `storage thread`, `disk`, `conflicts`, or
        /// `commit latency` when nothing was busy and sessions only waited.
        pub bottleneck: Option<String>,
        /// What an acknowledged commit survives, e.g. `1 copy`, `4 of 6 copies, 3 zones`.
        pub durability_class: Option<String>,
        /// `ok`, `violation`, `unknown`, `liveness`: correctness and promises kept, never speed.
        pub verdict: Option<crate::Verdict>,
        /// Bytes of user data changed: keys and new field values in the statements of transactions that succeeded.
        pub user_bytes_per_txn: Option<f64>,
        /// Dirty pages at the start of the window.
        pub deferred_dirty_pages_start: Option<u64>,
        /// Unapplied records at the start of the window.
        pub deferred_records_start: Option<u64>,
        /// Log bytes held at the start of the window.
        pub deferred_log_bytes_start: Option<u64>,
        /// Dirty pages at the end of the window, before settling.
        pub deferred_dirty_pages_end: Option<u64>,
        /// Unapplied records at the end of the window, before settling.
        pub deferred_records_end: Option<u64>,
        /// Log bytes held at the end of the window, before settling.
        pub deferred_log_bytes_end: Option<u64>,
        /// How long deferred work was given time after the window; its I/O and CPU are in the columns above.
        pub settle_s: Option<f64>,
        /// The machine's CPU time in use during the window, by whatever process; 1 is all cores.
        pub cpu_busy_ratio: Option<f64>,
        /// CPU time of this process's busiest thread over the length of the window.
        pub thread_busy_ratio: Option<f64>,
        /// Share of the window in which the busiest device had something to do.
        pub device_busy_ratio: Option<f64>,
        /// The weakest durability class seen during the window, when it was not the engine's own.
        pub degraded_class: Option<String>,
        /// The machine's CPU time that other programs had during the window; 1 is all cores. This process and those it started
        /// are not among them, and interrupts are nobody's.
        pub cpu_others_ratio: Option<f64>,
    }
}
