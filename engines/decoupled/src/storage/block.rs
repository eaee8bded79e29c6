//! Blocks of the hot log: the format.
//!
//! Layout, little-endian; offsets in bytes:
//!
//! | offset | field |
//! |---|---|
//! | 0 | magic `u32`, CRC-32C `u32` over everything behind it, length `u32` in bytes (whole sectors) |
//! | 12 | version `u16`, member `u8`, zero `u8` |
//! | 16 | volume `u64`, incarnation `u64`, sequence number `u64` |
//! | 40 | sequence number of the extent's first block `u64`, extent `u32`, sector in the extent `u32` |
//! | 56 | CRC of the block before `u32`, count of claims `u32` |
//! | 64 | VDL `u64`, superblock generation `u64`, bytes of sections `u32`, zero `u32` |
//! | 88 | claims: group `u32`, acknowledged SCL `u64`, PGMRPL `u64` |
//! | then | sections: group `u32`, length `u32`, envelopes |
//!
//! All protection groups share the log. A block says where it is and in which use of its extent, so a misdirected write, a
//! leftover of an earlier use, and a copy of a block inside a record are all told from the block that belongs there.

use bytes::{BufMut, Bytes};
use compute::Lsn;
use node::{Block, SECTOR_BYTES};

use crate::{Incarnation, MemberIndex, PgId, VolumeId};

const MAGIC: u32 = 0x474f_4c48;
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 88;
const CLAIM_BYTES: usize = 20;
/// Bytes before a section's envelopes.
pub const SECTION_HEADER_BYTES: usize = 8;

/// What a segment had acknowledged when a block was written: evidence against later loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The group.
    pub pg: PgId,
    /// The highest SCL acknowledged.
    pub scl: Lsn,
    /// No read comes below this.
    pub pgmrpl: Lsn,
}

/// Whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogIdentity {
    /// The volume.
    pub volume: VolumeId,
    /// The member.
    pub member: MemberIndex,
}

/// Where a block belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The extent.
    pub extent: u32,
    /// The sector in it.
    pub sector: u32,
    /// The sequence number of the first block of the extent's present use.
    pub extent_first: u64,
}

/// A block's header and claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Who wrote it, counting starts.
    pub incarnation: Incarnation,
    /// Its sequence number; rises by one, across extents and starts.
    pub seq: u64,
    /// Where it belongs.
    pub place: Place,
    /// The CRC of the block before it.
    pub previous_crc: u32,
    /// The VDL known when it was written.
    pub vdl: Lsn,
    /// The superblock's generation when it was written.
    pub generation: u64,
    /// What had been acknowledged.
    pub claims: Vec<Claim>,
}

/// A block read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogBlock {
    /// Its header.
    pub header: BlockHeader,
    /// Its length on disk.
    pub len_bytes: usize,
    /// Its own CRC.
    pub crc: u32,
    /// Groups and their envelopes.
    pub sections: Vec<(PgId, Bytes)>,
}

impl LogBlock {
    /// Where it begins in its extent, in bytes.
    pub fn start_in_extent(&self) -> u64 {
        u64::from(self.header.place.sector) * SECTOR_BYTES as u64
    }

    /// Where it ends in its extent, in bytes.
    pub fn end_in_extent(&self) -> u64 {
        self.start_in_extent() + self.len_bytes as u64
    }
}

/// The length on disk of a block with so many claims and bytes of sections.
pub fn block_bytes(claims: usize, section_bytes: usize) -> usize {
    (HEADER_BYTES + claims * CLAIM_BYTES + section_bytes).next_multiple_of(SECTOR_BYTES)
}

/// Bytes of sections on disk.
fn section_bytes(sections: &[(PgId, Bytes)]) -> usize {
    sections.iter().map(|(_, envelopes)| SECTION_HEADER_BYTES + envelopes.len()).sum()
}

