//! Names of the volume and its parts.

use std::fmt;

use compute::PageId;

/// A volume. Messages and files of another volume are refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId(pub u64);

impl fmt::Debug for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "volume:{:016x}", self.0)
    }
}

/// A protection group: a range of pages kept by six segments. Numbered from 0 without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PgId(pub u32);

/// One of the six members of a protection group. Members 0 and 1 live in `az-a`, 2 and 3 in `az-b`, 4 and 5 in `az-c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberIndex(pub u8);

impl MemberIndex {
    /// All six.
    pub fn all() -> impl Iterator<Item = MemberIndex> {
        (0..crate::quorum::MEMBERS as u8).map(MemberIndex)
    }
}

/// A volume epoch: the right to write. Ordered by number, then by owner; two writers never share one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// Rises with every recovery.
    pub number: u64,
    /// Who: drawn anew by each writer at each start.
    pub owner: u64,
}

/// Counts the starts of one storage node, kept in its superblock. An SCL learned from an older incarnation is void.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// The protection group of a page.
pub fn pg_of(page: PageId, pages_per_pg: u64) -> PgId {
    PgId(u32::try_from(page.0 / pages_per_pg).expect("a volume has fewer than 2^32 protection groups"))
}
