//! Messages from the writer to a storage node.

use bytes::Bytes;
use compute::{Lsn, PageId};
use node::Nanos;

use super::codec::{wire_enum, wire_structs};
use crate::{Epoch, PgId, Register, TruncationTable, VolumeId};

/// What the writer knows of one protection group, for garbage collection and reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PgFloor {
    /// Which group.
    pub pg: PgId,
    /// No read will ask for a version below this.
    pub pgmrpl: Lsn,
    /// Four segments are complete to here.
    pub pgcl: Lsn,
}

/// Records of one protection group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRecords {
    /// The group and its floors.
    pub floor: PgFloor,
    /// Envelopes, in rising order of LSN.
    pub records: Bytes,
}

wire_structs! {
    PgFloor { pg, pgmrpl, pgcl }
    GroupRecords { floor, records }
}

/// Writer to storage node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToStorage {
    /// Records, of every protection group that has some to send: its six segments are on the same six nodes. Answered by
    /// [`ToWriter::Ack`](super::ToWriter::Ack) once durable.
    Append {
        /// The volume.
        volume: VolumeId,
        /// The writer's epoch.
        epoch: Epoch,
        /// The volume durable LSN.
        vdl: Lsn,
        /// The writer's clock when this was sent; echoed by the acknowledgement. Renews the writer's lease.
        sent_at: Nanos,
        /// The records, no group twice.
        groups: Vec<GroupRecords>,
    },
    /// What [`ToStorage::Append`] carries beside records, for groups that are idle. Answered by an `Ack` of every group
    /// named. Renews the writer's lease.
    Heartbeat {
        /// The volume.
        volume: VolumeId,
        /// The writer's epoch.
        epoch: Epoch,
        /// The volume durable LSN.
        vdl: Lsn,
        /// The writer's clock when this was sent.
        sent_at: Nanos,
        /// The groups.
        floors: Vec<PgFloor>,
    },
    /// Asks for a page as of `read_point`. Served iff PGMRPL <= `read_point` and SCL >= `required` (P18, section 3.4).
    Read {
        /// The volume.
        volume: VolumeId,
        /// The writer's epoch.
        epoch: Epoch,
        /// Echoed by the answer.
        request: u64,
        /// The page's group.
        pg: PgId,
        /// The page.
        page: PageId,
        /// The version: every record at or below it is in, none above.
        read_point: Lsn,
        /// The group's last LSN at or below `read_point`.
        required: Lsn,
    },
    /// Asks for a promise to serve no lower epoch. Answered by [`ToWriter::Promise`](super::ToWriter::Promise) once the
    /// promise is durable. Repeating it is harmless.
    ///
    /// A node that was away during an earlier recovery still has records which that recovery annulled, and counts them in
    /// its SCLs. So the writer takes promises into account only where their table is the newest it has seen, and repeats the
    /// question, with that table, to the others: they adopt it, then answer anew.
    Prepare {
        /// The volume.
        volume: VolumeId,
        /// The epoch wanted.
        epoch: Epoch,
        /// The newest truncation table known; the empty one at first.
        table: TruncationTable,
    },
    /// Asks which records of a group the segment holds in its chain, above one LSN, up to its SCL. Recovery only.
    Inventory {
        /// The volume.
        volume: VolumeId,
        /// The recovering writer's epoch.
        epoch: Epoch,
        /// The group.
        pg: PgId,
        /// Records above this LSN.
        above: Lsn,
    },
    /// Ends recovery at a node: annuls every record with `vdl < LSN <= upto`, adopts the register, and asks the
    /// segments to fill up to `ends` from their peers. Answered by [`ToWriter::Truncated`](super::ToWriter::Truncated)
    /// once durable, and by acks whenever an SCL moves.
    Truncate {
        /// The volume.
        volume: VolumeId,
        /// The recovering writer's epoch.
        epoch: Epoch,
        /// The newest truncation table among the promises that recovery used. The node's own table becomes this one and the
        /// entry `(epoch, vdl, upto)`.
        table: TruncationTable,
        /// Where the volume ends.
        vdl: Lsn,
        /// The last LSN that any earlier writer can have given out.
        upto: Lsn,
        /// The register under the new epoch.
        register: Register,
        /// Every group's last LSN at or below `vdl`.
        ends: Vec<(PgId, Lsn)>,
    },
    /// Replaces the register. Groups it counts for the first time are created empty. Answered by
    /// [`ToWriter::RegisterWritten`](super::ToWriter::RegisterWritten) once durable.
    WriteRegister {
        /// The volume.
        volume: VolumeId,
        /// The writer's epoch.
        epoch: Epoch,
        /// The register.
        register: Register,
    },
    /// Asks whether the epoch is still the highest promised. Answered by [`ToWriter::Confirmed`](super::ToWriter::Confirmed).
    Confirm {
        /// The volume.
        volume: VolumeId,
        /// The writer's epoch.
        epoch: Epoch,
        /// Echoed.
        ticket: u64,
    },
}

wire_enum!(ToStorage {
    1 => Append { volume, epoch, vdl, sent_at, groups },
    2 => Heartbeat { volume, epoch, vdl, sent_at, floors },
    3 => Read { volume, epoch, request, pg, page, read_point, required },
    4 => Prepare { volume, epoch, table },
    5 => Inventory { volume, epoch, pg, above },
    6 => Truncate { volume, epoch, table, vdl, upto, register, ends },
    7 => WriteRegister { volume, epoch, register },
    8 => Confirm { volume, epoch, ticket },
});

impl ToStorage {
    /// The volume and epoch every message names.
    pub fn sender(&self) -> (VolumeId, Epoch) {
        match self {
            ToStorage::Append { volume, epoch, .. }
            | ToStorage::Heartbeat { volume, epoch, .. }
            | ToStorage::Read { volume, epoch, .. }
            | ToStorage::Prepare { volume, epoch, .. }
            | ToStorage::Inventory { volume, epoch, .. }
            | ToStorage::Truncate { volume, epoch, .. }
            | ToStorage::WriteRegister { volume, epoch, .. }
            | ToStorage::Confirm { volume, epoch, .. } => (*volume, *epoch),
        }
    }
}
