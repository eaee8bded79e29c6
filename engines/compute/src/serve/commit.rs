//! Commit: plan, fetch and pin, then validate and apply in one event.
//!
//! Each attempt validates, plans against the pages in memory, asks the storage for room, and applies; whatever is lacking
//! parks the commit, nothing is changed, and the next attempt starts over. The attempt that succeeds is a single event, so
//! what it validated is what it overwrote.

use std::cell::RefCell;

use contract::{CommitPosition, ConflictKind, Error, Mode, Reply};
use node::Effects;

use super::session::{Park, Phase, Slot};
use super::{ComputeNode, State};
use crate::btree::{self, CommitBounds, CommitError, Write};
use crate::txn::ReadMark;
use crate::{Group, Lsn, PageId, PageKind, Record, RedoOp, RowChanges, Storage, TreeId};

impl<S: Storage> ComputeNode<S> {
    /// Tries to commit; parks, fails or finishes.
    pub(super) fn commit(&mut self, slot: Slot, out: &mut Effects) {
        // Those who were not admitted keep their turn.
        if self.unadmitted.is_empty() {
            self.attempt_commit(slot, out);
        } else {
            self.park_unadmitted(slot);
        }
    }

    fn attempt_commit(&mut self, slot: Slot, out: &mut Effects) {
        let session = self.sessions.at(slot);
        // Locks kept what a locking transaction read as it was.
        if session.mode == Mode::Optimistic && !session.reads.is_valid(&self.recent, ReadMark::default()) {
            return self.conflict(slot, ConflictKind::Validation, out);
        }
        if session.writes.effects().next().is_none() {
            return self.finish_read_only(slot, out);
        }
        match self.apply_writes(slot, out) {
            Ok(group) => self.finish_commit(slot, group, out),
            Err(CommitError::Misses(pages)) => self.park_for_commit_pages(slot, &pages, out),
            Err(CommitError::NotAdmitted) => {
                self.stats.parks_admission += 1;
                self.park_unadmitted(slot);
            }
            Err(CommitError::NeedsPage(page)) => {
                self.stats.parks_reservation += 1;
                let session = self.sessions.at_mut(slot);
                session.park = Park::Reservation;
                self.unreserved.push((slot, session.work, page));
            }
            Err(CommitError::Full(_)) => {
                self.stats.parks_room += 1;
                let session = self.sessions.at_mut(slot);
                session.park = Park::Room;
                self.roomless.push((slot, session.work));
            }
            Err(error @ CommitError::TooLarge { .. }) => self.fail(slot, Error::TooLarge(error.to_string()), out),
            Err(error @ (CommitError::Misfit { .. } | CommitError::Corrupt { .. })) => {
                self.fail(slot, Error::Corrupt(error.to_string()), out);
            }
        }
    }

    /// Applies the write set to the pool as one group, with new pages reserved where the storage has them at once.
    fn apply_writes(&mut self, slot: Slot, out: &mut Effects) -> Result<Group, CommitError> {
        loop {
            let result = self.try_apply(slot);
            let Err(CommitError::NeedsPage(page)) = result else { return result };
            if !self.with_storage(out, |storage, cx| storage.reserve(cx, page)) {
                return result;
            }
            self.reserved_upto = self.reserved_upto.max(page);
        }
    }

