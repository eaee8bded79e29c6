//! How often faults took effect, as every runtime counts it.

/// What the links did with frames, since the world began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Frames sent.
    pub sent: u64,
    /// Frames lost by chance.
    pub lost: u64,
    /// Frames lost to a cut, when sent or when due.
    pub cut: u64,
    /// Second copies made.
    pub duplicated: u64,
    /// Copies damaged.
    pub damaged: u64,
    /// Frames that a rule delayed, or made to wait for its bandwidth.
    pub delayed: u64,
    /// Frames that overtook one sent earlier in the same direction.
    pub overtaking: u64,
    /// Frames that found their receiver down.
    pub unreceived: u64,
}

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
