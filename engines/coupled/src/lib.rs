//! The coupled engine: log, pages and database on one node's volume, as a traditional page-flushing database has them.
//!
//! Its place: [`CoupledStorage`] implements [`compute::Storage`], so everything above the log and the pages is the code
//! the decoupled engine runs too.
//!
//! # Mechanism
//!
//! - **Commit**: redo groups share log blocks; a block is one durable write ([`wal`]). Before that, where it is
//!   configured, the commit's row changes are made durable in the [`binlog`].
//! - **Pages** go out later, copied, through a double-write buffer ([`batch`], [`doublewrite`]), so that the log can be
//!   freed ([`engine`]).
//! - **Opening** restores torn pages, follows the log to its end and redoes, page by page ([`recovery`]).
//! - All of that runs on a [`Volume`]: one local disk ([`LocalVolume`]), or the mirrored volumes of the topology that
//!   Verbitski et al. compare against (SIGMOD 2017, figure 2 and section 3.1).
//!
//! # Invariants
//!
//! - Nothing is acknowledged before the log is durable up to its CPL.
//! - No page reaches the disk before its log.
//! - A failed write or sync halts the node; recovery alone decides what became of it.
//! - Everything read back is verified: checksum, identity, place in the chain.
//!
//! # Caveats
//!
//! - The log is physical redo per page, without undo, since it holds committed work only; InnoDB writes more.
//! - A disk that lies consistently (an old image restored, a last block lost with nothing else newer) is not noticed.
//! - Recovery reads the whole ring once, since a torn tail is told from damage by what lies behind it.

pub mod batch;
pub mod binlog;
pub mod checkpoint;
pub mod config;
pub mod copies;
pub mod dirty;
pub mod doublewrite;
pub mod engine;
pub mod error;
pub mod ids;
pub mod io;
pub mod mirror;
pub mod planted;
pub mod recovery;
pub mod storage;
pub mod superblock;
pub mod topology;
pub mod volume;
pub mod wal;

pub use config::{Config, ConfigError, FlushConfig, LogConfig, MirrorConfig, RecoveryConfig, ZoneLoss};
pub use engine::Probe;
pub use error::CoupledError;
pub use ids::VolumeId;
pub use io::WATCHDOG_TIMER;
pub use mirror::{StandbyNode, VolumeNode, VolumeNodeConfig};
pub use storage::{CoupledStorage, SETTLE, settle_frame};
pub use topology::{CoupledNode, TopologyError, local, mirrored};
pub use volume::{LocalVolume, MirroredVolume, Volume, VolumeStatus};
