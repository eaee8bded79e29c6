//! From what happened to a verdict: correctness and promises kept, never speed.

use std::fmt;

use record::Verdict;

use crate::aftermath::{Aftermath, REOPEN_PATIENCE};
use crate::cli::args::FaultArg;
use crate::drive::PhaseOutcome;
use crate::engines::Engine;

/// An engine that owes to mask a fault must not be silent for longer.
pub const MASKED_SILENCE_S: f64 = 3.0;

/// Something found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub verdict: Verdict,
    /// The engine.
    pub engine: String,
    /// What, in words.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.engine, self.verdict, self.what)
    }
}

impl Finding {
    /// The worst of them; a violation outweighs a lack of progress, and that outweighs not knowing.
    pub fn verdict(findings: &[Finding]) -> Verdict {
        let rank = |verdict: Verdict| match verdict {
            Verdict::Ok => 0,
            Verdict::Unknown => 1,
            Verdict::Liveness => 2,
            Verdict::Violation => 3,
        };
        findings.iter().map(|finding| finding.verdict).max_by_key(|verdict| rank(*verdict)).unwrap_or(Verdict::Ok)
    }
}

impl Finding {
    /// Judges what a crash left: every acknowledged version must be there, and the engine must come back.
    pub fn of_aftermath(engine: &str, after: &Aftermath) -> Option<Finding> {
        let (verdict, what) = match &after.durability {
            None => (Verdict::Liveness, format!("it did not serve again within {REOPEN_PATIENCE:?} after the crash")),
            Some(report) => match &report.verdict {
                checker::Verdict::Valid => return None,
                checker::Verdict::Invalid(why) => (Verdict::Violation, format!("after the crash: {why}")),
                checker::Verdict::Unknown(why) => (Verdict::Unknown, format!("after the crash: {why}")),
            },
        };
        Some(Finding { verdict, engine: engine.to_owned(), what })
    }
}

/// Judges a measured phase: wrong values, nodes that gave up, and silence where progress was owed.
pub fn judge_phase(engine: &dyn Engine, fault: FaultArg, outcome: &PhaseOutcome) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |verdict, what: String| findings.push(Finding { verdict, engine: engine.name().to_owned(), what });
    if outcome.findings_count > 0 {
        let first = outcome.findings.first().map_or("", String::as_str);
        add(Verdict::Violation, format!("{} replies cannot be right; the first: {first}", outcome.findings_count));
    }
    for halt in &outcome.halts {
        add(Verdict::Liveness, halt.clone());
    }
    let owes_progress = match fault {
        FaultArg::None => true,
        FaultArg::AzLoss => engine.protection() == "masked",
        // Nobody fails over by itself: the database node's zone takes the service with it.
        FaultArg::WriterAzLoss => false,
    };
    if owes_progress && outcome.longest_silence_s > MASKED_SILENCE_S {
        let silence = outcome.longest_silence_s;
        add(
            Verdict::Liveness,
            format!("no transaction succeeded for {silence:.1} s, although the fault is to be masked"),
        );
    }
    if outcome.ok == 0 {
        add(Verdict::Unknown, "no transaction succeeded in the measured window".to_owned());
    }
    findings
}
