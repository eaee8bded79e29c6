//! Campaigns: engines in simulated worlds where things go wrong, one seed a world, judged by what they promise.
//!
//! # Mechanism
//!
//! A seed draws everything: the engine's sizes (pages of 512 bytes, caches of a few dozen pages, logs of a few kilobytes),
//! the workload and its clients, and a [`nemesis::Schedule`] of faults over virtual time. The run is then
//!
//! 1. *safety*: the script is played while clients work; between steps the engine's own invariants are checked
//!    ([`Subject::observe`]), and a node that halts must have a reason to;
//! 2. *liveness*: everything is mended; transactions must commit again, every request be answered, and all copies become
//!    equal, each within a bound of virtual time;
//! 3. *audit*: every page is compared over all copies and with the database node's own memory, and the stored trees are
//!    walked ([`Subject::audit`]);
//! 4. *durability*: the power of everything is cut and given back, and every table is read: each key must hold what was
//!    acknowledged last or a later unknown version, and the copies must agree again;
//! 5. *strict serializability*: the whole history, the final reading included, is replayed in commit order against the
//!    model, with real time.
//!
//! After FoundationDB (Zhou et al., SIGMOD 2021, section 4): safety under chaos first, then liveness in a healed world.
//!
//! # Invariants
//!
//! - A seed names its run: the same seed gives the same digest, in every build profile.
//! - Every run is strictly serializable, whatever read fence its seed draws: one database node at a time is up, and a fence
//!   matters only to a writer that was replaced and lives on. Such writers are started by [`crate::chaos`], see
//!   [`successor`], and have scenarios of their own.
//! - Faults stay within what the engines promise to survive: nothing that was synced is damaged.
//!
//! # Caveats
//!
//! - A database node that crashes stays down until frames of its last life have died out, as a connection would
//!   break.
//! - Damage to stored bytes, lost disks and lying disks are not among the faults drawn here; [`crate::chaos`] plays them in the
//!   same worlds.
//! - A full disk refuses writes into existing files too, which halts a node as any failed write does; growth that is refused
//!   alone, while a database goes on, is tested apart.

pub mod console;
pub mod coupled;
pub mod crowd;
pub mod database;
pub mod decoupled;
pub mod fences;
pub mod glimpse;
pub mod hits;
pub mod judge;
pub mod mirror;
pub mod plants;
pub mod seed;
pub mod segments;
pub mod six;
pub mod subject;
pub mod substance;
pub mod successor;
pub mod watch;
pub mod world;

pub use console::{CONSOLE, Console, Mailbox};
pub use coupled::Coupled;
pub use decoupled::Decoupled;
pub use glimpse::Glimpse;
pub use mirror::{Mirror, Mirrored, Reflection};
pub use plants::Plants;
pub use seed::{Account, Trace, run};
pub use subject::Subject;
pub use substance::Substance;
pub use watch::Availability;
pub use world::World;
