//! What every opening reads first: whose files these are, their geometry, the incarnation and the checkpoint.

use compute::Lsn;

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::copies::{self, FORMAT_VERSION, Picked, Standing};
use crate::error::CoupledError;
use crate::ids::{BlockHash, BlockSeq, Incarnation, LogPos, VolumeId};
use crate::wal::Layout;

/// The record kind of superblocks among four-copy records.
pub const KIND: u16 = 1;
const ENGINE: [u8; 8] = *b"coupled\0";
const BODY_BYTES: usize = 8 + 19 * 8;
/// Positions, counts and LSNs beyond this are none: at a gigabyte of log a second it takes years to come to them.
const NUMBER_MAX: u64 = 1 << 56;

/// Sizes fixed when the database is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of a page.
    pub page_bytes: u32,
    /// The ring of log segments.
    pub log: Layout,
    /// Slots of the double-write buffer.
    pub slots: u32,
    /// The ring of binlog segments, if there is a binlog.
    pub binlog: Option<Layout>,
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
    /// From where on the binlog's end is to be found; meaningless without a binlog.
    pub binlog: Checkpoint,
    /// An LSN that was durable when this was written: evidence against a log that ends below it.
    pub durable: Lsn,
}

impl Superblock {
    /// The superblock of a database just made: the first incarnation, an empty log.
    pub fn first(config: &Config) -> Superblock {
        let incarnation = Incarnation(1);
        let checkpoint = Checkpoint { incarnation, ..Checkpoint::default() };
        Superblock {
            volume: config.volume,
            geometry: config.geometry(),
            incarnation,
            checkpoint,
            binlog: checkpoint,
            durable: Lsn::ZERO,
        }
    }

    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let sizes = u64::from(self.geometry.page_bytes) | u64::from(self.geometry.slots) << 32;
        let none = Layout { segment_bytes: 0, segments: 0, align_bytes: 0 };
        let words = [self.volume.0, sizes]
            .into_iter()
            .chain(layout_words(&self.geometry.log))
            .chain([self.incarnation.0])
            .chain(checkpoint_words(&self.checkpoint))
            .chain([self.durable.0, 0])
            .chain(layout_words(&self.geometry.binlog.unwrap_or(none)))
            .chain(checkpoint_words(&self.binlog));
        ENGINE.into_iter().chain(words.flat_map(u64::to_le_bytes)).collect()
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
        let layout = |index: usize| {
            let (segments, align_bytes) = (low(word(index + 1)), high(word(index + 1)));
            Layout { segment_bytes: word(index), segments, align_bytes }
        };
        let checkpoint = |index: usize| Checkpoint {
            position: LogPos(word(index)),
            sequence: BlockSeq(word(index + 1)),
            previous: BlockHash(word(index + 2)),
            incarnation: Incarnation(word(index + 3)),
            before: Lsn(word(index + 4)),
        };
        Some(Superblock {
            volume: VolumeId(word(0)),
            geometry: Geometry {
                page_bytes: low(word(1)),
                slots: high(word(1)),
                log: layout(2),
                binlog: Some(layout(12)).filter(|layout| layout.segments > 0),
            },
            incarnation: Incarnation(word(4)),
            checkpoint: checkpoint(5),
            binlog: checkpoint(14),
            durable: Lsn(word(10)),
        })
    }

    /// Reads the superblock file: how its copies stand and the record, or `None` when no copy is whole. That is so in a database
    /// whose making was cut short, and after damage to all four copies: the log tells the two apart.
    ///
    /// Refuses what is not `volume` with `geometry`, and another format version.
    pub fn open(
        file: &[u8],
        volume: VolumeId,
        geometry: &Geometry,
    ) -> Result<Option<(Standing, Superblock)>, CoupledError> {
        let refused = |why: String| Err(CoupledError::Refused(why));
        let (standing, body) = match copies::pick(KIND, file) {
            Picked::Found { standing, body, .. } => (standing, body),
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
        if let Some(what) = superblock.impossible() {
            return refused(format!(
                "the superblock names {what} that no database gets to, though its checksum is right; restore the disk"
            ));
        }
        Ok(Some((standing, superblock)))
    }

    /// What is in it that this engine never writes.
    fn impossible(&self) -> Option<&'static str> {
        let astray = |checkpoint: &Checkpoint, layout: &Layout| {
            let Checkpoint { position, sequence, incarnation, before, .. } = checkpoint;
            let numbers = [position.0, sequence.0, incarnation.0, before.0];
            !position.0.is_multiple_of(u64::from(layout.align_bytes)) || numbers.iter().any(|n| *n > NUMBER_MAX)
        };
        let binlog = self.geometry.binlog.as_ref();
        let places = [
            (astray(&self.checkpoint, &self.geometry.log), "a checkpoint"),
            (binlog.is_some_and(|layout| astray(&self.binlog, layout)), "an end of the binlog"),
            (self.incarnation.0 > NUMBER_MAX, "an incarnation"),
            (self.durable.0 > NUMBER_MAX, "a durable LSN"),
        ];
        places.into_iter().find_map(|(is_astray, what)| is_astray.then_some(what))
    }
}

