//! The disk model and the disk faults in force at one node.

use node::fault::DiskRule;
use node::{Delay, DiskError, DiskOp, Nanos, Rng};

/// What a disk adds to, or takes from, what the device does.
#[derive(Debug)]
pub(crate) struct Service {
    /// Added to every operation; `None` passes through.
    model: Option<Delay>,
    rule: Option<DiskRule>,
    rng: Rng,
}

/// What is to become of one operation.
#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) delay: Nanos,
    pub(crate) fail: Option<DiskError>,
    /// Whether a failing operation takes place all the same.
    pub(crate) performed: bool,
}

impl Service {
    pub(crate) fn new(model: Option<Delay>, rng: Rng) -> Service {
        Service { model, rule: None, rng }
    }

    pub(crate) fn set_rule(&mut self, rule: Option<DiskRule>) {
        self.rule = rule;
    }

    /// Decides about one operation.
    pub(crate) fn judge(&mut self, op: &DiskOp) -> Verdict {
        let mut verdict = Verdict { delay: Nanos::ZERO, fail: None, performed: true };
        if let Some(model) = &self.model {
            verdict.delay += model.draw(&mut self.rng);
        }
        let Some(rule) = self.rule else { return verdict };
        if let Some(extra) = &rule.extra_delay {
            verdict.delay += extra.draw(&mut self.rng);
        }
        let adds = matches!(op, DiskOp::Create { .. } | DiskOp::Extend { .. } | DiskOp::Write { .. });
        if rule.full && adds {
            verdict.fail = Some(DiskError::NoSpace);
            verdict.performed = false;
            return verdict;
        }
        let reads = matches!(op, DiskOp::Read { .. } | DiskOp::List | DiskOp::Open { .. });
        let syncs = matches!(op, DiskOp::Sync { .. } | DiskOp::SyncDir);
        let probability = match (reads, syncs) {
            (true, _) => rule.read_error,
            (_, true) => rule.write_error.max(rule.sync_error),
            _ => rule.write_error,
        };
        if probability > 0.0 && self.rng.chance(probability) {
            verdict.fail = Some(DiskError::EIO);
            // A failed write may have taken place; a failed creation or opening leaves no usable number behind.
            let may_happen = matches!(op, DiskOp::Write { .. } | DiskOp::Sync { .. } | DiskOp::SyncDir);
            verdict.performed = may_happen && self.rng.chance(0.5);
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use node::{Block, FileId};

    use super::*;

    fn write() -> DiskOp {
        DiskOp::Write { file: FileId(1), offset: 0, data: Block::zeroed(512), durable: true }
    }

    #[test]
    fn a_healthy_disk_adds_its_model_and_nothing_else() {
        let mut plain = Service::new(None, Rng::new(1));
        assert_eq!(plain.judge(&write()), Verdict { delay: Nanos::ZERO, fail: None, performed: true });
        let mut slow = Service::new(Some(Delay::Constant(Nanos(70))), Rng::new(1));
        slow.set_rule(Some(DiskRule { extra_delay: Some(Delay::Constant(Nanos(5))), ..DiskRule::default() }));
        assert_eq!(slow.judge(&write()).delay, Nanos(75));
        slow.set_rule(None);
        assert_eq!(slow.judge(&write()).delay, Nanos(70));
    }

    #[test]
    fn a_full_disk_refuses_additions_only() {
        let mut disk = Service::new(None, Rng::new(1));
        disk.set_rule(Some(DiskRule { full: true, ..DiskRule::default() }));
        assert_eq!(disk.judge(&write()).fail, Some(DiskError::NoSpace));
        assert_eq!(disk.judge(&DiskOp::Sync { file: FileId(1) }).fail, None);
    }

    #[test]
    fn about_half_of_the_failed_writes_take_place() {
        let mut disk = Service::new(None, Rng::new(1));
        disk.set_rule(Some(DiskRule { write_error: 1.0, ..DiskRule::default() }));
        let verdicts: Vec<_> = (0..1000).map(|_| disk.judge(&write())).collect();
        assert!(verdicts.iter().all(|verdict| verdict.fail == Some(DiskError::EIO)));
        let performed = verdicts.iter().filter(|verdict| verdict.performed).count();
        assert!((400..600).contains(&performed), "{performed} of 1000");
        assert_eq!(disk.judge(&DiskOp::List).fail, None);
    }
}
