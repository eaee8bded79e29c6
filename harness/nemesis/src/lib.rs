//! What can go wrong, as words: the catalogue of faults, scripts of operations and faults, and how a seed draws one.
//!
//! # Mechanism
//!
//! A seed draws a [`Script`]: operations that clients run and [`Act`]s that strike nodes, links and disks, each with a
//! virtual time. From then on the script counts, not the seed: it is what is stored, replayed and shrunk, and it outlives
//! changes to how scripts are drawn. Acts compile to the runtimes' primitive faults, so that one word means one thing
//! wherever it is played.
//!
//! # Invariants
//!
//! - Every act belongs to a row of the [`catalogue`].
//! - A script reads back from its text as it was.
//! - One seed, one script.
//!
//! # Caveats
//!
//! - The sizes of an engine's parts are named by a seed of their own, not one by one: a change to how sizes are drawn
//!   changes what a stored script runs against.

pub mod act;
pub mod budget;
pub mod cast;
pub mod catalogue;
pub mod draw;
pub mod generate;
pub mod operations;
pub mod schedule;
pub mod script;
pub mod words;

pub use act::{Act, DamageKind, WAIT_MAX};
pub use budget::{Budget, Demand};
pub use cast::{Cast, Names};
pub use catalogue::{Carrier, EngineClass, Owed, ROWS, Reach, Row};
pub use draw::{EPISODES_MAX, Plan};
pub use generate::Generator;
pub use operations::{Operation, Verb};
pub use schedule::{DATABASE_DOWN_MIN, STUCK, Schedule, Timed, healing};
pub use script::{Header, Script, ScriptError};
