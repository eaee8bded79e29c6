//! The log block's bytes.
//!
//! Layout, little-endian; the block is padded with zeroes to the alignment:
//!
//! | offset | field |
//! |---|---|
//! | 0 | magic `u32` |
//! | 4 | format version `u16` |
//! | 6 | which of the volume's logs `u16` |
//! | 8 | volume `u64` |
//! | 16 | incarnation `u64` |
//! | 24 | block number `u64` |
//! | 32 | log position `u64` |
//! | 40 | hash of the previous block `u64` |
//! | 48 | first LSN `u64`: of the first group that starts here, 0 for none |
//! | 56 | last LSN `u64`: of the last group complete at the end of this block |
//! | 64 | durable LSN `u64`, as known when the block was written |
//! | 72 | payload length `u32` |
//! | 76 | offset in the payload of the first group that starts here `u32` |
//! | 80 | CRC-32C `u32` over the header before it and the payload |
//! | 84 | zero `u32` |
//! | 88 | payload |

use compute::Lsn;
use node::Block;
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::ids::{BlockHash, BlockSeq, Incarnation, LogId, LogPos, VolumeId};

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 88;
const MAGIC: u32 = 0x4c41_5753;
const VERSION: u16 = 1;
const CRC_AT: usize = 80;

/// What a block says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// The log it belongs to.
    pub log: LogId,
    /// Which opening of the volume wrote it.
    pub incarnation: Incarnation,
    /// Its number.
    pub sequence: BlockSeq,
    /// Where it belongs.
    pub position: LogPos,
    /// The hash of the block before it.
    pub previous: BlockHash,
    /// The first LSN of the first group that starts in it, [`Lsn::ZERO`] when none does.
    pub first: Lsn,
    /// The last LSN of the last group that is complete at its end.
    pub last: Lsn,
    /// The durable LSN known when it was written.
    pub durable: Lsn,
    /// Bytes of redo.
    pub payload_bytes: u32,
    /// Where in the payload the first group starts; meaningless when `first` is zero.
    pub first_at: u32,
}

/// Why bytes are not a block of this log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BlockError {
    /// No block starts here.
    #[error("no log block starts here")]
    Magic,
    /// A block of another format version.
    #[error("the log block has format version {0}; this program writes version {VERSION}")]
    Version(u16),
    /// A block of another volume.
    #[error("the log block belongs to volume {:016x}", .0.0)]
    Volume(VolumeId),
    /// A block of the volume's other log.
    #[error("the block belongs to another log of the volume")]
    Log,
    /// The announced length does not fit.
    #[error("the log block announces {0} bytes of payload")]
    Length(u32),
    /// The checksum does not match.
    #[error("the log block's checksum does not match")]
    Checksum,
}

