//! Frames over one connection, in both directions, until it breaks.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use node::frame::HEADER_BYTES;
use node::{Frame, FrameError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::counts::Counters;
use super::outbox::Outbox;

/// Bytes read at once, at most.
const READ_BYTES: usize = 256 << 10;
/// Frames in one `writev`, at most.
const SLICES_MAX: usize = 64;

/// Sends what the outbox gathers until the connection breaks.
pub(super) async fn send(mut to: OwnedWriteHalf, outbox: &Outbox, counters: &Counters, stall: Duration) -> io::Error {
    let mut taken = Taken { frames: VecDeque::new(), counters };
    loop {
        outbox.take(&mut taken.frames).await;
        while !taken.frames.is_empty() {
            let slices: Vec<_> = taken.frames.iter().take(SLICES_MAX).map(|frame| IoSlice::new(frame)).collect();
            match timeout(stall, to.write_vectored(&slices)).await {
                Ok(Ok(0)) => return io::ErrorKind::WriteZero.into(),
                Ok(Ok(written)) => taken.written(written),
                Ok(Err(error)) => return error,
                Err(_) => return io::ErrorKind::TimedOut.into(),
            }
        }
    }
}

/// Frames out of the outbox and not with the kernel yet. However the sending ends, what is left of them is lost.
struct Taken<'a> {
    frames: VecDeque<Bytes>,
    counters: &'a Counters,
}

impl Taken<'_> {
    fn written(&mut self, mut bytes: usize) {
        self.counters.writes.add(1);
        while let Some(frame) = self.frames.front_mut() {
            let part = bytes.min(frame.len());
            frame.advance(part);
            bytes -= part;
            if !frame.is_empty() {
                break;
            }
            self.frames.pop_front();
            self.counters.sent.add(1);
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.counters.lost.add(self.frames.len() as u64);
    }
}

/// Gives every whole frame to `deliver` until the connection breaks or what comes is none.
pub(super) async fn receive(
    mut from: OwnedReadHalf,
    counters: &Counters,
    mut deliver: impl FnMut(&mut Vec<Bytes>),
) -> io::Error {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    let mut arrived = Vec::new();
    loop {
        let ended = loop {
            match next_frame(&mut buffer) {
                Ok(Some(frame)) => arrived.push(frame),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        counters.received.add(arrived.len() as u64);
        deliver(&mut arrived);
        if let Some(error) = ended {
            match error {
                FrameError::Length { .. } => counters.oversized.add(1),
                FrameError::Unknown { .. } | FrameError::Checksum | FrameError::Truncated { .. } => {
                    counters.damaged.add(1);
                }
            }
            return io::Error::new(io::ErrorKind::InvalidData, error);
        }
        match from.read_buf(&mut buffer).await {
            Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

/// Takes one verified frame off the front of `buffer`, or makes room for the rest of it.
fn next_frame(buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
    if buffer.len() < HEADER_BYTES {
        buffer.reserve(READ_BYTES);
        return Ok(None);
    }
    let len = HEADER_BYTES + Frame::announced_body_bytes(buffer)?;
    if buffer.len() < len {
        buffer.reserve(READ_BYTES.max(len - buffer.len()));
        return Ok(None);
    }
    // A copy of its own: a node that keeps a piece of a frame must not keep a whole buffer with it.
    let frame = Frame::verify(Bytes::copy_from_slice(&buffer[..len]))?;
    buffer.advance(len);
    Ok(Some(frame.bytes().clone()))
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;
    use node::FrameKind;
    use node::frame::BODY_BYTES_MAX;

    use super::*;

    fn frame(text: &str) -> Bytes {
        Frame::encode(FrameKind(1), text.len(), |body| body.put_slice(text.as_bytes())).bytes().clone()
    }

    #[test]
    fn frames_come_out_whole_however_they_are_cut() {
        let sent = [frame("one"), frame(""), frame("and three")];
        let stream = sent.concat();
        for cut in 0..stream.len() {
            let (mut buffer, mut arrived) = (BytesMut::new(), Vec::new());
            for part in [&stream[..cut], &stream[cut..]] {
                buffer.extend_from_slice(part);
                while let Some(frame) = next_frame(&mut buffer).expect("undamaged") {
                    arrived.push(frame);
                }
            }
            assert_eq!(arrived, sent, "cut at {cut}");
        }
    }

    #[test]
    fn a_long_announcement_is_refused_before_any_room_is_made() {
        let mut bytes = frame("short").to_vec();
        bytes[8..12].copy_from_slice(&(BODY_BYTES_MAX as u32 + 1).to_le_bytes());
        let mut buffer = BytesMut::from(&bytes[..]);
        assert_eq!(next_frame(&mut buffer), Err(FrameError::Length { body_bytes: BODY_BYTES_MAX + 1 }));
        assert!(buffer.capacity() < READ_BYTES);
    }

    #[test]
    fn a_flipped_bit_is_refused() {
        let mut bytes = frame("redo").to_vec();
        bytes[18] ^= 1;
        assert_eq!(next_frame(&mut BytesMut::from(&bytes[..])), Err(FrameError::Checksum));
    }
}
