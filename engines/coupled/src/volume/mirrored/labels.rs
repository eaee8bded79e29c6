//! What the labels of the four copies say of one another, and how they are written.

use node::{Effects, Nanos};

use super::resync::Witnesses;
use super::{METADATA, MirroredVolume, Own, Phase};
use crate::mirror::{Attachment, Call, Copies, Label, Noted};

impl MirroredVolume {
    /// Whether the labels already say that all four copies are attached.
    pub(super) fn labels_agree(&self) -> bool {
        let mut labels = self.labels.iter().flatten().flatten().map(|noted| noted.label);
        let first = labels.next().flatten();
        first.is_some_and(|label| label.attachment == Attachment::Attached) && labels.all(|label| label == first)
    }

    /// Whether anything on the writer's side says that the database was ever there.
    pub(super) fn is_labelled(&self) -> bool {
        self.own_epochs.iter().any(|epoch| *epoch > 0)
    }

    /// Whether the mirror of the writer's volume was lost, or is of an earlier time, and has not been made equal yet.
    pub(super) fn mirror_lags(&self) -> bool {
        let [own, mirror] = self.own_epochs;
        mirror < own
    }

    /// Who has every acknowledged write, by the labels there were at the start.
    pub(super) fn witnesses(&self) -> Witnesses {
        let mirror = self.labels[0].as_deref().map(epochs_of).is_none_or(|[own, mirror]| mirror >= own);
        Witnesses { doubted: self.mending, mirror, standby: self.standby_is_complete() }
    }

    /// Whether the standby's side has every acknowledged write, by the labels there were at the start.
    fn standby_is_complete(&self) -> bool {
        let [Some(primary), Some(standby)] = &self.labels else { return false };
        // A label of the writer's side that is the older one was cut short, or is of an earlier time.
        let newest = primary.iter().filter_map(|noted| noted.label).max_by_key(|label| label.epoch);
        // A start that was cut short may have attached the standby's side alone, with a higher epoch.
        let follows = |newest: Label, label: Label| {
            matches!(label.attachment, Attachment::Attached | Attachment::Settling) && label.epoch >= newest.epoch
        };
        newest
            .filter(|label| label.attachment == Attachment::Attached)
            .is_some_and(|newest| standby.iter().all(|noted| noted.label.is_some_and(|label| follows(newest, label))))
    }

    /// Why an empty volume in the place of the writer's must not empty the others, if there is one.
    pub(super) fn replaced(&self) -> Option<String> {
        let Phase::Resyncing(resync) = &self.phase else { return None };
        let [own, mirror] = self.labels[0].as_deref().map(epochs_of)?;
        let whole = if mirror > 0 { "its mirror's" } else { "those of a volume on the standby's side" };
        (own == 0 && resync.is_first_alone_empty()).then(|| {
            format!(
                "the writer's volume is empty and has no label, and another copy holds files: it was lost or replaced; restore \
                 its files from {whole}, without volume-label, and restart"
            )
        })
    }

    pub(super) fn label_primary(
        &mut self,
        now: Nanos,
        own: Own,
        attachment: Attachment,
        at: Copies,
        out: &mut Effects,
    ) {
        let label = Label { epoch: self.epoch, attachment };
        let call = Call::SetLabel { label, over: Some(self.own_epochs), at };
        self.ask_primary(now, own, call, METADATA, out);
    }

    pub(super) fn label_standby(&mut self, now: Nanos, own: Own, label: Label, out: &mut Effects) {
        let call = Call::SetLabel { label, over: self.standby_epochs, at: Copies::Both };
        self.ask_standby(now, own, call, METADATA, out);
    }

    /// Notes at the standby's side that it is being made equal.
    pub(super) fn mark(&mut self, now: Nanos, out: &mut Effects) {
        let startup = matches!(&self.phase, Phase::Resyncing(resync) if resync.startup);
        let label = match startup && self.standby_is_complete() {
            true => Label { epoch: self.epoch, attachment: Attachment::Settling },
            false => Label { epoch: self.epoch + 1, attachment: Attachment::Resyncing },
        };
        self.label_standby(now, Own::Mark(label), label, out);
    }
}

/// The highest epoch.
pub(super) fn epoch_of<'a>(noted: impl Iterator<Item = &'a Noted>) -> u64 {
    noted.filter_map(|noted| noted.label).map(|label| label.epoch).max().unwrap_or(0)
}

/// The epochs of a volume's label and its mirror's, zero for none.
pub(super) fn epochs_of(noted: &[Noted]) -> [u64; 2] {
    let epoch = |noted: &Noted| noted.label.map_or(0, |label| label.epoch);
    [noted.first(), noted.last()].map(|noted| noted.map_or(0, epoch))
}

/// Whether the writer's volume has an older label than its mirror, and nothing notes yet what that means.
pub(super) fn is_older_than_mirror(noted: &[Noted]) -> bool {
    let [own, mirror] = epochs_of(noted);
    own < mirror && !noted.iter().any(|noted| noted.mending)
}
