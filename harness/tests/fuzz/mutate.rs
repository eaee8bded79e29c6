//! Changes to bytes.

use node::Rng;

/// Numbers at which arithmetic and lengths go wrong.
const EDGES: [u64; 8] = [0, 1, 0x7f, 0x80, 0xffff, 0x7fff_ffff, u32::MAX as u64, u64::MAX];

/// Changes `bytes` in one to four places, and perhaps their length.
pub fn bytes(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..=rng.below(4) {
        once(rng, bytes);
    }
}

fn once(rng: &mut Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return bytes.push(rng.below(256) as u8);
    }
    let at = rng.below(bytes.len() as u64) as usize;
    let end = at + rng.between(1, 32).min((bytes.len() - at) as u64) as usize;
    match rng.below(7) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => {
            let piece = bytes[at..end].to_vec();
            let to = rng.below(bytes.len() as u64) as usize;
            drop(bytes.splice(to..to, piece));
        }
        _ => in_place(rng, bytes),
    }
}

/// Changes `bytes` in one place; their length stays.
pub fn in_place(rng: &mut Rng, bytes: &mut [u8]) {
    let at = rng.below(bytes.len() as u64) as usize;
    let rest = &mut bytes[at..];
    match rng.below(4) {
        0 => rest[0] ^= 1 << rng.below(8),
        1 => rest[0] = rng.below(256) as u8,
        2 => {
            let width = [1, 2, 4, 8][rng.below(4) as usize].min(rest.len());
            let edge = EDGES[rng.below(EDGES.len() as u64) as usize].to_le_bytes();
            rest[..width].copy_from_slice(&edge[..width]);
        }
        _ => {
            let len = rng.between(1, 64).min(rest.len() as u64) as usize;
            rng.fill(&mut rest[..len]);
        }
    }
}
