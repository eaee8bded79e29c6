//! Faults, and what they cost.

use crate::row::row;

row! {
    /// One fault that was injected.
    pub struct Fault in "faults.csv" {
        /// Names the fault inside its segment.
        pub fault_id: String,
        /// What was done, e.g. `az-loss`, `crash`.
        pub kind: String,
        /// What it was done to, e.g. a node's name or a zone.
        pub target: String,
        /// The zone concerned, when there is one.
        pub az: Option<String>,
        /// When the fault was ordered, seconds from the start of the run.
        pub t_inject_s: f64,
        /// When it took hold.
        pub t_effective_s: Option<f64>,
        /// When it ended; empty when it did not.
        pub t_heal_s: Option<f64>,
        /// The fault's parameters, a JSON object.
        pub params_json: String,
        /// The outcome owed: `masked`, `degraded`, `halt`, `known-limit`.
        pub expected: String,
    }
}

row! {
    /// What one fault did to one metric.
    pub struct Recovery in "recovery.csv" {
        /// The fault, as in `faults.csv`.
        pub fault_id: String,
        /// The metric: `throughput_per_s`, `p99_ns` (response, all operations) or `reopen_s`.
        pub metric: String,
        /// Median over the intervals of the measured window before the fault.
        pub baseline: Option<f64>,
        /// Worst interval from the fault on; for `reopen_s` the time itself.
        pub worst: Option<f64>,
        /// From the fault to the end of the first interval below the threshold: 95 % of the baseline, or less where
        /// the intervals before the fault scatter more. Empty when none was.
        pub t_detect_s: Option<f64>,
        /// From the fault to the start of the first two intervals in a row back at the threshold; 0 when throughput
        /// never fell below it, empty when it did not come back.
        pub t_recover95_s: Option<f64>,
        /// Operations not finished that the baseline would have finished, before the recovery.
        pub area_lost_ops: Option<f64>,
        /// Failed operations from the fault to the end of the window.
        pub errors: Option<u64>,
    }
}
