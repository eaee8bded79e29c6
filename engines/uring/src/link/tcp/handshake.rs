//! How a connection opens: the dialler says who it is and whom it wants, the other side agrees or says why not.
//!
//! All three messages are frames, little-endian. Hello: version `u16`, volume `u64`, caller `u32`, callee `u32`. Welcome: an
//! empty body. Refused: a reason `u8`, and the version `u16` and volume `u64` served there.

use std::fmt;
use std::io;

use bytes::{BufMut, Bytes};
use node::frame::HEADER_BYTES;
use node::{Frame, FrameKind, NodeId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The version of handshake and frames that this build speaks.
pub const PROTOCOL_VERSION: u16 = 1;
/// The dialler's opening.
pub const HELLO: FrameKind = FrameKind(0x0001);
/// The answer that lets frames pass.
pub const WELCOME: FrameKind = FrameKind(0x0002);
/// The answer that does not; the connection is closed behind it.
pub const REFUSED: FrameKind = FrameKind(0x0003);

const HELLO_BYTES: usize = 18;
const REFUSED_BYTES: usize = 11;

/// Who calls whom, about what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The protocol version the caller speaks.
    pub version: u16,
    /// The volume it takes part in.
    pub volume: u64,
    /// Who calls.
    pub from: NodeId,
    /// Who is called.
    pub to: NodeId,
}

/// Why a handshake was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another protocol version is spoken there.
    Version(u16),
    /// Another volume is served there.
    Volume(u64),
    /// The node called is not there, or takes no calls of that caller.
    Node,
}

impl Hello {
    /// The frame that says so.
    pub fn frame(&self) -> Frame {
        Frame::encode(HELLO, HELLO_BYTES, |body| {
            body.put_u16_le(self.version);
            body.put_u64_le(self.volume);
            body.put_u32_le(self.from.0);
            body.put_u32_le(self.to.0);
        })
    }

    /// Reads one. `None` when the frame is none.
    pub fn read(frame: &Frame) -> Option<Hello> {
        if frame.kind() != HELLO {
            return None;
        }
        let body: &[u8; HELLO_BYTES] = frame.body().try_into().ok()?;
        let id = |at: usize| NodeId(u32::from_le_bytes(body[at..at + 4].try_into().expect("four bytes")));
        Some(Hello { version: u16_at(body, 0), volume: u64_at(body, 2), from: id(10), to: id(14) })
    }

    /// Takes what a caller opens with. `None` when it is no handshake.
    pub(super) async fn receive(stream: &mut TcpStream) -> io::Result<Option<Hello>> {
        Ok(read_short(stream, HELLO_BYTES).await?.and_then(|frame| Hello::read(&frame)))
    }

    /// Calls, and waits for the answer.
    pub(super) async fn call(&self, stream: &mut TcpStream) -> io::Result<Result<(), Refusal>> {
        stream.write_all(self.frame().bytes()).await?;
        let no_answer = || io::Error::new(io::ErrorKind::InvalidData, "what answers there is no node");
        let frame = read_short(stream, REFUSED_BYTES).await?.ok_or_else(no_answer)?;
        match frame.kind() {
            WELCOME => Ok(Ok(())),
            REFUSED => Ok(Err(Refusal::read(&frame).ok_or_else(no_answer)?)),
            _ => Err(no_answer()),
        }
    }
}

/// The answer that lets frames pass.
pub(super) async fn welcome(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(Frame::encode(WELCOME, 0, |_| {}).bytes()).await
}

impl Refusal {
    /// Tells the caller. It may have gone.
    pub(super) async fn send(self, stream: &mut TcpStream, version: u16, volume: u64) {
        let frame = Frame::encode(REFUSED, REFUSED_BYTES, |body| {
            body.put_u8(match self {
                Refusal::Version(_) => 1,
                Refusal::Volume(_) => 2,
                Refusal::Node => 3,
            });
            body.put_u16_le(version);
            body.put_u64_le(volume);
        });
        // A caller that has gone needs no reason.
        let _ = stream.write_all(frame.bytes()).await;
        let _ = stream.shutdown().await;
    }

    fn read(frame: &Frame) -> Option<Refusal> {
        let body: &[u8; REFUSED_BYTES] = frame.body().try_into().ok()?;
        match body[0] {
            1 => Some(Refusal::Version(u16_at(body, 1))),
            2 => Some(Refusal::Volume(u64_at(body, 3))),
            3 => Some(Refusal::Node),
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Version(version) => {
                write!(f, "protocol version {version} is spoken there, not {PROTOCOL_VERSION}")
            }
            Refusal::Volume(volume) => write!(f, "volume {volume:016x} is served there"),
            Refusal::Node => f.write_str("the node is not there, or takes no calls of this one"),
        }
    }
}

/// One frame with a body of at most `body_bytes_max`; `None` when the bytes are none. Reads no further than its end.
async fn read_short(stream: &mut TcpStream, body_bytes_max: usize) -> io::Result<Option<Frame>> {
    let mut bytes = vec![0; HEADER_BYTES];
    stream.read_exact(&mut bytes).await?;
    match Frame::announced_body_bytes(&bytes) {
        Ok(len) if len <= body_bytes_max => bytes.resize(HEADER_BYTES + len, 0),
        _ => return Ok(None),
    }
    stream.read_exact(&mut bytes[HEADER_BYTES..]).await?;
    Ok(Frame::verify(Bytes::from(bytes)).ok())
}

fn u16_at(body: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(body[at..at + 2].try_into().expect("two bytes"))
}

fn u64_at(body: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(body[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_survives_the_wire() {
        let hello = Hello { version: 7, volume: 0x0123_4567_89ab_cdef, from: NodeId(1), to: NodeId(1000) };
        assert_eq!(Hello::read(&hello.frame()), Some(hello));
    }

    #[test]
    fn a_body_of_another_length_is_no_hello() {
        for len in (0..40).filter(|len| *len != HELLO_BYTES) {
            let frame = Frame::encode(HELLO, len, |body| body.put_bytes(0, len));
            assert_eq!(Hello::read(&frame), None, "{len} bytes");
        }
    }
}
