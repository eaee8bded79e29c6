//! Links: how frames get from one node to another.
//!
//! # Mechanism
//!
//! In-process links carry the very bytes a socket would. The sending thread decides about each frame (lost, damaged,
//! doubled, when it is due); the receiving thread holds it until then with its own timers and verifies it before the
//! node sees it. Frames between nodes of one thread never leave it; frames to another thread are gathered and put
//! into its inbox once per batch. Frames to and from other processes go over TCP, byte for byte the same (module `tcp`);
//! what the profile says of such a link, the receiving process does.
//!
//! # Invariants
//!
//! - A node that sends to itself does not use a link: nothing delays, loses or damages the frame.
//! - Bandwidth is a queue: frames of one direction follow each other at the link's rate before they propagate.
//! - What the profile and the rules intended and what was realised are both recorded, by pair of zones.
//!
//! # Caveats
//!
//! - Frames on their way when a rule changes are not touched by it.

mod delays;
mod in_process;
mod tcp;

pub use delays::{DelayRecord, LinkDelays};
pub(crate) use in_process::Links;
pub(crate) use tcp::{Carrier, CarrierThread};
pub use tcp::{HELLO, Hello, PROTOCOL_VERSION, REFUSED, Refusal, Refusals, Remote, TcpConfig, TcpCounts, WELCOME};

#[cfg(test)]
mod tests;