    fn try_apply(&mut self, slot: Slot) -> Result<Group, CommitError> {
        let effects = self.sessions.at(slot).writes.effects();
        let writes: Vec<(TreeId, Write<'_>)> =
            effects.filter_map(|(cell, pending)| Some((cell.tree(), pending.write(cell.key())?))).collect();
        let bounds = CommitBounds {
            pages_max: self.config.txn_pages_max,
            bytes_max: self.config.txn_bytes_max,
            reserved_upto: self.reserved_upto,
        };
        let roots = self.roots.as_ref().expect("transactions run on an open database");
        let storage = RefCell::new(&mut self.storage);
        let evictable = |page: PageId, lsn: Lsn| storage.borrow().evictable(page, lsn);
        let mut admits = |last: Lsn, bytes: usize| storage.borrow_mut().admits(last, bytes);
        btree::commit(&mut self.pool, roots, &writes, self.next, &bounds, &evictable, &mut admits)
    }

    fn park_for_commit_pages(&mut self, slot: Slot, pages: &[PageId], out: &mut Effects) {
        let pinned = self.pinned(self.sessions.at(slot).work);
        // Frames for the pages the commit may add must stay free.
        let pins_max = self.pool.capacity() - self.config.txn_pages_max;
        if pinned + pages.len() > pins_max {
            let message = format!("it touches more than the {pins_max} pages the cache can keep for it");
            return self.fail(slot, Error::TooLarge(message), out);
        }
        self.park_for_pages(slot, pages, out);
    }

    fn park_unadmitted(&mut self, slot: Slot) {
        let session = self.sessions.at_mut(slot);
        session.park = Park::Admission;
        self.unadmitted.push_back((slot, session.work));
    }

    /// The storage may admit more log: tries those who wait, in order, until one is refused again.
    pub(super) fn on_admits(&mut self, out: &mut Effects) {
        if self.state == State::Creating {
            return self.create(out);
        }
        let mut waiting = std::mem::take(&mut self.unadmitted);
        while let Some((slot, work)) = waiting.pop_front() {
            if !self.is_parked(slot, work, Park::Admission) {
                continue;
            }
            self.sessions.at_mut(slot).park = Park::No;
            self.attempt_commit(slot, out);
            if !self.unadmitted.is_empty() {
                break;
            }
        }
        self.unadmitted.append(&mut waiting);
    }

    /// Pages up to `page` exist now.
    pub(super) fn on_reserved(&mut self, page: PageId, out: &mut Effects) {
        self.reserved_upto = self.reserved_upto.max(page);
        if self.state == State::Creating {
            return self.create(out);
        }
        for (slot, work, needs) in std::mem::take(&mut self.unreserved) {
            if !self.is_parked(slot, work, Park::Reservation) {
                continue;
            }
            if needs <= page {
                self.wake(slot);
            } else {
                self.unreserved.push((slot, work, needs));
            }
        }
    }

    /// There is no space for more pages: whoever waits for one is told, and nothing of theirs was done. Reads, and commits
    /// that find room in the pages there are, go on.
    pub(super) fn on_full(&mut self, out: &mut Effects) {
        for (slot, work, _) in std::mem::take(&mut self.unreserved) {
            if self.is_parked(slot, work, Park::Reservation) {
                let message = "the disk has no space left for new pages; free some and try again";
                self.fail(slot, Error::Unavailable(message.to_owned()), out);
            }
        }
    }

    /// The group is applied: appends it, makes the writes known, and lets go of the locks.
    fn finish_commit(&mut self, slot: Slot, group: Group, out: &mut Effects) {
        let lsn = group.last();
        self.next = lsn.next();
        self.stats.commits += 1;
        self.stats.redo_records += group.count() as u64;
        self.stats.redo_bytes += group.bytes().len() as u64;
        self.charged.bytes += group.bytes().len() as u64;
        let session = self.sessions.at_mut(slot);
        let mut writes = 0;
        for (cell, _) in session.writes.effects() {
            self.recent.record(cell.clone(), lsn);
            writes += 1;
        }
        if group.count() > writes {
            self.count_structure(&group);
        }
        let session = self.sessions.at_mut(slot);
        let reply = final_reply(session.single_reply.take(), lsn);
        let outgoing = self.encode(slot, Ok(reply));
        self.replies.hold_commit(lsn, outgoing);
        let changes = self.storage.wants_changes().then(|| self.row_changes(slot));
        self.end_transaction(slot);
        self.with_storage(out, |storage, cx| match changes {
            Some(changes) => storage.append_with_changes(cx, group, changes),
            None => storage.append(cx, group),
        });
    }

    /// What the transaction does to rows; index entries follow from them.
    fn row_changes(&self, slot: Slot) -> RowChanges {
        let effects = self.sessions.at(slot).writes.effects();
        RowChanges::encode(effects.filter_map(|(cell, pending)| {
            Some((self.layout.table_of(cell.tree())?, cell.key(), pending.new.as_deref()))
        }))
    }

    /// Counts what a group that is more than its writes did to the trees.
    fn count_structure(&mut self, group: &Group) {
        for record in Record::decode_all(group.bytes()) {
            match record.expect("just encoded").op {
                RedoOp::Format { kind: PageKind::Free, .. } => self.stats.merges += 1,
                RedoOp::Format { .. } => self.stats.splits += 1,
                _ => {}
            }
        }
    }

    /// The transaction wrote nothing: it is serialized here and now.
    fn finish_read_only(&mut self, slot: Slot, out: &mut Effects) {
        self.stats.commits_read_only += 1;
        let depends_on = self.depends_on(slot);
        let reply = final_reply(self.sessions.at_mut(slot).single_reply.take(), depends_on);
        self.reply_finally(slot, Ok(reply), depends_on, true, out);
        self.end_transaction(slot);
    }

    /// The highest LSN that anything the transaction read depends on, or the durable LSN.
    pub(super) fn depends_on(&self, slot: Slot) -> Lsn {
        let durable = self.durable();
        self.sessions.at(slot).reads.depends_on(&self.recent, durable)
    }

    /// Everything up to here is durable. A recovery ends with a durable log, but may skip LSNs (a truncation range) before the
    /// next one: they are nobody's, and a read that waited for the storage to pass them would wait for the next write.
    pub(super) fn durable(&self) -> Lsn {
        self.storage.durable().max(self.recovered)
    }

    /// The client asks to commit the open transaction.
    pub(super) fn begin_commit(&mut self, slot: Slot, out: &mut Effects) {
        self.begin_work(slot, Phase::Committing);
        self.commit(slot, out);
    }
}

fn final_reply(single: Option<Reply>, lsn: Lsn) -> Reply {
    let position = CommitPosition(lsn.0);
    match single {
        Some(reply) => reply.with_position(position),
        None => Reply::Committed { position },
    }
}
