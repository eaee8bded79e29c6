//! What a compute node counts. All counts are since the node's start.

/// Counts of a compute node, for run records and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Transactions that committed and wrote.
    pub commits: u64,
    /// Transactions that committed and wrote nothing.
    pub commits_read_only: u64,
    /// Transactions rolled back by their client.
    pub rollbacks: u64,
    /// Transactions ended because something they read had changed.
    pub aborts_validation: u64,
    /// Transactions ended to break a deadlock.
    pub aborts_deadlock: u64,
    /// Transactions ended by any other error.
    pub aborts_other: u64,
    /// Transactions whose client went on to another one, or away.
    pub abandoned: u64,
    /// Single statements run again inside the engine after a conflict.
    pub singles_rerun: u64,
    /// Statements run to their end.
    pub statements: u64,
    /// Rows and index entries visited by scans.
    pub rows_scanned: u64,
    /// Waits for a lock.
    pub lock_waits: u64,
    /// Deadlocks broken.
    pub deadlocks: u64,
    /// Pages asked for and found in memory; one per level of a descent.
    pub page_hits: u64,
    /// Pages asked for and not found.
    pub page_misses: u64,
    /// Pages that left memory for others.
    pub evictions: u64,
    /// Pages fetched from storage.
    pub fetches: u64,
    /// Statements and commits that were parked until a page came.
    pub parks_page: u64,
    /// Commits parked because the storage admitted no more log.
    pub parks_admission: u64,
    /// Commits parked until the storage had made room for new pages.
    pub parks_reservation: u64,
    /// Commits and pages parked because no page could leave memory.
    pub parks_room: u64,
    /// Final replies that wrote nothing and still waited for others' commits to become durable.
    pub reads_delayed: u64,
    /// Final replies that waited for a fence.
    pub reads_fenced: u64,
    /// Pages that splits made; a root that splits makes two.
    pub splits: u64,
    /// Pages that merges freed.
    pub merges: u64,
    /// Redo records appended.
    pub redo_records: u64,
    /// Bytes of those records.
    pub redo_bytes: u64,
    /// Committed writes kept for validation now, not since the start.
    pub recent_writes: u64,
    /// Requests answered from the last reply, or ignored, because they had come before.
    pub duplicates: u64,
    /// Client frames that were no request, or out of turn, and were dropped.
    pub refused: u64,
    /// Requests turned away at the door.
    pub unavailable: u64,
}
