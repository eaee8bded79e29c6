//! Drives a resync: labels, files, regions, attachment. What waits for what is in [`resync`](super::resync).

use bytes::Bytes;
use node::{Effects, IoClass, Nanos};

use super::resync::{Comparison, Progress, Region, Resync, Stage, copy_of, hashes_in, is_structural};
use super::{METADATA, MirroredVolume, Own, Phase};
use crate::mirror::{Answer, Attachment, Call, Copies, Label};
use crate::planted::Bug;

const RESYNC: [IoClass; 2] = [IoClass::Mirror, IoClass::Mirror];
pub(super) const REPAIR: [IoClass; 2] = [IoClass::Repair, IoClass::Repair];

const REPLACED: &str = "the writer's volume is empty and has no label, and its mirror holds files: it was lost or replaced; \
                        restore its files from its mirror's, without volume-label, and restart";

impl MirroredVolume {
    pub(super) fn own_answered(&mut self, now: Nanos, own: Own, answer: Answer, out: &mut Effects) {
        if let Answer::Failed(error) = &answer
            && !matches!(own, Own::PrimaryHash(_) | Own::StandbyHash(_) | Own::Content(_))
        {
            return out.halt(format!("a volume refused {own:?} during a resync: {error}; mend it and restart"));
        }
        match own {
            Own::PrimaryLabel | Own::StandbyLabel => {
                let Answer::Labels(labels) = answer else { return };
                self.labels[usize::from(own == Own::StandbyLabel)] = Some(labels);
                self.labelled(now, out);
            }
            Own::DetachLabel => {
                self.phase = Phase::Detached;
                self.told_epoch = self.epoch;
                self.drop_standby(now, out);
                if !self.ready {
                    self.phase = Phase::Resyncing(Box::new(Resync::new(true, false)));
                }
                self.further(now, out);
            }
            own => {
                self.resync_answered(now, own, answer, out);
                self.further(now, out);
            }
        }
    }

    /// Both sides' labels are here: compare the copies before anything else.
    fn labelled(&mut self, now: Nanos, out: &mut Effects) {
        if let (Phase::Connecting, [Some(primary), Some(standby)]) = (&self.phase, &self.labels) {
            let epochs = primary.iter().chain(standby).flatten().map(|label| label.epoch);
            self.epoch = epochs.max().unwrap_or(0);
            if self.planted.is(Bug::CopiesNotCompared) && self.labels_agree() {
                return self.attached(now, out);
            }
            self.phase = Phase::Resyncing(Box::new(Resync::new(true, true)));
            self.further(now, out);
        } else if let (Phase::Connecting, [Some(primary), None]) = (&self.phase, &self.labels) {
            self.epoch = primary.iter().flatten().map(|label| label.epoch).max().unwrap_or(0);
        }
    }

    /// Whether the labels already say that all four copies are attached.
    fn labels_agree(&self) -> bool {
        let mut labels = self.labels.iter().flatten().flatten();
        let first = labels.next().copied().flatten();
        first.is_some_and(|label| label.attachment == Attachment::Attached) && labels.all(|label| *label == first)
    }

    /// Takes the next step that waits for nothing.
    pub(super) fn further(&mut self, now: Nanos, out: &mut Effects) {
        if matches!(self.phase, Phase::Detached) && self.ready && self.standby_connected {
            self.phase = Phase::Resyncing(Box::new(Resync::new(false, true)));
        }
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        match resync.stage {
            Stage::Quiescing if !self.ops.values().any(|op| is_structural(&op.call)) => {
                resync.stage = Stage::Listing;
                let with_standby = resync.with_standby;
                if !with_standby {
                    resync.standby = Some(Vec::new());
                }
                self.ask_primary(now, Own::PrimaryList, Call::List, RESYNC, out);
                if with_standby {
                    self.ask_standby(now, Own::StandbyList, Call::List, RESYNC, out);
                }
            }
            Stage::Listing if resync.primary.is_some() && resync.standby.is_some() => {
                // An empty volume in the place of the writer's must not empty the others.
                let first_label = self.labels[0].as_ref().and_then(|labels| labels.first().copied().flatten());
                if first_label.is_none() && resync.is_only_first_empty() {
                    return out.halt(REPLACED);
                }
                self.align_files(now, out);
            }
            Stage::Files(0) => {
                resync.stage = Stage::Regions;
                resync.plan_regions(self.config.region_bytes);
                self.release_held(now, out);
                self.fill_window(now, out);
            }
            Stage::Regions => self.fill_window(now, out),
            _ => {}
        }
    }

