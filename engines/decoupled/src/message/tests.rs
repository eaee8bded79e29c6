use bytes::{Bytes, BytesMut};
use compute::{GroupBuilder, Lsn, PageId, Record, RedoOp};
use node::{Nanos, NodeId};

use super::*;
use crate::{Epoch, Geometry, Incarnation, MemberIndex, PgId, Register, Truncation, TruncationTable, VolumeId};

const VOLUME: VolumeId = VolumeId(7);
const EPOCH: Epoch = Epoch { number: 3, owner: 99 };

fn register() -> Register {
    Register {
        epoch: EPOCH,
        version: 2,
        formed: true,
        geometry: Geometry { page_bytes: 512, pages_per_pg: 64 },
        geometry_epoch: 1,
        pg_count: 2,
        membership_epoch: 1,
        members: [2, 3, 4, 5, 6, 7].map(NodeId),
    }
}

fn table() -> TruncationTable {
    let entry = Truncation { epoch: Epoch { number: 2, owner: 98 }, vdl: Lsn(1), upto: Lsn(2) };
    TruncationTable::new(vec![entry]).expect("one entry")
}

fn to_storage() -> Vec<ToStorage> {
    let (volume, epoch) = (VOLUME, EPOCH);
    let floor = PgFloor { pg: PgId(1), pgmrpl: Lsn(5), pgcl: Lsn(6) };
    let (sent_at, vdl) = (Nanos(8), Lsn(7));
    let group = GroupRecords { floor, records: Bytes::from_static(b"envelopes") };
    vec![
        ToStorage::Append { volume, epoch, vdl, sent_at, groups: vec![group; 2] },
        ToStorage::Heartbeat { volume, epoch, vdl, sent_at, floors: vec![floor; 3] },
        ToStorage::Read {
            volume,
            epoch,
            request: 4,
            pg: PgId(1),
            page: PageId(70),
            read_point: Lsn(7),
            required: Lsn(6),
        },
        ToStorage::Prepare { volume, epoch, table: table() },
        ToStorage::Inventory { volume, epoch, pg: PgId(0), above: Lsn(3) },
        ToStorage::Truncate {
            volume,
            epoch,
            table: table(),
            vdl,
            upto: Lsn(107),
            register: register(),
            ends: vec![(PgId(0), Lsn(6))],
        },
        ToStorage::WriteRegister { volume, epoch, register: register() },
        ToStorage::Confirm { volume, epoch, ticket: 12 },
    ]
}

fn to_writer() -> Vec<ToWriter> {
    let (volume, epoch, incarnation) = (VOLUME, EPOCH, Incarnation(4));
    let status = SegmentStatus { pg: PgId(1), scl: Lsn(5), claimed_scl: Lsn(6), standing: Standing::Suspect };
    let entry = InventoryEntry { lsn: Lsn(5), prev_volume: Lsn(4), prev_pg: Lsn(2), cpl: true };
    let page = |result| ToWriter::Page { volume, epoch, request: 4, page: PageId(70), result };
    vec![
        ToWriter::Ack { volume, epoch, incarnation, echo: Nanos(8), scls: vec![(PgId(0), Lsn(6))] },
        page(PageResult::Page { page: Bytes::from_static(b"page") }),
        page(PageResult::Behind { scl: Lsn(2) }),
        page(PageResult::TooOld { pgmrpl: Lsn(9) }),
        page(PageResult::Damaged { detail: "slot 3".into() }),
        ToWriter::Promise {
            volume,
            epoch,
            incarnation,
            lease_left: Nanos(1),
            vdl: Lsn(4),
            table: table(),
            register: Some(register()),
            segments: vec![status],
        },
        ToWriter::Refused { volume, epoch, promised: Epoch { number: 4, owner: 1 } },
        ToWriter::Inventory { volume, epoch, pg: PgId(1), above: Lsn(3), entries: vec![entry], complete: true },
        ToWriter::Truncated { volume, epoch, incarnation },
        ToWriter::RegisterWritten { volume, epoch, version: 2 },
        ToWriter::Confirmed { volume, epoch, ticket: 12 },
    ]
}

fn to_peers() -> Vec<Peer> {
    let (volume, epoch, pg) = (VOLUME, EPOCH, PgId(1));
    let segment = PeerSegment { pg, scl: Lsn(5), base: Lsn(1), pgmrpl: Lsn(2), standing: Standing::Unhydrated };
    let pages = vec![Bytes::from_static(b"page"); 2];
    vec![
        Peer::Offer {
            volume,
            epoch,
            member: MemberIndex(3),
            incarnation: Incarnation(4),
            vdl: Lsn(6),
            segments: vec![segment],
        },
        Peer::AskTable { volume, epoch },
        Peer::Table { volume, epoch, table: table(), vdl: Lsn(6), register: register() },
        Peer::Pull { volume, epoch, pg, above: Lsn(3), upto: Lsn(9) },
        Peer::Push { volume, epoch, pg, above: Lsn(3), records: Bytes::from_static(b"envelopes") },
        Peer::AskPages { volume, epoch, pg, from: PageId(64), count: 2 },
        Peer::Pages { volume, epoch, pg, from: PageId(64), at: Lsn(5), base: Lsn(4), pages, next: Some(PageId(66)) },
    ]
}

fn reads_back_whole_and_never_in_part<T: Wire + PartialEq + std::fmt::Debug>(messages: Vec<T>) {
    for message in messages {
        let frame = message.frame(TO_STORAGE);
        assert_eq!(T::from_frame(&frame).as_ref(), Ok(&message));
        for len in 0..frame.body().len() {
            let cut = T::take(&mut Reader::new(frame.slice(0..len)));
            assert!(cut.is_err(), "{message:?} read from its first {len} bytes");
        }
    }
}

#[test]
fn messages_read_back_whole_and_never_in_part() {
    reads_back_whole_and_never_in_part(to_storage());
    reads_back_whole_and_never_in_part(to_writer());
    reads_back_whole_and_never_in_part(to_peers());
}

#[test]
fn every_message_names_its_volume_and_epoch() {
    assert!(to_storage().iter().all(|message| message.sender() == (VOLUME, EPOCH)));
    assert!(to_peers().iter().all(|message| message.sender() == (VOLUME, EPOCH)));
    assert!(to_writer().iter().all(|message| message.concerns() == (VOLUME, EPOCH)));
}

#[test]
fn an_envelope_keeps_its_three_back_pointers() {
    let mut builder = GroupBuilder::new(Lsn(1_000_000));
    builder.push(PageId(4), &RedoOp::Remove { key: b"k" });
    let group = builder.finish();
    let mut out = BytesMut::new();
    Envelope::put(&mut out, group.first(), Lsn(999_999), Lsn(999_000), Lsn::ZERO, group.bytes());
    let envelopes = Envelope::all(&out).expect("whole");
    let [envelope] = &envelopes[..] else { panic!("one envelope") };
    assert_eq!((envelope.prev_volume, envelope.prev_pg, envelope.prev_page), (Lsn(999_999), Lsn(999_000), Lsn::ZERO));
    assert_eq!((envelope.record.lsn, envelope.record.page), (Lsn(1_000_000), PageId(4)));
    assert_eq!(envelope.record, Record::decode(group.bytes()).expect("whole").0);
}
