//! TCP links: frames to and from nodes of other processes.
//!
//! # Mechanism
//!
//! One connection carries one pair of nodes, in both directions, and nothing but frames: the bytes are those of an
//! in-process link. It opens with a handshake that names the protocol version, the volume and both nodes
//! ([`handshake`]); whatever opens otherwise is refused, with a reason where the caller can read one, and counted. Who
//! dials whom is configuration ([`Remote`]). A dialler begins with its first frame and from then on redials, waiting a
//! little longer each time; the other side takes the newest connection of a pair for the pair's.
//!
//! One thread of its own runs all connections of a runtime on tokio. Runtime threads put frames into the outbox of a pair
//! and never wait; the pair's connection takes whatever has gathered and hands it to the kernel in one `writev`. Frames that
//! arrive go into the inbox of their node's thread, whose own timers hold them as the profile says: tokio's are too coarse.
//!
//! # Invariants
//!
//! - A frame that was on its way when a connection broke is lost, and so is one for which there is no connection or no room
//!   in the outbox; all are counted. Nothing is sent twice.
//! - Bytes before a handshake cost their sender a connection and this process a few dozen bytes, for a bounded time;
//!   so many at once, and no more ([`TcpConfig::handshakes_max`]).
//! - A frame that is too long, or whose checksum does not match, never reaches a node, and ends its connection: where the
//!   next frame begins is not to be known.
//!
//! # Caveats
//!
//! - A handshake keeps out what is there by mistake. It proves nothing about whoever means harm: there is no
//!   authentication, and frames are not encrypted.
//! - The delay of a profile begins when a frame arrives; what the network itself takes comes on top, and is not in the
//!   realised delay.
//! - Link rules are carried out by the process they were given to: of a direction between two processes, by the sender's
//!   where the frame leaves and by the receiver's where it arrives.

mod carrier;
mod config;
mod counts;
mod handshake;
mod outbox;
mod stream;

pub(crate) use carrier::{Carrier, CarrierThread};
pub use config::{Remote, TcpConfig};
pub use counts::{Refusals, TcpCounts};
pub use handshake::{HELLO, Hello, PROTOCOL_VERSION, REFUSED, Refusal, WELCOME};
