//! Random write sets against ordered maps.

use std::collections::BTreeMap;

use node::Rng;

use super::world::World;
use crate::TreeId;
use crate::btree::{CommitBounds, CommitError, Write, cell_bytes_max, key_bytes_max};

const TREES: u16 = 3;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// A write that owns its bytes.
#[derive(Clone, Debug)]
enum Owned {
    Insert(Vec<u8>),
    Replace(Vec<u8>),
    Patch(u16, Vec<u8>),
    Remove,
}

#[derive(Clone, Debug)]
struct OwnedWrite {
    tree: TreeId,
    key: Vec<u8>,
    what: Owned,
}

impl OwnedWrite {
    fn borrowed(&self) -> (TreeId, Write<'_>) {
        let key = &self.key;
        let write = match &self.what {
            Owned::Insert(value) => Write::Insert { key, value },
            Owned::Replace(value) => Write::Replace { key, value },
            Owned::Patch(offset, bytes) => Write::Patch { key, offset: *offset, bytes },
            Owned::Remove => Write::Remove { key },
        };
        (self.tree, write)
    }
}

struct Campaign {
    rng: Rng,
    page_bytes: usize,
    rows: Vec<Rows>,
    appended: u64,
    /// Where the run of neighbours to be removed next goes on.
    sweep: Vec<u8>,
}

impl Campaign {
    /// Tree 1 has keys of all lengths at random, tree 2 rising keys, tree 3 keys with a long common start.
    fn new_key(&mut self, tree: TreeId) -> Vec<u8> {
        match tree.0 {
            1 => {
                let number = self.rng.below(3000) as u16;
                let len = usize::from(number.wrapping_mul(40503)) % (key_bytes_max(self.page_bytes) - 1);
                [&number.to_be_bytes()[..], &vec![number as u8; len]].concat()
            }
            2 => {
                self.appended += 1;
                self.appended.to_be_bytes().to_vec()
            }
            _ => {
                let tail = (self.rng.below(2000) * 0x0101_0101).to_be_bytes();
                [&vec![b'p'; key_bytes_max(self.page_bytes) - 8][..], &tail].concat()
            }
        }
    }

    fn key_there(&mut self, tree: TreeId) -> Vec<u8> {
        let near = match tree.0 {
            _ if self.rng.chance(0.5) => self.sweep.clone(),
            2 => self.rng.below(self.appended + 1).to_be_bytes().to_vec(),
            _ => self.new_key(tree),
        };
        let rows = &self.rows[usize::from(tree.0) - 1];
        let found = rows.range(near.clone()..).next().or(rows.first_key_value());
        found.map_or(near, |(key, _)| key.clone())
    }

    fn value(&mut self, key: &[u8]) -> Vec<u8> {
        let max = cell_bytes_max(self.page_bytes) - key.len();
        let len = if self.rng.chance(0.1) { max } else { self.rng.below(max as u64 / 2 + 1) as usize };
        vec![self.rng.next_u64() as u8; len]
    }

    fn write(&mut self, growth: f64) -> OwnedWrite {
        let tree = TreeId(self.rng.between(1, u64::from(TREES)) as u16);
        if self.rng.chance(growth) {
            let key = self.new_key(tree);
            let value = self.value(&key);
            return OwnedWrite { tree, key, what: Owned::Insert(value) };
        }
        let key = self.key_there(tree);
        if self.rng.chance(0.01) {
            self.sweep = self.new_key(tree);
        } else {
            self.sweep.clone_from(&key);
        }
        let what = match self.rng.below(20) {
            0..17 => Owned::Remove,
            17..19 => Owned::Replace(self.value(&key)),
            _ => Owned::Patch(self.rng.below(20) as u16, vec![0xab; self.rng.below(9) as usize]),
        };
        OwnedWrite { tree, key, what }
    }

    /// Applies writes to the maps; what it returns undoes them, last first. `Err` with as much undone when one misfits.
    fn play(&mut self, writes: &[OwnedWrite]) -> Result<Vec<Undo>, ()> {
        let mut undo = Vec::new();
        for write in writes {
            let rows = &mut self.rows[usize::from(write.tree.0) - 1];
            let old = rows.get(&write.key).cloned();
            let new = match (&write.what, &old) {
                (Owned::Insert(value), None) | (Owned::Replace(value), Some(_)) => Some(value.clone()),
                (Owned::Remove, Some(_)) => None,
                (Owned::Patch(at, bytes), Some(old)) if usize::from(*at) + bytes.len() <= old.len() => {
                    let mut new = old.clone();
                    new[usize::from(*at)..usize::from(*at) + bytes.len()].copy_from_slice(bytes);
                    Some(new)
                }
                _ => {
                    self.undo(undo);
                    return Err(());
                }
            };
            undo.push((write.tree, write.key.clone(), old));
            set(rows, &write.key, new);
        }
        Ok(undo)
    }

