//! What a campaign needs to know of an engine: how to build it small, and how to look inside.

use std::collections::BTreeSet;

use contract::Schema;
use node::{NodeId, Rng, Topology};
use sim::Sim;

use super::watch::{Conditions, Promise, Standing, Vitals};
use super::{Glimpse, Substance};

/// An engine under test, for one seed.
pub trait Subject {
    /// The engine's name.
    fn name(&self) -> &'static str;

    /// The engine's nodes, with sizes drawn from `rng`: small, so that a short run splits, evicts, throttles and collects.
    /// Pages take `page_bytes`.
    ///
    /// # Errors
    ///
    /// Sizes that the engine cannot work with.
    fn topology(&mut self, schema: Schema, page_bytes: usize, seed: u64, rng: &mut Rng) -> Result<Topology, String>;

    /// Looks at every node between two steps of a run.
    ///
    /// # Errors
    ///
    /// An invariant that does not hold, in words.
    fn observe(&mut self, sim: &Sim, substance: &mut Substance) -> Result<(), String>;

    /// Looks at one node of a world that is not simulated.
    ///
    /// # Errors
    ///
    /// As [`Subject::observe`].
    fn glimpse(&mut self, id: NodeId, glimpse: &Glimpse, substance: &mut Substance) -> Result<(), String>;

    /// The node `id` is about to be started on the disk that it has now.
    fn starts(&mut self, _sim: &Sim, _id: NodeId) {}

    /// The node `id` is about to be crashed, or the run is over: counts what it did in this life, for its memory goes
    /// with it.
    ///
    /// # Errors
    ///
    /// What the engine promises in case that the node never returns does not hold.
    fn life_ends(&mut self, sim: &Sim, id: NodeId, substance: &mut Substance) -> Result<(), String>;

    /// A life of the node `id` is over, in whichever world.
    fn life_over(&mut self, _id: NodeId) {}

    /// What keeps the engine from rest, if anything does: everything is healed and nobody asks for anything.
    fn unsettled(&self, sim: &Sim) -> Option<String>;

    /// Compares all copies with each other and with the database node's own pages, once at rest.
    ///
    /// # Errors
    ///
    /// A difference, in words.
    fn audit(&mut self, sim: &mut Sim, substance: &mut Substance) -> Result<(), String>;

    /// Whether nodes may halt for `reason` although no disk failed an operation.
    fn may_halt(&self, reason: &str) -> bool;

    /// What the engine owes its clients while things are as `conditions` say.
    fn promise(&self, vitals: &dyn Vitals, conditions: &Conditions) -> Promise;

    /// Nodes of which no acknowledgement can reach the database now.
    fn silent(&self, vitals: &dyn Vitals, conditions: &Conditions) -> Vec<NodeId>;

    /// Whether no commit can be durable that is asked for and acknowledged while all of `silent` are silent.
    fn cannot_commit(&self, silent: &BTreeSet<NodeId>) -> bool;

    /// What can be said from inside: whether it is open, whether what was acknowledged is on a survivor.
    fn standing(&self, sim: &Sim) -> Standing;

    /// How often, since this was asked last, something was kept that only a read of an older version still needed.
    fn views_kept(&mut self) -> u64 {
        0
    }

    /// Whether the other nodes would refute the disk of `id` if it came back in an earlier state. Where they cannot, nobody
    /// owes anything: the lie cannot be detected.
    fn would_refute(&self, _sim: &Sim, _id: NodeId) -> bool {
        true
    }

    /// What the disk of `id` holds is no longer what the node was told: what is known of it no longer holds. `lost` says
    /// whether all of it is gone or old.
    fn disk_damaged(&mut self, id: NodeId, lost: bool);

    /// Whether a halt for `reason` says that stored data is damaged or not its own.
    fn names_damage(&self, reason: &str) -> bool {
        [
            "corrupt",
            "damaged",
            "refused",
            "belongs to",
            "superblock",
            "replaced",
            "put back to an older state",
            "cannot read",
            "reading the label",
        ]
        .iter()
        .any(|words| reason.contains(words))
    }
}
