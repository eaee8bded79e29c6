//! Messages from a storage node to the writer.

use bytes::{BufMut, Bytes, BytesMut};
use compute::{Lsn, PageId};
use node::Nanos;

use super::codec::{DecodeError, Reader, Wire, wire_enum, wire_structs};
use crate::{Epoch, Incarnation, PgId, Register, TruncationTable, VolumeId};

/// What a segment can swear to about records it does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Standing {
    /// It has everything it ever acknowledged, so far as any evidence on its disk says. What it lacks, it never had.
    Clean = 0,
    /// Part of what it acknowledged is unreadable. What it lacks, it may have had.
    Suspect = 1,
    /// It was created empty beside older peers, or wiped, and is not repaired yet. It counts for nothing.
    Unhydrated = 2,
    /// It was left behind and is being rebuilt: its records count for nothing, but it forgot nothing that it said. What lies
    /// above its claim it never acknowledged.
    Witness = 3,
}

impl Standing {
    /// Whether the records it has count.
    pub fn has_records(self) -> bool {
        matches!(self, Standing::Clean | Standing::Suspect)
    }
}

impl Wire for Standing {
    fn put(&self, out: &mut BytesMut) {
        out.put_u8(*self as u8);
    }

    fn take(from: &mut Reader) -> Result<Self, DecodeError> {
        match u8::take(from)? {
            0 => Ok(Standing::Clean),
            1 => Ok(Standing::Suspect),
            2 => Ok(Standing::Unhydrated),
            3 => Ok(Standing::Witness),
            _ => Err(DecodeError::Impossible("standing")),
        }
    }
}

/// One segment's state, in a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentStatus {
    /// The group.
    pub pg: PgId,
    /// Complete to here, by what is readable now.
    pub scl: Lsn,
    /// Acknowledged to here, by any evidence on the disk; above `scl` only when the segment is suspect or a witness.
    pub claimed_scl: Lsn,
    /// What its silence means.
    pub standing: Standing,
}

/// One record of a segment's chain, in an inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InventoryEntry {
    /// The record.
    pub lsn: Lsn,
    /// The record before it in the volume.
    pub prev_volume: Lsn,
    /// The record before it in the group.
    pub prev_pg: Lsn,
    /// Whether it is a CPL.
    pub cpl: bool,
}

/// The answer to a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageResult {
    /// The page as of the read point, sealed.
    Page {
        /// Its bytes.
        page: Bytes,
    },
    /// The segment is not complete to what the read requires.
    Behind {
        /// How far it is.
        scl: Lsn,
    },
    /// The read point is below the PGMRPL the segment knows: the version is gone.
    TooOld {
        /// The segment's PGMRPL.
        pgmrpl: Lsn,
    },
    /// The segment's copy is damaged and being repaired.
    Damaged {
        /// What and where, for a person.
        detail: String,
    },
}

wire_enum!(PageResult {
    1 => Page { page },
    2 => Behind { scl },
    3 => TooOld { pgmrpl },
    4 => Damaged { detail },
});

wire_structs! {
    SegmentStatus { pg, scl, claimed_scl, standing }
    InventoryEntry { lsn, prev_volume, prev_pg, cpl }
}

/// Storage node to writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToWriter {
    /// Durable progress. Sent for each append, after heartbeats, and whenever an SCL moved by gossip. Carries only
    /// segments that are hydrated.
    Ack {
        /// The volume.
        volume: VolumeId,
        /// The epoch under which it is said, checked again when it is sent.
        epoch: Epoch,
        /// The storage node's incarnation.
        incarnation: Incarnation,
        /// The latest `sent_at` among the messages this answers; zero when it answers none.
        echo: Nanos,
        /// Segments and their SCLs.
        scls: Vec<(PgId, Lsn)>,
    },
    /// A page, or why not.
    Page {
        /// The volume.
        volume: VolumeId,
        /// The epoch.
        epoch: Epoch,
        /// The request.
        request: u64,
        /// The page asked for.
        page: PageId,
        /// The answer.
        result: PageResult,
    },
    /// The promise asked for, with all that recovery needs.
    Promise {
        /// The volume.
        volume: VolumeId,
        /// The epoch promised.
        epoch: Epoch,
        /// The storage node's incarnation.
        incarnation: Incarnation,
        /// How much longer an earlier writer may believe in a lease this node renewed. A node that restarted since
        /// does not know, and says the whole lease.
        lease_left: Nanos,
        /// The highest VDL the node has made durable.
        vdl: Lsn,
        /// The truncation table it holds. What `segments` says is without the records this annuls.
        table: TruncationTable,
        /// The register it holds.
        register: Option<Register>,
        /// Its segments.
        segments: Vec<SegmentStatus>,
    },
    /// The node does not hold the message's epoch: it promised a higher one, or does not hold this one's truncation table.
    Refused {
        /// The volume.
        volume: VolumeId,
        /// The epoch refused.
        epoch: Epoch,
        /// The highest epoch promised.
        promised: Epoch,
    },
    /// Part of a segment's chain, in rising order of LSN.
    Inventory {
        /// The volume.
        volume: VolumeId,
        /// The epoch.
        epoch: Epoch,
        /// The group.
        pg: PgId,
        /// The `above` of the question.
        above: Lsn,
        /// The records. The writer asks again above the last unless `complete`.
        entries: Vec<InventoryEntry>,
        /// Whether the chain ends with the last entry.
        complete: bool,
    },
    /// The truncation and the register are durable.
    Truncated {
        /// The volume.
        volume: VolumeId,
        /// The epoch.
        epoch: Epoch,
        /// The storage node's incarnation.
        incarnation: Incarnation,
    },
    /// The register is durable.
    RegisterWritten {
        /// The volume.
        volume: VolumeId,
        /// The epoch.
        epoch: Epoch,
        /// The register's version.
        version: u64,
    },
    /// The epoch is still the highest promised.
    Confirmed {
        /// The volume.
        volume: VolumeId,
        /// The epoch.
        epoch: Epoch,
        /// The ticket.
        ticket: u64,
    },
}

wire_enum!(ToWriter {
    1 => Ack { volume, epoch, incarnation, echo, scls },
    2 => Page { volume, epoch, request, page, result },
    3 => Promise { volume, epoch, incarnation, lease_left, vdl, table, register, segments },
    4 => Refused { volume, epoch, promised },
    5 => Inventory { volume, epoch, pg, above, entries, complete },
    6 => Truncated { volume, epoch, incarnation },
    7 => RegisterWritten { volume, epoch, version },
    8 => Confirmed { volume, epoch, ticket },
});

impl ToWriter {
    /// The volume and epoch every message names.
    pub fn concerns(&self) -> (VolumeId, Epoch) {
        match self {
            ToWriter::Ack { volume, epoch, .. }
            | ToWriter::Page { volume, epoch, .. }
            | ToWriter::Promise { volume, epoch, .. }
            | ToWriter::Refused { volume, epoch, .. }
            | ToWriter::Inventory { volume, epoch, .. }
            | ToWriter::Truncated { volume, epoch, .. }
            | ToWriter::RegisterWritten { volume, epoch, .. }
            | ToWriter::Confirmed { volume, epoch, .. } => (*volume, *epoch),
        }
    }
}
