//! Sizes and periods of the writer.

use compute::Planted;
use node::{Nanos, NodeId};

use super::opening::LAL_RECORDS_MAX;
use crate::planted::Bug;
use crate::{Geometry, VolumeId, quorum::MEMBERS};

/// How a transaction that wrote nothing makes sure that this writer still owns the volume (a fenced writer still has a
/// cache).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFence {
    /// By a lease that acknowledgements of four renew; a new writer waits out what is left of it.
    Lease,
    /// By asking: three segments confirm the epoch after the transaction's serialization point.
    Confirm,
    /// Not at all, as in the papers: a fenced writer's cache may answer stale reads.
    Published,
}

impl ReadFence {
    /// The policy's name in configuration and records.
    pub const fn name(self) -> &'static str {
        match self {
            ReadFence::Lease => "lease",
            ReadFence::Confirm => "confirm",
            ReadFence::Published => "published",
        }
    }
}

/// Everything the writer's volume driver is told.
#[derive(Clone, Debug)]
pub struct WriterConfig {
    /// The volume.
    pub volume: VolumeId,
    /// Whether a volume that does not exist is created, or its absence an error.
    pub create: bool,
    /// Page size and PG size, for a volume that is created; an existing one keeps its own and must match.
    pub geometry: Geometry,
    /// The six storage nodes.
    pub members: [NodeId; MEMBERS],
    /// Seed for the epoch's owner and for backoff.
    pub seed: u64,
    /// LSN allocation limit: no LSN above VDL + LAL is given out. P17, section 4.2.1, has 10 million.
    pub lal_records: u64,
    /// Bytes of records kept for resending before commits are throttled.
    pub retained_bytes_max: usize,
    /// Bytes of records in one message.
    pub batch_bytes_max: usize,
    /// Messages of one protection group on their way before further records wait and share the next.
    pub batches_in_flight: usize,
    /// Least time before a message is sent again.
    pub resend_min: Nanos,
    /// Most time before a message is sent again.
    pub resend_max: Nanos,
    /// Period of heartbeats, and of the driver's housekeeping.
    pub heartbeat: Nanos,
    /// How long a lease holds from the moment the message that renewed it was sent.
    pub lease: Nanos,
    /// What the writer takes off its lease for clocks that run at different rates.
    pub lease_margin: Nanos,
    /// How reads are fenced.
    pub read_fence: ReadFence,
    /// Least time before a read is hedged.
    pub hedge_min: Nanos,
    /// A read that nobody answered for so long fails as unavailable.
    pub read_timeout: Nanos,
    /// Every so many reads a second segment is asked too, to keep its latency known (P18, section 3.1).
    pub probe_every: u64,
    /// Protection groups made ahead of the one in use.
    pub groups_ahead: u32,
    /// A bug, for the chaos command.
    pub planted: Planted<Bug>,
}

impl WriterConfig {
    /// The defaults for a volume on local disks.
    pub fn new(volume: VolumeId, geometry: Geometry, members: [NodeId; MEMBERS], seed: u64) -> WriterConfig {
        WriterConfig {
            volume,
            create: true,
            geometry,
            members,
            seed,
            lal_records: 10_000_000,
            retained_bytes_max: 256 << 20,
            batch_bytes_max: 256 << 10,
            batches_in_flight: 1,
            resend_min: Nanos::from_millis(20),
            resend_max: Nanos::from_secs(1),
            heartbeat: Nanos::from_millis(50),
            lease: Nanos::from_millis(300),
            lease_margin: Nanos::from_millis(20),
            read_fence: ReadFence::Lease,
            hedge_min: Nanos::from_millis(2),
            read_timeout: Nanos::from_secs(5),
            probe_every: 64,
            groups_ahead: 1,
            planted: Planted::NONE,
        }
    }

    /// What is wrong with the values, for a person.
    pub fn check(&self) -> Result<(), String> {
        let rules = [
            (self.geometry.pages_per_pg > 0, "pages_per_pg must be at least 1"),
            (
                (1..=LAL_RECORDS_MAX).contains(&self.lal_records),
                "lal_records must be between 1 and 10,000,000, the most that recovery annuls",
            ),
            (self.batches_in_flight > 0, "batches_in_flight must be at least 1"),
            (self.heartbeat > Nanos::ZERO, "heartbeat must be longer than zero"),
            (self.lease > self.lease_margin + self.heartbeat, "lease must exceed lease_margin + heartbeat"),
            (self.resend_min <= self.resend_max, "resend_min must not exceed resend_max"),
            (self.batch_bytes_max < node::frame::BODY_BYTES_MAX / 2, "batch_bytes_max must fit a frame"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, message)) => Err((*message).to_owned()),
            None => Ok(()),
        }
    }
}
