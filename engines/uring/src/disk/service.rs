//! The disk model and the disk faults in force at one node.

use node::fault::{DiskCounts, DiskRule};
use node::{Delay, DiskError, DiskOp, Nanos, Rng};

/// What a disk adds to, or takes from, what the device does.
#[derive(Debug)]
pub(crate) struct Service {
    /// Added to every operation; `None` passes through.
    model: Option<Delay>,
    rule: Option<DiskRule>,
    rng: Rng,
    counts: DiskCounts,
}

/// How an operation that succeeds does not do what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// It is not done at all.
    Lost,
    /// It is done elsewhere in the file.
    Astray,
}

/// What is to become of one operation.
#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) delay: Nanos,
    pub(crate) fail: Option<DiskError>,
    /// Whether a failing operation takes place all the same.
    pub(crate) performed: bool,
    /// What a succeeding one does instead.
    pub(crate) lie: Option<Lie>,
}

impl Service {
    pub(crate) fn new(model: Option<Delay>, rng: Rng) -> Service {
        Service { model, rule: None, rng, counts: DiskCounts::default() }
    }

    pub(crate) fn set_rule(&mut self, rule: Option<DiskRule>) {
        self.rule = rule;
    }

    pub(crate) fn has_rule(&self) -> bool {
        self.rule.is_some()
    }

    /// What faults did so far.
    pub(crate) fn counts(&self) -> DiskCounts {
        self.counts
    }

    pub(crate) fn counts_mut(&mut self) -> &mut DiskCounts {
        &mut self.counts
    }

    /// Decides about one operation.
    pub(crate) fn judge(&mut self, op: &DiskOp) -> Verdict {
        let mut verdict = Verdict { delay: Nanos::ZERO, fail: None, performed: true, lie: None };
        if let Some(model) = &self.model {
            verdict.delay += model.draw(&mut self.rng);
        }
        let Some(rule) = self.rule else { return verdict };
        if let Some(extra) = &rule.extra_delay {
            let extra = extra.draw(&mut self.rng);
            verdict.delay += extra;
            self.counts.slowed += u64::from(extra > Nanos::ZERO);
        }
        let adds = matches!(op, DiskOp::Create { .. } | DiskOp::Extend { .. } | DiskOp::Write { .. });
        if rule.full && adds {
            verdict.fail = Some(DiskError::NoSpace);
            verdict.performed = false;
            self.counts.refused_full += 1;
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
            let count = match (reads, syncs) {
                (true, _) => &mut self.counts.reads_failed,
                (_, true) => &mut self.counts.syncs_failed,
                _ => &mut self.counts.writes_failed,
            };
            *count += 1;
            return verdict;
        }
        let chance = |rng: &mut Rng, probability: f64| probability > 0.0 && rng.chance(probability);
        verdict.lie = match op {
            DiskOp::Write { .. } if chance(&mut self.rng, rule.lost_write) => Some(Lie::Lost),
            DiskOp::Write { .. } if chance(&mut self.rng, rule.misdirected_write) => Some(Lie::Astray),
            DiskOp::Read { .. } if chance(&mut self.rng, rule.misdirected_read) => Some(Lie::Astray),
            _ => None,
        };
        verdict
    }

    /// Where an operation on `offset..offset + len_bytes` of a file of `file_bytes` goes astray to: another whole length of
    /// itself, neighbours most often; `None` when the file has no other.
    pub(crate) fn astray(&mut self, offset: u64, len_bytes: u64, file_bytes: u64) -> Option<u64> {
        let places = file_bytes / len_bytes.max(1);
        if places < 2 {
            return None;
        }
        let here = offset / len_bytes;
        let there = match self.rng.below(4) {
            0 | 1 if here + 1 < places => here + 1,
            2 if here > 0 => here - 1,
            _ => self.rng.below(places),
        };
        let there = there * len_bytes;
        (there != offset && there + len_bytes <= file_bytes).then_some(there)
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
        assert_eq!(plain.judge(&write()), Verdict { delay: Nanos::ZERO, fail: None, performed: true, lie: None });
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
    fn what_a_rule_did_is_counted_by_kind() {
        let mut disk = Service::new(None, Rng::new(1));
        let read = DiskOp::Read { file: FileId(1), offset: 0, len_bytes: 512 };
        disk.set_rule(Some(DiskRule { lost_write: 1.0, misdirected_read: 1.0, ..DiskRule::default() }));
        assert_eq!((disk.judge(&write()).lie, disk.judge(&read).lie), (Some(Lie::Lost), Some(Lie::Astray)));
        disk.set_rule(Some(DiskRule { full: true, ..DiskRule::default() }));
        disk.judge(&write());
        disk.set_rule(Some(DiskRule { read_error: 1.0, sync_error: 1.0, ..DiskRule::default() }));
        disk.judge(&read);
        disk.judge(&DiskOp::Sync { file: FileId(1) });
        let DiskCounts { refused_full, reads_failed, syncs_failed, writes_failed, .. } = disk.counts();
        assert_eq!((refused_full, reads_failed, syncs_failed, writes_failed), (1, 1, 1, 0));
    }

    #[test]
    fn what_goes_astray_stays_in_its_file_and_misses_its_place() {
        let mut disk = Service::new(None, Rng::new(1));
        assert_eq!(disk.astray(0, 512, 512), None);
        let places: Vec<u64> = (0..200).filter_map(|_| disk.astray(1024, 512, 4096)).collect();
        assert!(places.len() > 150 && places.iter().all(|at| *at != 1024 && at + 512 <= 4096), "{places:?}");
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
