//! What faults do to single operations and to stored bytes, beyond delaying and failing: sectors that rot or cannot be read,
//! writes that are lost, transfers that go astray.
//!
//! A disk without a rule and without ailing sectors pays one branch for all of it.

use std::collections::BTreeMap;

use node::fault::{Ailing, Ailment};
use node::{DiskError, DiskOp, DiskReply, DiskResult, FileName};

use super::service::{Lie, Verdict};
use super::{Disks, Volume};

/// What becomes of an operation that was accepted.
pub(super) enum Course {
    /// This is done.
    Done(DiskOp),
    /// Nothing is done, and this is answered.
    Answered(DiskResult),
}

impl Volume {
    /// Whether operations have to be looked at one by one.
    pub(super) fn is_harmed(&self, verdict: &Verdict) -> bool {
        verdict.lie.is_some() || !self.ailing.is_empty()
    }
}

impl Disks {
    /// Puts faults between an operation and the device. The operation was checked.
    pub(super) fn harm(&mut self, host: usize, op: DiskOp, verdict: &Verdict) -> Course {
        let about = match &op {
            DiskOp::Read { file, .. } | DiskOp::Write { file, .. } => self.open_file(host, *file),
            _ => None,
        };
        let about = about.map(|open| (open.name.clone(), open.len_bytes));
        let volume = self.volumes[host].as_mut().expect("checked");
        match op {
            DiskOp::Create { ref name, .. } | DiskOp::Remove { ref name } => {
                volume.ailing.remove(name);
                Course::Done(op)
            }
            DiskOp::Write { file, offset, data, durable } => {
                let (name, file_bytes) = about.expect("checked");
                if verdict.lie == Some(Lie::Lost) {
                    volume.service.counts_mut().writes_lost += 1;
                    return Course::Answered(Ok(DiskReply::Done));
                }
                let len_bytes = data.len() as u64;
                let astray = verdict.lie.and_then(|_| volume.service.astray(offset, len_bytes, file_bytes));
                volume.service.counts_mut().writes_misdirected += u64::from(astray.is_some());
                let offset = astray.unwrap_or(offset);
                volume.cure(&name, offset, len_bytes);
                Course::Done(DiskOp::Write { file, offset, data, durable })
            }
            DiskOp::Read { file, offset, len_bytes } => {
                let (name, file_bytes) = about.expect("checked");
                let astray = verdict.lie.and_then(|_| volume.service.astray(offset, len_bytes as u64, file_bytes));
                volume.service.counts_mut().reads_misdirected += u64::from(astray.is_some());
                let offset = astray.unwrap_or(offset);
                match volume.meet(&name, offset, len_bytes as u64) {
                    Some(error) => Course::Answered(Err(error)),
                    None => Course::Done(DiskOp::Read { file, offset, len_bytes }),
                }
            }
            op => Course::Done(op),
        }
    }

    /// Lets sectors of a host's file ail. Gives false where there is no disk.
    pub(crate) fn ail(&mut self, host: usize, name: &FileName, sectors: &[u64], ailment: Ailment) -> bool {
        let Some(volume) = self.volumes[host].as_mut() else { return false };
        let ailing = volume.ailing.entry(name.clone()).or_default();
        sectors.iter().for_each(|sector| ailing.strike(*sector, ailment));
        true
    }

    /// What ails a host's files.
    pub(crate) fn ailing(&self, host: usize) -> BTreeMap<FileName, Ailing> {
        self.volumes[host].as_ref().map(|volume| volume.ailing.clone()).unwrap_or_default()
    }

    /// What ails a host's files from now on: another disk is there.
    pub(crate) fn set_ailing(&mut self, host: usize, ailing: BTreeMap<FileName, Ailing>) {
        if let Some(volume) = self.volumes[host].as_mut() {
            volume.ailing = ailing;
        }
    }
}

impl Volume {
    fn cure(&mut self, name: &FileName, offset: u64, len_bytes: u64) {
        let Some(ailing) = self.ailing.get_mut(name) else { return };
        self.service.counts_mut().sectors_rewritten += ailing.cure(offset, len_bytes);
        if ailing.is_empty() {
            self.ailing.remove(name);
        }
    }

    /// What a read of these bytes meets.
    fn meet(&mut self, name: &FileName, offset: u64, len_bytes: u64) -> Option<DiskError> {
        let ailing = self.ailing.get(name)?;
        let count = |ailment| ailing.count(offset, len_bytes, ailment);
        let (rotten, unreadable) = (count(Ailment::Rotten), count(Ailment::Unreadable));
        let counts = self.service.counts_mut();
        counts.reads_rotten += u64::from(rotten > 0);
        counts.reads_unreadable += u64::from(unreadable > 0);
        (unreadable > 0).then_some(DiskError::EIO)
    }
}
