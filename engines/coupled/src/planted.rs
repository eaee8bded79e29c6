//! Bugs that may be planted in the coupled engines: see [`compute::planted`].

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Log blocks are written without being made durable.
    AckBeforePersist,
    /// A commit counts as durable when its log write is submitted.
    CommitOnReceipt,
    /// Page copies go out before the log is durable up to their last commit.
    PageBeforeLog,
    /// Pages are written in place without a copy in the double-write buffer.
    DoubleWriteSkipped,
    /// A batch is over, and its double-write slots free, once its pages are written and before they are synced.
    SlotBeforeSync,
    /// A checkpoint goes to the log's end, whatever pages are still dirty.
    CheckpointAhead,
    /// Recovery takes a log block without looking at its checksum.
    TornTailAccepted,
    /// Recovery takes every hole in the log for its end.
    RotTakenForTail,
    /// Recovery ends the log where one read of it does.
    OneReadBelieved,
    /// A sync of the page file that fails is tried again, and believed when it succeeds.
    SyncRetried,
    /// A page may be evicted once a copy is on its way to the disk.
    StalePage,
    /// The mirrored volume answers a write when the writer's side has it.
    AnswerAfterStep1,
    /// A block server answers a write when its own disk has it, whatever its mirror says.
    MirrorNotAwaited,
    /// The standby is let go without a label that says so.
    DetachedUnmarked,
    /// A database node that starts takes the copies for equal, as its last life left them.
    CopiesNotCompared,
}