/// Encodes a block of groups and their envelopes. Gives the block and its CRC.
pub fn encode(identity: LogIdentity, header: &BlockHeader, sections: &[(PgId, Bytes)]) -> (Block, u32) {
    let section_bytes = section_bytes(sections);
    let len_bytes = block_bytes(header.claims.len(), section_bytes);
    let mut block = Block::written(len_bytes, |bytes| {
        let mut out = &mut bytes[..];
        out.put_u32_le(MAGIC);
        out.put_u32_le(0);
        out.put_u32_le(len_bytes as u32);
        out.put_u16_le(VERSION);
        out.put_u8(identity.member.0);
        out.put_u8(0);
        out.put_u64_le(identity.volume.0);
        out.put_u64_le(header.incarnation.0);
        out.put_u64_le(header.seq);
        out.put_u64_le(header.place.extent_first);
        out.put_u32_le(header.place.extent);
        out.put_u32_le(header.place.sector);
        out.put_u32_le(header.previous_crc);
        out.put_u32_le(header.claims.len() as u32);
        out.put_u64_le(header.vdl.0);
        out.put_u64_le(header.generation);
        out.put_u32_le(section_bytes as u32);
        out.put_u32_le(0);
        for claim in &header.claims {
            out.put_u32_le(claim.pg.0);
            out.put_u64_le(claim.scl.0);
            out.put_u64_le(claim.pgmrpl.0);
        }
        for (pg, envelopes) in sections {
            out.put_u32_le(pg.0);
            out.put_u32_le(envelopes.len() as u32);
            out.put_slice(envelopes);
        }
        let left_bytes = out.len();
        len_bytes - left_bytes
    });
    let crc = crc32c::crc32c(&block[8..]);
    block[4..8].copy_from_slice(&crc.to_le_bytes());
    (block, crc)
}

/// Reads the block at the start of `bytes`; nothing unless it is whole and belongs to this log. Its place is not checked.
pub fn decode(identity: LogIdentity, bytes: &Bytes) -> Option<LogBlock> {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    if bytes.len() < SECTOR_BYTES || word(0) != MAGIC {
        return None;
    }
    let len_bytes = word(8) as usize;
    let whole = (SECTOR_BYTES..=bytes.len()).contains(&len_bytes) && len_bytes.is_multiple_of(SECTOR_BYTES);
    if !whole || crc32c::crc32c(&bytes[8..len_bytes]) != word(4) {
        return None;
    }
    let ours = u16::from_le_bytes([bytes[12], bytes[13]]) == VERSION
        && bytes[14] == identity.member.0
        && long(16) == identity.volume.0;
    let (claim_count, section_bytes) = (word(60) as usize, word(80) as usize);
    let sections_at = HEADER_BYTES + claim_count.checked_mul(CLAIM_BYTES)?;
    if !ours || sections_at.checked_add(section_bytes)? > len_bytes {
        return None;
    }
    let claim = |index: usize| {
        let at = HEADER_BYTES + index * CLAIM_BYTES;
        Claim { pg: PgId(word(at)), scl: Lsn(long(at + 4)), pgmrpl: Lsn(long(at + 12)) }
    };
    let header = BlockHeader {
        incarnation: Incarnation(long(24)),
        seq: long(32),
        place: Place { extent_first: long(40), extent: word(48), sector: word(52) },
        previous_crc: word(56),
        vdl: Lsn(long(64)),
        generation: long(72),
        claims: (0..claim_count).map(claim).collect(),
    };
    let sections = sections(bytes.slice(sections_at..sections_at + section_bytes))?;
    Some(LogBlock { header, len_bytes, crc: word(4), sections })
}

fn sections(mut bytes: Bytes) -> Option<Vec<(PgId, Bytes)>> {
    let mut sections = Vec::new();
    while !bytes.is_empty() {
        let header = bytes.first_chunk::<SECTION_HEADER_BYTES>()?;
        let pg = PgId(u32::from_le_bytes(header[..4].try_into().expect("four bytes")));
        let len = u32::from_le_bytes(header[4..].try_into().expect("four bytes")) as usize;
        let rest = bytes.split_off(SECTION_HEADER_BYTES);
        if len > rest.len() {
            return None;
        }
        sections.push((pg, rest.slice(..len)));
        bytes = rest.slice(len..);
    }
    Some(sections)
}

