//! Storage nodes in the simulator, and a hand-driven writer that keeps its own model of every page.

use std::collections::BTreeMap;

use bytes::BytesMut;
use compute::{GroupBuilder, Lsn, Page, PageId, PageKind, Record, RedoOp, TreeId, apply::apply};
use node::{Digest, Effects, Event, Member, Nanos, Node, NodeId, Role, Topology, Zone};
use sim::{Sim, SimConfig, Survival};

use crate::message::{Envelope, GroupRecords, PageResult, PgFloor, TO_STORAGE, ToStorage, ToWriter, Wire};
use crate::storage::block::{self, LogIdentity};
use crate::storage::hotlog::extent_of;
use crate::storage::{StorageConfig, StorageNode, StorageProbe, storage_members};
use crate::{Epoch, Geometry, MemberIndex, PgId, Register, Truncation, TruncationTable, VolumeId};

pub const VOLUME: VolumeId = VolumeId(7);
pub const WRITER: NodeId = NodeId(1);
pub const PAGE_BYTES: u32 = 512;
pub const PAGES_PER_PG: u64 = 8;

/// Stands where the writer would: keeps what it is told.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    messages: Vec<(NodeId, ToWriter)>,
}

impl Node for Inbox {
    fn handle(&mut self, _now: Nanos, event: Event, _out: &mut Effects) {
        if let Event::Frame { from, frame } = event {
            self.messages.push((from, ToWriter::from_frame(&frame).expect("storage speaks to the writer")));
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.messages.len() as u64);
    }
}

pub fn epoch(number: u64) -> Epoch {
    Epoch { number, owner: 100 + number }
}

/// The nodes and the writer's book-keeping.
pub struct World {
    pub sim: Sim,
    pub epoch: Epoch,
    pub register: Register,
    pub table: TruncationTable,
    pub last: Lsn,
    pub next: Lsn,
    pub vdl: Lsn,
    ends: BTreeMap<PgId, Lsn>,
    page_lsns: BTreeMap<PageId, Lsn>,
    /// Every append there was.
    pub sent: Vec<ToStorage>,
    /// Every version of every page.
    pub versions: BTreeMap<PageId, Vec<Page>>,
}

pub fn config(seed: u64) -> StorageConfig {
    StorageConfig::small(VOLUME, [2, 3, 4, 5, 6, 7].map(NodeId), seed)
}

impl World {
    pub fn new(sim_config: SimConfig, config: StorageConfig) -> World {
        let mut members = storage_members(&config).expect("good configuration");
        members.insert(
            0,
            Member {
                id: WRITER,
                name: "writer".into(),
                role: Role::Compute,
                zone: Zone::A,
                has_disk: false,
                build: Box::new(|_| Box::new(Inbox::default())),
            },
        );
        let register = Register {
            epoch: epoch(1),
            version: 1,
            formed: false,
            geometry: Geometry { page_bytes: PAGE_BYTES, pages_per_pg: PAGES_PER_PG },
            geometry_epoch: 0,
            pg_count: 0,
            membership_epoch: 1,
            members: config.members,
        };
        World {
            sim: Sim::new(Topology { members }, sim_config),
            epoch: epoch(1),
            register,
            table: TruncationTable::default(),
            last: Lsn::ZERO,
            next: Lsn(1),
            vdl: Lsn::ZERO,
            ends: BTreeMap::new(),
            page_lsns: BTreeMap::new(),
            sent: Vec::new(),
            versions: BTreeMap::new(),
        }
    }

    /// A volume with `pg_count` groups, open under epoch 1.
    pub fn created(sim_config: SimConfig, config: StorageConfig, pg_count: u32) -> World {
        let mut world = World::new(sim_config, config);
        world.run(50);
        world.create(pg_count, &all());
        world
    }

    pub fn create(&mut self, pg_count: u32, members: &[u32]) {
        self.recover_at(1, Lsn::ZERO, Lsn::ZERO, members);
        self.register = Register { version: 2, formed: true, pg_count, ..self.register };
        self.tell_all(members, ToStorage::WriteRegister { volume: VOLUME, epoch: self.epoch, register: self.register });
        self.run(50);
        let written = self.inbox().iter().filter(|(_, m)| matches!(m, ToWriter::RegisterWritten { .. })).count();
        assert_eq!(written, members.len());
    }

    /// Promise and truncation of an epoch at some members.
    pub fn recover_at(&mut self, number: u64, vdl: Lsn, upto: Lsn, members: &[u32]) {
        self.epoch = epoch(number);
        let (volume, epoch, table) = (VOLUME, self.epoch, self.table.clone());
        self.tell_all(members, ToStorage::Prepare { volume, epoch, table });
        self.run(50);
        assert_eq!(self.promises().len(), members.len(), "every member promises {epoch:?}");
        self.truncate(vdl, upto, members);
    }

    pub fn truncate(&mut self, vdl: Lsn, upto: Lsn, members: &[u32]) {
        let epoch = self.epoch;
        self.send_truncation(vdl, upto, members);
        self.run(50);
        let truncated = |m: &ToWriter| matches!(m, ToWriter::Truncated { epoch: of, .. } if *of == epoch);
        assert_eq!(self.inbox().iter().filter(|(_, m)| truncated(m)).count(), members.len());
    }

