//! Whose volume a disk is, and what its record holds.

use crate::ids::VolumeId;
use crate::mirror::{Label, Noted};

/// Which volume of which database a disk is. Written before the first call is served, and looked at at every start: four
/// volumes hold files of the same names, so that nothing else tells one from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The database.
    pub database: VolumeId,
    /// The volume's name in it; at most 255 bytes.
    pub name: String,
}

impl Identity {
    /// Refuses a disk that says `found` of itself, in this volume's place.
    ///
    /// # Errors
    ///
    /// The reason, for a person.
    pub fn check(&self, found: &Identity) -> Result<(), String> {
        if self == found {
            return Ok(());
        }
        Err(format!(
            "the disk belongs to volume {} of database {:016x}, and this is {} of {:016x}; put each disk back in its place",
            found.name, found.database.0, self.name, self.database.0
        ))
    }
}

/// A volume's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeRecord {
    /// Whose disk it is.
    pub identity: Identity,
    /// How it stands to the other copies.
    pub noted: Noted,
}

impl VolumeRecord {
    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Identity { database, name } = &self.identity;
        let mut bytes = database.0.to_le_bytes().to_vec();
        bytes.push(name.len() as u8);
        bytes.extend(name.as_bytes());
        bytes.push(self.noted.mending.into());
        bytes.extend(self.noted.label.iter().flat_map(Label::encode));
        bytes
    }

    /// Reads a record; `None` when it is not one.
    pub fn decode(bytes: &[u8]) -> Option<VolumeRecord> {
        let (database, rest) = bytes.split_first_chunk::<8>()?;
        let (name_bytes, rest) = rest.split_first()?;
        let (name, noted) = rest.split_at_checked(usize::from(*name_bytes))?;
        let name = std::str::from_utf8(name).ok()?.to_owned();
        let identity = Identity { database: VolumeId(u64::from_le_bytes(*database)), name };
        let (mending, label) = noted.split_first()?;
        let label = if label.is_empty() { None } else { Some(Label::decode(label)?) };
        Some(VolumeRecord { identity, noted: Noted { label, mending: *mending != 0 } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::Attachment;

    #[test]
    fn a_record_reads_back_and_a_strangers_disk_is_refused() {
        let identity = Identity { database: VolumeId(7), name: "ebs-a1".into() };
        let label = Label { epoch: 3, attachment: Attachment::Detached };
        let noted = |label| Noted { label, mending: true };
        let [bare, labelled] =
            [None, Some(label)].map(|label| VolumeRecord { identity: identity.clone(), noted: noted(label) });
        let bytes = labelled.encode();
        for record in [&bare, &labelled] {
            assert_eq!(VolumeRecord::decode(&record.encode()).as_ref(), Some(record));
        }
        let cut = (0..bytes.len()).filter_map(|len| VolumeRecord::decode(&bytes[..len]));
        assert_eq!(cut.collect::<Vec<_>>(), [bare], "no cut is a record but that before the label");
        assert_eq!(identity.check(&identity.clone()), Ok(()));
        let strangers = [
            Identity { name: "ebs-b1".into(), ..identity.clone() },
            Identity { database: VolumeId(8), ..identity.clone() },
        ];
        for stranger in strangers {
            let refused = identity.check(&stranger).expect_err("a stranger's");
            assert!(refused.contains("belongs to volume"), "{refused}");
        }
    }
}
