//! How often a disk's faults took effect.

/// What a disk's faults did. A fault that met no operation counts for nothing here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounts {
    /// Operations that a rule delayed.
    pub slowed: u64,
    /// Reads that failed by a rule.
    pub reads_failed: u64,
    /// Writes that failed by a rule.
    pub writes_failed: u64,
    /// Syncs that failed by a rule.
    pub syncs_failed: u64,
    /// Creations, extensions and writes refused for lack of space.
    pub refused_full: u64,
    /// Writes acknowledged and not done.
    pub writes_lost: u64,
    /// Writes done in another place.
    pub writes_misdirected: u64,
    /// Reads answered with what lies in another place.
    pub reads_misdirected: u64,
    /// Reads that met an unreadable sector.
    pub reads_unreadable: u64,
    /// Reads that returned a rotten sector.
    pub reads_rotten: u64,
    /// Unreadable or rotten sectors that were written anew.
    pub sectors_rewritten: u64,
}
