//! Links: how frames get from one node to another.
//!
//! # Mechanism
//!
//! In-process links carry the very bytes a socket would. The sending thread decides about each frame (lost, damaged,
//! doubled, when it is due); the receiving thread holds it until then with its own timers and verifies it before the
//! node sees it. Frames between nodes of one thread never leave it; frames to another thread are gathered and put
//! into its inbox once per batch.
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

pub use delays::{DelayRecord, LinkDelays};
pub(crate) use in_process::Links;

#[cfg(test)]
mod tests;
