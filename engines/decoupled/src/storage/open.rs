//! What a start does before anything is served: find out who this node is, count the start, and read the whole log back.
//!
//! # Invariants
//!
//! - Nothing is answered before the new incarnation is durable.
//! - No other file is made before the first superblock is durable, and its name with it.
//! - What was read counts only after a sync behind the read: a killed process may leave writes that can be read and are
//!   not durable.

use std::collections::{BTreeMap, VecDeque};

use node::{DiskOp, DiskReply, DiskResult, Effects, FileId, FileName, IoClass, Token};

use super::block::{self, LogBlock, LogIdentity};
use super::config::StorageConfig;
use super::hotlog::{Extent, Found, extent_file, extent_name, extent_of};
use super::keeper::Keeper;
use super::open_pages::OpeningPages;
use super::pages::PageStore;
use super::superblock::{PLACES, Superblock};
use super::whole_read::WholeRead;
use super::{Owner, Trouble};
use crate::{Epoch, Incarnation, MemberIndex, TruncationTable};

/// The superblock's file.
pub const SUPERBLOCK_FILE: FileId = FileId(0);
const SUPERBLOCK_NAME: &str = "superblock";

/// Everything a start found.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The superblock with this start counted, durable.
    pub superblock: Superblock,
    /// Who writes it from now on.
    pub keeper: Keeper,
    /// The log.
    pub found: Found,
    /// The live blocks, in order of sequence number.
    pub blocks: Vec<LogBlock>,
    /// The page store.
    pub pages: PageStore,
    /// Whether the page index lost entries: what the slots hold cannot be relied on.
    pub index_lost: bool,
}

/// The start, one disk operation after the other.
#[derive(Clone, Debug)]
pub struct Opening {
    config: StorageConfig,
    member: MemberIndex,
    step: Step,
    names: BTreeMap<FileName, u64>,
    superblock: Option<Superblock>,
    keeper: Option<Keeper>,
    extents: VecDeque<u32>,
    whole: WholeRead,
    blocks: Vec<LogBlock>,
    found: Found,
    pages: Option<OpeningPages>,
    store: Option<(PageStore, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Listing,
    CreatingSuperblock,
    SyncingNames,
    OpeningSuperblock,
    ReadingSuperblock,
    SyncingSuperblock,
    Counting,
    OpeningExtent(u32),
    ReadingExtent(u32),
    SyncingExtent(u32),
    RemovingExtent,
    OpeningPages,
}

impl Opening {
    /// Begins: lists the directory.
    pub fn new(config: StorageConfig, member: MemberIndex, out: &mut Effects) -> Opening {
        let opening = Opening {
            config,
            member,
            step: Step::Listing,
            names: BTreeMap::new(),
            superblock: None,
            keeper: None,
            extents: VecDeque::new(),
            whole: WholeRead::default(),
            blocks: Vec::new(),
            found: Found::default(),
            pages: None,
            store: None,
        };
        opening.disk(DiskOp::List, out);
        opening
    }

    fn disk(&self, op: DiskOp, out: &mut Effects) {
        out.disk(Token::new(Owner::OPEN, 0), op, IoClass::Recovery);
    }

    /// Takes a completion; gives what was found once there is nothing left to do.
    pub fn handle(&mut self, token: Token, result: DiskResult, out: &mut Effects) -> Result<Option<Opened>, Trouble> {
        match (self.step, result) {
            (Step::Listing, Ok(DiskReply::Names(names))) => self.listed(names, out)?,
            (Step::CreatingSuperblock, Ok(_)) => self.go(Step::SyncingNames, DiskOp::SyncDir, out),
            (Step::SyncingNames, Ok(_)) => self.count(out)?,
            (Step::OpeningSuperblock, Ok(_)) => {
                self.whole = WholeRead::new((self.config.superblock_bytes * PLACES) as u64);
                self.read_superblock_on(out)?;
            }
            (Step::ReadingSuperblock, result) => {
                self.whole.take(result);
                self.read_superblock_on(out)?;
            }
            (Step::SyncingSuperblock, Ok(_)) => self.next_extent(out),
            (Step::Counting, result) => {
                let keeper = self.keeper.as_mut().expect("counting writes a superblock");
                let counted = keeper.handle(token, result, out)?.is_some();
                if counted && self.store.is_some() {
                    return Ok(Some(self.finish()));
                }
                if counted {
                    self.next_extent(out);
                }
            }
            (Step::OpeningExtent(extent), Ok(DiskReply::Opened { len_bytes })) => {
                self.whole = WholeRead::new(len_bytes);
                self.read_on(extent, out);
            }
            (Step::ReadingExtent(extent), result) => {
                self.whole.take(result);
                self.read_on(extent, out);
            }
            (Step::SyncingExtent(extent), Ok(_)) => self.scan(extent, out),
            (Step::RemovingExtent, Ok(_)) => self.next_extent(out),
            (Step::OpeningPages, result) => {
                let pages = self.pages.as_mut().expect("made with this step");
                self.store = pages.handle(result, out)?;
                if self.store.is_some() && self.keeper.is_some() {
                    return Ok(Some(self.finish()));
                }
                if self.store.is_some() {
                    self.check_age()?;
                    self.count(out)?;
                }
            }
            (step, result) => return Err(Trouble::Halt(format!("cannot start: {step:?} gave {result:?}"))),
        }
        Ok(None)
    }

