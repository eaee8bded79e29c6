//! What limited a phase, named from what was busy during it.

use node::Nanos;
use record::host::Busy;

use super::PhaseOutcome;
use crate::rig::{Rig, Usage};

/// A core, thread or device busy for this share of the time could hardly have done more.
const SATURATED_RATIO: f64 = 0.9;
/// Devices are counted busy with one request under way, so a device short of this cannot be what everyone waited for.
const DEVICE_SATURATED_RATIO: f64 = 0.8;
/// An open loop that got this share of what it offered was limited by the offer.
const ACHIEVED_RATIO_MIN: f64 = 0.99;
/// More attempts wasted than this share of the transactions, and conflicts are what limits.
const WASTED_RATIO_MAX: f64 = 0.2;

/// How busy everything was during a phase.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Utilisation {
    /// The machine's CPU, all processes; 1 is all cores.
    pub cpu_ratio: Option<f64>,
    /// The part of it that other programs had.
    pub others_ratio: Option<f64>,
    /// The busiest thread of this process, and whether the database node is on it.
    pub thread: Option<(f64, bool)>,
    /// The busiest device.
    pub device_ratio: Option<f64>,
}

impl Utilisation {
    /// From what was counted at both ends of a phase of `length_s`.
    pub fn between(rig: &Rig, start: &Usage, end: &Usage, busy: &Busy) -> Utilisation {
        let length = end.at.saturating_sub(start.at).as_secs_f64().max(1e-9);
        let ratio = |(now, then): (&Nanos, &Nanos)| now.saturating_sub(*then).as_secs_f64() / length;
        let ratios = end.threads.iter().zip(&start.threads).map(ratio).enumerate();
        let busiest = ratios.max_by(|(_, a), (_, b)| a.total_cmp(b));
        Utilisation {
            cpu_ratio: busy.cpu_ratio,
            others_ratio: busy.others_ratio,
            thread: busiest.map(|(thread, ratio)| (ratio, rig.thread_has_database(thread))),
            device_ratio: busy.device.as_ref().map(|(_, ratio)| *ratio),
        }
    }

    /// The limit's name. `None` where nothing was measured that could tell.
    pub fn bottleneck(&self, outcome: &PhaseOutcome, is_open: bool) -> Option<&'static str> {
        if is_open && outcome.achieved_ratio() >= ACHIEVED_RATIO_MIN {
            return Some("offered load");
        }
        let reaches = |ratio: Option<f64>, limit: f64| ratio.is_some_and(|ratio| ratio >= limit);
        let wasted = (outcome.retries + outcome.aborts) as f64 > outcome.ok as f64 * WASTED_RATIO_MAX;
        if reaches(self.cpu_ratio, SATURATED_RATIO) {
            return Some("cpu");
        }
        if let Some((ratio, has_database)) = self.thread
            && ratio >= SATURATED_RATIO
        {
            return Some(if has_database { "database thread" } else { "storage thread" });
        }
        if wasted {
            return Some("conflicts");
        }
        if reaches(self.device_ratio, DEVICE_SATURATED_RATIO) {
            return Some("disk");
        }
        (self.cpu_ratio.is_some() && self.device_ratio.is_some()).then_some("commit latency")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::Gauges;

    fn outcome(ok: u64, offered: u64) -> PhaseOutcome {
        PhaseOutcome { ok, offered, length_s: 1.0, ..PhaseOutcome::new(Gauges::default()) }
    }

    #[test]
    fn the_first_thing_that_could_not_do_more_is_named() {
        let idle = Utilisation {
            cpu_ratio: Some(0.3),
            others_ratio: Some(0.0),
            thread: Some((0.4, true)),
            device_ratio: Some(0.2),
        };
        let closed = |utilisation: &Utilisation| utilisation.bottleneck(&outcome(100, 100), false);
        assert_eq!(closed(&idle), Some("commit latency"));
        assert_eq!(closed(&Utilisation { device_ratio: Some(0.85), ..idle.clone() }), Some("disk"));
        assert_eq!(closed(&Utilisation { thread: Some((0.95, true)), ..idle.clone() }), Some("database thread"));
        assert_eq!(closed(&Utilisation { thread: Some((0.95, false)), ..idle.clone() }), Some("storage thread"));
        assert_eq!(
            closed(&Utilisation { cpu_ratio: Some(0.97), device_ratio: Some(1.0), ..idle.clone() }),
            Some("cpu")
        );
        assert_eq!(closed(&Utilisation::default()), None, "nothing was measured");
        let retried = PhaseOutcome { retries: 40, ..outcome(100, 100) };
        assert_eq!(idle.bottleneck(&retried, false), Some("conflicts"));
    }

    #[test]
    fn an_open_loop_that_was_served_is_limited_by_its_offer() {
        let busy = Utilisation { cpu_ratio: Some(0.95), ..Utilisation::default() };
        assert_eq!(busy.bottleneck(&outcome(1_000, 1_000), true), Some("offered load"));
        assert_eq!(busy.bottleneck(&outcome(700, 1_000), true), Some("cpu"));
    }
}
