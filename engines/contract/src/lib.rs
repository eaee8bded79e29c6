//! The contract: what a client may ask of any engine, and what each answer promises.
//!
//! Workloads and checkers see this crate only, so they cannot know which storage architecture they test.
//!
//! # Mechanism
//!
//! A database is a set of [`Table`]s: rows of fields under byte-string keys, with secondary indexes on fields. A client
//! holds a *session* and speaks in [`Request`]s, one at a time; the engine answers each with one [`Response`].
//! A workload writes its transactions as [`Program`]s, state machines that see the last reply and give the next
//! step, because later statements depend on earlier reads.
//!
//! # What an engine promises
//!
//! - **Strict serializability**, phantoms included: committed transactions take effect one at a time, in an order that
//!   respects real time. [`CommitPosition`] exposes that order, for read-only transactions too.
//! - **Durability**: a final reply, errors and "not found" included, is given only once everything it observed is
//!   durable. Replies to statements inside an open transaction may come earlier.
//! - **Atomicity**: all of a transaction's writes, or none.
//! - A failed answer says whether the transaction certainly did not happen or may have: [`Error::certainty`].
//!
//! # Caveats
//!
//! - A session that loses its connection learns nothing: the outcome is [`Certainty::Info`]. Clients never retry
//!   blindly.
//! - There is no SQL and no query planner. Statements are those that sysbench, YCSB and TPC-C need.

pub mod acks;
pub mod codec;
pub mod error;
pub mod history;
pub mod model;
pub mod program;
pub mod row;
pub mod schema;
pub mod statement;

pub use acks::{Ack, Effect, Mark, Write};
pub use codec::{DecodeError, REQUEST_KIND, RESPONSE_KIND};
pub use error::{Certainty, ConflictKind, Error};
pub use history::{Outcome, Transaction};
pub use model::Model;
pub use program::{Program, Programs, Step};
pub use row::{Key, Row};
pub use schema::{Index, IndexId, Schema, Table, TableId};
pub use statement::{
    Aggregate, Change, CommitPosition, Mode, Projection, Reply, Request, Response, SessionId, Statement, TxnSeq, Verb,
};