impl BlockHeader {
    /// The block's bytes, padded to `align_bytes`, and its hash. `fill` writes the payload.
    ///
    /// Panics when the payload length exceeds what a `u32` holds, which no block bound allows.
    pub fn encode(&self, align_bytes: u32, fill: impl FnOnce(&mut [u8])) -> (Block, BlockHash) {
        let len_bytes = HEADER_BYTES + self.payload_bytes as usize;
        let mut block = Block::zeroed(len_bytes.next_multiple_of(align_bytes as usize));
        block[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        block[4..6].copy_from_slice(&VERSION.to_le_bytes());
        block[6..8].copy_from_slice(&(self.log.kind as u16).to_le_bytes());
        let words = [
            self.log.volume.0,
            self.incarnation.0,
            self.sequence.0,
            self.position.0,
            self.previous.0,
            self.first.0,
            self.last.0,
            self.durable.0,
        ];
        for (index, word) in words.into_iter().enumerate() {
            block[8 + 8 * index..16 + 8 * index].copy_from_slice(&word.to_le_bytes());
        }
        block[72..76].copy_from_slice(&self.payload_bytes.to_le_bytes());
        block[76..80].copy_from_slice(&self.first_at.to_le_bytes());
        fill(&mut block[HEADER_BYTES..len_bytes]);
        let crc = checksum(&block[..len_bytes]);
        block[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        let hash = BlockHash(xxh3_64(&block[..len_bytes]));
        (block, hash)
    }

    /// Reads the header at the start of `bytes`, without looking at the payload: enough to know how long the block is.
    /// Panics when `bytes` holds less than a header.
    pub fn peek(bytes: &[u8], log: LogId) -> Result<BlockHeader, BlockError> {
        if u32_at(bytes, 0) != MAGIC {
            return Err(BlockError::Magic);
        }
        let version = u16::from_le_bytes([bytes[4], bytes[5]]);
        if version != VERSION {
            return Err(BlockError::Version(version));
        }
        let header = BlockHeader {
            log,
            incarnation: Incarnation(u64_at(bytes, 16)),
            sequence: BlockSeq(u64_at(bytes, 24)),
            position: LogPos(u64_at(bytes, 32)),
            previous: BlockHash(u64_at(bytes, 40)),
            first: Lsn(u64_at(bytes, 48)),
            last: Lsn(u64_at(bytes, 56)),
            durable: Lsn(u64_at(bytes, 64)),
            payload_bytes: u32_at(bytes, 72),
            first_at: u32_at(bytes, 76),
        };
        let volume = VolumeId(u64_at(bytes, 8));
        if volume != log.volume {
            return Err(BlockError::Volume(volume));
        }
        if u16::from_le_bytes([bytes[6], bytes[7]]) != log.kind as u16 {
            return Err(BlockError::Log);
        }
        Ok(header)
    }

    /// Reads a whole block: header, checksum, hash and payload.
    pub fn decode(bytes: &[u8], log: LogId) -> Result<(BlockHeader, BlockHash, &[u8]), BlockError> {
        let decoded = BlockHeader::decode_unverified(bytes, log)?;
        let whole = &bytes[..decoded.0.len_bytes()];
        if checksum(whole) != u32_at(whole, CRC_AT) {
            return Err(BlockError::Checksum);
        }
        Ok(decoded)
    }

    /// Takes a block apart without looking at its checksum.
    pub(super) fn decode_unverified(bytes: &[u8], log: LogId) -> Result<(BlockHeader, BlockHash, &[u8]), BlockError> {
        if bytes.len() < HEADER_BYTES {
            return Err(BlockError::Magic);
        }
        let header = BlockHeader::peek(bytes, log)?;
        let whole = bytes.get(..header.len_bytes()).ok_or(BlockError::Length(header.payload_bytes))?;
        Ok((header, BlockHash(xxh3_64(whole)), &whole[HEADER_BYTES..]))
    }

    /// Bytes of header and payload, without padding.
    pub fn len_bytes(&self) -> usize {
        HEADER_BYTES + self.payload_bytes as usize
    }
}

fn checksum(block: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&block[..CRC_AT]), &block[CRC_AT + 4..])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::LogKind;

    const LOG: LogId = LogId { volume: VolumeId(7), kind: LogKind::Redo };

    fn header(payload_bytes: u32) -> BlockHeader {
        BlockHeader {
            log: LOG,
            incarnation: Incarnation(2),
            sequence: BlockSeq(3),
            position: LogPos(512),
            previous: BlockHash(4),
            first: Lsn(5),
            last: Lsn(6),
            durable: Lsn(4),
            payload_bytes,
            first_at: 0,
        }
    }

    #[test]
    fn any_flipped_bit_of_header_or_payload_is_noticed() {
        let (block, _) = header(9).encode(512, |payload| payload.copy_from_slice(b"some redo"));
        for bit in 0..(HEADER_BYTES + 9) * 8 {
            let mut bad = block.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(BlockHeader::decode(&bad, LOG).is_err(), "bit {bit} flipped unnoticed");
        }
    }

    #[test]
    fn another_volumes_and_another_logs_block_is_named_as_such() {
        let (block, _) = header(0).encode(512, |_| ());
        let other = LogId { volume: VolumeId(8), ..LOG };
        assert_eq!(BlockHeader::decode(&block, other), Err(BlockError::Volume(VolumeId(7))));
        let other = LogId { kind: LogKind::Binlog, ..LOG };
        assert_eq!(BlockHeader::decode(&block, other), Err(BlockError::Log));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_block_reads_back(payload in proptest::collection::vec(any::<u8>(), 0..3000), align in prop_oneof![Just(512u32), Just(4096)]) {
            let header = header(payload.len() as u32);
            let (block, hash) = header.encode(align, |out| out.copy_from_slice(&payload));
            prop_assert_eq!(block.len() % align as usize, 0);
            let (read, read_hash, read_payload) = BlockHeader::decode(&block, LOG).expect("whole");
            prop_assert_eq!(read, header);
            prop_assert_eq!(read_hash, hash);
            prop_assert_eq!(read_payload, &payload[..]);
        }

        #[test]
        fn arbitrary_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1024)) {
            prop_assert!(BlockHeader::decode(&bytes, LOG).is_err());
        }
    }
}
