//! Page fetches: a read, verified; where that fails a second one; then the partners' copies.
//!
//! A page that stays damaged is looked for in every partner's copy. The newest whole one is written over the damaged place,
//! there alone, and handed out when that is durable: it is not in the pool before, so no flush of it can be under way.

use compute::{FetchError, Page, PageId, Upcall, Upcalls};
use node::{DiskOp, DiskReply, DiskResult, IoClass};

use super::Engine;
use crate::error::CoupledError;
use crate::io::{Io, Kind, PAGES};

/// A fetch under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetch {
    /// What was wrong with the page in place, once it was read.
    damage: Option<String>,
    /// How many partners were asked.
    asked: u32,
    /// The newest whole copy a partner had.
    found: Option<Page>,
}

impl Engine {
    /// Reads a page from the page file.
    pub fn fetch(&mut self, io: &mut Io<'_>, page: PageId) {
        self.fetches.insert(page, Fetch::default());
        io.submit(Kind::Fetch, page.0, self.page_read(page), IoClass::DataPage);
    }

    fn page_read(&self, page: PageId) -> DiskOp {
        let len_bytes = self.config.compute.page_bytes;
        DiskOp::Read { file: PAGES, offset: page.0 * len_bytes as u64, len_bytes }
    }

    /// Checksum, identity, and the rule that no page is newer than the durable log.
    fn verified(&self, page: PageId, result: DiskResult) -> Result<Page, String> {
        let found = match result {
            Ok(DiskReply::Data(block)) => Page::open(block, page).map_err(|error| error.to_string())?,
            Ok(_) => unreachable!("a read is answered by data"),
            Err(error) => return Err(format!("page {page} cannot be read: {error}")),
        };
        if found.lsn() > self.appender.durable() {
            return Err(format!("page {page} carries LSN {} above the durable log", found.lsn()));
        }
        Ok(found)
    }

    pub(super) fn fetched(&mut self, io: &mut Io<'_>, up: &mut Upcalls, page: PageId, result: DiskResult) {
        let verified = self.verified(page, result);
        let read = self.page_read(page);
        let Some(fetch) = self.fetches.get_mut(&page) else { return };
        match verified {
            Ok(found) => self.deliver(up, page, Ok(found)),
            Err(why) => {
                if fetch.damage.replace(why).is_some() {
                    self.ask_partner(io, up, page);
                } else {
                    // A read may have gone astray; the page itself is then whole.
                    io.submit(Kind::Fetch, page.0, read, IoClass::DataPage);
                }
            }
        }
    }

    /// Asks the next partner; when there is none left, mends the page or gives it up.
    fn ask_partner(&mut self, io: &mut Io<'_>, up: &mut Upcalls, page: PageId) {
        let read = self.page_read(page);
        let Some(fetch) = self.fetches.get_mut(&page) else { return };
        if io.read_partner(page.0, fetch.asked, read) {
            fetch.asked += 1;
        } else if let Some(found) = &fetch.found {
            let block = found.sealed();
            io.mend(page.0, PAGES, page.0 * block.len() as u64, block);
        } else {
            let partners = match fetch.asked {
                0 => String::new(),
                asked => format!("; none of {asked} other copies is whole"),
            };
            let damage = fetch.damage.take().unwrap_or_default();
            let (volume, durable) = (self.config.volume.0, self.appender.durable());
            let why = format!("{damage}, in the page file of volume {volume:016x} at LSN {durable}{partners}");
            self.deliver(up, page, Err(FetchError::Corrupt(why)));
        }
    }

    pub(super) fn partner_read(&mut self, io: &mut Io<'_>, up: &mut Upcalls, page: PageId, result: DiskResult) {
        let verified = self.verified(page, result);
        let Some(fetch) = self.fetches.get_mut(&page) else { return };
        if let Ok(copy) = verified
            && fetch.found.as_ref().is_none_or(|found| found.lsn() < copy.lsn())
        {
            fetch.found = Some(copy);
        }
        self.ask_partner(io, up, page);
    }

    pub(super) fn mended(&mut self, up: &mut Upcalls, page: PageId, result: DiskResult) -> Result<(), CoupledError> {
        result.map_err(CoupledError::device("the repair of a page"))?;
        if let Some(found) = self.fetches.get_mut(&page).and_then(|fetch| fetch.found.take()) {
            self.probe.pages_mended += 1;
            self.deliver(up, page, Ok(found));
        }
        Ok(())
    }

    fn deliver(&mut self, up: &mut Upcalls, page: PageId, result: Result<Page, FetchError>) {
        self.fetches.remove(&page);
        up.push(Upcall::Fetched { page, result });
    }
}
