//! The buffer pool: the pages in memory.

use crate::{Lsn, Page, PageId};

/// Pages in memory, up to a fixed number.
#[derive(Debug)]
pub struct Pool {
    pages: std::collections::BTreeMap<PageId, Page>,
}

impl Pool {
    /// The page, if it is in memory. Does not count as a use.
    pub fn peek(&self, page: PageId) -> Option<&Page> {
        self.pages.get(&page)
    }

    /// The LSN of a page in memory.
    pub fn lsn_of(&self, page: PageId) -> Option<Lsn> {
        self.peek(page).map(Page::lsn)
    }
}
