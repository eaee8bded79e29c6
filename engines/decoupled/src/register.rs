//! The quorum register of protection group 0: the volume's geometry and membership.
//!
//! One value, replaced as a whole under the writer's epoch and rising versions, durable at four of six. A reader of three
//! takes the highest `(epoch, version)`. A protection group exists once a register that counts it is durable.
//!
//! Creating a volume takes two writes: an unformed register at four nodes, then a formed one. Whoever finds only unformed
//! ones knows that nothing was ever acknowledged; whoever finds a formed one knows that a node without any register has
//! lost its data or never had any, and counts for nothing until it is repaired.

use node::NodeId;

use crate::{Epoch, quorum::MEMBERS};

/// What counts beyond this is damaged: nothing is done so often. Tokens of disk operations carry counts in 56 bits.
pub(crate) const NUMBER_MAX: u64 = 1 << 55;
const PAGE_BYTES_MIN: u32 = 512;
const PAGE_BYTES_MAX: u32 = 64 << 10;
const PAGES_PER_PG_MAX: u64 = 1 << 40;
/// A message that names where each group ends must fit a frame.
const PG_COUNT_MAX: u32 = 1 << 20;

/// What never changes in a volume's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of a page.
    pub page_bytes: u32,
    /// Pages of one protection group.
    pub pages_per_pg: u64,
}

/// The register's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// The epoch of the writer that wrote it.
    pub epoch: Epoch,
    /// Rises with each write of that epoch.
    pub version: u64,
    /// Whether the volume exists, see the module's notes.
    pub formed: bool,
    /// Page size and PG size.
    pub geometry: Geometry,
    /// Counts changes of `pg_count`.
    pub geometry_epoch: u64,
    /// How many protection groups there are.
    pub pg_count: u32,
    /// Counts changes of `members`.
    pub membership_epoch: u64,
    /// The six storage nodes, by member index.
    pub members: [NodeId; MEMBERS],
}

impl Geometry {
    /// Whether a volume can be of it.
    pub fn is_possible(&self) -> bool {
        self.page_bytes.is_power_of_two()
            && (PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&self.page_bytes)
            && (1..=PAGES_PER_PG_MAX).contains(&self.pages_per_pg)
    }
}

impl Register {
    /// Whether a writer can have written it.
    pub fn is_possible(&self) -> bool {
        let counts = [self.epoch.number, self.version, self.geometry_epoch, self.membership_epoch];
        self.geometry.is_possible() && self.pg_count <= PG_COUNT_MAX && counts.iter().all(|count| *count <= NUMBER_MAX)
    }

    /// Orders two registers by age.
    pub fn is_newer_than(&self, other: &Register) -> bool {
        (self.epoch, self.version) > (other.epoch, other.version)
    }
}

#[cfg(test)]
impl Register {
    /// A volume's first register, of so many groups of eight small pages.
    pub(crate) fn sample(pg_count: u32) -> Register {
        Register {
            epoch: Epoch::default(),
            version: 1,
            formed: true,
            geometry: Geometry { page_bytes: 512, pages_per_pg: 8 },
            geometry_epoch: 1,
            pg_count,
            membership_epoch: 1,
            members: [2, 3, 4, 5, 6, 7].map(NodeId),
        }
    }
}
