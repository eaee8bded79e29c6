//! A storage in memory that is as slow, as unordered and as forgetful as a real one may be.

use std::collections::{BTreeMap, VecDeque};

use node::{Block, Digest, Event, Nanos, Rng, TimerId};

use crate::apply::apply;
use crate::{Context, Fence, FenceTicket, FetchError, Group, Lsn, Opened, Page, PageId, Record, Storage, Upcall};

/// How a [`MemoryStorage`] behaves.
#[derive(Clone, Debug)]
pub struct Knobs {
    pub page_bytes: usize,
    /// The longest time until a group is durable, a page fetched, a page flushed, in microseconds.
    pub log_us_max: u64,
    pub fetch_us_max: u64,
    pub flush_us_max: u64,
    /// How far the log may run ahead of what is durable.
    pub allocation_limit: u64,
    /// How many pages are reserved at once.
    pub reserve_pages: u64,
    /// How often a fence has to wait.
    pub fence_waits: f64,
}

impl Knobs {
    pub fn quick(page_bytes: usize) -> Knobs {
        Knobs {
            page_bytes,
            log_us_max: 100,
            fetch_us_max: 50,
            flush_us_max: 0,
            allocation_limit: 100_000,
            reserve_pages: 1_000_000,
            fence_waits: 0.0,
        }
    }
}

/// What survives a crash.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pages: BTreeMap<PageId, Block>,
    durable: Lsn,
}

#[derive(Clone, Debug)]
enum Due {
    Log,
    Fetch(PageId),
    Flush(Lsn),
    Reserve(PageId),
    Fence(FenceTicket),
}

/// The storage.
#[derive(Debug)]
pub struct MemoryStorage {
    knobs: Knobs,
    rng: Rng,
    disk: Disk,
    /// Appended and not durable, in order.
    log: VecDeque<Group>,
    /// Groups written, in any order: the log is durable as far as there is no gap.
    written: u64,
    flushed: Lsn,
    reserved: PageId,
    refused_admission: bool,
    due: BTreeMap<u64, Due>,
    last_due: u64,
    fetching: BTreeMap<PageId, ()>,
    tickets: u64,
    /// While set, nothing becomes durable.
    pub hold_log: bool,
    pub refusals: u64,
    pub fail_fetch: Option<(PageId, FetchError)>,
}

impl MemoryStorage {
    pub fn new(knobs: Knobs, seed: u64, disk: Disk) -> MemoryStorage {
        let rng = Rng::new(seed).fork("storage", 0);
        MemoryStorage {
            rng,
            flushed: disk.durable,
            disk,
            knobs,
            log: VecDeque::new(),
            written: 0,
            reserved: PageId(0),
            refused_admission: false,
            due: BTreeMap::new(),
            last_due: 0,
            fetching: BTreeMap::new(),
            tickets: 0,
            hold_log: false,
            refusals: 0,
            fail_fetch: None,
        }
    }

    /// What a crash now leaves.
    pub fn disk(&self) -> Disk {
        self.disk.clone()
    }

    fn later(&mut self, cx: &mut Context<'_>, us_max: u64, due: Due) {
        self.last_due += 1;
        self.due.insert(self.last_due, due);
        cx.out.set_timer(TimerId::new(1, self.last_due), Nanos(self.rng.below(us_max * 1000 + 1)));
    }

