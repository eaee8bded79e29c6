//! The part of a start that finds the page store.
//!
//! The last block of the index is written again, where it is, unless a superblock vouches for it: its first write may have
//! failed and be visible all the same, and log is collected on its word. Every block before it was durable when it was begun.
//! Should the second write be torn, what is left is the index before it: no superblock has named that batch yet, and a
//! snapshot's former file still says the same.
//!
//! Nothing is appended to a file that was found. It ends for this start where a block cannot be read, be that torn, rotten, or
//! unreadable this once, and batches may stand behind that block, with the positions that the next ones would get: written up
//! to, they would be taken for later ones, and name slots that hold other pages by then. The next batch opens the other file, at
//! a position above all of theirs. So it does where nothing found was enough and a new index was made: what is in the other file
//! may be readable again at the next start, and reach to what superblocks name by then.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use node::{Block, DiskOp, DiskReply, DiskResult, Effects, FileName, IoClass, Token};

use super::config::StorageConfig;
use super::index::{self, Index};
use super::pages::{INDEX_FILES, INDEX_NAMES, PAGES_FILE, PAGES_NAME, PageStore};
use super::whole_read::WholeRead;
use super::{Owner, Trouble};

/// Reads both index files, opens the slots, and makes what is missing.
#[derive(Clone, Debug)]
pub struct OpeningPages {
    sizes: (u64, u64),
    vouched: u64,
    todo: VecDeque<Todo>,
    doing: Option<Todo>,
    reading: WholeRead,
    lengths: [u64; 2],
    /// Whether there was no index file.
    is_fresh: bool,
    found: Option<(usize, Index)>,
    /// The last block of what was found.
    last_block: Bytes,
    pages_len_bytes: u64,
    lost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Todo {
    OpenIndex(usize),
    ReadIndex(usize),
    SyncIndex(usize),
    OpenPages,
    SyncPages,
    MakePages,
    MakeIndex(usize),
    SyncNames,
    WriteIndex(usize),
    WriteLast,
}

impl OpeningPages {
    /// Begins. `vouched` is the index position that the superblock names.
    pub fn new(
        config: &StorageConfig,
        names: &BTreeMap<FileName, u64>,
        vouched: u64,
        out: &mut Effects,
    ) -> OpeningPages {
        let mut todo = VecDeque::new();
        for (file, name) in INDEX_NAMES.iter().enumerate() {
            if names.get(&FileName::new(*name)).is_some_and(|&len_bytes| len_bytes > 0) {
                todo.extend([Todo::OpenIndex(file), Todo::ReadIndex(file), Todo::SyncIndex(file)]);
            }
        }
        let is_fresh = todo.is_empty();
        if names.contains_key(&FileName::new(PAGES_NAME)) {
            todo.extend([Todo::OpenPages, Todo::SyncPages]);
        } else {
            todo.extend([Todo::MakePages, Todo::SyncNames]);
        }
        let mut opening = OpeningPages {
            sizes: (config.pages_grow_bytes, config.index_log_bytes),
            vouched,
            todo,
            doing: None,
            reading: WholeRead::default(),
            lengths: [0; 2],
            is_fresh,
            found: None,
            last_block: Bytes::new(),
            pages_len_bytes: 0,
            lost: false,
        };
        opening.next(out);
        opening
    }

    /// Takes a completion; gives the store once it is open, and whether its index lost entries.
    pub fn handle(&mut self, result: DiskResult, out: &mut Effects) -> Result<Option<(PageStore, bool)>, Trouble> {
        match (self.doing, result) {
            (Some(Todo::OpenIndex(file)), Ok(DiskReply::Opened { len_bytes })) => {
                self.lengths[file] = len_bytes;
                self.reading = WholeRead::new(len_bytes);
            }
            (Some(Todo::ReadIndex(file)), result) => {
                self.reading.take(result);
                if let Some(op) = self.reading.next(INDEX_FILES[file]) {
                    out.disk(Token::new(Owner::OPEN, 0), op, IoClass::Recovery);
                    return Ok(None);
                }
                let newer =
                    |index: &Index| self.found.as_ref().is_none_or(|(_, held)| index.generation > held.generation);
                let bytes = std::mem::take(&mut self.reading).finish();
                if let Some(index) = Index::read(&bytes).filter(newer) {
                    self.last_block = bytes.slice(index.last_bytes as usize..index.end_bytes as usize);
                    self.found = Some((file, index));
                }
            }
            (Some(Todo::OpenPages), Ok(DiskReply::Opened { len_bytes })) => self.pages_len_bytes = len_bytes,
            (Some(_), Ok(_)) => {}
            (doing, result) => {
                return Err(Trouble::Halt(format!("cannot open the page store: {doing:?} gave {result:?}")));
            }
        }
        self.next(out);
        if self.doing.is_some() {
            return Ok(None);
        }
        let position = self.found.as_ref().map(|(_, index)| index.position);
        if !self.lost && position.is_none_or(|position| position < self.vouched) {
            self.start_over(out);
            return Ok(None);
        }
        let (file, index) = self.found.take().expect("just seen");
        if !self.last_block.is_empty() && (index.position > self.vouched || index.last_bytes == 0) {
            self.found = Some((file, index));
            self.todo.push_back(Todo::WriteLast);
            self.next(out);
            return Ok(None);
        }
        let mut store = PageStore::new(self.pages_len_bytes, index, file, self.lengths[file], self.sizes);
        if !self.is_fresh {
            store.end_index_file();
        }
        Ok(Some((store, self.lost)))
    }

