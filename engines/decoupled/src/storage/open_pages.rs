//! The part of a start that finds the page store.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use node::{DiskOp, DiskReply, DiskResult, Effects, FileName, IoClass, Token};

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
    found: Option<(usize, Index)>,
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
            found: None,
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
                let bytes = Bytes::from(std::mem::take(&mut self.reading).finish());
                if let Some(index) = Index::read(&bytes).filter(newer) {
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
        let store = PageStore::new(self.pages_len_bytes, index, file, self.lengths[file], self.sizes);
        Ok(Some((store, self.lost)))
    }

    /// An empty index, above everything there was. Its position stays below what the superblock vouches for, so that the loss
    /// is noticed again at the next start unless a superblock was written that knows of it.
    fn start_over(&mut self, out: &mut Effects) {
        let former = self.found.take();
        self.lost = self.vouched > 0;
        let file = former.as_ref().map_or(0, |(file, _)| 1 - file);
        let generation = former.map_or(0, |(_, index)| index.generation) + 1;
        let end_bytes = index::block_bytes(0) as u64;
        self.lengths[file] = end_bytes + self.sizes.1;
        self.found = Some((file, Index { generation, position: 0, end_bytes, slots: BTreeMap::new() }));
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
            Todo::WriteIndex(file) => {
                let (_, index) = self.found.as_ref().expect("made with this step");
                let data = index::encode(index.generation, index.position, &[]);
                DiskOp::Write { file: INDEX_FILES[file], offset: 0, data, durable: true }
            }
        };
        out.disk(Token::new(Owner::OPEN, 0), op, IoClass::Recovery);
    }
}
