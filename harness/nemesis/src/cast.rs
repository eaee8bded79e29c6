//! Who may be struck, and what they are called.

use std::collections::BTreeMap;

use node::{NodeId, Zone};

use crate::catalogue::EngineClass;

/// The names of a world's nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(pub BTreeMap<String, u32>);

impl Names {
    /// The name of `node`, or its number where it has none.
    pub fn name(&self, node: NodeId) -> String {
        let found = self.0.iter().find(|(_, id)| **id == node.0);
        found.map_or_else(|| format!("{}", node.0), |(name, _)| name.clone())
    }

    /// The node of that name.
    ///
    /// # Errors
    ///
    /// There is none; the text lists those there are.
    pub fn find(&self, name: &str) -> Result<NodeId, String> {
        let known = || self.0.keys().cloned().collect::<Vec<_>>().join(", ");
        self.0
            .get(name)
            .map(|id| NodeId(*id))
            .ok_or_else(|| format!("no node is named `{name}`; there are {}", known()))
    }
}

/// Who may be struck.
#[derive(Clone, Debug)]
pub struct Cast {
    /// Which engine it is.
    pub class: EngineClass,
    /// The load.
    pub clients: NodeId,
    /// The node that clients speak to.
    pub database: NodeId,
    /// Where it lives.
    pub database_zone: Zone,
    /// The engine's other nodes, and where they live.
    pub others: Vec<(NodeId, Zone)>,
    /// A second database node, which is not started unless a script says so.
    pub successor: Option<NodeId>,
    /// Which of all these have disks.
    pub with_disk: Vec<NodeId>,
    /// What they are called.
    pub names: Names,
}

impl Cast {
    /// The engine's nodes, the database first.
    pub fn engine(&self) -> Vec<NodeId> {
        std::iter::once(self.database).chain(self.others.iter().map(|other| other.0)).collect()
    }

    /// The engine's nodes in `zone`.
    pub fn inside(&self, zone: Zone) -> Vec<NodeId> {
        let database = (self.database, self.database_zone);
        let all = std::iter::once(&database).chain(&self.others);
        all.filter(|(_, lives)| *lives == zone).map(|(node, _)| *node).collect()
    }

    /// The zones where anything lives.
    pub fn zones(&self) -> Vec<Zone> {
        Zone::ALL.into_iter().filter(|zone| !self.inside(*zone).is_empty()).collect()
    }

    /// The zone of an engine's node.
    pub fn zone_of(&self, node: NodeId) -> Zone {
        self.others.iter().find(|other| other.0 == node).map_or(self.database_zone, |other| other.1)
    }
}
