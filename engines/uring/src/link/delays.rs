//! Intended against realised link delay.

use hdrhistogram::Histogram;
use node::{Nanos, Zone};

const DELAY_NS_MAX: u64 = 60_000_000_000;

/// The delays of all pairs of zones that have any.
#[derive(Clone, Debug, Default)]
pub struct LinkDelays {
    between: [[Option<Box<DelayRecord>>; 3]; 3],
}

/// The delays from one zone to another, in nanoseconds from sending to delivery.
#[derive(Clone, Debug)]
pub struct DelayRecord {
    /// What profile, bandwidth and faults called for.
    pub intended_ns: Histogram<u64>,
    /// What it came to, the receiving thread's own lateness included.
    pub realised_ns: Histogram<u64>,
}

impl LinkDelays {
    /// The record of one direction; `None` when no frame was delayed there.
    pub fn between(&self, from: Zone, to: Zone) -> Option<&DelayRecord> {
        self.between[from as usize][to as usize].as_deref()
    }

    /// The directions whose realised median is off the intended one by more than `tolerance_ratio`, with the
    /// deviation as a ratio of the intended median.
    pub fn off_by_more_than(&self, tolerance_ratio: f64) -> Vec<(Zone, Zone, f64)> {
        let pairs = Zone::ALL.iter().flat_map(|from| Zone::ALL.iter().map(move |to| (*from, *to)));
        pairs
            .filter_map(|(from, to)| Some((from, to, self.between(from, to)?.deviation_ratio())))
            .filter(|(_, _, deviation)| deviation.abs() > tolerance_ratio)
            .collect()
    }

    pub(crate) fn record(&mut self, from: Zone, to: Zone, intended: Nanos, realised: Nanos) {
        let record = self.between[from as usize][to as usize].get_or_insert_with(Box::default);
        record.intended_ns.saturating_record(intended.0);
        record.realised_ns.saturating_record(realised.0);
    }

    /// Adds another thread's records.
    pub(crate) fn add(&mut self, other: &LinkDelays) {
        for (mine, theirs) in self.between.iter_mut().flatten().zip(other.between.iter().flatten()) {
            let Some(theirs) = theirs else { continue };
            let mine = mine.get_or_insert_with(Box::default);
            mine.intended_ns.add(&theirs.intended_ns).expect("histograms of the same range");
            mine.realised_ns.add(&theirs.realised_ns).expect("histograms of the same range");
        }
    }
}

impl DelayRecord {
    /// How many frames were delayed.
    pub fn frames(&self) -> u64 {
        self.intended_ns.len()
    }

    /// `(realised - intended) / intended` of the medians.
    pub fn deviation_ratio(&self) -> f64 {
        let intended = self.intended_ns.value_at_quantile(0.5) as f64;
        let realised = self.realised_ns.value_at_quantile(0.5) as f64;
        if intended == 0.0 { 0.0 } else { (realised - intended) / intended }
    }
}

impl Default for DelayRecord {
    fn default() -> DelayRecord {
        let histogram = Histogram::new_with_bounds(1, DELAY_NS_MAX, 2).expect("bounds are constant and valid");
        DelayRecord { intended_ns: histogram.clone(), realised_ns: histogram }
    }
}