fn layout_words(layout: &Layout) -> [u64; 2] {
    [layout.segment_bytes, u64::from(layout.segments) | u64::from(layout.align_bytes) << 32]
}

fn checkpoint_words(checkpoint: &Checkpoint) -> [u64; 5] {
    let Checkpoint { position, sequence, previous, incarnation, before } = checkpoint;
    [position.0, sequence.0, previous.0, incarnation.0, before.0]
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
                binlog: Some(Layout { segment_bytes: 8192, segments: 2, align_bytes: 512 }),
            },
            incarnation: Incarnation(3),
            checkpoint: Checkpoint {
                position: LogPos(1024),
                sequence: BlockSeq(9),
                previous: BlockHash(0xfeed),
                incarnation: Incarnation(2),
                before: Lsn(40),
            },
            binlog: Checkpoint {
                position: LogPos(512),
                sequence: BlockSeq(1),
                previous: BlockHash(0xbeef),
                incarnation: Incarnation(3),
                before: Lsn(43),
            },
            durable: Lsn(44),
        }
    }

    fn file_of(superblock: &Superblock) -> Vec<u8> {
        copies::encode(KIND, 6, &superblock.encode()).repeat(copies::COPIES as usize)
    }

    #[test]
    fn what_cannot_be_is_refused_though_its_checksum_is_right() {
        let whole = sample();
        let checkpoint = |change: fn(&mut Checkpoint)| {
            let mut changed = whole.checkpoint;
            change(&mut changed);
            changed
        };
        let cases = [
            (Superblock { checkpoint: checkpoint(|at| at.position = LogPos(1000)), ..whole }, "a checkpoint"),
            (Superblock { checkpoint: checkpoint(|at| at.sequence = BlockSeq(u64::MAX)), ..whole }, "a checkpoint"),
            (Superblock { binlog: checkpoint(|at| at.position = LogPos(1)), ..whole }, "an end of the binlog"),
            (Superblock { incarnation: Incarnation(1 << 60), ..whole }, "an incarnation"),
            (Superblock { durable: Lsn(u64::MAX), ..whole }, "a durable LSN"),
        ];
        for (superblock, what) in cases {
            let refused = Superblock::open(&file_of(&superblock), VolumeId(77), &whole.geometry);
            assert!(refused.is_err_and(|error| error.to_string().contains(what)), "{what}");
        }
    }

    #[test]
    fn a_superblock_reads_back() {
        let superblock = sample();
        let opened = Superblock::open(&file_of(&superblock), VolumeId(77), &superblock.geometry);
        assert_eq!(opened, Ok(Some((Standing { generation: 6, weaker: 0 }, superblock))));
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
        let sizes = Geometry { binlog: None, ..superblock.geometry };
        let other = Superblock::open(&file, VolumeId(77), &sizes);
        assert!(matches!(&other, Err(CoupledError::Refused(why)) if why.contains("was made with")), "{other:?}");
        let mut body = superblock.encode();
        body[0] = b'x';
        let file = copies::encode(KIND, 6, &body).repeat(4);
        assert!(Superblock::open(&file, VolumeId(77), &superblock.geometry).is_err());
    }
}
