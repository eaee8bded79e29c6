//! The one thing that differs between the engines: where the log and the pages live.
//!
//! A [`Storage`] is a state machine inside the compute node. It turns appended groups into durable log, answers page
//! fetches, and says how far the log is durable. `coupled` implements it with a write-ahead log, a double-write
//! buffer and a page file; `decoupled` with the writer's volume driver.
//!
//! # Protocol
//!
//! 1. The node passes [`Event::Start`] to [`Storage::handle`]; recovery runs; [`Upcall::Opened`] ends it.
//! 2. For each commit the node asks [`Storage::reserve`] and [`Storage::admits`], then calls [`Storage::append`] with
//!    a group whose records follow the last group's (or [`Opened::next`]) without a gap. The pages in the pool already
//!    carry the changes.
//! 3. [`Upcall::Durable`] rises as the log becomes durable; the node answers the commits at or below it.
//! 4. On a cache miss the node calls [`Storage::fetch`] once for the page and parks; [`Upcall::Fetched`] brings it.
//! 5. Before the pool drops a page it asks [`Storage::evictable`].
//!
//! # Invariants
//!
//! - A page whose LSN is above the durable LSN is never evicted, so a fetched page never needs records that are not
//!   durable (SIGMOD 2017, section 4.2.3; the inequality printed there is inverted).
//! - `Durable` never exceeds what survives any failure the engine's durability class names.

use node::{Effects, Event, Nanos};
use thiserror::Error;

use crate::pool::Pool;
use crate::{Group, Lsn, Page, PageId, RowChanges};

/// What a storage may use while it handles a call.
pub struct Context<'a> {
    /// The time.
    pub now: Nanos,
    /// Where its effects go. Tokens and timers of a storage have an owner of at least 1; owner 0 is the node's own.
    pub out: &'a mut Effects,
    /// The buffer pool, to copy pages that are to be written.
    pub pool: &'a mut Pool,
    /// What it tells the node. The node takes these up right after the call returns.
    pub up: &'a mut Upcalls,
}

/// The log and the pages of a database.
pub trait Storage: Send + 'static {
    /// Handles an event that is not the compute layer's own: start, frames of the storage's protocol, disk completions
    /// and timers.
    fn handle(&mut self, cx: &mut Context<'_>, event: Event);

    /// Whether pages up to and including `page` exist. When not, the storage starts to make room and says
    /// [`Upcall::Reserved`] or [`Upcall::Full`] later; the commit that needs the page is parked.
    fn reserve(&mut self, cx: &mut Context<'_>, page: PageId) -> bool;

    /// Whether a group that ends at `last` with `bytes` encoded bytes may be appended now. When not (log full, LSN
    /// allocation limit reached), [`Upcall::Admits`] follows once it is worth asking again.
    fn admits(&mut self, last: Lsn, bytes: usize) -> bool;

    /// Appends a group. It cannot fail: a storage that cannot go on halts the node.
    fn append(&mut self, cx: &mut Context<'_>, group: Group);

    /// Whether commits are to be appended with their row changes. Asked at every commit; collecting them costs something
    /// only when this says yes.
    fn wants_changes(&self) -> bool {
        false
    }

    /// Appends the group of a commit together with what it did to rows. Called in place of [`Storage::append`] when
    /// [`Storage::wants_changes`] says yes; the encoded changes are not longer than five quarters of the most bytes a
    /// commit may have.
    fn append_with_changes(&mut self, cx: &mut Context<'_>, group: Group, _changes: RowChanges) {
        self.append(cx, group);
    }

    /// Asks for a page as of the durable log. Called once per page until it is answered.
    fn fetch(&mut self, cx: &mut Context<'_>, page: PageId);

    /// Whether the pool may drop this page, whose last change is at `page_lsn`.
    fn evictable(&self, page: PageId, page_lsn: Lsn) -> bool;

    /// Asks whether this node is still the one that may answer reads, as of now. Called after the serialization point of
    /// a transaction that wrote nothing. [`Fence::Wait`] parks the reply until [`Upcall::FencePassed`].
    fn fence(&mut self, cx: &mut Context<'_>) -> Fence;

    /// The highest LSN known durable; what [`Upcall::Durable`] last said.
    fn durable(&self) -> Lsn;

    /// Chains a fingerprint of the state (see [`node::Node::digest`]).
    fn digest(&self, digest: &mut node::Digest);
}

/// Answer of [`Storage::fence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// Answer now.
    Passed,
    /// Answer once [`Upcall::FencePassed`] carries a ticket at or above this.
    Wait(FenceTicket),
}

/// Rises with each fence that had to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FenceTicket(pub u64);

/// The result of recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The LSN of the next record.
    pub next: Lsn,
    /// The highest durable LSN.
    pub durable: Lsn,
    /// Whether the database is empty and its first pages must be made.
    pub created: bool,
}

/// What a storage tells the compute layer.
#[derive(Clone, Debug)]
pub enum Upcall {
    /// Recovery is over; serve.
    Opened(Opened),
    /// The log is durable up to here.
    Durable(Lsn),
    /// A page asked for has come, or cannot.
    Fetched {
        /// Which.
        page: PageId,
        /// The page, verified.
        result: Result<Page, FetchError>,
    },
    /// [`Storage::reserve`] would now say yes for pages up to this one.
    Reserved(PageId),
    /// There is no space for the pages that [`Storage::reserve`] was asked for. Commits that wait for them fail; the
    /// storage goes on asking for space, and says [`Upcall::Reserved`] when it has some.
    Full,
    /// [`Storage::admits`] is worth asking again.
    Admits,
    /// A page may have become evictable without the durable LSN having moved (it was flushed).
    Evictable,
    /// Fences up to this ticket have passed.
    FencePassed(FenceTicket),
}

/// Why a page cannot be had. The statement fails; the node goes on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FetchError {
    /// Damaged everywhere it could be looked for; the text names page and place.
    #[error("{0}")]
    Corrupt(String),
    /// Not reachable now.
    #[error("{0}")]
    Unavailable(String),
}

/// The upcalls of one call, in order.
pub type Upcalls = Vec<Upcall>;
