//! A file's bytes, shared between copies until one of them is written.

use std::sync::Arc;

use node::Digest;

const CHUNK_BYTES: usize = 4096;

/// The bytes lie apart from the count of their owners: both together are a little over a size that allocators have, and a
/// fifth of the memory of every disk would be lost to the next.
type Chunk = Option<Arc<Box<[u8; CHUNK_BYTES]>>>;

/// A sparse byte array in reference-counted chunks. A chunk never written is zeroes and takes no memory, and a clone
/// shares all chunks, so that a simulated machine can be copied at every effect of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    chunks: Vec<Chunk>,
    len_bytes: u64,
}

impl Contents {
    pub(super) fn zeroed(len_bytes: u64) -> Contents {
        let mut contents = Contents::default();
        contents.grow(len_bytes);
        contents
    }

    pub(super) fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Adds zeroes up to `len_bytes`; a greater length stays.
    pub(super) fn grow(&mut self, len_bytes: u64) {
        if len_bytes > self.len_bytes {
            self.len_bytes = len_bytes;
            self.chunks.resize((len_bytes as usize).div_ceil(CHUNK_BYTES), None);
        }
    }

    /// Fills `out` from `offset`. Panics beyond the end.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) {
        assert!(offset + out.len() as u64 <= self.len_bytes, "a read was let through beyond the end");
        read_chunks(&self.chunks, offset as usize, out);
    }

    /// Replaces the bytes at `offset`. Panics beyond the end.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        assert!(offset + data.len() as u64 <= self.len_bytes, "a write was let through beyond the end");
        let mut at = offset as usize;
        let mut rest = data;
        while !rest.is_empty() {
            let within = at % CHUNK_BYTES;
            let (part, tail) = rest.split_at((CHUNK_BYTES - within).min(rest.len()));
            write_chunk(&mut self.chunks[at / CHUNK_BYTES], within, part);
            at += part.len();
            rest = tail;
        }
    }

    /// Chains length and bytes into `digest`; unwritten chunks and chunks of written zeroes differ.
    pub(super) fn digest(&self, digest: &mut Digest) {
        digest.word(self.len_bytes);
        for (index, chunk) in self.chunks.iter().enumerate() {
            if let Some(chunk) = chunk {
                digest.word(index as u64);
                digest.bytes(&chunk[..]);
            }
        }
    }

    /// The bytes of `offset..offset + len_bytes`.
    pub(super) fn copy(&self, offset: u64, len_bytes: usize) -> Vec<u8> {
        let mut bytes = vec![0; len_bytes];
        self.read(offset, &mut bytes);
        bytes
    }

    /// The bytes of `offset..offset + len_bytes` as they are now. Chunks are shared; what is shorter than one is copied, since
    /// otherwise the whole chunk would be when it is written.
    pub(super) fn keep(&self, offset: u64, len_bytes: usize) -> Kept {
        if len_bytes < CHUNK_BYTES {
            return Kept::Bytes { offset, bytes: self.copy(offset, len_bytes).into() };
        }
        let first_chunk = offset as usize / CHUNK_BYTES;
        let last_chunk = (offset as usize + len_bytes).div_ceil(CHUNK_BYTES);
        Kept::Chunks { first_chunk, chunks: self.chunks[first_chunk..last_chunk].into() }
    }
}

/// A part of a file as it was.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    Bytes { offset: u64, bytes: Box<[u8]> },
    Chunks { first_chunk: usize, chunks: Box<[Chunk]> },
}

impl Kept {
    /// Fills `out` from `offset` in the file, which must lie inside the part.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) {
        match self {
            Kept::Bytes { offset: first, bytes } => {
                out.copy_from_slice(&bytes[(offset - first) as usize..][..out.len()]);
            }
            Kept::Chunks { first_chunk, chunks } => {
                read_chunks(chunks, offset as usize - first_chunk * CHUNK_BYTES, out)
            }
        }
    }
}

fn read_chunks(chunks: &[Chunk], offset: usize, out: &mut [u8]) {
    let mut at = offset;
    let mut rest = out;
    while !rest.is_empty() {
        let within = at % CHUNK_BYTES;
        let (part, tail) = rest.split_at_mut((CHUNK_BYTES - within).min(rest.len()));
        match &chunks[at / CHUNK_BYTES] {
            Some(chunk) => part.copy_from_slice(&chunk[within..within + part.len()]),
            None => part.fill(0),
        }
        at += part.len();
        rest = tail;
    }
}

/// Replaces a part of a chunk. A chunk that is shared and replaced as a whole need not be copied first.
fn write_chunk(chunk: &mut Chunk, within: usize, part: &[u8]) {
    match chunk.as_mut().and_then(Arc::get_mut) {
        Some(own) => own[within..within + part.len()].copy_from_slice(part),
        None if part.len() == CHUNK_BYTES => *chunk = Some(Arc::new(boxed(part.into()))),
        None => {
            let shared = chunk.get_or_insert_with(|| Arc::new(boxed(vec![0; CHUNK_BYTES])));
            Arc::make_mut(shared)[within..within + part.len()].copy_from_slice(part);
        }
    }
}

fn boxed(bytes: Vec<u8>) -> Box<[u8; CHUNK_BYTES]> {
    bytes.try_into().expect("a chunk's bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_its_bytes_while_the_original_is_written() {
        let mut original = Contents::zeroed(3 * 4096);
        original.write(4000, &[7; 512]);
        let copy = original.clone();
        original.write(4000, &[9; 200]);
        assert_eq!(copy.copy(4000, 512)[..], [7; 512]);
        assert_eq!(original.copy(4000, 201)[..], [[9; 200].as_slice(), &[7]].concat());
    }

    #[test]
    fn unwritten_and_grown_parts_are_zero() {
        let mut contents = Contents::zeroed(512);
        contents.write(0, &[1; 512]);
        contents.grow(9000);
        contents.grow(100);
        assert_eq!(contents.len_bytes(), 9000);
        assert!(contents.copy(512, 8488).iter().all(|&byte| byte == 0));
        assert!(contents.chunks[1..].iter().all(Option::is_none));
    }
}
