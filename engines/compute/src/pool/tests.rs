use super::*;
use crate::{RedoOp, TreeId};

const PAGE_BYTES: usize = 512;

fn pool(frames: usize) -> Pool {
    Pool::new(PoolConfig { page_bytes: PAGE_BYTES, cache_bytes: frames * PAGE_BYTES + 100 })
}

fn page(id: u64, lsn: u64, level: u8) -> Page {
    let mut page = Page::empty(PageId(id), PAGE_BYTES);
    let kind = if level == 0 { PageKind::Leaf } else { PageKind::Inner };
    let op = RedoOp::Format { kind, level, tree: TreeId(1) };
    apply(&mut page, &Record { lsn: Lsn(lsn), page: PageId(id), cpl: true, op }).expect("formats");
    page
}

/// Uses a page, taking it in first when it is not in memory.
fn touch(pool: &mut Pool, id: u64) {
    if pool.get(PageId(id)).is_none() {
        pool.install(page(id, 1, 0), |_, _| true).expect("room");
    }
}

fn resident(pool: &Pool) -> Vec<u64> {
    let mut ids: Vec<u64> = pool.pages().map(|page| page.id().0).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn never_more_pages_than_frames() {
    let mut pool = pool(8);
    for id in 0..100 {
        touch(&mut pool, id);
        assert!(pool.resident() <= 8);
    }
    assert_eq!((pool.capacity(), pool.resident()), (8, 8));
    assert_eq!(pool.counts(), PoolCounts { hits: 0, misses: 100, evictions: 92 });
}

#[test]
fn a_scan_leaves_the_hot_pages_alone() {
    let mut pool = pool(40);
    for round in 0..4u64 {
        for id in 0..20 {
            touch(&mut pool, id);
        }
        for id in 0..30 {
            touch(&mut pool, 100 + 100 * round + id);
        }
    }
    let misses = pool.counts().misses;
    for id in 10_000..10_500 {
        touch(&mut pool, id);
        touch(&mut pool, id);
    }
    assert_eq!(pool.counts().misses, misses + 500);
    let hot = resident(&pool).iter().filter(|&&id| id < 20).count();
    assert_eq!(hot, 20, "{:?}", resident(&pool));
}

#[test]
fn inner_pages_outlive_leaves() {
    let mut pool = pool(8);
    pool.install(page(1, 1, 1), |_, _| true).expect("room");
    for id in 100..200 {
        assert!(pool.get(PageId(1)).is_some());
        touch(&mut pool, id);
    }
}

#[test]
fn pinned_pages_and_pages_not_yet_safe_stay() {
    let mut pool = pool(4);
    for id in 0..4 {
        pool.install(page(id, 10 + id, 0), |_, _| true).expect("room");
    }
    assert!(pool.pin(PageId(1)) && pool.pin(PageId(1)) && !pool.pin(PageId(9)));
    pool.unpin(PageId(1));
    assert_eq!(pool.install(page(9, 1, 0), |_, lsn| lsn <= Lsn(9)), Err(Full));
    assert_eq!(pool.install(page(9, 1, 0), |_, lsn| lsn == Lsn(11)), Err(Full));
    pool.install(page(9, 1, 0), |_, lsn| lsn <= Lsn(12) && lsn > Lsn(10)).expect("page 2 may go");
    assert_eq!(resident(&pool), [0, 1, 3, 9]);
    pool.unpin(PageId(1));
    pool.install(page(8, 1, 0), |_, lsn| lsn == Lsn(11)).expect("page 1 may go");
    assert_eq!(resident(&pool), [0, 3, 8, 9]);
}

#[test]
fn a_late_answer_does_not_bring_an_old_page_back() {
    let mut pool = pool(4);
    pool.install(page(1, 20, 0), |_, _| true).expect("room");
    pool.install(page(1, 10, 0), |_, _| true).expect("is there");
    assert_eq!((pool.lsn_of(PageId(1)), pool.resident()), (Some(Lsn(20)), 1));
}
