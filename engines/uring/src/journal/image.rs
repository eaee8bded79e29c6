//! Crash images: what a disk may hold after a power loss at a cut of the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use node::{FileName, NodeId, Rng, SECTOR_BYTES};

use super::cut::Cut;
use super::record::{Base, JournalOp, JournalRecord};

/// What becomes of the sectors and names that are not durable at the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// None survives.
    None,
    /// All survive, those in flight included.
    All,
    /// A random subset survives; a sector in flight may also be garbled.
    Random {
        /// Chooses the subset.
        seed: u64,
    },
}

/// The directories of all nodes after a power loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashImage {
    /// By node, by name: the file's bytes.
    pub nodes: BTreeMap<NodeId, BTreeMap<FileName, Vec<u8>>>,
    /// Sectors and names that were not durable at the cut.
    pub undecided: usize,
}

impl CrashImage {
    /// The image at `cut`: the operations recorded before it have been submitted or completed, nothing after it has
    /// happened.
    pub fn at(base: &Base, records: &[JournalRecord], cut: &Cut, survivors: Survivors) -> CrashImage {
        let mut disks: BTreeMap<NodeId, Disk> = base.iter().map(|(node, files)| (*node, Disk::of(files))).collect();
        for (at, record) in records[..cut.end()].iter().enumerate() {
            for (node, disk) in &mut disks {
                if cut.includes(*node, at) {
                    disk.take(*node, at, record);
                }
            }
        }
        let mut undecided = 0;
        let nodes = disks.into_iter().map(|(node, disk)| {
            undecided += disk.undecided();
            let mut fate = Fate::new(survivors, node);
            (node, disk.after(&mut fate))
        });
        CrashImage { nodes: nodes.collect(), undecided }
    }

    /// Writes one node's files into its directory, which should be new.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn write_node(&self, node: NodeId, directory: &Path) -> io::Result<()> {
        std::fs::create_dir_all(directory)?;
        for (name, bytes) in self.nodes.get(&node).into_iter().flatten() {
            std::fs::write(directory.join(name.as_str()), bytes)?;
        }
        Ok(())
    }
}

/// One node's disk at some point of the journal.
#[derive(Debug, Default)]
pub(super) struct Disk {
    files: BTreeMap<u64, FileState>,
    names: BTreeMap<FileName, u64>,
    /// Name changes not durable, in order of submission.
    renames: Vec<Rename>,
    pending: BTreeMap<u64, Pending>,
}

#[derive(Debug, Default)]
struct FileState {
    durable: Vec<u8>,
    /// Sectors not durable, in order of submission.
    sectors: Vec<Sector>,
}

#[derive(Debug)]
struct Sector {
    index: u64,
    bytes: [u8; SECTOR_BYTES],
    op: u64,
    submitted: usize,
    completed: Option<usize>,
}

#[derive(Debug)]
struct Rename {
    name: FileName,
    file: Option<u64>,
    op: u64,
    completed: Option<usize>,
}

/// An operation submitted and not completed.
#[derive(Debug)]
enum Pending {
    Write { file: u64, durable: bool },
    Sync { file: u64, submitted: usize },
    SyncDir { submitted: usize },
    Extend { file: u64, len_bytes: u64 },
    Create { file: u64, len_bytes: u64 },
    Remove,
}

/// What of a node's disk was not durable at a cut of its power.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undurable {
    /// Files with a write in flight.
    pub in_flight: BTreeSet<FileName>,
    /// Sectors and names that were done and not yet durable.
    pub completed: usize,
}

impl Disk {
    pub(super) fn of(files: &BTreeMap<FileName, (u64, Vec<u8>)>) -> Disk {
        let mut disk = Disk::default();
        for (name, (file, bytes)) in files {
            disk.names.insert(name.clone(), *file);
            disk.files.insert(*file, FileState { durable: bytes.clone(), sectors: Vec::new() });
        }
        disk
    }

