use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::apply::apply;
use crate::{Record, RedoOp};

fn leaf(size_bytes: usize) -> Page {
    let mut page = Page::empty(PageId(7), size_bytes);
    change(&mut page, 1, RedoOp::Format { kind: PageKind::Leaf, level: 0, tree: TreeId(1) }).expect("formats");
    page
}

fn change(page: &mut Page, lsn: u64, op: RedoOp<'_>) -> Result<bool, String> {
    let record = Record { lsn: Lsn(lsn), page: PageId(7), cpl: false, op };
    apply(page, &record).map_err(|error| error.reason().to_owned())
}

fn reopened(page: &Page) -> Page {
    Page::open(page.sealed(), page.id()).expect("a page is always well formed")
}

fn encoded(cells: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in cells {
        out.extend((key.len() as u16).to_le_bytes());
        out.extend((value.len() as u16).to_le_bytes());
        out.extend(*key);
        out.extend(*value);
    }
    out
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u8, usize),
    Replace(u8, usize),
    Patch(u8, usize, u8),
    Remove(u8),
    Truncate(u8),
    Append(u8, u8, usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (any::<u8>(), 0usize..60).prop_map(|(key, len)| Op::Insert(key, len)),
        3 => (any::<u8>(), 0usize..60).prop_map(|(key, len)| Op::Replace(key, len)),
        2 => (any::<u8>(), 0usize..70, any::<u8>()).prop_map(|(key, at, byte)| Op::Patch(key, at, byte)),
        3 => any::<u8>().prop_map(Op::Remove),
        1 => any::<u8>().prop_map(Op::Truncate),
        1 => (any::<u8>(), 1u8..6, 0usize..20).prop_map(|(key, count, len)| Op::Append(key, count, len)),
    ]
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// What the model holds after `op`, or `None` when it must be refused.
fn expect(model: &Model, capacity_bytes: usize, op: &RedoOp<'_>) -> Option<Model> {
    let mut next = model.clone();
    match *op {
        RedoOp::Insert { key, .. } if next.contains_key(key) => return None,
        RedoOp::Insert { key, value } => drop(next.insert(key.to_vec(), value.to_vec())),
        RedoOp::Replace { key, value } => *next.get_mut(key)? = value.to_vec(),
        RedoOp::Patch { key, offset, bytes } => {
            let at = usize::from(offset);
            next.get_mut(key)?.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
        }
        RedoOp::Remove { key } => drop(next.remove(key)?),
        RedoOp::Truncate { key } => drop(next.split_off(key)),
        RedoOp::Append { cells } => {
            let mut rest = cells;
            while !rest.is_empty() {
                let (key_len, value_len) = (usize::from(rest[0]), usize::from(rest[2]));
                let (key, value) = rest[4..4 + key_len + value_len].split_at(key_len);
                if next.last_key_value().is_some_and(|(last, _)| &last[..] >= key) {
                    return None;
                }
                next.insert(key.to_vec(), value.to_vec());
                rest = &rest[4 + key_len + value_len..];
            }
        }
        _ => {}
    }
    let used: usize = next.iter().map(|(key, value)| 6 + key.len() + value.len()).sum();
    (used <= capacity_bytes).then_some(next)
}

