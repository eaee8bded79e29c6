//! What every opening reads first: whose files these are, their geometry, the incarnation and the checkpoint.

use compute::Lsn;

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::copies::{self, FORMAT_VERSION, Picked};
use crate::error::CoupledError;
use crate::ids::{BlockHash, BlockSeq, Incarnation, LogPos, VolumeId};
use crate::wal::Layout;

/// The record kind of superblocks among four-copy records.
pub const KIND: u16 = 1;
const ENGINE: [u8; 8] = *b"coupled\0";
const BODY_BYTES: usize = 8 + 12 * 8;

/// Sizes fixed when the database is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of a page.
    pub page_bytes: u32,
    /// The ring of log segments.
    pub log: Layout,
    /// Slots of the double-write buffer.
    pub slots: u32,
}

/// The superblock's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Whose files these are.
    pub volume: VolumeId,
    /// Their sizes.
    pub geometry: Geometry,
    /// The latest opening.
    pub incarnation: Incarnation,
    /// Where recovery starts.
    pub checkpoint: Checkpoint,
    /// An LSN that was durable when this was written: evidence against a log that ends below it.
    pub durable: Lsn,
}

impl Superblock {
    /// The superblock of a database just made: the first incarnation, an empty log.
    pub fn first(config: &Config) -> Superblock {
        let incarnation = Incarnation(1);
        Superblock {
            volume: config.volume,
            geometry: config.geometry(),
            incarnation,
            checkpoint: Checkpoint { incarnation, ..Checkpoint::default() },
            durable: Lsn::ZERO,
        }
    }

    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Checkpoint { position, sequence, previous, incarnation, before } = self.checkpoint;
        let log = self.geometry.log;
        let words = [
            self.volume.0,
            u64::from(self.geometry.page_bytes) | u64::from(self.geometry.slots) << 32,
            log.segment_bytes,
            u64::from(log.segments) | u64::from(log.align_bytes) << 32,
            self.incarnation.0,
            position.0,
            sequence.0,
            previous.0,
            incarnation.0,
            before.0,
            self.durable.0,
            0,
        ];
        ENGINE.into_iter().chain(words.into_iter().flat_map(u64::to_le_bytes)).collect()
    }

    /// Reads a record; `None` when it is not one of this engine's.
    pub fn decode(body: &[u8]) -> Option<Superblock> {
        if body.len() != BODY_BYTES || body[..8] != ENGINE {
            return None;
        }
        let word = |index: usize| {
            let at = 8 + 8 * index;
            u64::from_le_bytes(body[at..at + 8].try_into().expect("eight bytes"))
        };
        let (low, high) = (|word: u64| word as u32, |word: u64| (word >> 32) as u32);
        Some(Superblock {
            volume: VolumeId(word(0)),
            geometry: Geometry {
                page_bytes: low(word(1)),
                slots: high(word(1)),
                log: Layout { segment_bytes: word(2), segments: low(word(3)), align_bytes: high(word(3)) },
            },
            incarnation: Incarnation(word(4)),
            checkpoint: Checkpoint {
                position: LogPos(word(5)),
                sequence: BlockSeq(word(6)),
                previous: BlockHash(word(7)),
                incarnation: Incarnation(word(8)),
                before: Lsn(word(9)),
            },
            durable: Lsn(word(10)),
        })
    }

    /// Reads the superblock file: its generation and record, or `None` when no copy is whole. That is so in a database
    /// whose making was cut short, and after damage to all four copies: the log tells the two apart.
    ///
    /// Refuses what is not `volume` with `geometry`, and another format version.
    pub fn open(file: &[u8], volume: VolumeId, geometry: &Geometry) -> Result<Option<(u64, Superblock)>, CoupledError> {
        let refused = |why: String| Err(CoupledError::Refused(why));
        let (generation, body) = match copies::pick(KIND, file) {
            Picked::Found { generation, body, .. } => (generation, body),
            Picked::Blank | Picked::Damaged => return Ok(None),
            Picked::Version(found) => {
                return refused(format!(
                    "the superblock has format version {found}, this program reads {FORMAT_VERSION}; use the program that wrote it"
                ));
            }
        };
        let Some(superblock) = Superblock::decode(&body) else {
            return refused("the superblock is not a coupled engine's; choose another data directory".into());
        };
        if superblock.volume != volume {
            return refused(format!(
                "these files belong to volume {:016x}, not {:016x}; choose the right data directory",
                superblock.volume.0, volume.0
            ));
        }
        if superblock.geometry != *geometry {
            return refused(format!(
                "the database was made with {:?}, the configuration says {geometry:?}; use the sizes it was made with",
                superblock.geometry
            ));
        }
        Ok(Some((generation, superblock)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Superblock {
        Superblock {
            volume: VolumeId(77),
            geometry: Geometry {
                page_bytes: 512,
                log: Layout { segment_bytes: 4096, segments: 4, align_bytes: 512 },
                slots: 8,
            },
            incarnation: Incarnation(3),
            checkpoint: Checkpoint {
                position: LogPos(1024),
                sequence: BlockSeq(9),
                previous: BlockHash(0xfeed),
                incarnation: Incarnation(2),
                before: Lsn(40),
            },
            durable: Lsn(44),
        }
    }

    fn file_of(superblock: &Superblock) -> Vec<u8> {
        copies::encode(KIND, 6, &superblock.encode()).repeat(copies::COPIES as usize)
    }

    #[test]
    fn a_superblock_reads_back() {
        let superblock = sample();
        let opened = Superblock::open(&file_of(&superblock), VolumeId(77), &superblock.geometry);
        assert_eq!(opened, Ok(Some((6, superblock))));
    }

    #[test]
    fn other_volumes_sizes_and_engines_are_refused() {
        let superblock = sample();
        let file = file_of(&superblock);
        let other = Superblock::open(&file, VolumeId(78), &superblock.geometry);
        assert!(matches!(&other, Err(CoupledError::Refused(why)) if why.contains("belong to volume")), "{other:?}");
        let sizes = Geometry { page_bytes: 1024, ..superblock.geometry };
        let other = Superblock::open(&file, VolumeId(77), &sizes);
        assert!(matches!(&other, Err(CoupledError::Refused(why)) if why.contains("was made with")), "{other:?}");
        let mut body = superblock.encode();
        body[0] = b'x';
        let file = copies::encode(KIND, 6, &body).repeat(4);
        assert!(Superblock::open(&file, VolumeId(77), &superblock.geometry).is_err());
    }
}
