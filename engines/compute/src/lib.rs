//! The compute layer, the same code on both sides of the comparison.
//!
//! Pages, redo records, B+trees, the buffer pool, locks and transactions live here. The only thing that differs between
//! a coupled and a decoupled engine is *where the log and the pages live*, and that is behind one trait, [`Storage`].
//!
//! # Mechanism
//!
//! [`apply`](apply::apply) is the one function through which a page ever changes: in the buffer pool, at a storage
//! node, in recovery. The log is the database (Verbitski et al., SIGMOD 2017, section 3). A transaction keeps
//! its writes private until commit; commit turns them into one [`Group`] of redo records whose last record is a CPL, in
//! one event that can neither miss a page nor fail.
//!
//! # Invariants
//!
//! - A page's LSN is the LSN of the last record applied to it, and records are applied in LSN order.
//! - The log holds committed work only, so recovery needs no undo.
//! - A reply that ends a transaction waits until everything the transaction observed is durable.
//!
//! # Caveats
//!
//! - InnoDB writes undo as well as redo; this layer does not, on either side. Absolute log volumes are therefore lower
//!   than InnoDB's; the ratio between the engines is not affected, since both ship the same records.

pub mod apply;
pub mod btree;
pub mod catalog;
mod cell;
pub mod changes;
pub mod config;
pub mod ids;
pub mod index_key;
mod locks;
pub mod page;
pub mod planted;
pub mod pool;
mod recent;
pub mod redo;
pub mod serve;
pub mod stats;
pub mod storage;
mod txn;

pub use catalog::Roots;
pub use changes::{RowChange, RowChanges};
pub use config::{ComputeConfig, ConfigError};
pub use ids::{Lsn, PageId, TreeId};
pub use page::{Page, PageError, PageKind};
pub use planted::Planted;
pub use pool::{Pool, PoolConfig};
pub use redo::{Group, GroupBuilder, Record, RedoError, RedoOp};
pub use serve::ComputeNode;
pub use stats::Stats;
pub use storage::{Context, Fence, FenceTicket, FetchError, Opened, Storage, Upcall, Upcalls};

/// A hash map whose hasher is fixed. It is looked up in and never iterated.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, rustc_hash::FxBuildHasher>;
