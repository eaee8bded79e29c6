//! Small records kept four times, so that no crash and no single damage loses all of them.
//!
//! A file of four copies, 4 KiB apart, in two pairs. An update writes one pair and, when both its copies are durable, the
//! other. The first update after an opening starts with the pair that the last crash left weaker.
//!
//! # Invariants
//!
//! - At every moment two copies are neither being written nor damaged by a crash.
//! - An update is complete only when all four copies hold it. Whatever the previous record needs must stay until then.

use node::Block;

/// How many copies there are.
pub const COPIES: u64 = 4;
/// The distance between copies, and the bytes of each.
pub const COPY_BYTES: u64 = 4096;
/// The length of the file.
pub const FILE_BYTES: u64 = COPIES * COPY_BYTES;

const MAGIC: u32 = 0x5053_5853;
/// The format version of everything this engine writes.
pub const FORMAT_VERSION: u16 = 3;
const HEADER_BYTES: usize = 24;

/// Where updates go on from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Counts updates.
    pub generation: u64,
    /// The first copy of the pair to be written first: the one of which fewer copies are whole, or which is older.
    pub weaker: u64,
}

/// What the four copies amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picked {
    /// The newest whole copy.
    Found {
        /// Where the next update goes on.
        standing: Standing,
        /// The record.
        body: Vec<u8>,
        /// How many copies are damaged or older.
        stale: u32,
    },
    /// The first update never completed.
    Blank,
    /// Another format version.
    Version(u16),
    /// No copy is whole.
    Damaged,
}

/// One copy's bytes. Panics when `body` does not fit.
pub fn encode(kind: u16, generation: u64, body: &[u8]) -> Block {
    let mut block = Block::zeroed(COPY_BYTES as usize);
    block[0..4].copy_from_slice(&MAGIC.to_le_bytes());
    block[4..6].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    block[6..8].copy_from_slice(&kind.to_le_bytes());
    block[8..16].copy_from_slice(&generation.to_le_bytes());
    block[16..20].copy_from_slice(&(body.len() as u32).to_le_bytes());
    block[HEADER_BYTES..HEADER_BYTES + body.len()].copy_from_slice(body);
    let crc = checksum(&block, body.len());
    block[20..24].copy_from_slice(&crc.to_le_bytes());
    block
}

/// Reads the whole file and picks the newest whole copy of this kind.
pub fn pick(kind: u16, file: &[u8]) -> Picked {
    let copies: Vec<&[u8]> = file.chunks_exact(COPY_BYTES as usize).collect();
    if let Some(other) = copies.iter().find_map(|copy| other_version(copy)) {
        return Picked::Version(other);
    }
    let each: Vec<Option<(u64, &[u8])>> = copies.iter().map(|copy| decode(kind, copy)).collect();
    // Damaged copies count as older than any.
    let strength = |pair: usize| {
        let of = |copy: usize| each.get(copy).copied().flatten().map(|(generation, _)| generation);
        let (one, other) = (of(pair), of(pair + 1));
        (one.iter().chain(&other).count(), one.max(other))
    };
    let weaker = if strength(2) < strength(0) { 2 } else { 0 };
    let whole: Vec<(u64, &[u8])> = each.iter().flatten().copied().collect();
    match whole.iter().max_by_key(|(generation, _)| *generation) {
        Some(&(generation, body)) => {
            let current = whole.iter().filter(|(other, _)| *other == generation).count();
            let standing = Standing { generation, weaker };
            Picked::Found { standing, body: body.to_vec(), stale: COPIES as u32 - current as u32 }
        }
        None if copies.iter().any(|copy| copy.iter().all(|byte| *byte == 0)) => Picked::Blank,
        None => Picked::Damaged,
    }
}

/// The format version of a whole copy that is not of ours. A version number that rotted is damage like any other.
fn other_version(copy: &[u8]) -> Option<u16> {
    let version = u16::from_le_bytes([copy[4], copy[5]]);
    (version != FORMAT_VERSION && is_whole(copy)).then_some(version)
}