    /// An empty index, above everything there was. Its position stays below what the superblock vouches for, so that the loss
    /// is noticed again at the next start unless a superblock was written that knows of it.
    fn start_over(&mut self, out: &mut Effects) {
        let former = self.found.take();
        self.last_block = Bytes::new();
        self.lost = self.vouched > 0;
        let file = former.as_ref().map_or(0, |(file, _)| 1 - file);
        let generation = former.map_or(0, |(_, index)| index.generation) + 1;
        let end_bytes = index::block_bytes(0) as u64;
        self.lengths[file] = end_bytes + self.sizes.1;
        self.found = Some((file, Index { generation, position: 0, last_bytes: 0, end_bytes, slots: BTreeMap::new() }));
        self.todo.extend([Todo::MakeIndex(file), Todo::SyncNames, Todo::WriteIndex(file)]);
        self.next(out);
    }

    fn next(&mut self, out: &mut Effects) {
        self.doing = self.todo.pop_front();
        let Some(doing) = self.doing else { return };
        let op = match doing {
            Todo::OpenIndex(file) => DiskOp::Open { file: INDEX_FILES[file], name: FileName::new(INDEX_NAMES[file]) },
            Todo::ReadIndex(file) => self.reading.next(INDEX_FILES[file]).expect("an index file is not empty"),
            Todo::SyncIndex(file) => DiskOp::Sync { file: INDEX_FILES[file] },
            Todo::OpenPages => DiskOp::Open { file: PAGES_FILE, name: FileName::new(PAGES_NAME) },
            Todo::SyncPages => DiskOp::Sync { file: PAGES_FILE },
            Todo::MakePages => DiskOp::Create { file: PAGES_FILE, name: FileName::new(PAGES_NAME), len_bytes: 0 },
            Todo::MakeIndex(file) => DiskOp::Create {
                file: INDEX_FILES[file],
                name: FileName::new(INDEX_NAMES[file]),
                len_bytes: self.lengths[file],
            },
            Todo::SyncNames => DiskOp::SyncDir,
            Todo::WriteLast => {
                let (file, index) = self.found.as_ref().expect("found before this step");
                let data = Block::padded(&std::mem::take(&mut self.last_block));
                DiskOp::Write { file: INDEX_FILES[*file], offset: index.last_bytes, data, durable: true }
            }
            Todo::WriteIndex(file) => {
                let (_, index) = self.found.as_ref().expect("made with this step");
                let data = index::encode(index.generation, index.position, &[]);
                DiskOp::Write { file: INDEX_FILES[file], offset: 0, data, durable: true }
            }
        };
        out.disk(Token::new(Owner::OPEN, 0), op, IoClass::Recovery);
    }
}

#[cfg(test)]
mod tests {
    use compute::{Lsn, PageId};
    use node::{Effect, NodeId};

    use super::super::pages::Purpose;
    use super::index::{Slot, encode};
    use super::*;
    use crate::VolumeId;

    /// Opens a store whose index file has these blocks, under a superblock that names `vouched`; gives it and the durable writes.
    fn start(blocks: &[Block], vouched: u64) -> (PageStore, Vec<(u64, Block)>) {
        let bytes: Vec<u8> = blocks.iter().flat_map(|block| block.iter().copied()).chain([0; 1024]).collect();
        let config = StorageConfig::small(VolumeId(7), [2, 3, 4, 5, 6, 7].map(NodeId), 1);
        let names = [(INDEX_NAMES[0], bytes.len() as u64), (PAGES_NAME, 0)];
        let names = names.map(|(name, len_bytes)| (FileName::new(name), len_bytes)).into();
        let (mut out, mut writes) = (Effects::default(), Vec::new());
        let mut opening = OpeningPages::new(&config, &names, vouched, &mut out);
        loop {
            let Some(Effect::Disk { op, .. }) = out.drain().next() else { panic!("a start that waits for nothing") };
            let reply = match op {
                DiskOp::Open { .. } => DiskReply::Opened { len_bytes: bytes.len() as u64 },
                DiskOp::Read { offset, len_bytes, .. } => {
                    DiskReply::Data(Block::padded(&bytes[offset as usize..offset as usize + len_bytes]))
                }
                DiskOp::Write { offset, data, durable, .. } => {
                    assert!(durable);
                    writes.push((offset, data));
                    DiskReply::Done
                }
                _ => DiskReply::Done,
            };
            if let Some((store, _)) = opening.handle(Ok(reply), &mut out).expect("nothing failed") {
                return (store, writes);
            }
        }
    }