    /// Sends the truncation and cuts the writer's own books.
    pub fn send_truncation(&mut self, vdl: Lsn, upto: Lsn, members: &[u32]) {
        let epoch = self.epoch;
        self.register = Register { epoch, version: 1, ..self.register };
        let message = self.truncation(vdl, upto);
        self.table = self.table.with(Truncation { epoch, vdl, upto }).expect("rising");
        self.tell_all(members, message);
        self.vdl = vdl;
        if upto > Lsn::ZERO {
            (self.last, self.next) = (vdl, upto.next());
        }
        for versions in self.versions.values_mut() {
            versions.retain(|page| page.lsn() <= vdl);
        }
        self.versions.retain(|_, versions| !versions.is_empty());
        let last = |versions: &Vec<Page>| versions.last().map_or(Lsn::ZERO, Page::lsn);
        self.page_lsns = self.versions.iter().map(|(&page, versions)| (page, last(versions))).collect();
    }

    /// The truncation message that ends a recovery at `vdl`; the writer's own chain ends are cut too.
    pub fn truncation(&mut self, vdl: Lsn, upto: Lsn) -> ToStorage {
        let mut ends = BTreeMap::new();
        for (page, versions) in &self.versions {
            let pg = crate::ids::pg_of(*page, PAGES_PER_PG);
            let end = versions.iter().map(Page::lsn).filter(|&lsn| lsn <= vdl).max().unwrap_or_default();
            let known = ends.entry(pg).or_insert(Lsn::ZERO);
            *known = end.max(*known);
        }
        self.ends = ends;
        ToStorage::Truncate {
            volume: VOLUME,
            epoch: self.epoch,
            table: self.table.clone(),
            vdl,
            upto,
            register: Register { epoch: self.epoch, version: 1, ..self.register },
            ends: self.ends.iter().map(|(&pg, &end)| (pg, end)).collect(),
        }
    }

    /// Makes a group that changes these pages, each once: it formats a new page, else writes a row. Gives the appends.
    pub fn write(&mut self, pages: &[u64], value: u8) -> Vec<ToStorage> {
        let mut builder = GroupBuilder::new(self.next);
        let mut out: BTreeMap<PgId, BytesMut> = BTreeMap::new();
        let bytes = [value; 24];
        for &page in pages {
            let page = PageId(page);
            match self.versions.get(&page).and_then(|versions| versions.last()) {
                None => builder.push(page, &RedoOp::Format { kind: PageKind::Leaf, level: 0, tree: TreeId(1) }),
                Some(page_now) if page_now.count() == 0 => {
                    builder.push(page, &RedoOp::Insert { key: b"key", value: &bytes })
                }
                Some(_) => builder.push(page, &RedoOp::Replace { key: b"key", value: &bytes }),
            };
        }
        let group = builder.finish();
        for (lsn, page, record) in group.records() {
            let pg = crate::ids::pg_of(page, PAGES_PER_PG);
            let end = self.ends.entry(pg).or_default();
            let prev_page = self.page_lsns.insert(page, lsn).unwrap_or_default();
            Envelope::put(out.entry(pg).or_default(), lsn, self.last, *end, prev_page, &record);
            (*end, self.last) = (lsn, lsn);
            let versions = self.versions.entry(page).or_default();
            let mut version = versions.last().cloned().unwrap_or_else(|| Page::empty(page, PAGE_BYTES as usize));
            apply(&mut version, &Record::decode(&record).expect("whole").0).expect("fits");
            versions.push(version);
        }
        self.next = self.last.next();
        let appends: Vec<_> = out.into_iter().map(|(pg, records)| self.append(pg, records.freeze())).collect();
        self.sent.extend(appends.iter().cloned());
        appends
    }

    /// The LSNs of a group's records that were not annulled, in order.
    pub fn records_of(&self, pg: PgId) -> Vec<Lsn> {
        let of_group = self.versions.iter().filter(|(page, _)| crate::ids::pg_of(**page, PAGES_PER_PG) == pg);
        let mut lsns: Vec<Lsn> = of_group.flat_map(|(_, versions)| versions.iter().map(Page::lsn)).collect();
        lsns.sort_unstable();
        lsns
    }

    /// The last record below an LSN that was not annulled.
    pub fn record_before(&self, lsn: Lsn) -> Lsn {
        let all = self.versions.values().flatten().map(Page::lsn);
        all.filter(|&known| known < lsn).max().unwrap_or_default()
    }

    /// An append as a confused sender would repeat it now.
    pub fn under_this_epoch(&self, append: ToStorage) -> ToStorage {
        match append {
            ToStorage::Append { groups, .. } => {
                let [GroupRecords { floor, records }] = &groups[..] else { panic!("one group") };
                self.append(floor.pg, records.clone())
            }
            other => other,
        }
    }

