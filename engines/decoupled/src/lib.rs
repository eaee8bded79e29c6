//! The decoupled engine: the log is the database, and storage is a quorum of nodes that make pages from it.
//!
//! After Verbitski et al., SIGMOD 2017 ("P17") and SIGMOD 2018 ("P18"). The database node ships only redo; six storage
//! nodes in three availability zones each keep one *segment* of every *protection group* (PG), a range of pages.
//! A write is durable when four of six have it; a volume is opened from three; a page is read from one.
//!
//! # The two sides
//!
//! - [`writer`]: the volume driver inside the compute node. It shards records by PG, ships them, tracks SCLs, advances
//!   PGCL, VCL and VDL, reads pages, and recovers the volume after a crash.
//! - `storage`: the storage node. It persists, acknowledges, gossips, coalesces, collects, repairs.
//!
//! They meet in [`message`].
//!
//! # Vocabulary
//!
//! - **SCL**, segment complete LSN: the segment has every record of its PG up to here, linked without a gap.
//! - **PGCL**, protection group complete LSN: the fourth-highest SCL of the PG.
//! - **VCL**, volume complete LSN: every record up to here, of any PG, is at or below its PG's PGCL.
//! - **CPL**, consistency point LSN: the last record of a group. **VDL**, volume durable LSN: the highest CPL at or below
//!   the VCL. A commit is answered when the VDL reaches its commit LSN.
//! - **PGMRPL**, protection group minimum read point LSN: no read will ask for an older version.
//! - **LAL**, LSN allocation limit: no LSN above VDL + LAL is given out.
//!
//! # Invariants
//!
//! - An acknowledgement counts by the SCL it carries, never by the record: three records each on four nodes may leave no
//!   segment complete.
//! - A segment acknowledges only what it has made durable, under an epoch that is still the highest it promised.
//! - After recovery at VDL v with truncation to e, no record with v < LSN <= e is ever applied again.

pub mod ids;
pub mod message;
pub mod planted;
pub mod quorum;
pub mod register;
pub mod storage;
pub mod topology;
pub mod truncation;
pub mod writer;

pub use ids::{Epoch, Incarnation, MemberIndex, PgId, VolumeId};
pub use register::{Geometry, Register};
pub use topology::{Config, topology};
pub use truncation::{Truncation, TruncationTable};
