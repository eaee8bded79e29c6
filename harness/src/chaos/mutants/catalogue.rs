//! The planted bugs: what is broken, what a user would lose, and which suite must find it.

use compute::Planted;
use compute::planted::Bug as Compute;
use coupled::planted::Bug as Coupled;
use decoupled::planted::Bug as Decoupled;
use nemesis::EngineClass;

use super::Mutant;
use crate::campaign::Plants;

const ALL: &[EngineClass] = &EngineClass::ALL;
const LOCAL: &[EngineClass] = &[EngineClass::Coupled];
const MIRRORED: &[EngineClass] = &[EngineClass::Mirrored];
const BOTH_COUPLED: &[EngineClass] = &[EngineClass::Coupled, EngineClass::Mirrored];
const DECOUPLED: &[EngineClass] = &[EngineClass::Decoupled];

const fn compute(bug: Compute) -> Plants {
    Plants { compute: Planted::plant(bug), ..Plants::NONE }
}

const fn coupled(bug: Coupled) -> Plants {
    Plants { coupled: Planted::plant(bug), ..Plants::NONE }
}

const fn decoupled(bug: Decoupled) -> Plants {
    Plants { decoupled: Planted::plant(bug), ..Plants::NONE }
}

const fn mutant(
    slug: &'static str,
    suite: &'static str,
    engines: &'static [EngineClass],
    plants: Plants,
    about: &'static str,
) -> Mutant {
    Mutant { slug, suite, engines, plants, about }
}

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    mutant(
        "phantom",
        "contention",
        ALL,
        compute(Compute::Phantom),
        "a scan does not guard the gap behind its last row: two transactions each miss what the other inserts",
    ),
    mutant(
        "early-reply",
        "readers",
        ALL,
        compute(Compute::EarlyReply),
        "a reply does not wait for the commit it observed: a crash takes back what a reader was told",
    ),
    mutant(
        "lost-wake-up",
        "contention",
        ALL,
        compute(Compute::LostWakeUp),
        "a commit at exactly the durable LSN is not woken: its client hangs until somebody else commits",
    ),
    mutant(
        "ack-before-persist",
        "power",
        LOCAL,
        coupled(Coupled::AckBeforePersist),
        "log blocks are not written durably: a power failure takes acknowledged commits",
    ),
    mutant(
        "commit-on-receipt",
        "power",
        BOTH_COUPLED,
        coupled(Coupled::CommitOnReceipt),
        "a commit is acknowledged once the log has received it: a crash takes it",
    ),
    mutant(
        "page-before-log",
        "power",
        BOTH_COUPLED,
        coupled(Coupled::PageBeforeLog),
        "pages go out before their log: a crash leaves half a transaction that nobody committed",
    ),
    mutant(
        "double-write-skipped",
        "power",
        LOCAL,
        coupled(Coupled::DoubleWriteSkipped),
        "pages are written in place at once: a torn page has no whole copy",
    ),
    mutant(
        "slot-before-sync",
        "power",
        LOCAL,
        coupled(Coupled::SlotBeforeSync),
        "double-write slots are used again before the data sync: a torn page's copy is gone",
    ),
    mutant(
        "checkpoint-ahead",
        "power",
        BOTH_COUPLED,
        coupled(Coupled::CheckpointAhead),
        "the checkpoint passes dirty pages: their changes are in neither the log nor the page file",
    ),
    mutant(
        "torn-tail-accepted",
        "power",
        LOCAL,
        coupled(Coupled::TornTailAccepted),
        "a log block is believed without its checksum: what a power failure tore is replayed",
    ),
    mutant(
        "rot-for-tail",
        "log-rot",
        LOCAL,
        coupled(Coupled::RotTakenForTail),
        "a rotten log block is taken for the log's end: the commits behind it are silently gone",
    ),
    mutant(
        "one-read-believed",
        "stray-reads",
        LOCAL,
        coupled(Coupled::OneReadBelieved),
        "the log ends where one read of it does: a read that goes astray costs every commit from there on",
    ),
    mutant(
        "sync-retried",
        "disk-errors",
        LOCAL,
        coupled(Coupled::SyncRetried),
        "a failed sync is tried again and believed: the pages that the first one dropped are lost",
    ),
    mutant(
        "stale-page",
        "power",
        BOTH_COUPLED,
        coupled(Coupled::StalePage),
        "a page counts as clean once it is copied: evicted and read back, it is as it was before",
    ),
    mutant(
        "answer-after-step-1",
        "standby",
        MIRRORED,
        coupled(Coupled::AnswerAfterStep1),
        "a mirrored write is answered when the writer's side has it: the standby lacks acknowledged commits",
    ),
    mutant(
        "mirror-not-awaited",
        "standby",
        MIRRORED,
        coupled(Coupled::MirrorNotAwaited),
        "a volume answers without its mirror: a commit is acknowledged on half of the copies",
    ),
    mutant(
        "detached-promoted",
        "standby",
        MIRRORED,
        coupled(Coupled::DetachedUnmarked),
        "the standby is let go without a label: it is promoted later, without what it missed",
    ),
    mutant(
        "copies-not-compared",
        "standby",
        MIRRORED,
        coupled(Coupled::CopiesNotCompared),
        "a start takes the four copies for equal: what was in flight differs between them for good",
    ),
    mutant(
        "per-record-quorum",
        "lossy",
        DECOUPLED,
        decoupled(Decoupled::PerRecordQuorum),
        "4 of 6 is counted by record, not by SCL: no segment may be complete to what was acknowledged",
    ),
    mutant(
        "unhydrated-counts",
        "amnesia",
        DECOUPLED,
        decoupled(Decoupled::UnhydratedCounts),
        "a replacement that is not hydrated votes in a recovery: it never had what was acknowledged",
    ),
    mutant(
        "wiped-votes",
        "amnesia",
        DECOUPLED,
        decoupled(Decoupled::WipedVotes),
        "a wiped node votes in a recovery: it swears that acknowledged records never were",
    ),
    mutant(
        "suspect-counts",
        "segment-rot",
        DECOUPLED,
        decoupled(Decoupled::SuspectCounts),
        "a suspect segment counts as clean: recovery truncates what only looks as if it never was",
    ),
    mutant(
        "opens-early",
        "power",
        DECOUPLED,
        decoupled(Decoupled::OpensEarly),
        "a volume is opened before its end is on four segments: losing one more node loses it",
    ),
    mutant(
        "annulled-return",
        "recovery",
        DECOUPLED,
        decoupled(Decoupled::AnnulledReturn),
        "a node that was away keeps annulled records and gossips them: what was rolled back returns",
    ),
    mutant(
        "ack-across-fence",
        "division",
        DECOUPLED,
        decoupled(Decoupled::AckAcrossFence),
        "an append accepted before a promise is acknowledged after it: the new writer has not counted it",
    ),
    mutant(
        "zombie-reads",
        "succession",
        DECOUPLED,
        decoupled(Decoupled::ZombieReads),
        "a replaced writer answers reads from its cache: clients see what was overwritten",
    ),
    mutant(
        "idle-group-unreadable",
        "contention",
        DECOUPLED,
        decoupled(Decoupled::IdleGroupUnreadable),
        "a read wants its segment complete to the VDL: pages of an idle group can never be read",
    ),
    mutant(
        "segment-ack-before-persist",
        "power",
        DECOUPLED,
        decoupled(Decoupled::AckBeforePersist),
        "a storage node acknowledges what is not durable: a blackout takes acknowledged commits",
    ),
    mutant(
        "quorum-of-three",
        "lossy",
        DECOUPLED,
        decoupled(Decoupled::QuorumOfThree),
        "three segments make a write durable: a recovery from the other three does not find it",
    ),
    mutant(
        "commit-on-send",
        "power",
        DECOUPLED,
        decoupled(Decoupled::CommitOnReceipt),
        "a commit is acknowledged when it is sent: a crash of the database takes it",
    ),
    mutant(
        "no-epoch-check",
        "succession",
        DECOUPLED,
        decoupled(Decoupled::NoEpochCheck),
        "appends of an old epoch are taken: a replaced writer is told that its commits are durable",
    ),
    mutant(
        "no-fence",
        "succession",
        DECOUPLED,
        decoupled(Decoupled::NoFence),
        "a promise does not lock the old writer out: it commits behind the back of the recovery",
    ),
    mutant(
        "truncation-forgotten",
        "recovery",
        DECOUPLED,
        decoupled(Decoupled::TruncationForgotten),
        "a crash forgets the truncation: annulled records are found again and applied",
    ),
    mutant(
        "gossip-unverified",
        "recovery",
        DECOUPLED,
        decoupled(Decoupled::GossipUnverified),
        "records from a peer are taken as they come: those of a writer that was fenced spread",
    ),
    mutant(
        "gap-ignored",
        "lossy",
        DECOUPLED,
        decoupled(Decoupled::GapIgnored),
        "the SCL rises over a gap: pages are made without the records in it",
    ),
    mutant(
        "read-above-scl",
        "lossy",
        DECOUPLED,
        decoupled(Decoupled::ReadAboveScl),
        "a segment serves pages that it has not all records of: reads are stale",
    ),
    mutant(
        "collects-above-pgmrpl",
        "recovery",
        DECOUPLED,
        decoupled(Decoupled::CollectsAbovePgmrpl),
        "pages are coalesced above the PGMRPL: what a recovery annuls is already in them",
    ),
    mutant(
        "segment-rot-for-tail",
        "segment-rot",
        DECOUPLED,
        decoupled(Decoupled::RotTakenForTail),
        "a segment forgets what it acknowledged: rot looks as if the records never were",
    ),
    mutant(
        "late-completion",
        "late",
        DECOUPLED,
        decoupled(Decoupled::LateCompletion),
        "the loser of a hedge answers a later read of its page: the page goes back in time",
    ),
    mutant(
        "evicts-above-vdl",
        "late",
        DECOUPLED,
        decoupled(Decoupled::EvictsAboveVdl),
        "a page above the VDL is evicted: read back, it lacks what was applied to it",
    ),
    mutant(
        "write-error-ignored",
        "disk-errors",
        DECOUPLED,
        decoupled(Decoupled::WriteErrorIgnored),
        "a failed log write is acknowledged: the segment lacks what it answered for",
    ),
    mutant(
        "extent-reused-early",
        "power",
        DECOUPLED,
        decoupled(Decoupled::ExtentReusedEarly),
        "a log extent is written over before the superblock lets go of it: a crash finds neither",
    ),
    mutant(
        "index-before-sync",
        "power",
        DECOUPLED,
        decoupled(Decoupled::IndexBeforeSync),
        "a page slot is indexed before it is synced: after a blackout no copy of the page is whole",
    ),
];
