//! What the writer asks of a node while the volume is open: appends, heartbeats, confirmations, registers.

use compute::Lsn;
use compute::page::{PAGE_BYTES_MAX, PAGE_BYTES_MIN};
use node::{Effects, IoClass, Nanos, NodeId, SECTOR_BYTES};

use super::Trouble;
use super::batch::{Batch, Head, decode_batch};
use super::segment::{Offered, Segment};
use super::server::{After, Server};
use crate::message::{GroupRecords, PgFloor, ToStorage, ToWriter};
use crate::planted::Bug;
use crate::{Epoch, PgId, Register};

impl Server {
    pub(super) fn on_writer(
        &mut self,
        now: Nanos,
        from: NodeId,
        message: ToStorage,
        out: &mut Effects,
    ) -> Result<(), Trouble> {
        let (_, epoch) = message.sender();
        let unchecked = self.config.planted.is(Bug::NoEpochCheck) && matches!(message, ToStorage::Append { .. });
        match message {
            ToStorage::Prepare { table, .. } => return self.on_prepare(now, from, epoch, table, out),
            ToStorage::Truncate { table, vdl, upto, register, ends, .. } => {
                let entry = crate::Truncation { epoch, vdl, upto };
                return self.on_truncate(from, table, entry, register, &ends, out);
            }
            ToStorage::Inventory { pg, above, .. } => {
                self.on_inventory(from, epoch, pg, above, out);
                return Ok(());
            }
            _ if !self.fence.serves(epoch) && !unchecked => self.refuse(from, epoch, out),
            ToStorage::Append { vdl, sent_at, groups, .. } => {
                self.writer = Some((from, epoch));
                self.on_append(now, (from, epoch), vdl, sent_at, groups, out);
            }
            ToStorage::Heartbeat { vdl, sent_at, floors, .. } => {
                self.writer = Some((from, epoch));
                self.fence.renew(epoch, now);
                for floor in &floors {
                    self.take_floor(vdl, floor);
                }
                let pgs: Vec<PgId> = floors.iter().map(|floor| floor.pg).collect();
                self.send_ack(from, epoch, sent_at, &pgs, out);
            }
            ToStorage::Read { request, pg, page, read_point, required, .. } => {
                self.on_read(from, request, pg, page, read_point, required, out);
            }
            ToStorage::WriteRegister { register, .. } => return self.on_register(from, epoch, register, out),
            ToStorage::Confirm { ticket, .. } => {
                let confirmed = ToWriter::Confirmed { volume: self.config.volume, epoch, ticket };
                self.send(from, &confirmed, IoClass::Control, out);
            }
        }
        Ok(())
    }

    fn take_floor(&mut self, vdl: Lsn, floor: &PgFloor) {
        self.vdl = self.vdl.max(vdl);
        if let Some(segment) = self.segments.get_mut(&floor.pg) {
            segment.pgmrpl = segment.pgmrpl.max(floor.pgmrpl);
            let is_held = segment.pgmrpl < vdl && segment.first_above(segment.pgmrpl).is_some_and(|first| first <= vdl);
            self.counters.views_kept += u64::from(is_held);
        }
    }

    fn on_append(
        &mut self,
        now: Nanos,
        (from, epoch): (NodeId, Epoch),
        vdl: Lsn,
        sent_at: Nanos,
        groups: Vec<GroupRecords>,
        out: &mut Effects,
    ) {
        let pages_per_pg = self.register.map_or(0, |register| register.geometry.pages_per_pg);
        let (mut known, mut was_away) = (Vec::new(), false);
        for GroupRecords { floor, records } in groups {
            let (pg, bytes) = (floor.pg, records.len());
            if !self.segments.contains_key(&pg) {
                was_away = true;
                continue;
            }
            let Ok(batch) = decode_batch(records, pg, pages_per_pg) else {
                self.counters.refused += 1;
                continue;
            };
            if !self.has_room(pg, &batch, bytes) {
                self.counters.throttled += 1;
                continue;
            }
            self.fence.renew(epoch, now);
            self.take_floor(vdl, &floor);
            match self.take_records(pg, batch) {
                Some(_) if self.config.planted.is(Bug::AckBeforePersist) => {
                    self.segments.get_mut(&pg).map(|segment| segment.advance(u64::MAX));
                    known.push(pg);
                }
                Some(seq) => self.acks.wait(seq, from, epoch, pg, sent_at),
                None => known.push(pg),
            }
        }
        if !known.is_empty() {
            self.send_ack(from, epoch, sent_at, &known, out);
        }
        if was_away {
            // A group was made while this node was away; the writer brings it up.
            self.refuse(from, epoch, out);
        }
    }