    fn align_files(&mut self, now: Nanos, out: &mut Effects) {
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        let (for_mirror, for_standby) = resync.file_calls();
        // Behind running writes the standby's side is about to receive some of them: mark it first in any case.
        if (!for_standby.is_empty() || !resync.startup) && resync.with_standby && !resync.marked {
            resync.stage = Stage::MarkingFiles;
            return self.mark(now, out);
        }
        resync.stage = Stage::Files((for_mirror.len() + for_standby.len()) as u32);
        for_mirror.into_iter().for_each(|call| self.ask_primary(now, Own::File, call, RESYNC, out));
        for_standby.into_iter().for_each(|call| self.ask_standby(now, Own::File, call, RESYNC, out));
        self.further(now, out);
    }

    fn mark(&mut self, now: Nanos, out: &mut Effects) {
        let label = Label { epoch: self.epoch + 1, attachment: Attachment::Resyncing };
        self.ask_standby(now, Own::Mark, Call::SetLabel(label), METADATA, out);
    }

    /// Keeps the window full, and ends the resync when nothing is left.
    fn fill_window(&mut self, now: Nanos, out: &mut Effects) {
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        while resync.active() < self.config.window as usize {
            let Some(region) = resync.todo.pop_front() else { break };
            self.next += 1;
            resync.window.insert(self.next, (region, Progress::Waiting));
        }
        if resync.window.is_empty() {
            return self.compared(now, out);
        }
        if resync.awaits_mark() {
            resync.marking = true;
            return self.mark(now, out);
        }
        if resync.marked {
            self.read_marked(now, out);
        }
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        let ops = &self.ops;
        let quiet = |region: &Region| !ops.values().any(|op| region.overlaps(&op.call));
        let mut asked = Vec::new();
        for (uid, (region, progress)) in &mut resync.window {
            if matches!(progress, Progress::Waiting) && quiet(region) {
                let standby = (!resync.with_standby).then(Vec::new);
                *progress = Progress::Hashing { primary: None, standby };
                let Region { name, offset, len_bytes } = region.clone();
                asked.push((*uid, Call::Hash { name, offset, len_bytes }));
            }
        }
        let with_standby = resync.with_standby;
        for (uid, call) in asked {
            self.ask_primary(now, Own::PrimaryHash(uid), call.clone(), RESYNC, out);
            if with_standby {
                self.ask_standby(now, Own::StandbyHash(uid), call, RESYNC, out);
            }
        }
    }

    fn compared(&mut self, now: Nanos, out: &mut Effects) {
        if self.own.values().any(|own| matches!(own, Own::MirrorCopy(_))) {
            // Left by an attempt that lost its standby. It must not land after a later write.
            return;
        }
        let agree = self.labels_agree();
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        if !resync.with_standby {
            self.phase = Phase::Detached;
            self.ready = true;
            return self.further(now, out);
        }
        if resync.startup && !resync.marked && agree {
            self.attached(now, out);
            return;
        }
        resync.stage = Stage::AttachingStandby;
        self.epoch += 2;
        let label = Label { epoch: self.epoch, attachment: Attachment::Attached };
        self.ask_standby(now, Own::AttachStandby, Call::SetLabel(label), METADATA, out);
    }

    fn attached(&mut self, now: Nanos, out: &mut Effects) {
        self.phase = Phase::Attached;
        self.told_epoch = self.epoch;
        self.ready = true;
        self.release_held(now, out);
    }

    fn resync_answered(&mut self, now: Nanos, own: Own, answer: Answer, out: &mut Effects) {
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        match (own, answer) {
            (Own::PrimaryList, Answer::Lists(lists)) => resync.primary = Some(lists),
            (Own::StandbyList, Answer::Lists(lists)) => resync.standby = Some(lists),
            (Own::File, _) => {
                if let Stage::Files(left) = &mut resync.stage {
                    *left -= 1;
                }
            }
            (Own::Mark, _) => {
                resync.marked = true;
                if resync.stage == Stage::MarkingFiles {
                    self.align_files(now, out);
                }
            }
            (Own::AttachStandby, _) => {
                resync.stage = Stage::AttachingPrimary;
                let label = Label { epoch: self.epoch, attachment: Attachment::Attached };
                self.ask_primary(now, Own::AttachPrimary, Call::SetLabel(label), METADATA, out);
            }
            (Own::AttachPrimary, _) => self.attached(now, out),
            (Own::PrimaryHash(uid), answer) => {
                if let Some((_, Progress::Hashing { primary, .. })) = resync.window.get_mut(&uid) {
                    *primary = Some(hashes_in(answer));
                }
                self.hashed(now, uid, out);
            }
            (Own::StandbyHash(uid), answer) => {
                if let Some((_, Progress::Hashing { standby, .. })) = resync.window.get_mut(&uid) {
                    *standby = Some(hashes_in(answer));
                }
                self.hashed(now, uid, out);
            }
            (Own::Content(uid), Answer::Data(data)) => self.copy(now, uid, data, out),
            (Own::Content(uid), _) => self.unreadable(uid, out),
            (Own::MirrorCopy(uid) | Own::StandbyCopy(uid), _) => {
                let left = match resync.window.get_mut(&uid) {
                    Some((_, progress @ Progress::Mending)) => {
                        // Compared once more, now that it is readable and right.
                        *progress = Progress::Waiting;
                        return;
                    }
                    Some((_, Progress::Copying(left))) => {
                        *left -= 1;
                        *left
                    }
                    _ => return,
                };
                if left == 0 {
                    resync.copied += 1;
                    self.region_done(now, uid, out);
                }
            }
            _ => {}
        }
    }