    fn undo(&mut self, undo: Vec<Undo>) {
        for (tree, key, old) in undo.into_iter().rev() {
            set(&mut self.rows[usize::from(tree.0) - 1], &key, old);
        }
    }

    fn assert_read(&mut self, world: &mut World) {
        let tree = TreeId(self.rng.between(1, u64::from(TREES)) as u16);
        let (key, end) = (self.new_key(tree), self.key_there(tree));
        let rows = &self.rows[usize::from(tree.0) - 1];
        assert_eq!(world.get(tree, &key), rows.get(&key).cloned());
        assert_eq!(world.get(tree, &end), rows.get(&end).cloned());
        let to = Some(&end[..]).filter(|_| end > key);
        let expected: Vec<_> = rows
            .range(key.clone()..)
            .take_while(|(key, _)| to.is_none_or(|to| &key[..] < to))
            .take(40)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        assert_eq!(world.scan(tree, &key, to, 40), expected);
    }
}

type Undo = (TreeId, Vec<u8>, Option<Vec<u8>>);

fn set(rows: &mut Rows, key: &[u8], value: Option<Vec<u8>>) {
    match value {
        Some(value) => drop(rows.insert(key.to_vec(), value)),
        None => drop(rows.remove(key)),
    }
}

/// Plays `sets` random write sets of up to `writes_max` writes, checking every page after each.
fn campaign(seed: u64, page_bytes: usize, frames: usize, sets: usize, writes_max: u64) -> World {
    let mut world = World::new(page_bytes, frames, TREES);
    let rng = Rng::new(seed);
    let mut campaign =
        Campaign { rng, page_bytes, rows: vec![Rows::new(); usize::from(TREES)], appended: 0, sweep: Vec::new() };
    for set in 0..sets {
        // Grow for a while, then shrink for a while, to almost nothing.
        let growth = if set % 1000 < 450 { 0.85 } else { 0.03 };
        let count = campaign.rng.between(1, writes_max);
        let mut writes: Vec<_> = (0..count).map(|_| campaign.write(growth)).collect();
        if campaign.rng.chance(0.7) {
            writes.sort_by(|a, b| (a.tree, &a.key).cmp(&(b.tree, &b.key)));
        }
        let mut bounds = world.bounds();
        if campaign.rng.chance(0.05) {
            let pages_max = campaign.rng.between(1, 6) as usize;
            let bytes_max = campaign.rng.between(100, 2000) as usize;
            bounds = CommitBounds { pages_max, bytes_max, ..bounds };
        }
        let borrowed: Vec<_> = writes.iter().map(OwnedWrite::borrowed).collect();
        let result = world.commit(&borrowed, bounds);
        match (campaign.play(&writes), result) {
            (Ok(_), Ok(())) => {}
            (Ok(undo), Err(CommitError::TooLarge { .. })) if bounds.pages_max < 10 => campaign.undo(undo),
            (Err(()), Err(CommitError::Misfit { .. })) => {}
            (Err(()), Err(CommitError::TooLarge { .. })) if bounds.pages_max < 10 => {}
            (expected, result) => panic!("set {set}: {expected:?}, but {result:?}"),
        }
        let census = world.check();
        let cells: Vec<u64> = campaign.rows.iter().map(|rows| rows.len() as u64).collect();
        assert_eq!(census.trees.iter().map(|tree| tree.cells).collect::<Vec<_>>(), cells, "set {set}");
        campaign.assert_read(&mut world);
        if campaign.rng.chance(0.2) {
            world.durable = crate::Lsn(world.next.0 - 1);
        }
    }
    world
}

fn assert_substance(world: &World) {
    let happened = world.happened;
    for (what, count, least) in [
        ("groups", happened.groups, 1000),
        ("refusals", happened.refused, 500),
        ("fetches", happened.fetched, 1000),
        ("pages reused", happened.pages_reused, 100),
        ("pages freed", happened.pages_freed, 100),
        ("root splits", happened.root_splits, 3),
        ("root pull-ups", happened.root_pull_ups, 1),
        ("waits for durability", happened.waited_for_durable, 1),
        ("waits for pages", happened.waited_for_reserve, 10),
    ] {
        assert!(count >= least, "{what}: {happened:?}");
    }
}

#[test]
fn small_pages_agree_with_ordered_maps() {
    let world = campaign(11, 512, 64, 4000, 5);
    assert_substance(&world);
    assert!(world.happened.evened_out > 0, "{:?}", world.happened);
}

#[test]
fn larger_pages_agree_with_ordered_maps() {
    assert_substance(&campaign(12, 1024, 48, 4000, 5));
}

#[test]
fn single_writes_with_hardly_any_memory_agree_with_ordered_maps() {
    assert_substance(&campaign(13, 512, 20, 6000, 1));
}
