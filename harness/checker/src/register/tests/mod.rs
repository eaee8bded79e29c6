//! Histories with known verdicts in both formats, and small random ones against an exhaustive search.

mod anomalies;
mod exhaustive;

use super::*;
use crate::Verdict;
use crate::history::{Format, Reader};

fn check(text: &str, format: Format) -> Report {
    let history =
        Reader::new(text.as_bytes(), format).history(|_| true).unwrap_or_else(|error| panic!("{error}: {text}"));
    Register::default().check(&history).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The history as a person writes it, and as JSON lines.
fn in_both(edn: &str) -> [Report; 2] {
    let history = Reader::new(edn.as_bytes(), Format::Edn).history(|_| true).unwrap_or_else(|error| panic!("{error}"));
    [check(edn, Format::Edn), check(&Format::Jsonl.text(&history), Format::Jsonl)]
}

fn valid(edn: &str) {
    for report in in_both(edn) {
        assert_eq!(report.verdict, Verdict::Valid, "{edn}");
    }
}

fn invalid(edn: &str, kind: &str, why: &str) {
    let [report, same] = in_both(edn);
    assert_eq!(report, same);
    let found = report.anomalies.iter().find(|anomaly| anomaly.kind == kind);
    let found = found.unwrap_or_else(|| panic!("no {kind}: {report:?}"));
    assert!(matches!(report.verdict, Verdict::Invalid(_)));
    assert!(found.why.contains(why), "{:?} does not say {why:?}", found.why);
}