    /// Tries again what a full disk refused.
    pub fn retry(&mut self, out: &mut Effects) {
        if let Some(keeper) = &mut self.keeper {
            keeper.retry(out);
        }
    }

    fn go(&mut self, step: Step, op: DiskOp, out: &mut Effects) {
        self.step = step;
        self.disk(op, out);
    }

    fn listed(&mut self, names: Vec<(FileName, u64)>, out: &mut Effects) -> Result<(), Trouble> {
        self.names = names.into_iter().collect();
        let name = FileName::new(SUPERBLOCK_NAME);
        let expected = (self.config.superblock_bytes * PLACES) as u64;
        let others = self.names.keys().any(|known| *known != name);
        match self.names.get(&name) {
            Some(&len_bytes) if len_bytes == expected => {
                self.go(Step::OpeningSuperblock, DiskOp::Open { file: SUPERBLOCK_FILE, name }, out);
            }
            Some(len_bytes) if others => {
                return Err(Trouble::Halt(format!(
                    "the superblock's file has {len_bytes} bytes, not {expected}: superblock_bytes was changed, or the \
                     file was cut"
                )));
            }
            None if others => {
                return Err(Trouble::Halt(
                    "the directory has files and no superblock: restore it, or wipe the directory to rejoin empty"
                        .into(),
                ));
            }
            // Empty, or a crash came while the superblock's file was made.
            Some(_) | None => self.create_superblock(out),
        }
        Ok(())
    }

    fn create_superblock(&mut self, out: &mut Effects) {
        let len_bytes = (self.config.superblock_bytes * PLACES) as u64;
        let op = DiskOp::Create { file: SUPERBLOCK_FILE, name: FileName::new(SUPERBLOCK_NAME), len_bytes };
        self.go(Step::CreatingSuperblock, op, out);
    }

    /// One copy that cannot be read is not the end of the others.
    fn read_superblock_on(&mut self, out: &mut Effects) -> Result<(), Trouble> {
        match self.whole.next(SUPERBLOCK_FILE) {
            Some(op) => {
                self.go(Step::ReadingSuperblock, op, out);
                Ok(())
            }
            None => {
                let file = std::mem::take(&mut self.whole).finish_marked();
                self.read_superblock(&file, out)
            }
        }
    }

    fn read_superblock(&mut self, file: &[u8], out: &mut Effects) -> Result<(), Trouble> {
        let chosen = Superblock::choose(file, self.config.superblock_bytes, self.config.volume, self.member);
        let superblock = chosen.map_err(|error| Trouble::Halt(error.to_string()))?;
        let others = self.names.len() > 1;
        if superblock.is_none() && others {
            return Err(Trouble::Halt(
                "the superblock is empty although the directory has other files: restore it, or wipe the directory"
                    .into(),
            ));
        }
        if !others && superblock.as_ref().is_none_or(|found| found.generation == 1) {
            // The first superblock is durable before there is any other file, so this node never answered anybody. What there is
            // of it may be visible and no more: a sync of the name, or of a copy, failed, and no later one need make up for it.
            self.create_superblock(out);
            return Ok(());
        }
        self.extents = self.names.keys().filter_map(extent_of).collect();
        self.superblock = superblock;
        // All there is is read before the superblock changes: a node that must not start leaves it as it was.
        self.go(Step::SyncingSuperblock, DiskOp::Sync { file: SUPERBLOCK_FILE }, out);
        Ok(())
    }

