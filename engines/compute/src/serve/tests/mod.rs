//! The node over a storage in memory: against the model when serial, by replay in commit order when concurrent, and
//! scene by scene.

mod concurrent;
mod directed;
mod draws;
mod memory;
mod serial;
mod world;
