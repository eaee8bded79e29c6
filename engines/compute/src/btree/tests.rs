use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::*;
use crate::catalog::{CATALOG_PAGE, bootstrap, open_catalog};
use crate::{Lsn, PageId, Pool, PoolConfig, Roots, TreeId};

const BOUNDS: CommitBounds = CommitBounds { pages_max: 200, bytes_max: 1 << 20, reserved_upto: PageId(1 << 20) };

fn database(page_bytes: usize, frames: usize, trees: u16) -> (Pool, Roots, Lsn) {
    let mut pool = Pool::new(PoolConfig { page_bytes, cache_bytes: frames * page_bytes });
    let group = bootstrap(&mut pool, trees, b"schema", Lsn(1)).expect("fits");
    let (roots, schema) = open_catalog(pool.peek(CATALOG_PAGE).expect("made")).expect("a catalog");
    assert_eq!(schema, b"schema");
    (pool, roots, group.last().next())
}

fn everything(pool: &Pool, root: PageId) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    scan(pool, root, &[], None, |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })
    .expect("all in memory");
    found
}

#[test]
fn rows_come_back_in_order_of_key() {
    let (mut pool, roots, mut next) = database(512, 4000, 2);
    let tree = TreeId(2);
    let root = roots.of(tree).expect("made");
    let mut model = BTreeMap::new();
    for n in 0..3000u64 {
        let key = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let value = vec![n as u8; (n % 50) as usize];
        let write = Write::Insert { key: &key, value: &value };
        let group =
            commit(&mut pool, &roots, &[(tree, write)], next, &BOUNDS, &|_, _| false, &mut |_, _| true).expect("fits");
        next = group.last().next();
        model.insert(key.to_vec(), value);
    }
    assert_eq!(everything(&pool, root), model.clone().into_iter().collect::<Vec<_>>());
    for (key, value) in &model {
        assert_eq!(get(&pool, root, key), Ok(Some(&value[..])));
    }
    for key in model.keys() {
        let write = Write::Remove { key };
        let group =
            commit(&mut pool, &roots, &[(tree, write)], next, &BOUNDS, &|_, _| false, &mut |_, _| true).expect("fits");
        next = group.last().next();
    }
    assert_eq!(everything(&pool, root), []);
    assert_eq!(pool.peek(root).expect("there").level(), 0);
}
