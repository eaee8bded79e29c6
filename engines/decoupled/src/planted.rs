//! Bugs that may be planted in the decoupled engine: see [`compute::planted`].

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A segment acknowledges the last record it holds, with or without those before it.
    PerRecordQuorum,
    /// A segment that is being rebuilt counts as clean.
    UnhydratedCounts,
    /// A node that knows no volume says so as if it had never had one.
    WipedVotes,
    /// Recovery counts a suspect segment among the clean ones.
    SuspectCounts,
    /// A volume is opened before four segments of each group are complete.
    OpensEarly,
    /// A node that was away during a truncation keeps the annulled records, and others take them from it.
    AnnulledReturn,
    /// An append that a promise of another epoch overtook is acknowledged all the same.
    AckAcrossFence,
    /// A writer answers reads without asking whether it still owns the volume.
    ZombieReads,
    /// A read asks for a segment that is complete to the VDL, whatever its group's last record is.
    IdleGroupUnreadable,
    /// A storage node acknowledges records before they are durable.
    AckBeforePersist,
    /// Three segments make a write durable.
    QuorumOfThree,
    /// A commit counts as durable when its records are sent.
    CommitOnReceipt,
    /// Appends of any epoch are taken and acknowledged.
    NoEpochCheck,
    /// A promise of an epoch leaves the earlier writer served until the truncation.
    NoFence,
    /// A truncation is not made durable.
    TruncationForgotten,
    /// Records from a peer are taken whatever epoch they are of, whatever they link to, and annulled or not.
    GossipUnverified,
    /// The SCL rises over gaps.
    GapIgnored,
    /// A segment serves reads above its SCL, and the writer asks it to.
    ReadAboveScl,
    /// Pages are coalesced, and records given up, above the PGMRPL.
    CollectsAbovePgmrpl,
    /// A segment forgets what it acknowledged: whatever its log lacks it never had.
    RotTakenForTail,
    /// The loser of a hedge is taken for the answer to a later read of its page.
    LateCompletion,
    /// A page above the VDL may be evicted.
    EvictsAboveVdl,
    /// A log write that fails is taken for done.
    WriteErrorIgnored,
    /// Log extents are used again before a superblock says that they are free.
    ExtentReusedEarly,
    /// Page slots are indexed before they are synced.
    IndexBeforeSync,
}
