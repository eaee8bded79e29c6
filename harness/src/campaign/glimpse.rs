//! What can be seen of one node from inside, taken on its own thread, where nodes do not lie in one simulated world.

use std::any::Any;

use ::coupled::{CoupledNode, Probe, VolumeNode};
use ::decoupled::storage::{StorageNode, StorageProbe};
use ::decoupled::writer::WriterStatus;
use compute::Stats;

use super::coupled::unrest;
use super::decoupled::{Database, Rest};

/// One node from inside.
#[derive(Clone, Debug)]
pub enum Glimpse {
    /// The database node of the decoupled engine, and whether it is at rest.
    Writer {
        /// Its volume.
        status: WriterStatus,
        /// What storage must have for all to be at rest, or what keeps the database from it.
        rest: Result<Rest, String>,
        /// What it counted in this life.
        stats: Box<Stats>,
    },
    /// A storage node that serves.
    Segments(Box<StorageProbe>),
    /// The database node of a coupled engine.
    Log {
        /// Its log and pages, once it is open.
        probe: Option<Box<Probe>>,
        /// Whether it serves.
        serves: bool,
        /// What keeps it from rest.
        unrest: Option<String>,
        /// What it counted in this life.
        stats: Box<Stats>,
    },
    /// A volume, and whether it serves.
    Volume(bool),
}

impl Glimpse {
    /// Takes it; `None` for a node that has nothing to show yet.
    pub fn of(node: &mut dyn Any) -> Option<Glimpse> {
        if let Some(database) = node.downcast_ref::<Database>() {
            let (status, rest) = (database.storage().status(), Rest::of(database));
            return Some(Glimpse::Writer { status, rest, stats: Box::new(database.stats()) });
        }
        if let Some(database) = node.downcast_ref::<CoupledNode>() {
            let (probe, stats) = (database.storage().probe().map(Box::new), Box::new(database.stats()));
            return Some(Glimpse::Log { probe, serves: database.is_serving(), unrest: unrest(database), stats });
        }
        if let Some(volume) = node.downcast_ref::<VolumeNode>() {
            return Some(Glimpse::Volume(volume.is_serving()));
        }
        let probe = node.downcast_ref::<StorageNode>().and_then(StorageNode::probe);
        probe.map(|probe| Glimpse::Segments(Box::new(probe)))
    }
}
