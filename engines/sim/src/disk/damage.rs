//! Damage to single sectors at rest, and reads and writes that go astray.

use node::fault::Ailment;
use node::{FileName, SECTOR_BYTES};

use super::file::File;
use super::{Inode, SimDisk};

/// Bytes that tell one record or page from others.
const SAMPLE_BYTES: usize = 48;

impl SimDisk {
    /// Lets up to `count` neighbouring sectors ail that hold anything but zeroes, in files whose names begin with `files`.
    /// `place`, in millionths of them, says where. Gives the file and the sectors; `None` when nothing is stored there.
    pub fn ail(&mut self, files: &str, place: u32, count: u64, ailment: Ailment) -> Option<(FileName, Vec<u64>)> {
        let stored = self.stored(files);
        let at = usize::try_from(stored.len() as u64 * u64::from(place.min(999_999)) / 1_000_000).ok()?;
        let (name, inode, first) = stored.get(at)?.clone();
        let struck: Vec<u64> =
            stored[at..].iter().filter(|(_, of, _)| *of == inode).map(|(_, _, sector)| *sector).collect();
        let struck: Vec<u64> = struck.into_iter().take_while(|sector| *sector < first + count.max(1)).collect();
        struck.iter().for_each(|&sector| self.make_ail(inode, sector, ailment));
        Some((name, struck))
    }

    /// The sectors that hold anything but zeroes, of files whose names begin with `files`.
    fn stored(&self, files: &str) -> Vec<(FileName, Inode, u64)> {
        let mut stored = Vec::new();
        for (name, inode) in self.names.iter().filter(|(name, _)| name.as_str().starts_with(files)) {
            let full = self.files[inode].1.written_sectors();
            stored.extend(full.into_iter().map(|sector| (name.clone(), *inode, sector)));
        }
        stored
    }

    fn make_ail(&mut self, inode: Inode, sector: u64, ailment: Ailment) {
        let mut bytes = [0; SECTOR_BYTES];
        self.rng.fill(&mut bytes[..8]);
        let file = self.file_of(inode);
        if ailment == Ailment::Rotten {
            file.rot(sector, u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")));
        }
        file.ailing.strike(sector, ailment);
    }

    /// The name and the number of the sector at `place`, as [`SimDisk::ail`] counts them, and some of its bytes that are not
    /// all zero.
    pub fn sample(&self, files: &str, place: u32) -> Option<(FileName, u64, Vec<u8>)> {
        let stored = self.stored(files);
        let at = usize::try_from(stored.len() as u64 * u64::from(place.min(999_999)) / 1_000_000).ok()?;
        let (name, inode, sector) = stored.get(at)?;
        let mut bytes = vec![0; SECTOR_BYTES];
        self.files[inode].1.read(sector * SECTOR_BYTES as u64, &mut bytes);
        let middle = SECTOR_BYTES / 2;
        let told = |from: usize| bytes[from..].iter().position(|byte| *byte != 0).map(|first| from + first);
        let first = told(middle).or_else(|| told(0))?.min(SECTOR_BYTES - SAMPLE_BYTES);
        Some((name.clone(), *sector, bytes[first..first + SAMPLE_BYTES].to_vec()))
    }

    /// Lets every sector rot in which `sample` begins, in files whose names begin with `files`. Gives how many those are.
    pub fn rot_wherever(&mut self, files: &str, sample: &[u8]) -> u64 {
        let named: Vec<(FileName, Inode)> = self.names.iter().map(|(name, inode)| (name.clone(), *inode)).collect();
        let mut struck = 0;
        for (name, inode) in named.into_iter().filter(|(name, _)| name.as_str().starts_with(files)) {
            let Some(bytes) = self.contents(&name) else { continue };
            let begins = |at: &usize| bytes[*at..].starts_with(sample);
            let mut found: Vec<u64> = (0..bytes.len()).filter(begins).map(|at| (at / SECTOR_BYTES) as u64).collect();
            found.dedup();
            for sector in found {
                self.make_ail(inode, sector, Ailment::Rotten);
                struck += 1;
            }
        }
        struck
    }

    /// Where an operation on `offset..offset + len_bytes` of a file of `file_bytes` goes astray to: another whole length of
    /// itself, or `None` when the file has no other.
    pub(super) fn astray(&mut self, offset: u64, len_bytes: u64, file_bytes: u64) -> Option<u64> {
        let places = file_bytes / len_bytes;
        let here = offset / len_bytes;
        if places < 2 {
            return None;
        }
        // Neighbours most often: heads and block maps slip by little.
        let there = match self.rng.below(4) {
            0 | 1 if here + 1 < places => here + 1,
            2 if here > 0 => here - 1,
            _ => self.rng.below(places),
        };
        let there = there * len_bytes;
        (there != offset && there + len_bytes <= file_bytes).then_some(there)
    }

    fn file_of(&mut self, inode: Inode) -> &mut File {
        &mut self.files.get_mut(&inode).expect("named").1
    }
}

#[cfg(test)]
mod tests {
    use node::fault::DiskRule;
    use node::{Block, DiskError, DiskOp, DiskReply, DiskResult, FileId, Nanos, Rng, Token};

