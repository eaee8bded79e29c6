//! Messages between storage nodes: gossip, and the rebuilding of damaged or lost copies.
//!
//! A node takes nothing from a peer that is not under the epoch it serves itself, and no record that does not link to the
//! chain it asked to continue. Two messages are outside that rule: an offer may come from any epoch, since it is how nodes
//! find out that they are behind, and a table may come from a higher one, since it is how they catch up.

use bytes::Bytes;
use compute::{Lsn, PageId};

use super::codec::{wire_enum, wire_structs};
use crate::{Epoch, Incarnation, MemberIndex, PgId, Register, TruncationTable, VolumeId};

use super::writer::Standing;

/// One segment, as a node tells its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerSegment {
    /// The group.
    pub pg: PgId,
    /// Complete to here. Of a segment being rebuilt: its log will be needed above here.
    pub scl: Lsn,
    /// Records at or below this are no longer in its log.
    pub base: Lsn,
    /// The highest PGMRPL it knows.
    pub pgmrpl: Lsn,
    /// What its silence means.
    pub standing: Standing,
}

wire_structs! {
    PeerSegment { pg, scl, base, pgmrpl, standing }
}

/// Storage node to storage node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// What the sender holds. Sent to each peer in turn.
    Offer {
        /// The volume.
        volume: VolumeId,
        /// The epoch the sender serves.
        epoch: Epoch,
        /// Who.
        member: MemberIndex,
        /// Its incarnation.
        incarnation: Incarnation,
        /// The highest VDL it knows.
        vdl: Lsn,
        /// Its segments.
        segments: Vec<PeerSegment>,
    },
    /// Asks for the truncation table and the register of a higher epoch, or for a newer register.
    AskTable {
        /// The volume.
        volume: VolumeId,
        /// The epoch the answer is wanted for.
        epoch: Epoch,
    },
    /// The table and the register, durable at the sender.
    Table {
        /// The volume.
        volume: VolumeId,
        /// The epoch.
        epoch: Epoch,
        /// Its table.
        table: TruncationTable,
        /// The highest VDL the sender knows.
        vdl: Lsn,
        /// Its register.
        register: Register,
    },
    /// Asks for records of a group's chain with `above < LSN <= upto`.
    Pull {
        /// The volume.
        volume: VolumeId,
        /// The epoch served.
        epoch: Epoch,
        /// The group.
        pg: PgId,
        /// An LSN of the chain that the asker has.
        above: Lsn,
        /// As far as it wants them.
        upto: Lsn,
    },
    /// Records of a group's chain, the first of which links to `above`.
    Push {
        /// The volume.
        volume: VolumeId,
        /// The epoch served.
        epoch: Epoch,
        /// The group.
        pg: PgId,
        /// What the first record links to.
        above: Lsn,
        /// Envelopes in rising order of LSN.
        records: Bytes,
    },
    /// Asks for pages of a group, from one page on, in the oldest version the holder keeps.
    AskPages {
        /// The volume.
        volume: VolumeId,
        /// The epoch served.
        epoch: Epoch,
        /// The group.
        pg: PgId,
        /// The first page.
        from: PageId,
        /// At most so many.
        count: u32,
    },
    /// Pages of a group that exist as of `at`, in order.
    Pages {
        /// The volume.
        volume: VolumeId,
        /// The epoch served.
        epoch: Epoch,
        /// The group.
        pg: PgId,
        /// The first page asked for.
        from: PageId,
        /// Every record of the group at or below this is in the pages, none above.
        at: Lsn,
        /// The group's last LSN at or below `at`.
        base: Lsn,
        /// Sealed pages.
        pages: Vec<Bytes>,
        /// Where to go on; nothing when there are no more.
        next: Option<PageId>,
    },
}

wire_enum!(Peer {
    1 => Offer { volume, epoch, member, incarnation, vdl, segments },
    2 => AskTable { volume, epoch },
    3 => Table { volume, epoch, table, vdl, register },
    4 => Pull { volume, epoch, pg, above, upto },
    5 => Push { volume, epoch, pg, above, records },
    6 => AskPages { volume, epoch, pg, from, count },
    7 => Pages { volume, epoch, pg, from, at, base, pages, next },
});

impl Peer {
    /// The volume and epoch every message names.
    pub fn sender(&self) -> (VolumeId, Epoch) {
        match self {
            Peer::Offer { volume, epoch, .. }
            | Peer::AskTable { volume, epoch }
            | Peer::Table { volume, epoch, .. }
            | Peer::Pull { volume, epoch, .. }
            | Peer::Push { volume, epoch, .. }
            | Peer::AskPages { volume, epoch, .. }
            | Peer::Pages { volume, epoch, .. } => (*volume, *epoch),
        }
    }
}
