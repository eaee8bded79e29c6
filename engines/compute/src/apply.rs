//! `apply`: the one function through which a page ever changes.
//!
//! The buffer pool, storage nodes, replicas and recovery all call it, so a page is the same bytes wherever its records
//! were applied ("the log is the database", SIGMOD 2017, section 3).
//!
//! # Invariants
//!
//! - The outcome depends on the page's bytes and the record, on nothing else.
//! - A record that does not fit leaves the page as it was.

use crate::{Lsn, Page, PageId, PageKind, Record, RedoOp};

/// Why a record does not fit a page. The page is damaged or the log is: never a reason to skip the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {lsn} does not fit page {page}: {reason}", lsn = .0.lsn, page = .0.page, reason = .0.reason)]
pub struct ApplyError(Box<Misfit>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Misfit {
    lsn: Lsn,
    page: PageId,
    reason: &'static str,
}

impl ApplyError {
    /// The record's LSN.
    pub fn lsn(&self) -> Lsn {
        self.0.lsn
    }

    /// The page the record was applied to.
    pub fn page(&self) -> PageId {
        self.0.page
    }

    /// What does not fit.
    pub fn reason(&self) -> &'static str {
        self.0.reason
    }
}

/// Applies `record` to `page` and sets the page's LSN to the record's.
///
/// A record at or below the page's LSN is already in it and changes nothing; `Ok(false)` says so. [`RedoOp::Format`]
/// fits any page. The caller applies the records of a page in LSN order and leaves none out.
///
/// [`RedoOp::Format`]: crate::RedoOp::Format
pub fn apply(page: &mut Page, record: &Record<'_>) -> Result<bool, ApplyError> {
    let misfit = |reason| ApplyError(Box::new(Misfit { lsn: record.lsn, page: record.page, reason }));
    if record.page != page.id() {
        return Err(misfit("it belongs to another page"));
    }
    if record.lsn <= page.lsn() {
        return Ok(false);
    }
    edit(page, &record.op).map_err(misfit)?;
    page.set_lsn(record.lsn);
    Ok(true)
}

fn edit(page: &mut Page, op: &RedoOp<'_>) -> Result<(), &'static str> {
    if let RedoOp::Format { kind, level, tree } = *op {
        page.format(kind, level, tree);
        return Ok(());
    }
    if let RedoOp::SetRight { right } = *op {
        page.set_right(right);
        return Ok(());
    }
    if page.kind() == PageKind::Free {
        return Err("the page is not in use");
    }
    match *op {
        RedoOp::Insert { key, value } => page.insert(key, value),
        RedoOp::Replace { key, value } => page.replace(key, value),
        RedoOp::Patch { key, offset, bytes } => page.patch(key, usize::from(offset), bytes),
        RedoOp::Remove { key } => page.remove(key),
        RedoOp::Append { cells } => page.append(cells),
        RedoOp::Truncate { key } => {
            page.truncate(key);
            Ok(())
        }
        RedoOp::Format { .. } | RedoOp::SetRight { .. } => Ok(()),
    }
}
