//! The superblock: who this node is, what it promised, and what its log may be read as.
//!
//! Eight places in one file, two banks of four copies. A new generation is written to all four copies of the bank the
//! current one is not in, so the current one stays whole until the new one is durable; the newest copy that reads whole
//! is the superblock (four copies, as every format of this engine's kind keeps: one rotten sector is not the end of it).
//!
//! # Invariants
//!
//! - A generation is answered for only after all four copies are durable.
//! - A copy that reads whole but is of another format version, volume or member is never used and never overwritten:
//!   the node halts and says so.
//!
//! # Caveats
//!
//! - If all four copies of the newest generation rot before the scrubber has looked at one of them, the one before is found.
//!   Log blocks carry the generation under which they were written, so that is noticed as soon as one log block is newer.

use bytes::{Bytes, BytesMut};
use compute::Lsn;
use node::{Block, SECTOR_BYTES};
use thiserror::Error;

use crate::message::{Reader, Wire, wire_structs};
use crate::register::NUMBER_MAX;
use crate::{Epoch, Incarnation, MemberIndex, PgId, Register, Truncation, TruncationTable, VolumeId};

/// Copies of one generation.
pub const COPIES: usize = 4;
/// Places in the file.
pub const PLACES: usize = 2 * COPIES;

const MAGIC: u64 = 0x5345_5854_414e_5453;
const VERSION: u32 = 2;
const HEADER_BYTES: usize = 24;

/// What the superblock says of one protection group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRecord {
    /// Which group.
    pub pg: PgId,
    /// Whether the segment counts, see [`crate::message::Standing::Unhydrated`].
    pub hydrated: bool,
    /// Whether, not hydrated, it is a [witness](crate::message::Standing::Witness): it was left behind, and not wiped or damaged.
    pub witness: bool,
    /// Every record of the group at or below this is in the page slots; the log's chain starts here.
    pub base: Lsn,
    /// The highest SCL acknowledged by the time of writing.
    pub claim: Lsn,
    /// No read comes below this.
    pub pgmrpl: Lsn,
}

/// The content of a superblock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Rises with each superblock written.
    pub generation: u64,
    /// The volume.
    pub volume: VolumeId,
    /// Which member of it this node is.
    pub member: MemberIndex,
    /// How often the node was started.
    pub incarnation: Incarnation,
    /// The highest epoch promised.
    pub promised: Epoch,
    /// The truncation table.
    pub table: TruncationTable,
    /// The highest VDL known when it was written.
    pub vdl: Lsn,
    /// The register.
    pub register: Option<Register>,
    /// Log blocks with a lower sequence number are void.
    pub log_floor: u64,
    /// Claims in log blocks up to this sequence number are void: truncation changed what they mean.
    pub claims_void_upto: u64,
    /// The page index's position: an index that ends before it has lost entries.
    pub index_position: u64,
    /// The segments, by group.
    pub segments: Vec<SegmentRecord>,
}

wire_structs! {
    SegmentRecord { pg, hydrated, witness, base, claim, pgmrpl }
    Superblock {
        generation, volume, member, incarnation, promised, table, vdl, register, log_floor, claims_void_upto,
        index_position, segments
    }
}

/// Why a node cannot start from its superblock.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SuperblockError {
    /// Another format.
    #[error(
        "superblock has format version {found}, this program reads version {VERSION}: use the program that wrote it"
    )]
    Version {
        /// The version found.
        found: u32,
    },
    /// The file of another node.
    #[error(
        "superblock belongs to {volume:?} member {}, this node is {expected_volume:?} member {}: \
         its directory was exchanged with another's",
        member.0,
        expected_member.0
    )]
    Foreign {
        /// The volume found.
        volume: VolumeId,
        /// The member found.
        member: MemberIndex,
        /// The volume expected.
        expected_volume: VolumeId,
        /// The member expected.
        expected_member: MemberIndex,
    },
    /// What no node gets to, behind a right checksum.
    #[error(
        "superblock has an impossible {what}, though its checksum is right: restore the disk or wipe the directory"
    )]
    Impossible {
        /// What it says.
        what: String,
    },
    /// No copy reads.
    #[error("none of the superblock's {PLACES} copies reads whole: restore the disk or wipe the directory")]
    Damaged,
}

