//! The real runtime: a [`node::Topology`] on threads, io_uring disks, in-process and TCP links and the wall clock.
//!
//! # Place
//!
//! Engines are pure state machines ([`node::Node`]); this crate is the only one that lets them touch a kernel. `sim`
//! is its twin in virtual time. Both answer to the same conformance suite.
//!
//! # Mechanism
//!
//! - **Threads.** [`Placement`] says which nodes share which thread. A thread owns one ring, one timer heap and one
//!   inbox; it handles a batch of events, enters the kernel once, and sleeps in that same call when nothing is left.
//! - **Disks.** Each node owns a directory. Files are opened with O_DIRECT and made full of durable zeroes, so that a
//!   durable write (RWF_DSYNC) moves no metadata. Where io_uring is refused, a pool of blocking threads serves with
//!   the same contract ([`Backend`]); [`Description`] says which one ran and why.
//! - **Links.** Frames are the bytes a socket would carry; delay, bandwidth and loss follow [`node::LinkProfile`],
//!   applied by the receiving thread's timers, and the delay realised is recorded. Nodes of one engine may be spread over
//!   several processes ([`TcpConfig`]): the same frames then cross a socket.
//! - **Faults.** [`Runtime::inject`] takes the primitive faults of [`node::fault`], except power loss, which a real
//!   device does not do on demand: with a [`Journal`], [`Runtime::cut_power`] kills the node and [`Runtime::lose`] gives its
//!   files what would be left. Disks lie, rot and are exchanged here too, see [`Runtime::ail`] and [`Runtime::put_disk`].
//! - **Mapped files.** [`MappedFile`] gives tools that read large files what the kernel's page cache gives; no node uses it.
//!
//! # Invariants
//!
//! - Every disk operation of a live incarnation is answered once; nothing of a dead one reaches its successor, and
//!   nothing of it is still in flight when the successor starts.
//! - A thread never spins: it runs because there is an event, a completion, a due timer or mail.
//! - Memory given to the kernel is neither freed nor touched before its completion.
//!
//! # Caveats
//!
//! - CPU time by node is the thread's, shared out by the time each node's events took; kernel time of the ring falls
//!   to the nodes in the same proportion. Time of the kernel's own workers (syncs) shows in the process's total only.
//! - Six copies on one device share that device.

pub mod floor;
pub mod process;

mod clock;
mod config;
mod data_dir;
mod disk;
mod disturb;
mod error;
mod inbox;
mod journal;
mod launch;
mod link;
mod mail;
mod mapped;
mod report;
mod runtime;
mod slots;
mod sys;
mod thread;
mod timers;

pub use config::{Backend, Config, JournalConfig, Placement, RingConfig};
pub use data_dir::FileSystem;
pub use disturb::{DiskImage, Disturbances, PowerCut, Standing};
pub use error::Error;
pub use journal::{Base, CrashImage, Cut, Journal, JournalOp, JournalRecord, Survivors, Undurable};
pub use link::{
    DelayRecord, HELLO, Hello, LinkDelays, PROTOCOL_VERSION, REFUSED, Refusal, Refusals, Remote, TcpConfig, TcpCounts,
    WELCOME,
};
pub use mapped::MappedFile;
pub use report::{
    BackendReport, Description, DiskReport, Halt, Halts, NodeUsage, RingReport, Stopped, StoppedNode, ThreadReport,
    ThreadUsage, Usage,
};
pub use runtime::Runtime;
