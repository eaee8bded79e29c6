//! Drives a resync: labels, files, regions, attachment. What waits for what is in [`resync`](super::resync).

use node::{Effects, IoClass, Nanos};

use super::labels::{epoch_of, epochs_of, is_older_than_mirror};
use super::resync::{Resync, Stage, is_structural};
use super::{METADATA, MirroredVolume, Own, Phase};
use crate::mirror::{Answer, Attachment, Call, Copies, Label};
use crate::planted::Bug;

pub(super) const RESYNC: [IoClass; 2] = [IoClass::Mirror, IoClass::Mirror];
pub(super) const REPAIR: [IoClass; 2] = [IoClass::Repair, IoClass::Repair];

impl MirroredVolume {
    pub(super) fn own_answered(&mut self, now: Nanos, own: Own, answer: Answer, out: &mut Effects) {
        if let Answer::Failed(error) = &answer
            && !matches!(own, Own::PrimaryHash(_) | Own::StandbyHash(_) | Own::Content(_))
        {
            return out.halt(format!("a volume refused {own:?} during a resync: {error}; mend it and restart"));
        }
        match own {
            Own::PrimaryLabel | Own::StandbyLabel => {
                let Answer::Labels(noted) = answer else { return };
                if own == Own::PrimaryLabel && is_older_than_mirror(&noted) {
                    // Of an earlier time, unless a crash cut short what was being noted: its mirror is right in either case. The
                    // labels will not tell any more once another is written.
                    return self.ask_primary(now, Own::Doubt, Call::SetMending(true), METADATA, out);
                }
                match own {
                    Own::PrimaryLabel => self.own_epochs = epochs_of(&noted),
                    _ => self.standby_epochs = Some(epochs_of(&noted)),
                }
                self.mending |= own == Own::PrimaryLabel && noted.iter().any(|noted| noted.mending);
                self.labels[usize::from(own == Own::StandbyLabel)] = Some(noted);
                self.labelled(now, out);
            }
            Own::Doubt => self.ask_primary(now, Own::PrimaryLabel, Call::GetLabel, METADATA, out),
            Own::DetachLabel => {
                let lags = self.mirror_lags();
                self.own_epochs = [self.epoch, if lags { self.own_epochs[1] } else { self.epoch }];
                self.detached(now, out);
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
            self.epoch = epoch_of(primary.iter().chain(standby));
            if self.planted.is(Bug::CopiesNotCompared) && self.labels_agree() {
                return self.attached(now, out);
            }
            self.phase = Phase::Resyncing(Box::new(Resync::new(true, true)));
            self.further(now, out);
        } else if let (Phase::Connecting, [Some(primary), None]) = (&self.phase, &self.labels) {
            self.epoch = epoch_of(primary.iter());
        }
    }

    /// Takes the next step that waits for nothing.
    pub(super) fn further(&mut self, now: Nanos, out: &mut Effects) {
        if matches!(self.phase, Phase::Detached) && self.ready && self.standby_connected {
            self.phase = Phase::Resyncing(Box::new(Resync::new(false, true)));
        }
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        match resync.stage {
            // What an attempt that lost its standby left must not land after a later write, nor after a comparison.
            Stage::Quiescing
                if !self.ops.values().any(|op| is_structural(&op.call))
                    && !self.own.values().any(|own| own.writes()) =>
            {
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
                let startup = resync.startup;
                if let Some(reason) = self.replaced() {
                    return out.halt(reason);
                }
                if !startup {
                    return self.align_files(now, out);
                }
                let witnesses = self.witnesses();
                let Phase::Resyncing(resync) = &mut self.phase else { return };
                let calls = resync.calls_for_own(witnesses);
                resync.stage = Stage::OwnFiles(calls.len() as u32);
                calls.into_iter().for_each(|call| self.ask_primary(now, Own::File, call, REPAIR, out));
                self.further(now, out);
            }
            Stage::OwnFiles(0) => {
                resync.stage = Stage::Regions;
                resync.plan_regions(self.config.region_bytes);
                self.fill_window(now, out);
            }
            Stage::Files(0) if resync.startup => {
                resync.stage = Stage::Copying;
                self.read_parked(now, out);
            }
            Stage::Files(0) => {
                resync.stage = Stage::Regions;
                resync.plan_regions(self.config.region_bytes);
                self.release_held(now, out);
                self.fill_window(now, out);
            }
            Stage::Regions => self.fill_window(now, out),
            Stage::Copying => self.read_parked(now, out),
            _ => {}
        }
    }

    /// At a start, all regions are compared and the writer's volume is right: it is believed again, and copied.
    pub(super) fn settle(&mut self, now: Nanos, out: &mut Effects) {
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        if !self.mending {
            return self.align_files(now, out);
        }
        resync.stage = Stage::Withdrawing;
        self.note(now, false, out);
    }

    /// Notes that the writer's volume is being mended, or no longer is.
    pub(super) fn note(&mut self, now: Nanos, mending: bool, out: &mut Effects) {
        if !self.own.values().any(|own| matches!(own, Own::Note(_))) {
            self.ask_primary(now, Own::Note(mending), Call::SetMending(mending), METADATA, out);
        }
    }

    fn align_files(&mut self, now: Nanos, out: &mut Effects) {
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        let (for_mirror, for_standby) = resync.file_calls();
        // Behind running writes the standby's side is about to receive some of them: mark it first in any case.
        let changes = !resync.startup || !for_standby.is_empty() || resync.has_news_for_standby();
        if changes && resync.with_standby && !resync.marked {
            resync.stage = Stage::Marking;
            return self.mark(now, out);
        }
        resync.stage = Stage::Files((for_mirror.len() + for_standby.len()) as u32);
        for_mirror.into_iter().for_each(|call| self.ask_primary(now, Own::File, call, RESYNC, out));
        for_standby.into_iter().for_each(|call| self.ask_standby(now, Own::StandbyFile, call, RESYNC, out));
        self.further(now, out);
    }

    /// All copies that take part are equal.
    pub(super) fn compared(&mut self, now: Nanos, out: &mut Effects) {
        let (agree, lags) = (self.labels_agree(), self.mirror_lags());
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        if !resync.with_standby {
            if lags {
                resync.stage = Stage::LabellingMirror;
                return self.label_primary(now, Own::MirrorLabel, Attachment::Detached, Copies::Mirror, out);
            }
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
        self.label_standby(now, Own::AttachStandby, label, out);
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
            (Own::File | Own::StandbyFile, _) => {
                if let Stage::OwnFiles(left) | Stage::Files(left) = &mut resync.stage {
                    *left -= 1;
                }
            }
            (Own::Mark(label), _) => {
                resync.marked = true;
                self.standby_epochs = Some([label.epoch; 2]);
                self.align_files(now, out);
            }
            (Own::AttachStandby, _) => {
                resync.stage = Stage::AttachingPrimary;
                self.label_primary(now, Own::AttachPrimary, Attachment::Attached, Copies::Both, out);
            }
            (Own::AttachPrimary, _) => {
                self.own_epochs = [self.epoch; 2];
                self.attached(now, out);
            }
            (Own::MirrorLabel, _) => {
                self.own_epochs = [self.epoch; 2];
                self.compared(now, out);
            }
            (Own::Note(mending), _) => {
                self.mending = mending;
                let withdrawn = resync.stage == Stage::Withdrawing;
                self.noted();
                if withdrawn {
                    self.align_files(now, out);
                }
            }
            (own, answer) => self.region_answered(now, own, answer, out),
        }
    }
}