/// One place in the file.
enum Place {
    Empty,
    Damaged,
    Whole(Box<Superblock>),
    Version(u32),
}

impl Superblock {
    /// The encoded copy, whole sectors. Nothing when it does not fit `copy_bytes`.
    pub fn encode(&self, copy_bytes: usize) -> Option<Block> {
        let mut body = BytesMut::with_capacity(512);
        self.put(&mut body);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&body);
        let crc = crc32c::crc32c(&bytes);
        bytes[16..20].copy_from_slice(&crc.to_le_bytes());
        (bytes.len() <= copy_bytes).then(|| Block::padded(&bytes))
    }

    /// Whether a place's bytes are a whole copy of a generation.
    pub fn is_copy_of(generation: u64, bytes: &[u8]) -> bool {
        matches!(Place::read(bytes), Place::Whole(found) if found.generation == generation)
    }

    /// Where copy `copy` of a generation goes, in bytes.
    pub fn offset(generation: u64, copy: usize, copy_bytes: usize) -> u64 {
        let place = (generation % 2) as usize * COPIES + copy;
        (place * copy_bytes) as u64
    }

    /// The newest superblock in a file's bytes; nothing when there was none yet: every place is empty, or the power failed
    /// while the first was written, so that none of its copies reads whole and the other bank was never touched.
    pub fn choose(
        file: &[u8],
        copy_bytes: usize,
        volume: VolumeId,
        member: MemberIndex,
    ) -> Result<Option<Superblock>, SuperblockError> {
        let (mut newest, mut damaged): (Option<Box<Superblock>>, bool) = (None, false);
        for place in file.chunks(copy_bytes) {
            match Place::read(place) {
                Place::Empty => {}
                Place::Damaged => damaged = true,
                Place::Version(found) => return Err(SuperblockError::Version { found }),
                Place::Whole(found) => {
                    if newest.as_ref().is_none_or(|newest| found.generation > newest.generation) {
                        newest = Some(found);
                    }
                }
            }
        }
        match newest {
            Some(found) if (found.volume, found.member) != (volume, member) => Err(SuperblockError::Foreign {
                volume: found.volume,
                member: found.member,
                expected_volume: volume,
                expected_member: member,
            }),
            Some(found) => match found.impossible() {
                Some(what) => Err(SuperblockError::Impossible { what }),
                None => Ok(Some(*found)),
            },
            None if damaged && !is_first_torn(file, copy_bytes) => Err(SuperblockError::Damaged),
            None => Ok(None),
        }
    }
}

impl Superblock {
    /// What in it this engine never comes to.
    fn impossible(&self) -> Option<String> {
        let own = [
            ("generation", self.generation),
            ("incarnation", self.incarnation.0),
            ("promised epoch", self.promised.number),
            ("VDL", self.vdl.0),
            ("log floor", self.log_floor),
            ("bound of void claims", self.claims_void_upto),
            ("index position", self.index_position),
        ];
        let segments = self.segments.iter().flat_map(|record| {
            [("base of a segment", record.base.0), ("claim of a segment", record.claim.0), ("PGMRPL", record.pgmrpl.0)]
        });
        let table = self.table.entries().iter().flat_map(|entry| {
            let Truncation { epoch, vdl, upto } = entry;
            [("epoch of a truncation", epoch.number), ("truncation from", vdl.0), ("truncation up to", upto.0)]
        });
        let beyond = own.into_iter().chain(segments).chain(table).find(|(_, number)| *number > NUMBER_MAX);
        let register = self.register.filter(|register| !register.is_possible());
        // A node that takes a register up has a segment for each of its groups, and none before.
        let missing = self.register.filter(|register| register.pg_count as usize > self.segments.len());
        let unregistered = self.register.is_none() && !self.segments.is_empty();
        beyond
            .map(|(name, number)| format!("{name} {number}"))
            .or(register.map(|register| format!("{register:?}")))
            .or(missing.map(|register| format!("{} groups and {} segments", register.pg_count, self.segments.len())))
            .or(unregistered.then(|| format!("no register and {} segments", self.segments.len())))
    }
}

