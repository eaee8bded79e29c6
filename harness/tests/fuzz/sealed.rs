//! Records behind checksums: superblocks and labels, found on a disk and changed so that their checksum is right again.
//!
//! A copy begins a sector. Its header is 24 bytes with the body's length and a CRC-32C in it; the modules `superblock` of
//! `decoupled` and `copies` of `coupled` lay them out.

use node::{Rng, SECTOR_BYTES};

use crate::mutate;

const HEADER_BYTES: usize = 24;

/// How a format checks a copy.
#[derive(Clone, Copy)]
pub struct Seal {
    len_at: usize,
    crc_at: usize,
    /// The checksum of a header and a body.
    checksum: fn(&[u8], &[u8]) -> u32,
}

const SEALS: [Seal; 2] = [
    Seal {
        len_at: 12,
        crc_at: 16,
        checksum: |header, body| {
            let blank = [&header[..16], &[0; 4], &header[20..]].concat();
            crc32c::crc32c_append(crc32c::crc32c(&blank), body)
        },
    },
    Seal {
        len_at: 16,
        crc_at: 20,
        checksum: |header, body| crc32c::crc32c_append(crc32c::crc32c(&header[..20]), body),
    },
];

impl Seal {
    /// The body of a whole copy at the beginning of `bytes`.
    fn body<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
        let body = rest.get(..field(header, self.len_at) as usize).filter(|body| !body.is_empty())?;
        (field(header, self.crc_at) == (self.checksum)(header, body)).then_some(body)
    }

    /// Makes the copy at the beginning of `bytes` one of `body`, checksum and all. `body` fits.
    fn put(&self, bytes: &mut [u8], body: &[u8]) {
        bytes[self.len_at..self.len_at + 4].copy_from_slice(&(body.len() as u32).to_le_bytes());
        bytes[HEADER_BYTES..HEADER_BYTES + body.len()].copy_from_slice(body);
        let crc = (self.checksum)(&bytes[..HEADER_BYTES], body);
        bytes[self.crc_at..self.crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    }
}

fn field(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Where in `file` whole copies begin, and how they are sealed.
pub fn copies(file: &[u8]) -> Vec<(usize, Seal)> {
    let places = (0..file.len()).step_by(SECTOR_BYTES);
    places.filter_map(|at| SEALS.iter().find(|seal| seal.body(&file[at..]).is_some()).map(|seal| (at, *seal))).collect()
}

/// Changes what the copies in `file` say, all of them alike, as a program with a bug would have written it.
pub fn change(rng: &mut Rng, file: &mut [u8], copies: &[(usize, Seal)]) {
    let seed = rng.next_u64();
    for (at, seal) in copies {
        let place = &mut file[*at..];
        // Unless it was damaged before.
        let Some(mut body) = seal.body(place).map(<[u8]>::to_vec) else { continue };
        let room = body.len();
        let mut rng = Rng::new(seed);
        if rng.chance(0.8) {
            mutate::in_place(&mut rng, &mut body);
        } else {
            mutate::bytes(&mut rng, &mut body);
            body.truncate(room);
        }
        seal.put(place, &body);
    }
}

#[test]
fn a_changed_copy_is_whole_again() {
    let superblock = coupled::copies::encode(1, 7, b"a body of some length");
    let found = copies(&superblock);
    assert_eq!(found.len(), 1);
    let mut changed = superblock.to_vec();
    change(&mut Rng::new(3), &mut changed, &found);
    assert_ne!(changed, superblock[..]);
    assert_eq!(copies(&changed).len(), 1);
}