    /// Takes the record at position `at`; records of other nodes change nothing.
    pub(super) fn take(&mut self, node: NodeId, at: usize, record: &JournalRecord) {
        match record {
            JournalRecord::Submitted { op, node: of, what } if *of == node => self.submitted(at, *op, what),
            JournalRecord::Completed { op, ok } => self.completed(at, *op, *ok),
            JournalRecord::Replaced { node: of, files } if *of == node => *self = Disk::of(files),
            JournalRecord::Submitted { .. } | JournalRecord::Delivered { .. } | JournalRecord::Replaced { .. } => {}
        }
    }

    /// What is lost when power fails now, unless it is spared.
    pub(super) fn undurable(&self) -> Undurable {
        let writing =
            |file: &u64| self.pending.values().any(|op| matches!(op, Pending::Write { file: of, .. } if of == file));
        let in_flight = self.names.iter().filter(|(_, file)| writing(file)).map(|(name, _)| name.clone()).collect();
        let sectors = self.files.values().flat_map(|file| &file.sectors).filter(|sector| sector.completed.is_some());
        let names = self.renames.iter().filter(|rename| rename.completed.is_some());
        Undurable { in_flight, completed: sectors.count() + names.count() }
    }

    fn submitted(&mut self, at: usize, op: u64, what: &JournalOp) {
        let pending = match what {
            JournalOp::Write { file, offset, data, durable } => {
                let first = offset / SECTOR_BYTES as u64;
                let sectors = data.chunks_exact(SECTOR_BYTES).zip(first..).map(|(bytes, index)| Sector {
                    index,
                    bytes: bytes.try_into().expect("one sector"),
                    op,
                    submitted: at,
                    completed: None,
                });
                self.files.entry(*file).or_default().sectors.extend(sectors);
                Pending::Write { file: *file, durable: *durable }
            }
            JournalOp::Sync { file } => Pending::Sync { file: *file, submitted: at },
            JournalOp::SyncDir => Pending::SyncDir { submitted: at },
            JournalOp::Extend { file, len_bytes } => Pending::Extend { file: *file, len_bytes: *len_bytes },
            JournalOp::Create { file, name, len_bytes } => {
                self.renames.push(Rename { name: name.clone(), file: Some(*file), op, completed: None });
                Pending::Create { file: *file, len_bytes: *len_bytes }
            }
            JournalOp::Remove { name } => {
                self.renames.push(Rename { name: name.clone(), file: None, op, completed: None });
                Pending::Remove
            }
        };
        self.pending.insert(op, pending);
    }

    /// A failed operation stays in flight for ever: it may have taken place.
    fn completed(&mut self, at: usize, op: u64, ok: bool) {
        let Some(pending) = self.pending.get(&op).filter(|_| ok) else { return };
        match *pending {
            Pending::Write { file, durable } => self.files.entry(file).or_default().written(at, op, durable),
            Pending::Sync { file, submitted } => self.files.entry(file).or_default().synced(submitted),
            Pending::SyncDir { submitted } => self.names_synced(submitted),
            Pending::Extend { file, len_bytes } => self.files.entry(file).or_default().grow(len_bytes),
            Pending::Create { file, len_bytes } => {
                self.files.entry(file).or_default().grow(len_bytes);
                self.renamed(at, op);
            }
            Pending::Remove => self.renamed(at, op),
        }
        self.pending.remove(&op);
    }

    fn renamed(&mut self, at: usize, op: u64) {
        for rename in self.renames.iter_mut().filter(|rename| rename.op == op) {
            rename.completed = Some(at);
        }
    }

    fn names_synced(&mut self, submitted: usize) {
        let names = &mut self.names;
        self.renames.retain(|rename| {
            let synced = rename.completed.is_some_and(|at| at < submitted);
            if synced {
                rename.apply(names);
            }
            !synced
        });
    }

    fn undecided(&self) -> usize {
        self.renames.len() + self.files.values().map(|file| file.sectors.len()).sum::<usize>()
    }

    /// What is on it after a power loss.
    pub(super) fn left(self, node: NodeId, survivors: Survivors) -> BTreeMap<FileName, Vec<u8>> {
        self.after(&mut Fate::new(survivors, node))
    }