/// Fixed seed: every run tries the same cases.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 300,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_page_holds_what_a_map_holds(ops in prop::collection::vec(op(), 1..200)) {
        let mut page = leaf(512);
        let mut model = Model::new();
        for (index, op) in ops.iter().enumerate() {
            let (key, value): ([u8; 1], Vec<u8>);
            let cells: Vec<u8>;
            let redo = match *op {
                Op::Insert(k, len) => {
                    (key, value) = ([k], vec![k; len]);
                    RedoOp::Insert { key: &key, value: &value }
                }
                Op::Replace(k, len) => {
                    (key, value) = ([k], vec![index as u8; len]);
                    RedoOp::Replace { key: &key, value: &value }
                }
                Op::Patch(k, at, byte) => {
                    (key, value) = ([k], vec![byte; 3]);
                    RedoOp::Patch { key: &key, offset: at as u16, bytes: &value }
                }
                Op::Remove(k) => {
                    key = [k];
                    RedoOp::Remove { key: &key }
                }
                Op::Truncate(k) => {
                    key = [k];
                    RedoOp::Truncate { key: &key }
                }
                Op::Append(from, count, len) => {
                    value = vec![index as u8; len];
                    let keys: Vec<[u8; 1]> = (from..=255).take(usize::from(count)).map(|k| [k]).collect();
                    cells = encoded(&keys.iter().map(|k| (&k[..], &value[..])).collect::<Vec<_>>());
                    RedoOp::Append { cells: &cells }
                }
            };
            let before = page.clone();
            let lsn = 2 + index as u64;
            match expect(&model, page.capacity_bytes(), &redo) {
                Some(next) => {
                    prop_assert_eq!(change(&mut page, lsn, redo), Ok(true));
                    prop_assert_eq!(page.lsn(), Lsn(lsn));
                    model = next;
                }
                None => {
                    prop_assert!(change(&mut page, lsn, redo).is_err());
                    prop_assert_eq!(&page, &before);
                }
            }
            let held: Vec<_> = page.cells().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
            prop_assert_eq!(held, model.clone().into_iter().collect::<Vec<_>>());
            let used: usize = model.iter().map(|(key, value)| 6 + key.len() + value.len()).sum();
            prop_assert_eq!(page.used_bytes(), used);
            prop_assert_eq!(reopened(&page).sealed(), page.sealed());
        }
    }

    /// Whatever bytes carry a right checksum, opening them and applying records to them neither panics nor leaves a page
    /// that would not open. Damage aims at the header, the slots and the first cells, where lengths and offsets are.
    #[test]
    fn odd_bytes_are_refused_or_harmless(
        damage in prop::collection::vec((prop_oneof![32usize..70, 212usize..512], any::<u8>()), 1..6),
        ops in prop::collection::vec(op(), 1..20),
    ) {
        let mut page = leaf(512);
        for k in 0..12u8 {
            change(&mut page, 2 + u64::from(k), RedoOp::Insert { key: &[k], value: &[k; 20] }).expect("fits");
        }
        let mut block = page.sealed();
        for (at, byte) in damage {
            block[at] = byte;
        }
        let crc = crc32c::crc32c(&block[4..]);
        block[0..4].copy_from_slice(&crc.to_le_bytes());
        if let Ok(mut page) = Page::open(block, PageId(7)) {
            for (index, op) in ops.iter().enumerate() {
                let lsn = page.lsn().0.saturating_add(1 + index as u64);
                let (key, value, cells);
                let redo = match *op {
                    Op::Insert(k, len) => {
                        (key, value) = ([k], vec![k; len]);
                        RedoOp::Insert { key: &key, value: &value }
                    }
                    Op::Replace(k, len) => {
                        (key, value) = ([k], vec![k; len]);
                        RedoOp::Replace { key: &key, value: &value }
                    }
                    Op::Patch(k, at, byte) => {
                        (key, value) = ([k], vec![byte; 3]);
                        RedoOp::Patch { key: &key, offset: at as u16, bytes: &value }
                    }
                    Op::Remove(k) => {
                        key = [k];
                        RedoOp::Remove { key: &key }
                    }
                    Op::Truncate(k) => {
                        key = [k];
                        RedoOp::Truncate { key: &key }
                    }
                    Op::Append(k, count, len) => {
                        cells = vec![k; usize::from(count) * len];
                        RedoOp::Append { cells: &cells }
                    }
                };
                let _ = change(&mut page, lsn, redo);
                reopened(&page);
            }
            let format = RedoOp::Format { kind: PageKind::Leaf, level: 0, tree: TreeId(1) };
            prop_assert!(change(&mut page, u64::MAX, format).is_ok());
        }
    }
}

#[test]
fn a_record_already_in_the_page_changes_nothing() {
    let mut page = leaf(512);
    change(&mut page, 5, RedoOp::Insert { key: b"a", value: b"1" }).expect("fits");
    let before = page.clone();
    for lsn in [4, 5] {
        assert_eq!(change(&mut page, lsn, RedoOp::Insert { key: b"a", value: b"1" }), Ok(false));
        assert_eq!(
            change(&mut page, lsn, RedoOp::Format { kind: PageKind::Free, level: 0, tree: TreeId(0) }),
            Ok(false)
        );
    }
    assert_eq!(page, before);
}

