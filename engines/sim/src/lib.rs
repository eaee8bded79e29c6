//! The simulated runtime: hosts nodes in virtual time over faulty disks and links, all from one seed.
//!
//! [`Sim`] takes a [`node::Topology`] and a [`SimConfig`] and plays every part the kernel, the network and the wall
//! clock play in the real runtime. The node code it runs is the code that is benchmarked.
//!
//! # Mechanism
//!
//! One priority queue over (virtual nanoseconds, order) holds everything that is going to happen: frames arriving, disk
//! operations completing, timers, faults. A step takes the next occurrence, hands the event it has become to its node,
//! and carries out the node's effects, which push further occurrences. The approach is FoundationDB's (Zhou et al.,
//! SIGMOD 2021, section 4) and TigerBeetle's VOPR.
//!
//! Randomness is forked from the seed by concern: `net`, `disk` (one stream for each node), `crash`, `schedule`. A
//! draw added to one does not shift the others. Nodes bring their own seeded generators.
//!
//! # The fault model
//!
//! - *Links* delay by zone pair, and by rule lose, duplicate, damage (then the checksum fails and the receiver's ledger
//!   counts it), delay further and thereby reorder, or are cut: for frames sent and for frames already on their way.
//! - *Disks* complete in any order, fail, fill up, slow down, and lose on power loss any subset of what is not durable:
//!   see [`SimDisk`].
//! - *Nodes* crash and restart between any two effects, pause and resume, halt. A crash takes memory, timers,
//!   completions under way and the rest of an event's effects; frames already sent arrive.
//! - *CPU*: with prices in [`CpuModel`], an event's effects take place when its declared work is done, and nodes that
//!   share a core wait for each other.
//!
//! # Invariants
//!
//! - The same topology, configuration and calls give the same [`Sim::digest`], in every build profile.
//! - An occurrence never precedes what caused it, and one node never handles two events at once.
//! - Nothing that was under way in one life of a node reaches the next, frames excepted.
//! - [`Sim::fork`] copies share no state: what happens in one is not seen in the other.
//!
//! # Caveats
//!
//! - A frame to a node that is down is lost; one in flight when the node crashes and arriving after its restart is
//!   delivered to the new life, as a datagram would be.
//! - A fork is possible only where every surviving node can be copied; [`crash`] re-runs from the seed where it cannot.
//! - Service times are models. Until they are calibrated against a real device, figures from here are uncalibrated.

//!
//! # Example
//!
//! A node that counts its starts on disk, killed by a power failure in the middle of its second life.
//!
//! ```
//! use node::{
//!     Block, Digest, DiskOp, DiskReply, Effects, Event, FileId, FileName, IoClass, Member, Nanos, Node, NodeId, Role,
//!     Token, Topology, Zone,
//! };
//! use sim::{Sim, SimConfig, Stop, Survival};
//!
//! struct Counter(u64);
//!
//! impl Node for Counter {
//!     fn handle(&mut self, _: Nanos, event: Event, out: &mut Effects) {
//!         let (file, name) = (FileId(0), FileName::new("count"));
//!         let next = match event {
//!             Event::Start => DiskOp::Open { file, name },
//!             Event::Disk { result: Err(_), .. } => DiskOp::Create { file, name, len_bytes: 512 },
//!             Event::Disk { token: Token(3), .. } => return,
//!             Event::Disk { token: Token(2), .. } => DiskOp::SyncDir,
//!             Event::Disk { result: Ok(DiskReply::Data(block)), .. } => {
//!                 self.0 = u64::from(block[0]) + 1;
//!                 let data = Block::padded(&[self.0 as u8]);
//!                 return out.disk(Token(2), DiskOp::Write { file, offset: 0, data, durable: true }, IoClass::Metadata);
//!             }
//!             _ => DiskOp::Read { file, offset: 0, len_bytes: 512 },
//!         };
//!         let token = if let DiskOp::SyncDir = next { Token(3) } else { Token(1) };
//!         out.disk(token, next, IoClass::Metadata);
//!     }
//!
//!     fn digest(&self, digest: &mut Digest) {
//!         digest.word(self.0);
//!     }
//! }
//!
//! let id = NodeId(0);
//! let member = Member {
//!     id,
//!     name: "counter".into(),
//!     role: Role::Storage,
//!     zone: Zone::A,
//!     has_disk: true,
//!     build: Box::new(|_| Box::new(Counter(0))),
//! };
//! let mut sim = Sim::new(Topology { members: vec![member] }, SimConfig::shuffled(42));
//! assert_eq!(sim.run_until_idle(Nanos::from_secs(1)), Stop::Idle);
//! sim.crash(id, true, Survival::None);
//! sim.restart(id);
//! // Stop right after the second life's write was submitted: it is in flight, and may survive or not.
//! let writing = sim.effects() + 3;
//! assert_eq!(sim.run_until_effect(writing, Nanos::from_secs(1)), Stop::Reached);
//! assert_eq!(sim.undurable(id, true).len(), 1);
//! sim.crash(id, true, Survival::None);
//! sim.restart(id);
//! assert_eq!(sim.run_until_idle(Nanos::from_secs(1)), Stop::Idle);
//! assert_eq!(sim.node::<Counter>(id).unwrap().0, 2, "the second life left no trace");
//! ```

mod clock;
mod config;
mod cpu;
pub mod crash;
pub mod disk;
mod faults;
mod fingerprint;
mod fork;
mod host;
mod links;
mod queue;
mod run;
mod step;
#[cfg(test)]
mod tests;
mod timers;
mod trace;
mod world;

pub use config::{CpuModel, SimConfig};
pub use disk::{DiskModel, SimDisk, Survival, Unit};
pub use fork::{CopyNode, copy_as};
pub use host::{Halt, Status};
pub use node::fault::{Ailment, DiskCounts, LinkCounts};
pub use run::Stop;
pub use world::Sim;
