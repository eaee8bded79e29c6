//! Sectors that hold what they should not.

use std::collections::BTreeMap;

use crate::SECTOR_BYTES;

/// What ails a sector. Writing it anew cures it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ailment {
    /// Its bytes changed silently.
    Rotten,
    /// Reading it fails with EIO.
    Unreadable,
}

/// The ailing sectors of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ailing(BTreeMap<u64, Ailment>);

impl Ailing {
    /// Lets a sector ail.
    pub fn strike(&mut self, sector: u64, ailment: Ailment) {
        self.0.insert(sector, ailment);
    }

    /// Whether no sector ails.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many sectors of `offset..offset + len_bytes` ail in this way.
    pub fn count(&self, offset: u64, len_bytes: u64, ailment: Ailment) -> u64 {
        let sectors = self.0.range(sectors(offset, len_bytes));
        sectors.filter(|(_, found)| **found == ailment).count() as u64
    }

    /// Cures what is written over. Gives how many sectors that were.
    pub fn cure(&mut self, offset: u64, len_bytes: u64) -> u64 {
        if self.0.is_empty() {
            return 0;
        }
        let before = self.0.len();
        let over = sectors(offset, len_bytes);
        self.0.retain(|sector, _| !over.contains(sector));
        (before - self.0.len()) as u64
    }
}

fn sectors(offset: u64, len_bytes: u64) -> std::ops::Range<u64> {
    let sector_bytes = SECTOR_BYTES as u64;
    offset / sector_bytes..(offset + len_bytes).div_ceil(sector_bytes)
}
