//! Sessions: one per client conversation, with the transaction it has open.

use contract::{Mode, Reply, SessionId, Statement, TxnSeq};
use node::{Frame, Nanos, NodeId};

use super::scan::ScanState;
use crate::locks::Owner;
use crate::txn::{ReadMark, ReadSet, WriteSet};
use crate::{Lsn, Map};

/// A session's place in the table; also its name as an owner of locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub u32);

impl Slot {
    pub fn owner(self) -> Owner {
        Owner(self.0)
    }
}

/// One parked unit of work: a statement or a commit. Rises as work begins, so the lowest is the oldest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkId(pub u64);

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No transaction is open. A final reply may still be waiting for durability.
    Closed,
    /// A transaction is open and its client's turn has come.
    Open,
    /// A statement runs or is parked.
    Executing,
    /// The commit runs or is parked; nothing of it is applied.
    Committing,
}

/// What a session's work waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Park {
    /// Nothing.
    No,
    /// A lock.
    Lock,
    /// This many pages.
    Pages(u32),
    /// The storage, to admit its redo.
    Admission,
    /// The storage, to make room for new pages.
    Reservation,
    /// A frame of the pool.
    Room,
    /// Its next turn.
    Turn,
}

/// One session.
#[derive(Clone, Debug)]
pub struct Session {
    pub client: NodeId,
    pub id: SessionId,
    /// The attempt of the last request.
    pub txn: TxnSeq,
    /// The step of the last request.
    pub step: u32,
    /// The reply to that request once it is sent, for a request that comes twice.
    pub last_reply: Option<Frame>,
    /// When the last request came.
    pub heard: Nanos,
    pub phase: Phase,
    pub mode: Mode,
    /// Rises with each transaction begun; one that starts again after a conflict keeps its age, so that it cannot be
    /// the youngest for ever.
    pub age: u64,
    pub keeps_age: bool,
    /// Whether the open transaction is a single statement, and how often it was run again.
    pub single: Option<u32>,
    /// What the single statement answered, until its commit.
    pub single_reply: Option<Reply>,
    pub reads: ReadSet,
    pub writes: WriteSet,
    /// Since when recent commits are kept for it.
    pub reads_since: Option<Lsn>,
    pub work: WorkId,
    pub park: Park,
    pub statement: Option<Statement>,
    /// The reads before the running statement, and whether it was parked: its reads are then of different moments.
    pub statement_mark: ReadMark,
    pub statement_parked: bool,
    /// Whether the running statement came further since it was last parked.
    pub progressed: bool,
    pub scan: ScanState,
}

impl Session {
    fn new(client: NodeId, id: SessionId) -> Session {
        Session {
            client,
            id,
            txn: TxnSeq(0),
            step: 0,
            last_reply: None,
            heard: Nanos::ZERO,
            phase: Phase::Closed,
            mode: Mode::Optimistic,
            age: 0,
            keeps_age: false,
            single: None,
            single_reply: None,
            reads: ReadSet::default(),
            writes: WriteSet::default(),
            reads_since: None,
            work: WorkId::default(),
            park: Park::No,
            statement: None,
            statement_mark: ReadMark::default(),
            statement_parked: false,
            progressed: false,
            scan: ScanState::default(),
        }
    }

    /// Whether a transaction is open.
    pub fn is_open(&self) -> bool {
        self.phase != Phase::Closed
    }
}

/// All sessions.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    slots: Vec<Session>,
    by_name: Map<(NodeId, SessionId), Slot>,
}

impl Sessions {
    /// The slot of a session that was heard of before.
    pub fn find(&self, client: NodeId, id: SessionId) -> Option<Slot> {
        self.by_name.get(&(client, id)).copied()
    }

    /// A slot for a new session. When there are `sessions_max`, the one not heard of for longest makes way if it has no
    /// transaction open and was idle for `idle`; otherwise `None`.
    pub fn add(&mut self, client: NodeId, id: SessionId, sessions_max: usize, now: Nanos, idle: Nanos) -> Option<Slot> {
        let slot = if self.slots.len() < sessions_max {
            self.slots.push(Session::new(client, id));
            Slot(self.slots.len() as u32 - 1)
        } else {
            let idle_longest = self.slots.iter().enumerate().filter(|(_, session)| !session.is_open());
            let (index, session) = idle_longest.min_by_key(|(_, session)| session.heard)?;
            if now.saturating_sub(session.heard) < idle {
                return None;
            }
            self.by_name.remove(&(session.client, session.id));
            self.slots[index] = Session::new(client, id);
            Slot(index as u32)
        };
        self.by_name.insert((client, id), slot);
        Some(slot)
    }

    /// The session.
    pub fn at(&self, slot: Slot) -> &Session {
        &self.slots[slot.0 as usize]
    }

    /// The session, to change.
    pub fn at_mut(&mut self, slot: Slot) -> &mut Session {
        &mut self.slots[slot.0 as usize]
    }

    /// All slots.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..self.slots.len() as u32).map(Slot)
    }
}
