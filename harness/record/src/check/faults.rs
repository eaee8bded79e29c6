//! Faults lie inside the run, and what they cost belongs to them.

use super::Findings;
use crate::schema::{Fault, Recovery};
use crate::{Row, Run};

pub(super) fn check(run: &Run, findings: &mut Findings) {
    let last_s = run.intervals.iter().map(|(_, row)| row.t_start_s + row.t_len_s).fold(0.0, f64::max);
    let end_s = run.info.elapsed_s.unwrap_or(last_s).max(last_s);
    for (key, fault) in &run.faults {
        let times = [Some(fault.t_inject_s), fault.t_effective_s, fault.t_heal_s];
        let known: Vec<f64> = times.into_iter().flatten().collect();
        findings.demand(known.iter().all(|t_s| (0.0..=end_s).contains(t_s)), Fault::FILE, || {
            format!("{} {}: {known:?} s lies outside the run, which took {end_s} s", key.engine, fault.fault_id)
        });
        findings.demand(known.windows(2).all(|pair| pair[0] <= pair[1]), Fault::FILE, || {
            format!("{} {}: injected, effective and healed are out of order: {known:?} s", key.engine, fault.fault_id)
        });
        let params: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(&fault.params_json);
        findings.demand(params.is_ok(), Fault::FILE, || {
            format!("{} {}: params_json is no JSON object", key.engine, fault.fault_id)
        });
    }
    for (key, recovery) in &run.recovery {
        let known = run.faults.iter().any(|(of, fault)| of == key && fault.fault_id == recovery.fault_id);
        findings.demand(known, Recovery::FILE, || {
            format!("{} repeat {}: {} is not in faults.csv", key.engine, key.repeat, recovery.fault_id)
        });
    }
}
