//! Pages in.

use compute::{Context, FetchError, Lsn, Page, PageId, Upcall};
use node::{Block, IoClass, TimerId};

use super::members::Part;
use super::reads::Setback;
use super::{HEDGE, VolumeDriver};
use crate::ids::pg_of;
use crate::message::{PageResult, ToStorage};
use crate::planted::Bug;
use crate::{MemberIndex, PgId};

impl VolumeDriver {
    pub(super) fn start_read(&mut self, cx: &mut Context<'_>, page: PageId) {
        let pg = pg_of(page, self.pages_per_pg());
        let read_point = self.progress.vdl();
        if self.groups.len() <= pg.0 as usize {
            let error =
                FetchError::Corrupt(format!("page {page} lies beyond the volume's {} groups", self.groups.len()));
            cx.up.push(Upcall::Fetched { page, result: Err(error) });
            return;
        }
        let required = self.required(pg, read_point);
        let request = self.reads.open(page, pg, read_point, required, cx.now);
        self.stats.reads += 1;
        self.ask_segment(cx, request);
        if self.stats.reads.is_multiple_of(self.config.probe_every) && self.ask_segment(cx, request) {
            self.stats.probes += 1;
        }
        self.set_hedge(cx, request);
    }

    /// The group's last LSN at or below the read point: a segment complete to there has all that the page may need.
    fn required(&mut self, pg: PgId, read_point: Lsn) -> Lsn {
        if self.config.planted.is(Bug::IdleGroupUnreadable) {
            return read_point;
        }
        self.groups[pg.0 as usize].durable_end(read_point)
    }

    fn set_hedge(&self, cx: &mut Context<'_>, request: u64) {
        cx.out.set_timer(TimerId::new(HEDGE, request), self.reads.hedge_after(self.config.hedge_min));
    }

    /// Asks the fastest segment not asked yet. Gives whether there was one.
    fn ask_segment(&mut self, cx: &mut Context<'_>, request: u64) -> bool {
        let Some(read) = self.reads.get(request) else { return false };
        let (pg, page, read_point, required) = (read.pg, read.page, read.read_point, read.required);
        let (members, group) = (&self.members, &self.groups[pg.0 as usize]);
        let unchecked = self.config.planted.is(Bug::ReadAboveScl);
        let may_serve =
            |member| members.get(member).part == Part::Holds && (group.scl(member) >= required || unchecked);
        let Some(member) = self.reads.choose(request, cx.now, may_serve) else { return false };
        let (volume, epoch) = (self.config.volume, self.epoch);
        let message = ToStorage::Read { volume, epoch, request, pg, page, read_point, required };
        self.send(cx, member, &message, IoClass::PageRead);
        true
    }

    /// The first answer is late.
    pub(super) fn on_hedge(&mut self, cx: &mut Context<'_>, request: u64) {
        let Some(read) = self.reads.get(request) else { return };
        if cx.now.saturating_sub(read.started) > self.config.read_timeout {
            let read = self.reads.abandon(request).expect("just seen");
            let text = format!("page {}: no segment of protection group {} answered in time", read.page, read.pg.0);
            cx.up.push(Upcall::Fetched { page: read.page, result: Err(FetchError::Unavailable(text)) });
            return;
        }
        self.ask_next(cx, request);
        self.set_hedge(cx, request);
    }

    fn ask_next(&mut self, cx: &mut Context<'_>, request: u64) {
        if self.ask_segment(cx, request) {
            self.stats.hedges += 1;
            return;
        }
        let Some(pg) = self.reads.get(request).map(|read| read.pg) else { return };
        let read_point = self.progress.vdl();
        let required = self.required(pg, read_point);
        self.reads.next_round(request, read_point, required);
    }

    pub(super) fn on_page(
        &mut self,
        cx: &mut Context<'_>,
        member: MemberIndex,
        request: u64,
        page: PageId,
        result: PageResult,
    ) {
        let late = self.config.planted.is(Bug::LateCompletion) && self.reads.get(request).is_none();
        let request = if late { self.reads.of_page(page).unwrap_or(request) } else { request };
        let Some(read) = self.reads.get(request).filter(|read| read.page == page) else { return };
        let read_point = read.read_point;
        let damage = match result {
            PageResult::Page { page: bytes } => match open_page(&bytes, page, read_point) {
                Ok(opened) => {
                    self.reads.finish(request, member, cx.now);
                    cx.out.cancel_timer(TimerId::new(HEDGE, request));
                    self.learn_page_lsn(page, opened.lsn());
                    cx.up.push(Upcall::Fetched { page, result: Ok(opened) });
                    return;
                }
                Err(detail) => Some(detail),
            },
            PageResult::Damaged { detail } => Some(detail),
            PageResult::Behind { .. } | PageResult::TooOld { .. } => None,
        };
        self.stats.setbacks += 1;
        self.on_setback(cx, request, page, damage);
    }

    fn on_setback(&mut self, cx: &mut Context<'_>, request: u64, page: PageId, damage: Option<String>) {
        match self.reads.setback(request, damage, crate::quorum::MEMBERS) {
            Setback::Unknown => {}
            Setback::AskAnother => {
                self.ask_segment(cx, request);
            }
            Setback::Corrupt(detail) => {
                self.reads.abandon(request);
                cx.out.cancel_timer(TimerId::new(HEDGE, request));
                let text = format!("page {page} is damaged at all six segments, last: {detail}");
                cx.up.push(Upcall::Fetched { page, result: Err(FetchError::Corrupt(text)) });
            }
        }
    }
}

/// Bytes from the network: checksum, identity, and not from the future.
fn open_page(bytes: &[u8], page: PageId, read_point: Lsn) -> Result<Page, String> {
    if bytes.is_empty() {
        return Err("an empty page came".to_owned());
    }
    let opened = Page::open(Block::padded(bytes), page).map_err(|error| error.to_string())?;
    if opened.lsn() > read_point {
        return Err(format!("page {page} came with LSN {} for read point {read_point}", opened.lsn()));
    }
    Ok(opened)
}