/// Whether nothing but the first generation was ever begun. Until that one is whole a node answers nobody, so it has
/// nothing to forget.
fn is_first_torn(file: &[u8], copy_bytes: usize) -> bool {
    let second = Superblock::offset(2, 0, copy_bytes) as usize;
    file.get(second..second + COPIES * copy_bytes).is_some_and(|bank| bank.iter().all(|&byte| byte == 0))
}

impl Place {
    fn read(bytes: &[u8]) -> Place {
        if bytes.len() < SECTOR_BYTES || bytes[..SECTOR_BYTES].iter().all(|&byte| byte == 0) {
            return Place::Empty;
        }
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let len = HEADER_BYTES + word(12) as usize;
        if bytes[0..8] != MAGIC.to_le_bytes() || len > bytes.len() {
            return Place::Damaged;
        }
        let mut copy = bytes[..len].to_vec();
        copy[16..20].fill(0);
        if crc32c::crc32c(&copy) != word(16) {
            return Place::Damaged;
        }
        if word(8) != VERSION {
            return Place::Version(word(8));
        }
        match Superblock::take(&mut Reader::new(Bytes::from(copy).slice(HEADER_BYTES..))) {
            Ok(superblock) => Place::Whole(Box::new(superblock)),
            Err(_) => Place::Damaged,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use node::NodeId;

    use super::*;
    use crate::Geometry;

    const COPY_BYTES: usize = 2048;
    const VOLUME: VolumeId = VolumeId(7);
    const MEMBER: MemberIndex = MemberIndex(3);

    pub fn sample(generation: u64) -> Superblock {
        Superblock {
            generation,
            volume: VOLUME,
            member: MEMBER,
            incarnation: Incarnation(2),
            promised: Epoch { number: 4, owner: 9 },
            table: TruncationTable::default(),
            vdl: Lsn(100),
            register: Some(Register::sample(1)),
            log_floor: 5,
            claims_void_upto: 4,
            index_position: 3,
            segments: vec![SegmentRecord {
                pg: PgId(0),
                hydrated: true,
                witness: false,
                base: Lsn(9),
                claim: Lsn(50),
                pgmrpl: Lsn(20),
            }],
        }
    }

    fn write(file: &mut [u8], superblock: &Superblock, copies: std::ops::Range<usize>) {
        let block = superblock.encode(COPY_BYTES).expect("fits");
        for copy in copies {
            let at = Superblock::offset(superblock.generation, copy, COPY_BYTES) as usize;
            file[at..at + block.len()].copy_from_slice(&block);
        }
    }

    fn choose(file: &[u8]) -> Result<Option<Superblock>, SuperblockError> {
        Superblock::choose(file, COPY_BYTES, VOLUME, MEMBER)
    }

    /// The power failed while a node's very first superblock was written, and all four copies in flight were garbled. The
    /// node had promised nothing to anybody, yet it refused to start ever after, and the volume was a copy short until a
    /// person wiped the directory. Found by crashing a storage node again at every point of its first start.
    #[test]
    fn a_first_superblock_torn_in_all_copies_is_none_yet() {
        let mut file = vec![0; PLACES * COPY_BYTES];
        for copy in 0..COPIES {
            let at = Superblock::offset(1, copy, COPY_BYTES) as usize;
            file[at..at + SECTOR_BYTES].fill(0x5a);
        }
        assert_eq!(Superblock::choose(&file, COPY_BYTES, VOLUME, MEMBER), Ok(None));
        // Once the second generation was begun, the first was whole: then it is damage.
        let at = Superblock::offset(2, 3, COPY_BYTES) as usize;
        file[at] = 1;
        assert_eq!(Superblock::choose(&file, COPY_BYTES, VOLUME, MEMBER), Err(SuperblockError::Damaged));
    }

    /// The last two are what the fuzzer found behind right checksums. A bit of the count of groups was wrong, the node's peers
    /// took up the register as the newest, and died of blocks with a claim for each of a thousand groups. And the register was
    /// gone: the scrubber read slots of a size that nobody knew, no bytes at a time.
    #[test]
    fn what_cannot_be_is_refused_though_its_checksum_is_right() {
        let geometry = |page_bytes, pages_per_pg| Geometry { page_bytes, pages_per_pg };
        let register = |geometry, pg_count| Register {
            epoch: Epoch { number: 4, owner: 9 },
            version: 1,
            formed: true,
            geometry,
            geometry_epoch: 1,
            pg_count,
            membership_epoch: 1,
            members: [1, 2, 3, 4, 5, 6].map(NodeId),
        };
        let with = |geometry, pg_count| Superblock { register: Some(register(geometry, pg_count)), ..sample(1) };
        let cases = [
            (Superblock { log_floor: u64::MAX, ..sample(1) }, Some("log floor 18446744073709551615")),
            (Superblock { vdl: Lsn(1 << 60), ..sample(1) }, Some("VDL")),
            (with(geometry(15390, 64), 1), Some("Register")),
            (with(geometry(512, 0), 1), Some("Register")),
            (with(geometry(512, 64), u32::MAX), Some("Register")),
            (with(geometry(512, 64), 1), None),
            (with(geometry(512, 64), 1 + 1024), Some("1025 groups and 1 segments")),
            (Superblock { register: None, ..sample(1) }, Some("no register and 1 segments")),
        ];
        for (superblock, what) in cases {
            let mut file = vec![0; COPY_BYTES * PLACES];
            write(&mut file, &superblock, 0..COPIES);
            let refused = choose(&file).err().map(|error| error.to_string());
            assert_eq!(refused.is_some(), what.is_some(), "{refused:?}");
            assert!(refused.unwrap_or_default().contains(what.unwrap_or_default()));
        }
    }

    #[test]
    fn the_newest_whole_copy_wins_however_much_of_a_write_took_place() {
        let mut file = vec![0u8; COPY_BYTES * PLACES];
        assert_eq!(choose(&file), Ok(None));
        write(&mut file, &sample(1), 0..4);
        for copies in 0..=4 {
            let mut file = file.clone();
            write(&mut file, &sample(2), 0..copies);
            let expected = if copies == 0 { 1 } else { 2 };
            assert_eq!(choose(&file).expect("whole").expect("found").generation, expected);
        }
    }

    #[test]
    fn one_good_copy_of_four_is_enough_and_none_is_an_error() {
        let mut file = vec![0u8; COPY_BYTES * PLACES];
        write(&mut file, &sample(1), 0..4);
        write(&mut file, &sample(2), 0..4);
        for copy in 0..4 {
            file[Superblock::offset(1, copy, COPY_BYTES) as usize + 40] ^= 1;
        }
        for copy in 0..3 {
            file[Superblock::offset(2, copy, COPY_BYTES) as usize + 40] ^= 1;
        }
        assert_eq!(choose(&file), Ok(Some(sample(2))));
        file[Superblock::offset(2, 3, COPY_BYTES) as usize + 8] ^= 1;
        assert_eq!(choose(&file), Err(SuperblockError::Damaged));
    }

    #[test]
    fn another_version_or_identity_is_refused() {
        let mut file = vec![0u8; COPY_BYTES * PLACES];
        write(&mut file, &sample(1), 0..4);
        let other = Superblock::choose(&file, COPY_BYTES, VOLUME, MemberIndex(4));
        assert!(matches!(other, Err(SuperblockError::Foreign { .. })), "{other:?}");

        let at = Superblock::offset(1, 0, COPY_BYTES) as usize;
        let len = HEADER_BYTES + u32::from_le_bytes(file[at + 12..at + 16].try_into().expect("four")) as usize;
        file[at + 8] = VERSION as u8 + 1;
        file[at + 16..at + 20].fill(0);
        let crc = crc32c::crc32c(&file[at..at + len]);
        file[at + 16..at + 20].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(choose(&file), Err(SuperblockError::Version { found: VERSION + 1 }));
    }

    #[test]
    fn a_superblock_too_large_for_its_copies_is_noticed() {
        let mut large = sample(1);
        large.segments = vec![large.segments[0]; 200];
        assert!(large.encode(COPY_BYTES).is_none());
        assert!(large.encode(16 << 10).is_some());
    }
}
