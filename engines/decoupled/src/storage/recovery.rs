//! What a node does for a writer that recovers the volume: promises, inventories, truncation.

use compute::Lsn;
use node::{Effects, IoClass, Nanos, NodeId, TimerId};

use super::rebuild::Rebuild;
use super::segment::Segment;
use super::server::{After, Server};
use super::{Owner, Trouble};
use crate::message::ToWriter;
use crate::{Epoch, PgId, Register, Truncation, TruncationTable};

impl Server {
    pub(super) fn on_prepare(
        &mut self,
        now: Nanos,
        from: NodeId,
        epoch: Epoch,
        table: TruncationTable,
        out: &mut Effects,
    ) -> Result<(), Trouble> {
        let _ = now;
        if !self.fence.promise(epoch) {
            self.refuse(from, epoch, out);
            return Ok(());
        }
        if table.is_newer_than(&self.table) && table.epoch() < epoch {
            self.annul(table, &[]);
        }
        self.save(After::Promise { to: from, epoch }, out)
    }

    pub(super) fn on_truncate(
        &mut self,
        from: NodeId,
        table: TruncationTable,
        entry: Truncation,
        register: Register,
        ends: &[(PgId, Lsn)],
        out: &mut Effects,
    ) -> Result<(), Trouble> {
        let epoch = entry.epoch;
        if !self.fence.promise(epoch) {
            self.refuse(from, epoch, out);
            return Ok(());
        }
        let Some(table) = table.with(entry) else {
            self.counters.refused += 1;
            return Ok(());
        };
        if self.table.epoch() < epoch {
            self.annul(table, ends);
        }
        // The entry's VDL is where the volume is to end, and not durable yet: this recovery may be broken off before four
        // segments are complete to it, and the next one must walk there again.
        self.adopt_register(register);
        for &(pg, end) in ends {
            let Some(segment) = self.segments.get_mut(&pg) else { continue };
            segment.settle_claim(end, entry.vdl);
            if segment.scl() < end {
                self.lack(pg, end, Nanos::ZERO);
            }
        }
        self.save(After::Truncated { to: from, epoch }, out)
    }

    /// Takes up a truncation table: what it annuls is gone, here and in every claim.
    pub(super) fn annul(&mut self, table: TruncationTable, ends: &[(PgId, Lsn)]) {
        for segment in self.segments.values_mut() {
            let end = ends.iter().find(|(pg, _)| *pg == segment.pg).map(|&(_, end)| end);
            segment.annul(&table, end);
        }
        self.table = table;
        // Claims in blocks written so far, and in those that wait, are as before. The superblock has them as they are now.
        self.claims_void_upto = self.log.submitted_seq();
        self.claimed.clear();
    }

    pub(super) fn on_inventory(&mut self, from: NodeId, epoch: Epoch, pg: PgId, above: Lsn, out: &mut Effects) {
        if epoch != self.fence.promised() {
            self.refuse(from, epoch, out);
            return;
        }
        let Some(segment) = self.segments.get(&pg) else { return };
        let (entries, complete) = segment.inventory(above, self.config.inventory_records_max);
        let answer = ToWriter::Inventory { volume: self.config.volume, epoch, pg, above, entries, complete };
        self.send(from, &answer, IoClass::Recovery, out);
    }

    /// A superblock is durable: what waited for it is said now.
    pub(super) fn on_saved(&mut self, now: Nanos, generation: u64, out: &mut Effects) {
        self.note_recorded(out);
        while self.after.front().is_some_and(|(wanted, _)| *wanted <= generation) {
            let Some((_, after)) = self.after.pop_front() else { break };
            self.do_after(now, after, out);
        }
    }

    /// Segments that a durable superblock names for the first time: what came for them meanwhile counts now.
    fn note_recorded(&mut self, out: &mut Effects) {
        let (durable_seq, mut risen) = (self.log.durable_seq(), Vec::new());
        for segment in self.segments.values_mut().filter(|segment| !segment.recorded) {
            segment.recorded = self.keeper.names(segment.pg);
            if segment.advance(durable_seq) {
                risen.push(segment.pg);
            }
        }
        if let Some((writer, epoch)) = self.writer.filter(|&(_, epoch)| !risen.is_empty() && self.fence.serves(epoch)) {
            self.send_ack(writer, epoch, Nanos::ZERO, &risen, out);
        }
    }

    fn do_after(&mut self, now: Nanos, after: After, out: &mut Effects) {
        let volume = self.config.volume;
        match after {
            After::Promise { to, epoch } if epoch == self.fence.promised() => self.send_promise(now, to, out),
            After::Promise { to, epoch } => self.refuse(to, epoch, out),
            After::Nothing => {}
            After::Held { epoch } => self.hold_epoch(epoch),
            After::Free { extents } => {
                self.log.free(&extents);
                self.freeing = false;
            }
            After::Hydrated { pg } => {
                if let Some((writer, epoch)) = self.writer.filter(|&(_, epoch)| self.fence.serves(epoch)) {
                    self.send_ack(writer, epoch, Nanos::ZERO, &[pg], out);
                }
            }
            After::Copy { pg } => self.start_copy(now, pg, out),
            After::Truncated { to, epoch } => {
                self.hold_epoch(epoch);
                self.writer = Some((to, epoch));
                out.set_timer(TimerId::new(Owner::GOSSIP, 0), Nanos::ZERO);
                if self.fence.serves(epoch) {
                    let truncated = ToWriter::Truncated { volume, epoch, incarnation: self.incarnation };
                    self.send(to, &truncated, IoClass::Recovery, out);
                } else {
                    self.refuse(to, epoch, out);
                }
            }
            After::Register { to, epoch, version } if self.fence.serves(epoch) => {
                self.send(to, &ToWriter::RegisterWritten { volume, epoch, version }, IoClass::Metadata, out);
            }
            After::Register { to, epoch, .. } => self.refuse(to, epoch, out),
        }
    }

    /// An epoch's table is durable. What peers said under another one is void.
    fn hold_epoch(&mut self, epoch: Epoch) {
        if self.fence.serving() != Some(epoch) {
            self.peers.clear();
            self.rebuilds.values_mut().for_each(Rebuild::forget_target);
        }
        self.fence.hold(epoch);
    }

    /// Takes up the page store at a start. Segments whose pages cannot be relied on start over.
    pub(super) fn take_up_pages(&mut self, index_lost: bool, out: &mut Effects) -> Result<(), Trouble> {
        if let Some(register) = self.register {
            self.pages.set_page_bytes(register.geometry.page_bytes as usize);
        }
        if index_lost {
            // What no record of the log was collected for is lost with no page: the log has it all.
            for segment in self.segments.values_mut().filter(|segment| segment.base() > Lsn::ZERO) {
                segment.hydrated = false;
                segment.give_up_pages();
            }
            self.save(After::Nothing, out)?;
        }
        Ok(())
    }

    fn send_promise(&mut self, now: Nanos, to: NodeId, out: &mut Effects) {
        let epoch = self.fence.promised();
        let promise = ToWriter::Promise {
            volume: self.config.volume,
            epoch,
            incarnation: self.incarnation,
            lease_left: self.fence.lease_left(epoch, now),
            vdl: self.durable_vdl(),
            table: self.table.clone(),
            register: self.register,
            segments: self.segments.values().map(Segment::status).collect(),
        };
        self.send(to, &promise, IoClass::Recovery, out);
    }
}