    fn writes_of_a_start(blocks: &[Block], vouched: u64) -> Vec<(u64, Block)> {
        start(blocks, vouched).1
    }

    /// A batch of the index rotted, and a start took what was before it, as it must. It then wrote its own batches over the rotten
    /// one and on, until they met the old ones, whose positions came next: the start after that read on into them, and the
    /// node answered old versions of pages whose log was long collected. Damage seed 7547 found it. Now a file that was found is
    /// not written on.
    #[test]
    fn batches_behind_one_that_rotted_are_never_written_up_to() {
        let entry = |page, lsn| (PageId(page), Slot { slot: page as u32, lsn: Lsn(lsn) });
        let blocks = [encode(1, 0, &[]), encode(1, 1, &[entry(1, 5)]), encode(1, 2, &[entry(1, 8)])];
        for rotten in 1..blocks.len() {
            let mut rotted = blocks.clone();
            rotted[rotten][40] ^= 1;
            let (mut store, _) = start(&rotted, 0);
            assert_eq!(store.position(), rotten as u64 - 1);
            store.set_page_bytes(512);
            let (mut out, mut created) = (Effects::default(), Vec::new());
            store.store(Purpose::Coalesce, Vec::new(), vec![PageId(1)], &mut out);
            let stored = loop {
                let Some(Effect::Disk { token, op, .. }) = out.drain().next() else { panic!("a store that waits") };
                match &op {
                    DiskOp::Create { file, .. } => created.push(*file),
                    DiskOp::Write { file, .. } => assert_eq!(*file, INDEX_FILES[1], "index-0 stays as it was found"),
                    _ => {}
                }
                if let Some(stored) = store.handle(token, Ok(DiskReply::Done), &mut out).expect("nothing failed") {
                    break stored;
                }
            };
            assert_eq!((created, stored.id), (vec![INDEX_FILES[1]], 1));
            assert!(store.position() > 2, "a position that no old batch has: {}", store.position());
        }
    }

    /// An index that did not reach to what the superblock named was given up for a new one in the other file, whose write the disk
    /// lost: the old one was found again at the start after that, and reached to what the superblock named by then. Damage seed
    /// 3375 found it. Now the first batch opens the other file once more.
    #[test]
    fn the_file_of_an_index_that_was_given_up_is_made_anew() {
        let entry = |page, lsn| (PageId(page), Slot { slot: page as u32, lsn: Lsn(lsn) });
        let blocks = [encode(1, 0, &[]), encode(1, 1, &[entry(1, 5)])];
        let (mut store, _) = start(&blocks, 7);
        store.set_page_bytes(512);
        assert_eq!((store.count(), store.position()), (0, 0), "given up");
        let mut out = Effects::default();
        store.store(Purpose::Repair, Vec::new(), vec![PageId(1)], &mut out);
        let Some(Effect::Disk { op, .. }) = out.drain().next() else { panic!("a store that waits") };
        assert!(matches!(op, DiskOp::Create { file, .. } if file == INDEX_FILES[0]), "{op:?}");
    }

    /// A start that believed a batch whose write had failed went on to collect log on its word. A power failure took the
    /// batch then, the index no longer reached to what the superblock named, and the segment was lost as a whole, with
    /// what it had acknowledged.
    #[test]
    fn the_last_block_is_written_again_unless_a_superblock_vouches_for_it() {
        let entry = |page| (PageId(page), Slot { slot: page as u32, lsn: Lsn(9) });
        let snapshot = encode(1, 10, &[entry(1)]);
        let batch = encode(1, 11, &[entry(2)]);
        let at = snapshot.len() as u64;
        let both = [snapshot.clone(), batch.clone()];
        assert_eq!(writes_of_a_start(&both, 10), [(at, batch)]);
        assert_eq!(writes_of_a_start(&both, 11), []);
        assert_eq!(writes_of_a_start(std::slice::from_ref(&snapshot), 10), [(0, snapshot.clone())]);
    }
}
