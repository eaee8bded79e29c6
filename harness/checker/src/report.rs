//! What a checker of histories found.

use crate::Verdict;

/// A judgement with its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The judgement.
    pub verdict: Verdict,
    /// What was judged: counts by name.
    pub counts: Vec<(&'static str, u64)>,
    /// How often each kind of anomaly was found.
    pub found: Vec<(&'static str, u64)>,
    /// What was found wrong; of each kind the first few.
    pub anomalies: Vec<Anomaly>,
    /// The promises that these anomalies break, weakest first.
    pub ruled_out: Vec<&'static str>,
}

/// Something that ought not to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// The field's name for it.
    pub kind: &'static str,
    /// The operations concerned, by their places in the history, from 0, in order.
    pub ops: Vec<usize>,
    /// Why it cannot be, for a person.
    pub why: String,
}

/// Anomalies of one kind kept in words; more are only counted.
const KEPT_MAX: u64 = 8;

/// Anomalies as they are found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kept: Vec<Anomaly>,
    counts: Vec<(&'static str, u64)>,
    unknown: Option<String>,
}

impl Findings {
    /// Adds one. `why` is asked for only when it will be kept.
    pub fn add(&mut self, kind: &'static str, ops: Vec<usize>, why: impl FnOnce() -> String) {
        let at = self.counts.iter().position(|(known, _)| *known == kind).unwrap_or(self.counts.len());
        if at == self.counts.len() {
            self.counts.push((kind, 0));
        }
        self.counts[at].1 += 1;
        if self.counts[at].1 <= KEPT_MAX {
            let mut ops = ops;
            ops.sort_unstable();
            ops.dedup();
            self.kept.push(Anomaly { kind, ops, why: why() });
        }
    }

    /// Something that keeps the checker from being sure that all is well.
    pub fn unsure(&mut self, why: impl FnOnce() -> String) {
        self.unknown.get_or_insert_with(why);
    }

    /// The report: invalid when something was found, or else unknown when something was unsure.
    pub fn report(self, counts: Vec<(&'static str, u64)>) -> Report {
        let verdict = match (self.kept.first(), self.unknown) {
            (Some(first), _) => {
                let kinds: Vec<String> = self.counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
                Verdict::Invalid(format!("{}; the first: {}", kinds.join(", "), first.why))
            }
            (None, Some(why)) => Verdict::Unknown(why),
            (None, None) => Verdict::Valid,
        };
        Report { verdict, counts, found: self.counts, anomalies: self.kept, ruled_out: Vec::new() }
    }
}