    fn hashed(&mut self, now: Nanos, uid: u64, out: &mut Effects) {
        let agree = self.labels_agree();
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        if resync.is_odd(uid, agree && resync.startup && resync.with_standby && !resync.marked) {
            let Some((region, progress)) = resync.window.get_mut(&uid) else { return };
            *progress = Progress::Mending;
            resync.mended.insert(uid);
            let Region { name, offset, len_bytes } = region.clone();
            let read = Call::Read { name, offset, len_bytes, mirror: true };
            return self.ask_primary(now, Own::Content(uid), read, REPAIR, out);
        }
        let comparison = resync.window.get(&uid).and_then(|(_, progress)| resync.compare(progress));
        let (mirror, standby) = match comparison {
            None => return,
            Some(Comparison::Equal) => return self.region_done(now, uid, out),
            Some(Comparison::Unreadable) => return self.unreadable(uid, out),
            Some(Comparison::Differs { mirror, standby }) => (mirror, standby),
        };
        let marked = resync.marked;
        let Some((region, progress)) = resync.window.get_mut(&uid) else { return };
        if standby && !marked {
            *progress = Progress::Marking { mirror };
            return;
        }
        *progress = Progress::Reading { mirror, standby };
        let Region { name, offset, len_bytes } = region.clone();
        self.ask_primary(now, Own::Content(uid), Call::Read { name, offset, len_bytes, mirror: false }, RESYNC, out);
    }

    /// The standby's side is marked: read the regions that waited for it, as many as the window has room for.
    fn read_marked(&mut self, now: Nanos, out: &mut Effects) {
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        let room = (self.config.window as usize).saturating_sub(resync.active());
        let mut reads = Vec::new();
        for (uid, (region, progress)) in &mut resync.window {
            if reads.len() < room
                && let Progress::Marking { mirror } = *progress
            {
                *progress = Progress::Reading { mirror, standby: true };
                let Region { name, offset, len_bytes } = region.clone();
                reads.push((*uid, Call::Read { name, offset, len_bytes, mirror: false }));
            }
        }
        for (uid, call) in reads {
            self.ask_primary(now, Own::Content(uid), call, RESYNC, out);
        }
    }

    fn copy(&mut self, now: Nanos, uid: u64, data: Bytes, out: &mut Effects) {
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        let Some((region, progress)) = resync.window.get_mut(&uid) else { return };
        let region = region.clone();
        let (mirror, standby) = match *progress {
            Progress::Reading { mirror, standby } => (mirror, standby),
            Progress::Mending => {
                let mend = copy_of(&region, data, Copies::Own);
                return self.ask_primary(now, Own::MirrorCopy(uid), mend, REPAIR, out);
            }
            _ => return,
        };
        *progress = Progress::Copying(u32::from(mirror) + u32::from(standby));
        if mirror {
            self.ask_primary(now, Own::MirrorCopy(uid), copy_of(&region, data.clone(), Copies::Mirror), RESYNC, out);
        }
        if standby {
            self.ask_standby(now, Own::StandbyCopy(uid), copy_of(&region, data, Copies::Both), RESYNC, out);
        }
    }

    fn unreadable(&mut self, uid: u64, out: &mut Effects) {
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        if let Some(Region { name, offset, len_bytes }) = resync.unreadable(uid) {
            let name = name.as_str();
            out.halt(format!(
                "the writer's volume cannot read {len_bytes} bytes of {name} at {offset}, so its copies cannot be compared; \
                 mend it and restart"
            ));
        }
    }

    fn region_done(&mut self, now: Nanos, uid: u64, out: &mut Effects) {
        if let Phase::Resyncing(resync) = &mut self.phase {
            resync.window.remove(&uid);
        }
        self.release_held(now, out);
    }
}