    fn after(mut self, fate: &mut Fate) -> BTreeMap<FileName, Vec<u8>> {
        for (_, pending) in std::mem::take(&mut self.pending) {
            // A file being made or extended has any length up to the one asked for, and zeroes in it.
            if let Pending::Create { file, len_bytes } | Pending::Extend { file, len_bytes } = pending {
                self.files.entry(file).or_default().grow(fate.part_of(len_bytes));
            }
        }
        for rename in &self.renames {
            if fate.survives() {
                rename.apply(&mut self.names);
            }
        }
        let mut contents = BTreeMap::new();
        for (name, file) in self.names {
            let state = self.files.get(&file).map(|state| state.after(fate));
            contents.insert(name, state.unwrap_or_default());
        }
        contents
    }
}

impl Rename {
    fn apply(&self, names: &mut BTreeMap<FileName, u64>) {
        match self.file {
            Some(file) => names.insert(self.name.clone(), file),
            None => names.remove(&self.name),
        };
    }
}

impl FileState {
    fn grow(&mut self, len_bytes: u64) {
        if self.durable.len() < len_bytes as usize {
            self.durable.resize(len_bytes as usize, 0);
        }
    }

    fn written(&mut self, at: usize, op: u64, durable: bool) {
        for sector in self.sectors.iter_mut().filter(|sector| sector.op == op) {
            sector.completed = Some(at);
        }
        if !durable {
            return;
        }
        let mine: Vec<Sector> = self.sectors.extract_if(.., |sector| sector.op == op).collect();
        for sector in mine {
            self.persist(&sector);
            // What completed before this write began lies under it; what ran beside it may land over it.
            self.sectors.retain(|other| {
                other.index != sector.index || other.completed.is_none_or(|completed| completed > sector.submitted)
            });
        }
    }

    fn synced(&mut self, submitted: usize) {
        let mut ready: Vec<Sector> =
            self.sectors.extract_if(.., |sector| sector.completed.is_some_and(|at| at < submitted)).collect();
        ready.sort_by_key(|sector| sector.completed);
        for sector in &ready {
            self.persist(sector);
        }
    }

    fn persist(&mut self, sector: &Sector) {
        write_sector(&mut self.durable, sector.index, &sector.bytes);
    }

    fn after(&self, fate: &mut Fate) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for sector in &self.sectors {
            if !fate.survives() {
                continue;
            }
            if sector.completed.is_none() && fate.garbles() {
                write_sector(&mut bytes, sector.index, &fate.garbage());
            } else {
                write_sector(&mut bytes, sector.index, &sector.bytes);
            }
        }
        bytes
    }
}

fn write_sector(bytes: &mut Vec<u8>, index: u64, sector: &[u8; SECTOR_BYTES]) {
    let start = index as usize * SECTOR_BYTES;
    // Writes lie inside the length the runtime has seen; a base copied from elsewhere may be shorter.
    if bytes.len() < start + SECTOR_BYTES {
        bytes.resize(start + SECTOR_BYTES, 0);
    }
    bytes[start..start + SECTOR_BYTES].copy_from_slice(sector);
}

/// Decides about each thing that is not durable.
#[derive(Debug)]
struct Fate {
    survivors: Survivors,
    rng: Rng,
}

impl Fate {
    fn new(survivors: Survivors, node: NodeId) -> Fate {
        let seed = if let Survivors::Random { seed } = survivors { seed } else { 0 };
        Fate { survivors, rng: Rng::new(seed).fork("crash", u64::from(node.0)) }
    }

    fn survives(&mut self) -> bool {
        match self.survivors {
            Survivors::None => false,
            Survivors::All => true,
            Survivors::Random { .. } => self.rng.chance(0.5),
        }
    }

    /// How far an operation in flight came, in whole sectors.
    fn part_of(&mut self, len_bytes: u64) -> u64 {
        match self.survivors {
            Survivors::None => 0,
            Survivors::All => len_bytes,
            Survivors::Random { .. } => self.rng.below(len_bytes / SECTOR_BYTES as u64 + 1) * SECTOR_BYTES as u64,
        }
    }

    fn garbles(&mut self) -> bool {
        matches!(self.survivors, Survivors::Random { .. }) && self.rng.chance(0.1)
    }

    fn garbage(&mut self) -> [u8; SECTOR_BYTES] {
        let mut bytes = [0; SECTOR_BYTES];
        self.rng.fill(&mut bytes);
        bytes
    }
}
