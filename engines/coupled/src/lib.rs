//! The coupled engine.
pub mod batch;
pub mod checkpoint;
pub mod config;
pub mod copies;
pub mod dirty;
pub mod doublewrite;
pub mod engine;
pub mod error;
pub mod ids;
pub mod io;
pub mod recovery;
pub mod storage;
pub mod superblock;
pub mod volume;
pub mod wal;

pub use config::{Config, ConfigError, FlushConfig, LogConfig, MirrorConfig, RecoveryConfig, ZoneLoss};
pub use engine::Probe;
pub use error::CoupledError;
pub use storage::{CoupledStorage, SETTLE, settle_frame};
pub use volume::{LocalVolume, Volume, VolumeStatus};