    fn advance_log(&mut self, cx: &mut Context<'_>) {
        while self.written > 0 && !self.hold_log {
            self.written -= 1;
            let group = self.log.pop_front().expect("written groups are in the log");
            assert_eq!(group.first(), self.disk.durable.next(), "the log has no gap");
            for record in Record::decode_all(group.bytes()) {
                let record = record.expect("the node's own records");
                let stored = self.disk.pages.get(&record.page);
                let mut page = match stored {
                    Some(block) => Page::open(block.clone(), record.page).expect("sealed"),
                    None => Page::empty(record.page, self.knobs.page_bytes),
                };
                assert_eq!(apply(&mut page, &record), Ok(true), "the log applies to what is stored");
                assert!(record.page <= self.reserved, "{:?} was never reserved", record.page);
                self.disk.pages.insert(record.page, page.sealed());
            }
            self.disk.durable = group.last();
            let (us_max, lsn) = (self.knobs.flush_us_max, group.last());
            if us_max > 0 {
                self.later(cx, us_max, Due::Flush(lsn));
            } else {
                self.flushed = lsn;
            }
        }
        cx.up.push(Upcall::Durable(self.disk.durable));
        if std::mem::take(&mut self.refused_admission) {
            cx.up.push(Upcall::Admits);
        }
    }
}

impl Storage for MemoryStorage {
    fn handle(&mut self, cx: &mut Context<'_>, event: Event) {
        let timer = match event {
            Event::Start => {
                let durable = self.disk.durable;
                let created = durable == Lsn::ZERO;
                self.reserved = self.disk.pages.last_key_value().map_or(PageId(0), |(page, _)| *page);
                cx.up.push(Upcall::Opened(Opened { next: durable.next(), durable, created }));
                return;
            }
            Event::Timer { timer } => timer,
            other => panic!("{other:?} is not for a storage in memory"),
        };
        match self.due.remove(&timer.own()).expect("each timer is due once") {
            Due::Log => {
                self.written += 1;
                self.advance_log(cx);
            }
            Due::Fetch(page) => {
                self.fetching.remove(&page);
                let failure = self.fail_fetch.take_if(|(fails, _)| *fails == page);
                let result = match failure {
                    Some((_, error)) => Err(error),
                    None => {
                        let block = self.disk.pages.get(&page).expect("only durable pages leave the pool");
                        Ok(Page::open(block.clone(), page).expect("sealed"))
                    }
                };
                cx.up.push(Upcall::Fetched { page, result });
            }
            Due::Flush(lsn) => {
                self.flushed = self.flushed.max(lsn);
                cx.up.push(Upcall::Evictable);
            }
            Due::Reserve(page) => {
                self.reserved = self.reserved.max(page);
                cx.up.push(Upcall::Reserved(page));
            }
            Due::Fence(ticket) => cx.up.push(Upcall::FencePassed(ticket)),
        }
    }

    fn reserve(&mut self, cx: &mut Context<'_>, page: PageId) -> bool {
        if page > self.reserved {
            let upto = PageId(page.0 + self.rng.below(self.knobs.reserve_pages));
            self.later(cx, self.knobs.fetch_us_max, Due::Reserve(upto));
            return false;
        }
        true
    }

    fn admits(&mut self, last: Lsn, bytes: usize) -> bool {
        assert!(bytes > 0);
        let admitted = last.0 <= self.disk.durable.0 + self.knobs.allocation_limit || self.log.is_empty();
        self.refused_admission |= !admitted;
        self.refusals += u64::from(!admitted);
        admitted
    }

    fn append(&mut self, cx: &mut Context<'_>, group: Group) {
        self.log.push_back(group);
        self.later(cx, self.knobs.log_us_max, Due::Log);
    }

    fn fetch(&mut self, cx: &mut Context<'_>, page: PageId) {
        assert!(self.fetching.insert(page, ()).is_none(), "{page:?} is asked for once until it is answered");
        self.later(cx, self.knobs.fetch_us_max, Due::Fetch(page));
    }

    fn evictable(&self, _page: PageId, page_lsn: Lsn) -> bool {
        page_lsn <= self.flushed
    }

    fn fence(&mut self, cx: &mut Context<'_>) -> Fence {
        if !self.rng.chance(self.knobs.fence_waits) {
            return Fence::Passed;
        }
        self.tickets += 1;
        let ticket = FenceTicket(self.tickets);
        self.later(cx, self.knobs.fetch_us_max, Due::Fence(ticket));
        Fence::Wait(ticket)
    }

    fn durable(&self) -> Lsn {
        self.disk.durable
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.disk.durable.0);
    }
}
