use super::world::World;
use crate::btree::{CommitBounds, CommitError, Write, cell_bytes_max, key_bytes_max};
use crate::{PageId, PageKind, TreeId};

const TREE: TreeId = TreeId(1);

fn insert(world: &mut World, n: u64, value: &[u8]) {
    let bounds = world.bounds();
    world.commit(&[(TREE, Write::Insert { key: &n.to_be_bytes(), value })], bounds).expect("fits");
}

/// A load in order of key leaves full pages behind, not half-empty ones.
#[test]
fn appending_leaves_full_pages() {
    let mut world = World::new(1024, 100, 1);
    for n in 0..2000 {
        insert(&mut world, n, &[7; 30]);
    }
    let census = world.check();
    let tree = census.trees[0];
    assert_eq!((tree.cells, tree.levels), (2000, 3));
    // 22 cells of 44 bytes fit the 984 bytes of a page.
    assert_eq!(tree.leaves, 2000_u64.div_ceil(22));
}

/// A write set of a whole load goes through in one group and through few pages.
#[test]
fn a_large_write_set_in_order_of_key_is_one_group() {
    let mut world = World::new(1024, 100, 1);
    let keys: Vec<[u8; 8]> = (0..1000u64).map(u64::to_be_bytes).collect();
    let writes: Vec<_> = keys.iter().map(|key| (TREE, Write::Insert { key, value: &[1; 30] })).collect();
    let bounds = world.bounds();
    world.commit(&writes, bounds).expect("fits");
    assert_eq!(world.check().trees[0].cells, 1000);
    assert_eq!(world.happened.groups, 2);
}

#[test]
fn an_emptied_tree_is_one_page_and_its_pages_serve_again() {
    let mut world = World::new(512, 60, 2);
    let bounds = |world: &World| world.bounds();
    for n in 0..500 {
        insert(&mut world, n * 7919 % 500, &[1; 20]);
    }
    let full = world.check();
    for n in 0..500u64 {
        let limits = bounds(&world);
        world.commit(&[(TREE, Write::Remove { key: &(n * 31 % 500).to_be_bytes() })], limits).expect("is there");
        world.check();
    }
    let empty = world.check();
    assert_eq!((empty.trees[0].cells, empty.trees[0].leaves, empty.trees[0].levels), (0, 1, 1));
    assert_eq!((empty.pages, empty.free_pages), (full.pages, full.pages - 3));
    for n in 0..500 {
        insert(&mut world, n * 7919 % 500, &[1; 20]);
    }
    assert_eq!(world.check().pages, full.pages);
}

#[test]
fn what_is_refused_says_why_and_changes_nothing() {
    let mut world = World::new(512, 60, 1);
    for n in 0..100 {
        insert(&mut world, n, &[1; 20]);
    }
    let before = world.stored.clone();
    let (here, gone) = (5u64.to_be_bytes(), 500u64.to_be_bytes());
    let limits = world.bounds();
    let misfits: [&[(TreeId, Write<'_>)]; 6] = [
        &[(TREE, Write::Insert { key: &here, value: b"" })],
        &[(TREE, Write::Replace { key: &gone, value: b"" })],
        &[(TREE, Write::Remove { key: &gone })],
        &[(TREE, Write::Patch { key: &here, offset: 19, bytes: b"ab" })],
        &[(TREE, Write::Remove { key: &here }), (TREE, Write::Remove { key: &here })],
        &[(TreeId(9), Write::Insert { key: &gone, value: b"" })],
    ];
    for writes in misfits {
        let error = world.commit(writes, limits).expect_err("a misfit");
        assert!(matches!(error, CommitError::Misfit { .. }), "{error}");
    }
    let long_key = vec![0; key_bytes_max(512) + 1];
    let long_value = vec![0; cell_bytes_max(512) - gone.len() + 1];
    for (key, value) in [(&long_key[..], &b""[..]), (&gone, &long_value)] {
        let error = world.commit(&[(TREE, Write::Insert { key, value })], limits).expect_err("too large");
        assert!(matches!(error, CommitError::TooLarge { .. }), "{error}");
    }
    assert!(world.stored == before);
    world.check();
    let fitting = vec![0; cell_bytes_max(512) - gone.len()];
    world.commit(&[(TREE, Write::Insert { key: &gone, value: &fitting })], limits).expect("the largest cell fits");
}

#[test]
fn bounds_hold_on_both_ways() {
    let mut world = World::new(512, 60, 1);
    for n in 0..100 {
        insert(&mut world, 10 * n, &[1; 20]);
    }
    let keys: Vec<[u8; 8]> = (0..4u64).map(|n| (250 * n + 1).to_be_bytes()).collect();
    for value in [&[1; 3], &[1; 90][..]] {
        let writes: Vec<_> = keys.iter().map(|key| (TREE, Write::Insert { key, value })).collect();
        for bounds in
            [CommitBounds { pages_max: 3, ..world.bounds() }, CommitBounds { bytes_max: 120, ..world.bounds() }]
        {
            let error = world.commit(&writes, bounds).expect_err("too large");
            assert!(matches!(error, CommitError::TooLarge { .. }), "{error}");
        }
    }
    world.check();
}

/// A page that a disk rolled back to an older version has a right checksum. Reads and commits say so; none loops or panics.
#[test]
fn a_page_from_the_past_is_noticed() {
    let mut world = World::new(512, 60, 1);
    for n in 0..100 {
        insert(&mut world, n, &[1; 20]);
    }
    let leaf = world.stored.values().find(|page| page.kind() == PageKind::Leaf).expect("a leaf").id();
    for (level, kind) in [(0, PageKind::Free), (3, PageKind::Inner), (0, PageKind::Catalog)] {
        let mut pool = crate::Pool::new(crate::PoolConfig { page_bytes: 512, cache_bytes: 60 * 512 });
        for page in world.stored.values() {
            let mut page = page.clone();
            if page.id() == leaf {
                page.format(kind, level, TREE);
            }
            pool.install(page, |_, _| true).expect("room");
        }
        let root = world.roots.of(TREE).expect("made");
        let lost: Vec<u64> =
            (0..100u64).filter(|n| crate::btree::get(&pool, root, &n.to_be_bytes()).is_err()).collect();
        assert!(!lost.is_empty());
        let key = lost[0].to_be_bytes();
        let writes = [(TREE, Write::Remove { key: &key })];
        let (bounds, admits) = (world.bounds(), &mut |_, _| true);
        let error = crate::btree::commit(&mut pool, &world.roots, &writes, world.next, &bounds, &|_, _| true, admits);
        assert!(matches!(error, Err(CommitError::Corrupt { page, .. }) if page == leaf), "{error:?}");
        let visit = |_: &[u8], _: &[u8]| std::ops::ControlFlow::Continue(());
        assert!(crate::btree::scan(&pool, root, &[], None, visit).is_err());
    }
    assert_ne!(leaf, PageId(0));
}
