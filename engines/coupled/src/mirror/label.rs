//! What a volume remembers about the attachment of the standby's side.

use node::Nanos;

use crate::config::ZoneLoss;

/// An epoch counts changes of attachment; beyond this it is none.
const EPOCH_MAX: u64 = 1 << 56;

/// Whether the standby's side has everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// Every acknowledged write is on both sides.
    Attached,
    /// The writer goes on without the standby's side. Stands on the writer's side only.
    Detached,
    /// The standby's side is being made equal. Stands on the standby's side only.
    Resyncing,
    /// As [`Resyncing`](Attachment::Resyncing), at a start: it has every acknowledged write, and is being made equal in what was
    /// in flight. It tells what is right where another copy does not, and is not promoted.
    Settling,
}

/// The record. Both volumes of a side hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Rises at every change.
    pub epoch: u64,
    /// Since then.
    pub attachment: Attachment,
}

impl Label {
    /// The record's bytes.
    pub fn encode(&self) -> [u8; 9] {
        let mut bytes = [0; 9];
        bytes[..8].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[8] = match self.attachment {
            Attachment::Attached => 1,
            Attachment::Detached => 2,
            Attachment::Resyncing => 3,
            Attachment::Settling => 4,
        };
        bytes
    }

    /// Reads a record; `None` also for an epoch that no volume gets to.
    pub fn decode(bytes: &[u8]) -> Option<Label> {
        let (epoch, rest) = bytes.split_first_chunk::<8>()?;
        let epoch = Some(u64::from_le_bytes(*epoch)).filter(|epoch| *epoch <= EPOCH_MAX)?;
        let attachment = match rest {
            [1] => Attachment::Attached,
            [2] => Attachment::Detached,
            [3] => Attachment::Resyncing,
            [4] => Attachment::Settling,
            _ => return None,
        };
        Some(Label { epoch, attachment })
    }
}

/// What a volume's record says of how it stands to the other copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// How it stands to the other side.
    pub label: Option<Label>,
    /// The side's volume is being made right from other copies, and may be half so: its mirror is to be believed.
    pub mending: bool,
}

/// Whether the standby's side may take over as complete. `writer` is the writer side's label, if anyone could read it.
///
/// With both labels, both must say attached since the same epoch. Without the writer's, the standby's word is enough only
/// under [`ZoneLoss::Stop`]: under [`ZoneLoss::Detach`] the writer may have gone on alone without the standby knowing.
pub fn may_promote(standby: Option<Label>, writer: Option<Label>, policy: ZoneLoss) -> Result<(), String> {
    let Some(standby) = standby.filter(|label| label.attachment == Attachment::Attached) else {
        return Err(format!("the standby's side says {standby:?}: it was never attached or is not complete"));
    };
    match (writer, policy) {
        (Some(writer), _) if writer == standby => Ok(()),
        (Some(writer), _) => Err(format!("the writer's side says {writer:?}, the standby's {standby:?}")),
        (None, ZoneLoss::Stop) => Ok(()),
        (None, ZoneLoss::Detach(Nanos(_))) => {
            Err("the writer's side cannot be asked whether it went on without the standby".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detached_standby_is_never_promoted() {
        let attached = |epoch| Some(Label { epoch, attachment: Attachment::Attached });
        let detached = Some(Label { epoch: 4, attachment: Attachment::Detached });
        let resyncing = Some(Label { epoch: 5, attachment: Attachment::Resyncing });
        let settling = Some(Label { epoch: 3, attachment: Attachment::Settling });
        let detach = ZoneLoss::Detach(Nanos(1));
        assert!(may_promote(attached(3), attached(3), detach).is_ok());
        assert!(may_promote(attached(3), None, ZoneLoss::Stop).is_ok());
        assert!(may_promote(attached(3), None, detach).is_err());
        assert!(may_promote(attached(3), detached, detach).is_err());
        assert!(may_promote(attached(3), attached(6), detach).is_err());
        assert!(may_promote(resyncing, detached, detach).is_err());
        assert!(may_promote(settling, attached(3), ZoneLoss::Stop).is_err());
        assert!(may_promote(None, None, ZoneLoss::Stop).is_err());
        for label in [attached(9), detached, resyncing, settling].into_iter().flatten() {
            assert_eq!(Label::decode(&label.encode()), Some(label));
        }
        assert_eq!(Label::decode(&[0; 9]), None);
        let beyond = Label { epoch: u64::MAX, attachment: Attachment::Attached };
        assert_eq!(Label::decode(&beyond.encode()), None);
    }
}