    /// An older superblock than the log knows of has forgotten promises and truncations.
    fn check_age(&self) -> Result<(), Trouble> {
        let newest = self.blocks.iter().map(|block| block.header.generation).max().unwrap_or_default();
        let found = self.superblock.as_ref().map_or(0, |superblock| superblock.generation);
        if newest <= found {
            return Ok(());
        }
        Err(Trouble::Halt(format!(
            "the log was written under superblock generation {newest} and the superblock has generation {found}: an older \
             disk image was put back, or every newer copy is damaged; wipe the directory to rejoin empty"
        )))
    }

    fn count(&mut self, out: &mut Effects) -> Result<(), Trouble> {
        let mut superblock = self.superblock.take().unwrap_or_else(|| Superblock {
            generation: 0,
            volume: self.config.volume,
            member: self.member,
            incarnation: Incarnation(0),
            promised: Epoch::default(),
            table: TruncationTable::default(),
            vdl: compute::Lsn::ZERO,
            register: None,
            log_floor: 0,
            claims_void_upto: 0,
            index_position: 0,
            segments: Vec::new(),
        });
        superblock.incarnation = Incarnation(superblock.incarnation.0 + 1);
        let mut keeper = Keeper::new(SUPERBLOCK_FILE, self.config.superblock_bytes, superblock.generation);
        superblock.generation = keeper.save(superblock.clone(), out)?;
        self.keeper = Some(keeper);
        self.superblock = Some(superblock);
        self.step = Step::Counting;
        Ok(())
    }

    fn next_extent(&mut self, out: &mut Effects) {
        match self.extents.pop_front() {
            Some(extent) => {
                let op = DiskOp::Open { file: extent_file(extent), name: extent_name(extent) };
                self.go(Step::OpeningExtent(extent), op, out);
            }
            None => {
                self.step = Step::OpeningPages;
                let vouched = self.superblock.as_ref().map_or(0, |superblock| superblock.index_position);
                self.pages = Some(OpeningPages::new(&self.config, &self.names, vouched, out));
            }
        }
    }

    fn read_on(&mut self, extent: u32, out: &mut Effects) {
        match self.whole.next(extent_file(extent)) {
            Some(op) => self.go(Step::ReadingExtent(extent), op, out),
            None => self.go(Step::SyncingExtent(extent), DiskOp::Sync { file: extent_file(extent) }, out),
        }
    }

    fn scan(&mut self, extent: u32, out: &mut Effects) {
        let bytes = std::mem::take(&mut self.whole).finish();
        let identity = LogIdentity { volume: self.config.volume, member: self.member };
        let floor = self.superblock.as_ref().map_or(0, |superblock| superblock.log_floor);
        let mut blocks = block::scan(identity, extent, 0, &bytes);
        blocks.retain(|block| block.header.seq >= floor);
        if blocks.is_empty() {
            // It may be made by halves, or its name be visible without being durable: the sync of the directory failed, and no
            // later one need make up for it. Nothing in it counts, and a new one takes its place.
            self.go(Step::RemovingExtent, DiskOp::Remove { name: extent_name(extent) }, out);
            return;
        }
        self.found.live.insert(extent, live_extent(&blocks));
        self.blocks.extend(blocks);
        self.next_extent(out);
    }

    fn finish(&mut self) -> Opened {
        let (pages, index_lost) = self.store.take().expect("opened before the end");
        self.blocks.sort_by_key(|block| block.header.seq);
        let mut found = std::mem::take(&mut self.found);
        if let Some(last) = self.blocks.last() {
            (found.last_seq, found.last_crc) = (last.header.seq, last.crc);
        }
        let superblock = self.superblock.take().expect("counted");
        // Sequence numbers never come twice, even when every block that had one is gone.
        found.last_seq = found.last_seq.max(superblock.log_floor).max(superblock.claims_void_upto);
        found.vdl = self.blocks.iter().map(|block| block.header.vdl).max().unwrap_or_default().max(superblock.vdl);
        Opened {
            superblock,
            keeper: self.keeper.take().expect("counted"),
            found,
            blocks: std::mem::take(&mut self.blocks),
            pages,
            index_lost,
        }
    }
}

/// An extent as the headers of its blocks tell it; what its records reach to is found when they are read.
fn live_extent(blocks: &[LogBlock]) -> Extent {
    let mut extent = Extent::default();
    for block in blocks {
        let header = &block.header;
        extent.used_bytes = extent.used_bytes.max(block.end_in_extent());
        extent.longest_bytes = extent.longest_bytes.max(block.len_bytes as u64);
        (extent.first, extent.last) = (header.place.extent_first, extent.last.max(header.seq));
        extent.blocks.insert(header.seq);
    }
    extent
}
