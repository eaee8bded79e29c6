//! One file: its bytes as read, and what of them is not durable.

use std::collections::BTreeMap;

use node::fault::Ailing;
use node::{Digest, SECTOR_BYTES};

use super::contents::{Contents, Kept};

/// Whether a completed write survives power loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// A later sync makes it durable.
    Unsynced,
    /// A sync failed over it: no later sync helps, and it may still survive.
    Forsaken,
    /// It is durable, and kept only because an earlier write below it is not.
    Durable,
}

/// A completed write with the bytes it replaced.
#[derive(Clone, Debug)]
struct Overwrite {
    /// When it completed, on the disk's own count.
    at: u64,
    offset: u64,
    len_bytes: u64,
    before: Kept,
    standing: Standing,
}

impl Overwrite {
    fn end(&self) -> u64 {
        self.offset + self.len_bytes
    }

    fn overlaps(&self, offset: u64, end: u64) -> bool {
        self.offset < end && offset < self.end()
    }

    fn before(&self, sector: u64) -> [u8; SECTOR_BYTES] {
        let mut bytes = [0; SECTOR_BYTES];
        self.before.read(sector * SECTOR_BYTES as u64, &mut bytes);
        bytes
    }
}

/// The writes of one sector that the undo list knows, oldest first. State `i` of the sector is what it held before write
/// `i`; the last state is what is seen now.
#[derive(Debug)]
pub(super) struct History {
    writes: Vec<usize>,
    /// The newest state that is durable for sure.
    pub(super) durable: usize,
}

impl History {
    /// The state seen now.
    pub(super) fn newest(&self) -> usize {
        self.writes.len()
    }
}

/// A file. Reads see the contents; an undo list of completed but not durable writes remembers what power loss may bring
/// back.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    contents: Contents,
    overwrites: Vec<Overwrite>,
    /// Sectors that rotted or cannot be read.
    pub(super) ailing: Ailing,
}

impl File {
    pub(super) fn zeroed(len_bytes: u64) -> File {
        File { contents: Contents::zeroed(len_bytes), ..File::default() }
    }

    pub(super) fn len_bytes(&self) -> u64 {
        self.contents.len_bytes()
    }

    pub(super) fn grow(&mut self, len_bytes: u64) {
        self.contents.grow(len_bytes);
    }

    pub(super) fn read(&self, offset: u64, out: &mut [u8]) {
        self.contents.read(offset, out);
    }

    /// Carries out a write that completes as number `at`.
    pub(super) fn write(&mut self, at: u64, offset: u64, data: &[u8], durable: bool) {
        if !durable || self.is_unsynced(offset, offset + data.len() as u64) {
            let before = self.contents.keep(offset, data.len());
            let len_bytes = data.len() as u64;
            let standing = if durable { Standing::Durable } else { Standing::Unsynced };
            self.overwrites.push(Overwrite { at, offset, len_bytes, before, standing });
        }
        self.contents.write(offset, data);
    }

    /// Replaces bytes at rest, as damage or a repair tool would: seen at once, and durable.
    pub(super) fn write_at_rest(&mut self, offset: u64, data: &[u8]) {
        let sector_bytes = SECTOR_BYTES as u64;
        let start = offset - offset % sector_bytes;
        let end = (offset + data.len() as u64).next_multiple_of(sector_bytes);
        let mut sectors = self.contents.copy(start, (end - start) as usize);
        sectors[(offset - start) as usize..][..data.len()].copy_from_slice(data);
        self.write(u64::MAX, start, &sectors, true);
    }

    /// The sectors that hold anything but zeroes.
    pub(super) fn written_sectors(&self) -> Vec<u64> {
        let mut sector = [0; SECTOR_BYTES];
        let written = (0..self.len_bytes() / SECTOR_BYTES as u64).filter(|number| {
            self.contents.read(number * SECTOR_BYTES as u64, &mut sector);
            sector.iter().any(|&byte| byte != 0)
        });
        written.collect()
    }

    /// Changes a few bits of a sector for good, as `draw` says.
    pub(super) fn rot(&mut self, sector: u64, draw: u64) {
        let mut bytes = [0; SECTOR_BYTES];
        let offset = sector * SECTOR_BYTES as u64;
        self.read(offset, &mut bytes);
        for byte in draw.to_le_bytes().chunks_exact(2) {
            let at = usize::from(byte[0]) * 2 + usize::from(byte[1] & 1);
            bytes[at] ^= 1 << (byte[1] >> 1 & 7);
        }
        // Two flips of one bit would leave the sector as it was.
        bytes[draw as usize % SECTOR_BYTES] ^= 0x80;
        self.write_at_rest(offset, &bytes);
    }

    fn is_unsynced(&self, offset: u64, end: u64) -> bool {
        self.overwrites.iter().any(|write| write.standing != Standing::Durable && write.overlaps(offset, end))
    }

    /// Makes the writes that completed up to `until` durable.
    pub(super) fn sync(&mut self, until: u64) {
        self.settle(until, Standing::Durable);
        if self.overwrites.iter().all(|write| write.standing == Standing::Durable) {
            self.overwrites.clear();
            return;
        }
        let mut kept: Vec<Overwrite> = Vec::new();
        for write in self.overwrites.drain(..) {
            let lies_on_unsynced = || {
                kept.iter()
                    .any(|below| below.standing != Standing::Durable && below.overlaps(write.offset, write.end()))
            };
            if write.standing != Standing::Durable || lies_on_unsynced() {
                kept.push(write);
            }
        }
        self.overwrites = kept;
    }

    /// Lets a sync of the writes up to `until` fail: their fate stays open, and later syncs pass over them.
    pub(super) fn fail_sync(&mut self, until: u64) {
        self.settle(until, Standing::Forsaken);
    }

    fn settle(&mut self, until: u64, standing: Standing) {
        for write in &mut self.overwrites {
            if write.at <= until && write.standing == Standing::Unsynced {
                write.standing = standing;
            }
        }
    }

    /// Every sector that power loss may change: any state from the durable one to the newest may be what survives.
    pub(super) fn undurable_sectors(&self) -> BTreeMap<u64, History> {
        let sector_bytes = SECTOR_BYTES as u64;
        let mut sectors: BTreeMap<u64, History> = BTreeMap::new();
        for (index, write) in self.overwrites.iter().enumerate() {
            for sector in write.offset / sector_bytes..write.end() / sector_bytes {
                let history = sectors.entry(sector).or_insert(History { writes: Vec::new(), durable: 0 });
                history.writes.push(index);
                if write.standing == Standing::Durable {
                    history.durable = history.newest();
                }
            }
        }
        sectors.retain(|_, history| history.durable < history.newest());
        sectors
    }

    /// Takes `sector` back to one of its states.
    pub(super) fn take_back(&mut self, sector: u64, history: &History, state: usize) {
        if let Some(&write) = history.writes.get(state) {
            self.contents.write(sector * SECTOR_BYTES as u64, &self.overwrites[write].before(sector));
        }
    }

    /// Chains what reads would see into `digest`.
    pub(super) fn digest(&self, digest: &mut Digest) {
        self.contents.digest(digest);
    }

    /// Forgets that anything was not durable; what is seen now is what is stored.
    pub(super) fn settle_all(&mut self) {
        self.overwrites.clear();
    }
}