fn decode(kind: u16, copy: &[u8]) -> Option<(u64, &[u8])> {
    let ours = u16::from_le_bytes([copy[6], copy[7]]) == kind;
    let generation = u64::from_le_bytes(copy[8..16].try_into().expect("eight bytes"));
    (ours && is_whole(copy)).then(|| (generation, &copy[HEADER_BYTES..HEADER_BYTES + field(copy, 16) as usize]))
}

/// Magic and checksum, which are the same in every version.
fn is_whole(copy: &[u8]) -> bool {
    let body_bytes = field(copy, 16) as usize;
    let fits = body_bytes <= copy.len() - HEADER_BYTES;
    fits && field(copy, 0) == MAGIC && field(copy, 20) == checksum(copy, body_bytes)
}

fn field(copy: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(copy[at..at + 4].try_into().expect("four bytes"))
}

fn checksum(copy: &[u8], body_bytes: usize) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&copy[..20]), &copy[HEADER_BYTES..HEADER_BYTES + body_bytes])
}

/// Writes to be submitted as durable: offset and bytes.
pub type CopyWrites = Vec<(u64, Block)>;

/// Carries one update at a time through its two rounds.
#[derive(Clone, Debug)]
pub struct CopyWriter {
    kind: u16,
    standing: Standing,
    body: Vec<u8>,
    /// Writes in flight, and whether this is the second round.
    round: Option<(u32, bool)>,
}

/// What follows a completed write.
#[derive(Clone, Debug)]
pub enum Progress {
    /// More writes of this round are in flight.
    Wait,
    /// The second round is to be submitted.
    Write(CopyWrites),
    /// All four copies are durable.
    Complete,
}

impl CopyWriter {
    /// A writer of records of `kind` that stand on disk like this; the default standing is that of no record.
    pub fn new(kind: u16, standing: Standing) -> CopyWriter {
        CopyWriter { kind, standing, body: Vec::new(), round: None }
    }

    /// Whether an update is under way.
    pub fn is_busy(&self) -> bool {
        self.round.is_some()
    }

    /// Starts an update. Panics when one is under way.
    pub fn begin(&mut self, body: Vec<u8>) -> CopyWrites {
        assert!(self.round.is_none(), "one update at a time");
        self.standing.generation += 1;
        self.body = body;
        self.round = Some((2, false));
        self.writes(self.standing.weaker)
    }

    /// One write of the update is durable. Panics when no update is under way.
    pub fn completed(&mut self) -> Progress {
        let (left, second) = self.round.expect("an update is under way");
        match (left - 1, second) {
            (0, false) => {
                self.round = Some((2, true));
                Progress::Write(self.writes(2 - self.standing.weaker))
            }
            (0, true) => {
                self.round = None;
                Progress::Complete
            }
            (left, second) => {
                self.round = Some((left, second));
                Progress::Wait
            }
        }
    }