/// Every block in an extent's bytes from `start` on that is whole and in its place, whatever lies between them. After a place that
/// holds no such block the search goes on at the next sector: one bad block hides no other. Blocks of earlier uses of the extent
/// are left out.
pub fn scan(identity: LogIdentity, extent: u32, start: usize, bytes: &Bytes) -> Vec<LogBlock> {
    let (mut blocks, mut at) = (Vec::<LogBlock>::new(), 0usize);
    while at + SECTOR_BYTES <= bytes.len() {
        let found = decode(identity, &bytes.slice(at..))
            .filter(|block| block.header.place.extent == extent)
            .filter(|block| block.start_in_extent() == (start + at) as u64);
        at += found.as_ref().map_or(SECTOR_BYTES, |block| block.len_bytes);
        blocks.extend(found);
    }
    let present = blocks.iter().map(|block| block.header.place.extent_first).max().unwrap_or_default();
    blocks.retain(|block| block.header.place.extent_first == present);
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: LogIdentity = LogIdentity { volume: VolumeId(7), member: MemberIndex(2) };

    fn block(seq: u64, sector: u32, extent_first: u64, payload: usize) -> (Block, BlockHeader) {
        let claim = Claim { pg: PgId(1), scl: Lsn(40), pgmrpl: Lsn(12) };
        let header = BlockHeader {
            incarnation: Incarnation(3),
            seq,
            place: Place { extent: 5, sector, extent_first },
            previous_crc: 9,
            vdl: Lsn(41),
            generation: 6,
            claims: vec![claim; 2],
        };
        let sections = [1u32, 2].map(|pg| (PgId(pg), Bytes::from(vec![pg as u8; payload])));
        (encode(IDENTITY, &header, &sections).0, header)
    }

    fn extent(blocks: &[Block]) -> Vec<u8> {
        blocks.iter().flat_map(|block| block.iter().copied()).chain([0; 1024]).collect()
    }

    #[test]
    fn a_block_reads_back() {
        let (block, header) = block(8, 0, 8, 700);
        let read = decode(IDENTITY, &Bytes::copy_from_slice(&block)).expect("whole");
        assert_eq!((&read.header, read.len_bytes, read.sections.len()), (&header, block.len(), 2));
        assert!(read.sections.iter().all(|(pg, bytes)| bytes.iter().all(|&byte| u32::from(byte) == pg.0)));
        let other = LogIdentity { member: MemberIndex(1), ..IDENTITY };
        assert_eq!(decode(other, &Bytes::copy_from_slice(&block)), None);
    }

    #[test]
    fn a_bad_block_hides_none_behind_it() {
        let blocks = [block(8, 0, 8, 700).0, block(9, 4, 8, 100).0, block(10, 5, 8, 100).0];
        let whole = extent(&blocks);
        let seqs = |bytes: &[u8]| -> Vec<u64> {
            scan(IDENTITY, 5, 0, &Bytes::copy_from_slice(bytes)).iter().map(|block| block.header.seq).collect()
        };
        assert_eq!(seqs(&whole), [8, 9, 10]);
        for (at, left) in [(8usize, [9, 10]), (1600, [9, 10]), (4 * 512 + 9, [8, 10]), (5 * 512 + 300, [8, 9])] {
            let mut bad = whole.clone();
            bad[at] ^= 0x40;
            assert_eq!(seqs(&bad), left, "byte {at}");
        }
    }

    #[test]
    fn leftovers_of_an_earlier_use_and_misplaced_blocks_are_left_out() {
        let stale = block(3, 5, 2, 100).0;
        let bytes = extent(&[block(8, 0, 8, 700).0, block(9, 4, 8, 100).0, stale, block(9, 7, 8, 100).0]);
        let found = scan(IDENTITY, 5, 0, &bytes.into());
        assert_eq!(found.iter().map(|block| block.header.seq).collect::<Vec<_>>(), [8, 9]);
    }
}
