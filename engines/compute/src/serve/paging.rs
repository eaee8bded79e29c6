//! Waiting for pages.
//!
//! A page is fetched once however many wait for it. Parked work runs again when all it asked for has come; by then a small
//! pool may have lost some of it to others, and it asks again. So that this ends, the pages fetched for the oldest
//! parked work are pinned until it is done: sooner or later it has all it needs.

use node::Effects;

use super::session::{Park, Slot, WorkId};
use super::{ComputeNode, State};
use crate::catalog::CATALOG_PAGE;
use crate::{FetchError, Page, PageId, Storage};
use contract::Error;

impl<S: Storage> ComputeNode<S> {
    /// Parks a session's work until `pages`, none of which is in memory, have come.
    pub(super) fn park_for_pages(&mut self, slot: Slot, pages: &[PageId], out: &mut Effects) {
        self.stats.parks_page += 1;
        let session = self.sessions.at_mut(slot);
        session.park = Park::Pages(pages.len() as u32);
        let work = session.work;
        if std::mem::take(&mut session.progressed) {
            self.unpin(work);
        }
        self.page_work.insert(work, slot);
        for &page in pages {
            if let Some(waiters) = self.fetching.get_mut(&page) {
                waiters.push((slot, work));
                continue;
            }
            self.fetching.insert(page, vec![(slot, work)]);
            self.stats.fetches += 1;
            self.with_storage(out, |storage, cx| storage.fetch(cx, page));
        }
    }

    /// How many pages are pinned for this work.
    pub(super) fn pinned(&self, work: WorkId) -> usize {
        if self.pins.0 == work { self.pins.1.len() } else { 0 }
    }

    /// The work is over or cancelled: it needs its pages no longer.
    pub(super) fn end_page_work(&mut self, work: WorkId) {
        if self.page_work.remove(&work).is_some() {
            self.unpin(work);
        }
    }

    fn unpin(&mut self, work: WorkId) {
        if self.pins.0 == work {
            for page in self.pins.1.drain(..) {
                self.pool.unpin(page);
            }
        }
    }

    pub(super) fn on_fetched(&mut self, id: PageId, result: Result<Page, FetchError>, out: &mut Effects) {
        match result {
            Ok(page) => {
                self.arrived.push_back(page);
                self.take_in(out);
            }
            Err(error) => {
                let waiters = self.fetching.remove(&id).unwrap_or_default();
                if id == CATALOG_PAGE && self.state == State::Opening {
                    return self.on_catalog(Err(error), out);
                }
                let error = match error {
                    FetchError::Corrupt(text) => Error::Corrupt(text),
                    FetchError::Unavailable(text) => Error::Unavailable(text),
                };
                for (slot, work) in waiters {
                    if self.waits_for_pages(slot, work) {
                        self.fail(slot, error.clone(), out);
                    }
                }
            }
        }
    }

    /// Frames may have become free: takes in pages that wait for one, and lets commits that do try again.
    pub(super) fn on_room(&mut self, out: &mut Effects) {
        self.take_in(out);
        for (slot, work) in std::mem::take(&mut self.roomless) {
            if self.is_parked(slot, work, Park::Room) {
                self.wake(slot);
            }
        }
    }

    /// Takes in the next page that came, if there is a frame for it. One at a time: those who wait for it run before
    /// the next may push it out.
    fn take_in(&mut self, out: &mut Effects) {
        while let Some(page) = self.arrived.pop_front() {
            let storage = &self.storage;
            if self.pool.make_room(1, |page, lsn| storage.evictable(page, lsn)).is_err() {
                self.stats.parks_room += 1;
                self.arrived.push_front(page);
                return;
            }
            let id = page.id();
            self.pool.install(page, |_, _| false).expect("room was made");
            let waiters = self.fetching.remove(&id).unwrap_or_default();
            self.pin_for_oldest(id, &waiters);
            for (slot, work) in waiters {
                self.page_came(slot, work);
            }
            if id == CATALOG_PAGE && self.state == State::Opening {
                self.on_catalog(Ok(()), out);
            }
            while let Some(slot) = self.ready.pop_front() {
                self.resume(slot, out);
            }
        }
    }

    fn pin_for_oldest(&mut self, id: PageId, waiters: &[(Slot, WorkId)]) {
        let Some((&oldest, _)) = self.page_work.first_key_value() else { return };
        if !waiters.iter().any(|(_, work)| *work == oldest) || !self.pool.pin(id) {
            return;
        }
        if self.pins.0 != oldest {
            // Older work, held up elsewhere so far, takes over.
            self.unpin(self.pins.0);
            self.pins.0 = oldest;
        }
        self.pins.1.push(id);
    }

    fn page_came(&mut self, slot: Slot, work: WorkId) {
        if !self.waits_for_pages(slot, work) {
            return;
        }
        match &mut self.sessions.at_mut(slot).park {
            Park::Pages(left) if *left > 1 => *left -= 1,
            _ => self.wake(slot),
        }
    }

    fn waits_for_pages(&self, slot: Slot, work: WorkId) -> bool {
        let session = self.sessions.at(slot);
        session.work == work && matches!(session.park, Park::Pages(_)) && session.is_open()
    }
}