    use super::*;
    use crate::DiskModel;

    const FILE: FileId = FileId(0);

    fn act(disk: &mut SimDisk, op: DiskOp) -> DiskResult {
        let (slot, _) = disk.begin(Nanos::ZERO, Token(0), op);
        disk.complete(slot).1
    }

    fn write(disk: &mut SimDisk, sector: u64, fill: u8) {
        let data = Block::padded(&[fill; SECTOR_BYTES]);
        let offset = sector * SECTOR_BYTES as u64;
        act(disk, DiskOp::Write { file: FILE, offset, data, durable: true }).expect("a healthy disk");
    }

    fn read(disk: &mut SimDisk, sector: u64) -> Result<u8, DiskError> {
        let op = DiskOp::Read { file: FILE, offset: sector * SECTOR_BYTES as u64, len_bytes: SECTOR_BYTES };
        match act(disk, op)? {
            DiskReply::Data(block) => Ok(block[9]),
            other => panic!("{other:?}"),
        }
    }

    /// A file of sixteen sectors, of which the first eight hold their number plus one.
    fn disk() -> SimDisk {
        let mut disk = SimDisk::new(DiskModel::instant(), Rng::new(3));
        let name = FileName::new("pages");
        act(&mut disk, DiskOp::Create { file: FILE, name, len_bytes: 16 * SECTOR_BYTES as u64 }).expect("room");
        (0..8).for_each(|sector| write(&mut disk, sector, sector as u8 + 1));
        disk
    }

    #[test]
    fn an_ailment_stays_until_its_sector_is_written_anew() {
        let mut disk = disk();
        let (_, sectors) = disk.ail("pages", 500_000, 2, Ailment::Unreadable).expect("something is stored");
        assert_eq!(sectors, [4, 5]);
        assert_eq!(disk.ail("log", 0, 1, Ailment::Rotten), None);
        for _ in 0..2 {
            assert_eq!(read(&mut disk, 4), Err(DiskError::EIO));
            assert_eq!(read(&mut disk, 3), Ok(4));
        }
        write(&mut disk, 4, 50);
        assert_eq!((read(&mut disk, 4), read(&mut disk, 5)), (Ok(50), Err(DiskError::EIO)));
        disk.ail("pages", 0, 1, Ailment::Rotten).expect("something is stored");
        let before = disk.contents(&FileName::new("pages")).expect("a file");
        assert_ne!(before[..SECTOR_BYTES], [1; SECTOR_BYTES][..]);
        let _ = read(&mut disk, 0);
        let counts = disk.counts();
        assert_eq!((counts.reads_unreadable, counts.reads_rotten, counts.sectors_rewritten), (3, 1, 1));
    }

    #[test]
    fn the_same_bytes_rot_wherever_they_lie() {
        let (mut one, mut other) = (disk(), disk());
        for (disk, sector) in [(&mut one, 2), (&mut other, 5)] {
            let unlike: Vec<u8> = (0..SECTOR_BYTES).map(|at| (at % 251) as u8).collect();
            let (data, offset) = (Block::padded(&unlike), sector * SECTOR_BYTES as u64);
            act(disk, DiskOp::Write { file: FILE, offset, data, durable: true }).expect("a healthy disk");
        }
        let (_, sector, sample) = one.sample("pages", 250_000).expect("something is stored");
        assert_eq!((sector, one.rot_wherever("pages", &sample), one.rot_wherever("log", &sample)), (2, 1, 0));
        assert_eq!(other.rot_wherever("pages", &sample), 1);
        let _ = (read(&mut other, 2), read(&mut other, 5));
        assert_eq!(other.counts().reads_rotten, 1, "the fifth sector alone");
    }

    #[test]
    fn lost_and_misdirected_operations_are_acknowledged_and_counted() {
        let mut lost = disk();
        lost.set_rule(DiskRule { lost_write: 1.0, ..DiskRule::default() });
        write(&mut lost, 2, 90);
        lost.set_rule(DiskRule::default());
        assert_eq!((read(&mut lost, 2), lost.counts().writes_lost), (Ok(3), 1));

        let mut astray = disk();
        astray.set_rule(DiskRule { misdirected_write: 1.0, ..DiskRule::default() });
        (0..20).for_each(|_| write(&mut astray, 2, 90));
        astray.set_rule(DiskRule::default());
        let hits = (0..16).filter(|&sector| read(&mut astray, sector) == Ok(90)).count();
        assert!(hits >= 1, "the write lies somewhere else");
        assert_eq!(read(&mut astray, 2), Ok(3), "what it was meant to replace stays");

        let mut reader = disk();
        reader.set_rule(DiskRule { misdirected_read: 1.0, ..DiskRule::default() });
        let wrong = (0..20).filter(|_| read(&mut reader, 2) != Ok(3)).count() as u64;
        assert!(wrong > 0 && reader.counts().reads_misdirected == wrong, "{wrong}");
    }
}