    /// Whether records may be taken in. Whoever fills a hole helps the VDL to rise, and the log to be collected; new records
    /// wait for that.
    fn has_room(&self, pg: PgId, batch: &Batch, bytes: usize) -> bool {
        let last = self.segments.get(&pg).map_or(Lsn::ZERO, Segment::last);
        let fills = batch.heads.first().is_some_and(|head| head.prev_pg <= last);
        let too_long = self.log.live_bytes() > self.config.log_bytes_max + self.config.log_bytes_target;
        let is_crowded = self.log.intake_bytes() + bytes > self.config.intake_bytes_max;
        !is_crowded && !self.log.is_full() && (fills || !too_long)
    }

    /// Takes checked records of one group into the log and the segment; gives the block that will have the last new one.
    /// Every path on which records enter leads here: appends, gossip, repair.
    pub(super) fn take_records(&mut self, pg: PgId, batch: Batch) -> Option<u64> {
        let Server { log, segments, table, counters, config, .. } = self;
        let segment = segments.get_mut(&pg)?;
        let limit = log.section_bytes_max().min(config.block_bytes_max);
        let Batch { heads, received } = batch;
        let mut taken = None;
        // New records that stood one behind the other go into the log as they came.
        let mut take = |run: &[Head], segment: &mut Segment| {
            let ([first, .., last] | [first @ last]) = run else { return };
            let seq = log.push(pg, received.slice(first.at as usize..last.end as usize), last.lsn);
            segment.hold(run, &received, seq);
            taken = Some(seq);
        };
        let mut run = 0;
        for (index, head) in heads.iter().enumerate() {
            let offered = segment.lacks(head.lsn, table);
            match offered {
                Offered::Annulled => counters.annulled += 1,
                Offered::Known => counters.duplicates += 1,
                Offered::New => counters.records += 1,
            }
            if offered != Offered::New {
                take(&heads[run..index], segment);
                run = index + 1;
            } else if (head.end - heads[run].at) as usize > limit {
                take(&heads[run..index], segment);
                run = index;
            }
        }
        take(&heads[run..], segment);
        taken
    }

    fn on_register(
        &mut self,
        from: NodeId,
        epoch: Epoch,
        register: Register,
        out: &mut Effects,
    ) -> Result<(), Trouble> {
        self.adopt_register(register);
        self.save(After::Register { to: from, epoch, version: register.version }, out)
    }

    /// Takes up a register that is newer than the one held. A node that had one already, even of an older volume geometry,
    /// never had a record of the groups that are new to it, and can swear to that. A node that had none may have been
    /// wiped: it can swear to nothing about groups that exist.
    pub(super) fn adopt_register(&mut self, register: Register) {
        let sizes = PAGE_BYTES_MIN..=PAGE_BYTES_MAX;
        let page_bytes = register.geometry.page_bytes as usize;
        if !sizes.contains(&page_bytes)
            || !page_bytes.is_multiple_of(SECTOR_BYTES)
            || register.geometry.pages_per_pg == 0
        {
            self.counters.refused += 1;
            return;
        }
        if self.register.is_some_and(|held| !register.is_newer_than(&held)) {
            return;
        }
        let hydrated = self.register.is_some();
        let (chain, planted) = (self.config.coalesce_chain, self.config.planted);
        for pg in (0..register.pg_count).map(PgId) {
            let segment = self.segments.entry(pg).or_insert_with(|| Segment::new(pg, Lsn::ZERO, hydrated));
            (segment.coalesce_chain, segment.planted) = (chain, planted);
        }
        self.pages.set_page_bytes(page_bytes);
        self.register = Some(register);
    }
}