    fn writes(&self, first: u64) -> CopyWrites {
        let bytes = || encode(self.kind, self.standing.generation, &self.body);
        (first..first + 2).map(|copy| (copy * COPY_BYTES, bytes())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(file: &mut [u8], writes: CopyWrites) {
        for (offset, block) in writes {
            file[offset as usize..offset as usize + block.len()].copy_from_slice(&block);
        }
    }

    fn body_of(file: &[u8]) -> Vec<u8> {
        match pick(1, file) {
            Picked::Found { body, .. } => body,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_update_survives_the_loss_of_everything_in_flight() {
        let mut file = vec![0; FILE_BYTES as usize];
        let mut writer = CopyWriter::new(1, Standing::default());
        let first = writer.begin(b"old".to_vec());
        let mut garbled = file.clone();
        for (offset, _) in &first {
            garbled[*offset as usize..*offset as usize + 512].fill(0xa5);
        }
        assert_eq!(pick(1, &garbled), Picked::Blank);
        write(&mut file, first);
        assert!(matches!(writer.completed(), Progress::Wait));
        let Progress::Write(second) = writer.completed() else { panic!("second round") };
        write(&mut file, second);
        writer.completed();
        assert!(matches!(writer.completed(), Progress::Complete));

        let round = writer.begin(b"new".to_vec());
        for (offset, _) in &round {
            file[*offset as usize..*offset as usize + 512].fill(0xa5);
        }
        assert_eq!(body_of(&file), b"old");
        write(&mut file, round);
        writer.completed();
        let Progress::Write(round) = writer.completed() else { panic!("second round") };
        for (offset, _) in &round {
            file[*offset as usize..*offset as usize + 512].fill(0xa5);
        }
        assert_eq!(body_of(&file), b"new");
    }

    /// A crash tore the second round of an update: copies 2 and 3 were gone. The next opening picked the record from copies
    /// 0 and 1 and started its own update with these two, and a second crash tore them as well. No copy was left, and
    /// the database could not be opened: everything in it was lost to its user. An opening now starts with the pair
    /// that is weaker.
    #[test]
    fn a_second_crash_never_finds_the_last_good_pair_being_written() {
        let garble = |file: &mut [u8], writes: &CopyWrites| {
            writes.iter().for_each(|(offset, _)| file[*offset as usize..*offset as usize + 512].fill(0xa5));
        };
        let standing_of = |file: &[u8]| match pick(1, file) {
            Picked::Found { standing, .. } => standing,
            other => panic!("{other:?}"),
        };
        // Each crash falls into the first or the second round of the update that follows the crash before.
        for rounds in 0..1 << 6 {
            let mut file = encode(1, 1, b"record").repeat(4);
            for crash in 0..6 {
                let mut writer = CopyWriter::new(1, standing_of(&file));
                let mut writes = writer.begin(b"record".to_vec());
                if rounds >> crash & 1 == 1 {
                    write(&mut file, std::mem::take(&mut writes));
                    writer.completed();
                    let Progress::Write(second) = writer.completed() else { panic!("second round") };
                    writes = second;
                }
                garble(&mut file, &writes);
                assert_eq!(body_of(&file), b"record", "crashes {rounds:06b}, number {crash}");
            }
        }
    }

    #[test]
    fn one_good_copy_of_four_is_enough() {
        for good in 0..COPIES as usize {
            let mut file = vec![0; FILE_BYTES as usize];
            for copy in 0..COPIES as usize {
                let block = encode(1, 5, b"record");
                file[copy * 4096..copy * 4096 + 4096].copy_from_slice(&block);
                if copy != good {
                    file[copy * 4096 + 26] ^= 1;
                }
            }
            assert_eq!(
                pick(1, &file),
                Picked::Found {
                    standing: Standing { generation: 5, weaker: if good < 2 { 2 } else { 0 } },
                    body: b"record".to_vec(),
                    stale: 3,
                }
            );
            file[good * 4096 + 9] ^= 1;
            assert_eq!(pick(1, &file), Picked::Damaged);
        }
    }

    #[test]
    fn another_format_version_is_named() {
        let mut file = vec![0; FILE_BYTES as usize];
        let mut block = encode(1, 5, b"record");
        block[4] = 9;
        let crc = checksum(&block, 6).to_le_bytes();
        block[20..24].copy_from_slice(&crc);
        file[..4096].copy_from_slice(&block);
        assert_eq!(pick(1, &file), Picked::Version(9));
    }

    /// One bit of one copy's version number rotted, and the database was refused as another program's although three whole
    /// copies were left. The version of a copy counts when its checksum holds.
    #[test]
    fn a_rotten_version_number_is_damage_like_any_other() {
        let mut file = encode(1, 5, b"record").repeat(4);
        file[4] ^= 1;
        let standing = Standing { generation: 5, weaker: 0 };
        assert_eq!(pick(1, &file), Picked::Found { standing, body: b"record".to_vec(), stale: 1 });
    }
}
