//! Serving pages: the base from its slot, and the records above it.

use compute::{Lsn, Page, PageId, RedoOp, apply::apply};
use node::{Effects, IoClass, NodeId};

use super::coalesce::Wanted;
use super::server::Server;
use crate::PgId;
use crate::message::{Envelope, PageResult, ToWriter};
use crate::planted::Bug;

/// Records read ahead of being applied. Each waits for memory of its own; read one behind the other, they wait together.
const READ_AHEAD: usize = 16;

/// Applies a page's records to its base. The error says what does not fit, for a person.
pub(super) fn materialise<'a>(mut page: Page, mut records: impl Iterator<Item = Envelope<'a>>) -> Result<Page, String> {
    let mut ahead = Vec::with_capacity(READ_AHEAD);
    loop {
        ahead.extend(records.by_ref().take(READ_AHEAD));
        if ahead.is_empty() {
            return Ok(page);
        }
        for envelope in ahead.drain(..) {
            apply_next(&mut page, &envelope)?;
        }
    }
}

fn apply_next(page: &mut Page, Envelope { prev_page, record, .. }: &Envelope<'_>) -> Result<(), String> {
    if record.lsn <= page.lsn() {
        return Ok(());
    }
    // The back-pointer says which record the page must be at: a base that lost its last version is noticed here.
    let formats = matches!(record.op, RedoOp::Format { .. });
    if !formats && *prev_page != page.lsn() {
        return Err(format!(
            "page {} is at LSN {} where record {} expects it at {prev_page}",
            record.page,
            page.lsn(),
            record.lsn,
        ));
    }
    apply(page, record).map(|_| ()).map_err(|error| error.to_string())
}

impl Server {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn on_read(
        &mut self,
        from: NodeId,
        request: u64,
        pg: PgId,
        page: PageId,
        read_point: Lsn,
        required: Lsn,
        out: &mut Effects,
    ) {
        let result = match self.readable(pg, page, read_point, required) {
            Err(result) => result,
            Ok(()) => {
                let epoch = self.fence.promised();
                self.make_page(pg, page, read_point, Wanted::ByWriter { to: from, request, epoch }, out);
                return;
            }
        };
        self.answer_read(from, request, page, result, out);
    }

    /// Whether the segment may serve a page at a read point (P18, section 3.4).
    fn readable(&self, pg: PgId, page: PageId, read_point: Lsn, required: Lsn) -> Result<(), PageResult> {
        let behind = |scl| Err(PageResult::Behind { scl });
        let (Some(register), Some(segment)) = (self.register, self.segments.get(&pg)) else {
            return behind(Lsn::ZERO);
        };
        if !segment.hydrated {
            return behind(Lsn::ZERO);
        }
        if segment.scl() < required && !self.config.planted.is(Bug::ReadAboveScl) {
            return behind(segment.scl());
        }
        if read_point < segment.pgmrpl {
            return Err(PageResult::TooOld { pgmrpl: segment.pgmrpl });
        }
        if page.0 / register.geometry.pages_per_pg != u64::from(pg.0) {
            return Err(PageResult::Damaged { detail: format!("page {page} is not of protection group {}", pg.0) });
        }
        Ok(())
    }

    pub(super) fn answer_read(&self, to: NodeId, request: u64, page: PageId, result: PageResult, out: &mut Effects) {
        let (volume, epoch) = (self.config.volume, self.fence.promised());
        self.send(to, &ToWriter::Page { volume, epoch, request, page, result }, IoClass::PageRead, out);
    }
}