    pub fn append(&self, pg: PgId, records: bytes::Bytes) -> ToStorage {
        ToStorage::Append {
            volume: VOLUME,
            epoch: self.epoch,
            vdl: self.vdl,
            sent_at: self.sim.now(),
            groups: vec![GroupRecords { floor: PgFloor { pg, pgmrpl: self.vdl, pgcl: self.vdl }, records }],
        }
    }

    /// Writes records and sends them to `members`, one page a group.
    pub fn write_to(&mut self, members: &[u32], pages: &[u64], value: u8) {
        for &page in pages {
            for append in self.write(&[page], value) {
                self.tell_all(members, append);
            }
        }
    }

    pub fn heartbeat(&mut self, members: &[u32], vdl: Lsn) {
        self.vdl = self.vdl.max(vdl);
        let floor = |pg| PgFloor { pg: PgId(pg), pgmrpl: self.vdl, pgcl: self.vdl };
        let floors = (0..self.register.pg_count).map(floor).collect();
        let (epoch, vdl, sent_at) = (self.epoch, self.vdl, self.sim.now());
        self.tell_all(members, ToStorage::Heartbeat { volume: VOLUME, epoch, vdl, sent_at, floors });
    }

    pub fn tell(&mut self, member: u32, message: &ToStorage) {
        self.sim.inject(WRITER, NodeId(2 + member), message.frame(TO_STORAGE));
    }

    pub fn tell_all(&mut self, members: &[u32], message: ToStorage) {
        for &member in members {
            self.tell(member, &message);
        }
    }

    pub fn run(&mut self, millis: u64) {
        let _ = self.sim.run_for(Nanos::from_millis(millis));
    }

    /// What came since the last look.
    pub fn inbox(&mut self) -> Vec<(NodeId, ToWriter)> {
        std::mem::take(&mut self.sim.node_mut::<Inbox>(WRITER).expect("the writer is up").messages)
    }

    pub fn promises(&mut self) -> Vec<(NodeId, ToWriter)> {
        let mut messages = self.inbox();
        messages.retain(|(_, message)| matches!(message, ToWriter::Promise { .. }));
        messages
    }

    /// The highest SCL each member acknowledged among the messages not looked at.
    pub fn acked(&mut self) -> BTreeMap<(u32, PgId), Lsn> {
        let mut acked = BTreeMap::new();
        for (from, message) in self.inbox() {
            let ToWriter::Ack { scls, .. } = message else { continue };
            for (pg, scl) in scls {
                let known = acked.entry((from.0 - 2, pg)).or_insert(scl);
                *known = scl.max(*known);
            }
        }
        acked
    }

    pub fn read(&mut self, member: u32, page: u64, read_point: Lsn, required: Lsn) -> PageResult {
        let page = PageId(page);
        let pg = crate::ids::pg_of(page, PAGES_PER_PG);
        let message = ToStorage::Read { volume: VOLUME, epoch: self.epoch, request: 1, pg, page, read_point, required };
        self.tell(member, &message);
        self.run(30);
        let answer = self.inbox().into_iter().find_map(|(_, message)| match message {
            ToWriter::Page { result, .. } => Some(result),
            _ => None,
        });
        answer.expect("a read is answered")
    }

    /// The model's page as of a read point, sealed.
    pub fn model(&self, page: u64, read_point: Lsn) -> Vec<u8> {
        let versions = &self.versions[&PageId(page)];
        let version = versions.iter().rev().find(|page| page.lsn() <= read_point).expect("it existed by then");
        version.sealed().to_vec()
    }

    pub fn probe(&self, member: u32) -> StorageProbe {
        let node = self.sim.node::<StorageNode>(NodeId(2 + member)).expect("up");
        node.probe().unwrap_or_else(|| panic!("member {member} does not serve: {:?}", node.halted()))
    }

    pub fn scl(&self, member: u32, pg: u32) -> Lsn {
        self.probe(member).segments[pg as usize].scl
    }

    /// Lets the log block with a record rot. The node is down.
    pub fn damage_block_with(&mut self, member: u32, lsn: Lsn) {
        let identity = LogIdentity { volume: VOLUME, member: MemberIndex(member as u8) };
        let disk = self.sim.disk_mut(NodeId(2 + member)).expect("a disk");
        let names: Vec<_> = disk.list().into_iter().map(|(name, _)| name).collect();
        for name in names {
            let Some(extent) = extent_of(&name) else { continue };
            let bytes = disk.contents(&name).expect("listed").into();
            for block in block::scan(identity, extent, 0, &bytes) {
                let has = |(_, envelopes): &(PgId, bytes::Bytes)| {
                    Envelope::all(envelopes).expect("whole").iter().any(|envelope| envelope.record.lsn == lsn)
                };
                if block.sections.iter().any(has) {
                    let at = u64::from(block.header.place.sector) * 512 + 80;
                    assert!(disk.damage(&name, at, &[0xa5; 8]));
                }
            }
        }
    }

    pub fn crash(&mut self, member: u32, survival: Survival) {
        self.sim.crash(NodeId(2 + member), true, survival);
    }

    pub fn restart(&mut self, member: u32) {
        self.sim.restart(NodeId(2 + member));
        self.run(50);
    }
}

pub fn all() -> Vec<u32> {
    (0..6).collect()
}
