//! Opening the database: a new one gets its first pages, an old one shows its catalog.

use node::Effects;

use super::{ComputeNode, State};
use crate::catalog::{self, CATALOG_PAGE};
use crate::{FetchError, Lsn, Opened, PageId, Storage};

impl<S: Storage> ComputeNode<S> {
    pub(super) fn on_opened(&mut self, opened: Opened, out: &mut Effects) {
        self.next = opened.next;
        self.recovered = opened.durable;
        if opened.created {
            self.state = State::Creating;
            self.create(out);
        } else {
            self.state = State::Opening;
            self.fetching.insert(CATALOG_PAGE, Vec::new());
            self.with_storage(out, |storage, cx| storage.fetch(cx, CATALOG_PAGE));
        }
    }

    /// Makes the first group, unless the storage has to make room first.
    pub(super) fn create(&mut self, out: &mut Effects) {
        let last_page = PageId(u64::from(self.layout.trees()));
        if self.reserved_upto < last_page {
            if !self.with_storage(out, |storage, cx| storage.reserve(cx, last_page)) {
                return;
            }
            self.reserved_upto = last_page;
        }
        let (records, bytes) = self.first_group;
        if !self.storage.admits(Lsn(self.next.0 + records - 1), bytes) {
            return;
        }
        match catalog::bootstrap(&mut self.pool, self.layout.trees(), self.layout.encoded(), self.next) {
            Ok(group) => {
                self.next = group.last().next();
                self.state = State::Created(group.last());
                self.stats.redo_records += group.count() as u64;
                self.stats.redo_bytes += group.bytes().len() as u64;
                self.read_catalog(out);
                self.with_storage(out, |storage, cx| storage.append(cx, group));
            }
            Err(error) => self.halt(format!("cannot create the database: {error}"), out),
        }
    }

    /// The catalog came: checks that this is the database the configuration speaks of.
    pub(super) fn on_catalog(&mut self, result: Result<(), FetchError>, out: &mut Effects) {
        match result {
            Ok(()) => {
                self.state = State::Serving;
                self.read_catalog(out);
            }
            Err(FetchError::Unavailable(_)) => {
                // Recovery promised that the pages can be had; keep asking.
                self.fetching.insert(CATALOG_PAGE, Vec::new());
                self.with_storage(out, |storage, cx| storage.fetch(cx, CATALOG_PAGE));
            }
            Err(error) => self.halt(format!("cannot open the database: its catalog, page 0: {error}"), out),
        }
    }

    fn read_catalog(&mut self, out: &mut Effects) {
        let page = self.pool.peek(CATALOG_PAGE).expect("the catalog was just made or fetched");
        match catalog::open_catalog(page) {
            Ok((roots, schema)) if schema == self.layout.encoded() && roots.iter().count() == self.trees() => {
                self.roots = Some(roots);
            }
            Ok(_) => self.halt(
                "the database was created with another schema: open it with the tables and indexes it has, or use \
                 another data directory"
                    .into(),
                out,
            ),
            Err(error) => self.halt(format!("cannot open the database: {error}"), out),
        }
    }

    fn trees(&self) -> usize {
        usize::from(self.layout.trees())
    }
}
