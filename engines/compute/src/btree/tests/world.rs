//! A compute node's memory and a storage that has nothing but the log: its pages come from records alone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::apply::apply;
use crate::btree::check::{Census, check};
use crate::btree::{CommitBounds, CommitError, ReadError, Write, commit, get, scan};
use crate::catalog::{CATALOG_PAGE, bootstrap, open_catalog};
use crate::pool::{Full, Miss};
use crate::{Group, Lsn, Page, PageId, PageKind, Pool, PoolConfig, Record, RedoOp, Roots, TreeId};

/// What happened, to show that a test has met what it is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Happened {
    pub groups: u64,
    pub refused: u64,
    pub fetched: u64,
    pub pages_reused: u64,
    pub pages_freed: u64,
    pub root_splits: u64,
    pub root_pull_ups: u64,
    pub evened_out: u64,
    pub asked_to_admit: u64,
    pub waited_for_durable: u64,
    pub waited_for_reserve: u64,
}

pub struct World {
    pub pool: Pool,
    pub roots: Roots,
    pub next: Lsn,
    pub durable: Lsn,
    pub reserved_upto: PageId,
    pub stored: BTreeMap<PageId, Page>,
    pub happened: Happened,
    page_bytes: usize,
}

impl World {
    pub fn new(page_bytes: usize, frames: usize, trees: u16) -> World {
        let mut pool = Pool::new(PoolConfig { page_bytes, cache_bytes: frames * page_bytes });
        let group = bootstrap(&mut pool, trees, b"schema", Lsn(1)).expect("fits");
        let (roots, schema) = open_catalog(pool.peek(CATALOG_PAGE).expect("made")).expect("a catalog");
        assert_eq!(schema, b"schema");
        let mut world = World {
            pool,
            roots,
            next: Lsn(1),
            durable: group.last(),
            reserved_upto: PageId(u64::from(trees)),
            stored: BTreeMap::new(),
            happened: Happened::default(),
            page_bytes,
        };
        world.store(&group);
        world
    }

    /// Limits that no test's write set reaches.
    pub fn bounds(&self) -> CommitBounds {
        CommitBounds { pages_max: 10_000, bytes_max: 1 << 24, reserved_upto: self.reserved_upto }
    }

    /// Commits, fetching, reserving and waiting for durability like a node.
    pub fn commit(&mut self, writes: &[(TreeId, Write<'_>)], bounds: CommitBounds) -> Result<(), CommitError> {
        let mut bounds = bounds;
        let mut pinned = Vec::new();
        let result = loop {
            let durable = self.durable;
            let mut asked = None;
            // Every ninth question is answered with no.
            let asked_before = &mut self.happened.asked_to_admit;
            let mut admits = |last, bytes| {
                *asked_before += 1;
                asked = Some((last, bytes));
                !asked_before.is_multiple_of(9)
            };
            let evictable = |_, lsn| lsn <= durable;
            let result = commit(&mut self.pool, &self.roots, writes, self.next, &bounds, &evictable, &mut admits);
            if let Ok(group) = &result {
                assert_eq!(asked, Some((group.last(), group.bytes().len())));
            }
            if result.is_err() {
                self.happened.refused += 1;
                self.assert_pool_is_stored();
            }
            match result {
                Ok(group) => break Ok(group),
                Err(CommitError::Misses(pages)) => {
                    assert!(pages.is_sorted() && !pages.is_empty());
                    for page in pages {
                        assert!(self.pool.peek(page).is_none());
                        self.fetch(page);
                        assert!(self.pool.pin(page));
                        pinned.push(page);
                    }
                }
                Err(CommitError::NeedsPage(page)) => {
                    assert!(page > bounds.reserved_upto);
                    (self.reserved_upto, bounds.reserved_upto) = (page, page);
                    self.happened.waited_for_reserve += 1;
                }
                Err(CommitError::NotAdmitted) => {}
                Err(CommitError::Full(Full)) => self.wait_for_durable(),
                Err(error) => break Err(error),
            }
        };
        for page in pinned {
            self.pool.unpin(page);
        }
        self.store(&result?);
        Ok(())
    }

    pub fn get(&mut self, tree: TreeId, key: &[u8]) -> Option<Vec<u8>> {
        let root = self.roots.of(tree).expect("a tree");
        loop {
            match get(&self.pool, root, key) {
                Ok(value) => return value.map(<[u8]>::to_vec),
                Err(ReadError::Miss(Miss(page))) => self.fetch(page),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Up to `limit` cells, going on from the last key after each fetch.
    pub fn scan(&mut self, tree: TreeId, from: &[u8], to: Option<&[u8]>, limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let root = self.roots.of(tree).expect("a tree");
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        loop {
            let start = match found.last() {
                Some((last, _)) => [last, &[0][..]].concat(),
                None => from.to_vec(),
            };
            let result = scan(&self.pool, root, &start, to, |key, value| {
                found.push((key.to_vec(), value.to_vec()));
                if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            match result {
                Ok(()) => return found,
                Err(ReadError::Miss(Miss(page))) => self.fetch(page),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Checks every page of the database, and that memory holds the very bytes the records give.
    pub fn check(&self) -> Census {
        self.assert_pool_is_stored();
        check(|id| self.stored.get(&id).map(Cow::Borrowed)).expect("whole")
    }

    pub fn assert_pool_is_stored(&self) {
        for page in self.pool.pages() {
            assert!(self.stored.get(&page.id()) == Some(page), "{page:?} differs from what its records give");
        }
    }

    fn fetch(&mut self, id: PageId) {
        self.happened.fetched += 1;
        // With hardly a page that may leave, two pages of one scan can push each other out until more is durable.
        if self.happened.fetched.is_multiple_of(50) && self.durable.next() < self.next {
            self.wait_for_durable();
        }
        let block = self.stored.get(&id).expect("a page of the database").sealed();
        let page = Page::open(block, id).expect("whole");
        let durable = self.durable;
        if self.pool.install(page.clone(), |_, lsn| lsn <= durable).is_err() {
            self.wait_for_durable();
            self.pool.install(page, |_, _| true).expect("all is durable, and not all is pinned");
        }
    }

    fn wait_for_durable(&mut self) {
        assert!(self.durable.next() < self.next, "nothing to wait for");
        self.durable = Lsn(self.next.0 - 1);
        self.happened.waited_for_durable += 1;
    }

    fn store(&mut self, group: &Group) {
        assert_eq!(group.first(), self.next);
        self.next = group.last().next();
        self.happened.groups += 1;
        for record in Record::decode_all(group.bytes()) {
            let record = record.expect("whole");
            assert!(record.page <= self.reserved_upto && record.cpl == (record.lsn == group.last()));
            let page = self.stored.entry(record.page).or_insert_with(|| Page::empty(record.page, self.page_bytes));
            self.happened.note(page, &record, self.roots.iter().any(|(_, root)| root == record.page));
            assert_eq!(apply(page, &record), Ok(true));
        }
    }
}

impl Happened {
    fn note(&mut self, page: &Page, record: &Record<'_>, is_root: bool) {
        let RedoOp::Format { kind, level, .. } = record.op else { return };
        if page.lsn() == Lsn::ZERO {
            return;
        }
        match (page.kind(), kind) {
            (PageKind::Free, _) => self.pages_reused += 1,
            (_, PageKind::Free) => self.pages_freed += 1,
            _ if is_root && level > page.level() => self.root_splits += 1,
            _ if is_root => self.root_pull_ups += 1,
            _ => self.evened_out += 1,
        }
    }
}
