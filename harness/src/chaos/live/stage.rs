//! Where a script is played in real time: what carries the engine's nodes, and can disturb them.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use contract::{Error, Reply, SessionId, Statement, TxnSeq};
use load::{Core, LoadNode};
use nemesis::Act;
use node::{Nanos, NodeId};
use uring::Standing;

use crate::campaign::hits::{Counted, Met};
use crate::campaign::{Subject, Substance};
use crate::rig::{Console, Host};

/// What an act came to.
#[derive(Clone, Debug, Default)]
pub struct Struck {
    /// What it met.
    pub met: Met,
    /// Where, when the act does not say.
    pub place: Option<String>,
}

/// An answer to a statement of the harness's own.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The transaction that it was.
    pub session: SessionId,
    /// Its number.
    pub txn: TxnSeq,
    /// The answer; `None` when none came.
    pub result: Option<Result<Reply, Error>>,
}

/// A place where nodes run and can be disturbed. The player knows no other. One stage is the real runtime in this process
/// ([`super::Rings`]), another one has storage nodes in processes of their own ([`super::Processes`]).
///
/// Errors are those of the instrument: an act that could not be carried out, a thread that is gone.
pub trait Stage {
    /// The clock that histories are stamped with.
    fn now(&self) -> Nanos;

    /// Lets time pass.
    fn rest(&mut self, span: Duration);

    /// Whether the stage can carry out acts of this kind at all.
    fn carries(act: &Act) -> bool
    where
        Self: Sized;

    /// Whether power can be cut, so that what is not durable may be lost. Where it cannot, a node is killed instead.
    fn cuts_power(&self) -> bool;

    /// How every node stands.
    ///
    /// # Errors
    ///
    /// The stage is broken.
    fn standing(&mut self) -> Result<BTreeMap<NodeId, Standing>, String>;

    /// Carries out an act.
    ///
    /// # Errors
    ///
    /// It could not be.
    fn strike(&mut self, act: &Act) -> Result<Struck, String>;

    /// What faults on links and disks did so far.
    ///
    /// # Errors
    ///
    /// The stage is broken.
    fn counted(&mut self) -> Result<Counted, String>;

    /// Every rule in force, and every node that is not up: what is left to be undone.
    ///
    /// # Errors
    ///
    /// The stage is broken.
    fn in_force(&mut self) -> Result<Vec<String>, String>;

    /// The next node that stopped by itself: when, who, why.
    fn next_halt(&mut self) -> Option<(Nanos, NodeId, String)>;

    /// The nodes of this process, clients among them, and a client of the harness's own.
    fn inside(&mut self) -> (&mut Host, &mut Console);

    /// Looks at a load between two of its events.
    ///
    /// # Errors
    ///
    /// The stage is broken.
    fn load<R: Send + 'static>(
        &mut self,
        node: NodeId,
        look: impl FnOnce(&mut Core) -> R + Send + 'static,
    ) -> Result<R, String> {
        let look = move |node: &mut dyn Any| node.downcast_mut::<LoadNode>().map(|load| look(load.core()));
        let found = self.inside().0.probe(node, look).map_err(told)?;
        found.ok_or_else(|| format!("{node:?} is no load"))
    }

    /// Runs a statement as a transaction, and waits for its answer.
    ///
    /// # Errors
    ///
    /// The stage is broken.
    fn ask(&mut self, statement: &Statement, patience: Duration) -> Result<Answered, String> {
        let (host, console) = self.inside();
        let session = console.session();
        let ticket = console.send(host, session, statement.clone()).map_err(told)?;
        let result = console.wait(host, ticket, patience);
        Ok(Answered { session, txn: ticket.txn(), result })
    }

    /// Whether the database serves, as far as can be seen from inside.
    fn serves(&mut self) -> bool;

    /// Holds what can be seen of the nodes from inside against what must be so at any time.
    ///
    /// # Errors
    ///
    /// An invariant that does not hold.
    fn observe(&mut self, subject: &mut dyn Subject, substance: &mut Substance) -> Result<(), String>;

    /// What keeps the engine from rest, as far as can be seen from inside.
    fn unsettled(&mut self) -> Option<String>;

    /// Compares copies at rest, as far as can be done from outside the nodes.
    ///
    /// # Errors
    ///
    /// A difference.
    fn audit(&mut self, substance: &mut Substance) -> Result<(), String>;

    /// Stops everything. Gives how many events were delivered to nodes.
    ///
    /// # Errors
    ///
    /// Something is left behind.
    fn end(self) -> Result<u64, String>
    where
        Self: Sized;
}

/// An error of the instrument, in words.
pub(super) fn told(error: impl Display) -> String {
    error.to_string()
}
