//! Frames: what links carry. Encoded once, checksummed, reference-counted, sent to any number of nodes.
//!
//! Layout, little-endian: magic `u32`, kind `u16`, format version `u16`, body length `u32`, CRC-32C `u32` over the
//! first twelve bytes and the body; then the body. In-process and TCP links carry the same bytes.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

/// Which codec reads the body. Each protocol owns a range: handshakes of connections `0x00xx` (crate `uring`), client
/// `0x01xx` (crate `contract`), block mirroring `0x02xx` (crate `coupled`), volume `0x03xx` (crate `decoupled`), the harness's
/// own `0x04xx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameKind(pub u16);

/// Bytes before the body.
pub const HEADER_BYTES: usize = 16;
/// The longest body a receiver accepts.
pub const BODY_BYTES_MAX: usize = 16 << 20;
const MAGIC: u32 = 0x5458_5331;
const VERSION: u16 = 1;

/// A verified frame. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
}

/// Why bytes are not a frame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Fewer bytes than a header, or than the header announces.
    #[error("frame of {len_bytes} bytes ends early")]
    Truncated {
        /// The bytes there are.
        len_bytes: usize,
    },
    /// Not ours, or of another format version.
    #[error("frame starts with {magic:#010x} version {version}, expected {MAGIC:#010x} version {VERSION}")]
    Unknown {
        /// The first four bytes.
        magic: u32,
        /// The version field.
        version: u16,
    },
    /// Longer than [`BODY_BYTES_MAX`], or with bytes after the body.
    #[error("frame announces a body of {body_bytes} bytes")]
    Length {
        /// The announced length.
        body_bytes: usize,
    },
    /// The checksum does not match.
    #[error("frame checksum does not match")]
    Checksum,
}

impl Frame {
    /// Encodes a frame: `write` appends the body. Panics when the body exceeds [`BODY_BYTES_MAX`].
    pub fn encode(kind: FrameKind, body_hint_bytes: usize, write: impl FnOnce(&mut BytesMut)) -> Frame {
        let mut buffer = BytesMut::with_capacity(HEADER_BYTES + body_hint_bytes);
        buffer.put_u32_le(MAGIC);
        buffer.put_u16_le(kind.0);
        buffer.put_u16_le(VERSION);
        buffer.put_u64_le(0);
        write(&mut buffer);
        let body_bytes = buffer.len() - HEADER_BYTES;
        assert!(body_bytes <= BODY_BYTES_MAX, "a frame's body has at most {BODY_BYTES_MAX} bytes, not {body_bytes}");
        buffer[8..12].copy_from_slice(&(body_bytes as u32).to_le_bytes());
        let crc = checksum(&buffer);
        buffer[12..16].copy_from_slice(&crc.to_le_bytes());
        Frame { bytes: buffer.freeze() }
    }

    /// Checks bytes from a link: exactly one frame, ours, whole and undamaged.
    pub fn verify(bytes: Bytes) -> Result<Frame, FrameError> {
        let body_bytes = Frame::announced_body_bytes(&bytes)?;
        if bytes.len() < HEADER_BYTES + body_bytes {
            return Err(FrameError::Truncated { len_bytes: bytes.len() });
        }
        if bytes.len() > HEADER_BYTES + body_bytes {
            return Err(FrameError::Length { body_bytes });
        }
        let stored = u32::from_le_bytes(bytes[12..16].try_into().expect("four bytes"));
        if checksum(&bytes) != stored {
            return Err(FrameError::Checksum);
        }
        Ok(Frame { bytes })
    }

    /// The body length a header announces, for a stream reader that must know how much to wait for.
    pub fn announced_body_bytes(header: &[u8]) -> Result<usize, FrameError> {
        if header.len() < HEADER_BYTES {
            return Err(FrameError::Truncated { len_bytes: header.len() });
        }
        let magic = u32::from_le_bytes(header[0..4].try_into().expect("four bytes"));
        let version = u16::from_le_bytes(header[6..8].try_into().expect("two bytes"));
        if magic != MAGIC || version != VERSION {
            return Err(FrameError::Unknown { magic, version });
        }
        let body_bytes = u32::from_le_bytes(header[8..12].try_into().expect("four bytes")) as usize;
        if body_bytes > BODY_BYTES_MAX {
            return Err(FrameError::Length { body_bytes });
        }
        Ok(body_bytes)
    }

    /// Which codec reads the body.
    #[inline]
    pub fn kind(&self) -> FrameKind {
        FrameKind(u16::from_le_bytes(self.bytes[4..6].try_into().expect("two bytes")))
    }

    /// The body.
    #[inline]
    pub fn body(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// A part of the body that shares the frame's memory. Panics when the range is outside the body.
    #[inline]
    pub fn slice(&self, range: std::ops::Range<usize>) -> Bytes {
        self.bytes.slice(HEADER_BYTES + range.start..HEADER_BYTES + range.end)
    }

    /// The whole frame as sent.
    #[inline]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The CRC-32C that the header carries: of the header's other fields and the body.
    #[inline]
    pub fn checksum(&self) -> u32 {
        u32::from_le_bytes(self.bytes[12..16].try_into().expect("four bytes"))
    }

    /// Bytes on the wire, header included.
    #[inline]
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }
}

fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..12]), &frame[HEADER_BYTES..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Frame {
        Frame::encode(FrameKind(0x0301), 5, |body| body.put_slice(b"redo!"))
    }

    #[test]
    fn a_frame_survives_the_wire() {
        let frame = Frame::verify(sample().bytes().clone()).expect("whole");
        assert_eq!(frame.kind(), FrameKind(0x0301));
        assert_eq!(frame.body(), b"redo!");
        assert_eq!(&frame.slice(1..3)[..], b"ed");
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let good = sample().bytes().clone();
        for bit in 0..good.len() * 8 {
            let mut bad = good.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::verify(bad.into()).is_err(), "bit {bit} flipped unnoticed");
        }
    }

    #[test]
    fn any_other_length_is_noticed() {
        let good = sample().bytes().clone();
        for len in 0..good.len() {
            assert!(Frame::verify(good.slice(..len)).is_err());
        }
        let mut long = good.to_vec();
        long.push(0);
        assert_eq!(Frame::verify(long.into()), Err(FrameError::Length { body_bytes: 5 }));
    }
}
