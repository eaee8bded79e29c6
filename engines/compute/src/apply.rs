//! `apply`: the one function through which a page ever changes.

use crate::{Page, Record};

/// Why a record does not fit a page. The page is damaged or the log is: never a reason to skip the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {lsn} does not fit page {page}: {reason}", lsn = .0.lsn, page = .0.page, reason = .0.reason)]
pub struct ApplyError(Box<Misfit>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Misfit {
    lsn: crate::Lsn,
    page: crate::PageId,
    reason: &'static str,
}

/// Applies `record` to `page` and sets the page's LSN to the record's.
///
/// A record at or below the page's LSN is already in it and changes nothing; `Ok(false)` says so. [`RedoOp::Format`]
/// fits any page. The caller applies the records of a page in LSN order and leaves none out.
///
/// [`RedoOp::Format`]: crate::RedoOp::Format
pub fn apply(page: &mut Page, record: &Record<'_>) -> Result<bool, ApplyError> {
    let _ = page;
    Err(ApplyError(Box::new(Misfit { lsn: record.lsn, page: record.page, reason: "unsupported" })))
}