#[test]
fn a_formatted_page_does_not_remember_what_it_held() {
    let mut used = leaf(512);
    for k in 0..9u8 {
        change(&mut used, 2 + u64::from(k), RedoOp::Insert { key: &[k], value: &[k; 30] }).expect("fits");
    }
    change(&mut used, 20, RedoOp::SetRight { right: PageId(3) }).expect("fits");
    let mut fresh = Page::empty(PageId(7), 512);
    for page in [&mut used, &mut fresh] {
        change(page, 30, RedoOp::Format { kind: PageKind::Inner, level: 2, tree: TreeId(9) }).expect("formats");
    }
    assert_eq!(used, fresh);
    assert_eq!((used.kind(), used.level(), used.tree(), used.right()), (PageKind::Inner, 2, TreeId(9), None));
}

#[test]
fn a_page_refuses_what_is_not_its_own() {
    let mut page = leaf(512);
    let foreign = Record { lsn: Lsn(9), page: PageId(8), cpl: true, op: RedoOp::SetRight { right: PageId(1) } };
    let error = apply(&mut page, &foreign).expect_err("another page's record");
    assert_eq!((error.lsn(), error.page()), (Lsn(9), PageId(8)));
    change(&mut page, 2, RedoOp::Format { kind: PageKind::Inner, level: 1, tree: TreeId(1) }).expect("formats");
    assert!(change(&mut page, 3, RedoOp::Insert { key: b"", value: b"seven.." }).is_err());
    assert!(change(&mut page, 3, RedoOp::Append { cells: &encoded(&[(b"", b"seven..")]) }).is_err());
    change(&mut page, 3, RedoOp::Format { kind: PageKind::Free, level: 0, tree: TreeId(0) }).expect("formats");
    assert!(change(&mut page, 4, RedoOp::Insert { key: b"", value: b"" }).is_err());
}

#[test]
fn damage_is_told_apart() {
    let page = leaf(512);
    let mut torn = page.sealed();
    torn[100] ^= 1;
    assert_eq!(Page::open(torn, PageId(7)), Err(PageError::Checksum { page: PageId(7) }));
    let error = Page::open(page.sealed(), PageId(8));
    assert_eq!(error, Err(PageError::Identity { page: PageId(8), found: PageId(7) }));
    assert_eq!(Page::open(page.sealed(), PageId(7)).expect("whole").lsn(), Lsn(1));
}

/// The guess must not matter to the answer: dense, even, clustered, prefixed and length-only keys, each key and its
/// neighbours.
#[test]
fn search_finds_every_key_and_every_gap() {
    let dense = |n: u64| n.to_be_bytes().to_vec();
    let clustered = |n: u64| (n / 10 * 1_000_000_007 + n).to_be_bytes().to_vec();
    let skewed = |n: u64| (1u64 << n.min(63)).to_be_bytes().to_vec();
    let prefixed = |n: u64| [b"warehouse/", &n.wrapping_mul(0x1234_5678_9abc_def1).to_be_bytes()[..]].concat();
    let longer = |n: u64| vec![b'a'; n as usize];
    let kinds: [&dyn Fn(u64) -> Vec<u8>; 5] = [&dense, &clustered, &skewed, &prefixed, &longer];
    for (kind, make) in kinds.into_iter().enumerate() {
        for count in [0, 1, 7, 8, 9, 60] {
            let keys: std::collections::BTreeSet<_> = (0..count).map(make).collect();
            let keys: Vec<_> = keys.into_iter().collect();
            let mut page = leaf(8192);
            for (index, key) in keys.iter().enumerate() {
                change(&mut page, 2 + index as u64, RedoOp::Insert { key, value: b"v" }).expect("fits");
            }
            for key in keys.iter().cloned().chain([vec![], vec![0xff; 9], b"warehouse/".to_vec()]) {
                let mut below = key.clone();
                below.pop();
                let above = [&key[..], &[0]].concat();
                for key in [key, below, above] {
                    assert_eq!(page.search(&key), keys.binary_search(&key), "kind {kind}, {count} keys, {key:?}");
                }
            }
        }
    }
}
