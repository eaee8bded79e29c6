//! How much may be damaged for good.
//!
//! A script that demands liveness keeps what the promise needs. In a volume of six, at most two members have bad copies: four
//! are left to write with, every three that may open it hold a good copy, and a disk that lies is outvoted by a truthful one
//! in every three. Whether it is depends on who has what when the disk starts to lie, which only the world that plays the script
//! can see: where fewer than four others have everything, a wrong answer is a known limit. A mirrored volume has one bad copy among four at most, and a lone disk none. Scripts about safety
//! alone may damage anything that can be detected; lies stay within the budget there too, since nobody owes what nobody
//! can know.

use std::collections::BTreeSet;

use node::NodeId;

use crate::catalogue::{EngineClass, Row};

/// What a script demands of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Nothing wrong, ever; and after healing, everything works again.
    Liveness,
    /// Nothing wrong, ever.
    Safety,
}

impl Demand {
    /// The name in scripts and suites.
    pub const fn name(self) -> &'static str {
        match self {
            Demand::Liveness => "liveness",
            Demand::Safety => "safety",
        }
    }
}

/// The nodes whose disks were damaged so far, and how many may be.
#[derive(Clone, Debug)]
pub struct Budget {
    demand: Demand,
    nodes_max: usize,
    damaged: BTreeSet<NodeId>,
    lied: BTreeSet<NodeId>,
}

impl Budget {
    /// Nothing is damaged yet.
    pub fn new(demand: Demand, class: EngineClass) -> Budget {
        let nodes_max = match class {
            EngineClass::Coupled => 0,
            EngineClass::Mirrored => 1,
            EngineClass::Decoupled => 2,
        };
        Budget { demand, nodes_max, damaged: BTreeSet::new(), lied: BTreeSet::new() }
    }

    /// Whether `row` may strike the disks of `nodes` too; if so they count as struck.
    pub fn allows(&mut self, row: &Row, nodes: &[NodeId]) -> bool {
        if !row.damages() && row.id != "D7" && row.id != "K3" {
            return true;
        }
        let mut damaged = self.damaged.clone();
        damaged.extend(nodes);
        let mut lied = self.lied.clone();
        if row.lies() {
            lied.extend(nodes);
        }
        let within = match self.demand {
            Demand::Liveness => damaged.len() <= self.nodes_max,
            // A lone disk may lie: the outcome owed is then that nobody can know.
            Demand::Safety => lied.len() <= self.nodes_max.max(1),
        };
        if within {
            (self.damaged, self.lied) = (damaged, lied);
        }
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_of_six_stays_writable_and_its_recovery_truthful() {
        let rot = Row::find("D9").expect("a row");
        let lost = Row::find("D5").expect("a row");
        let mut budget = Budget::new(Demand::Liveness, EngineClass::Decoupled);
        assert!(budget.allows(rot, &[NodeId(2)]) && budget.allows(lost, &[NodeId(3)]));
        assert!(budget.allows(rot, &[NodeId(3)]), "a node that is bad already costs nothing");
        assert!(!budget.allows(rot, &[NodeId(4)]));
        let mut budget = Budget::new(Demand::Safety, EngineClass::Decoupled);
        assert!(budget.allows(rot, &[NodeId(2), NodeId(3), NodeId(4), NodeId(5)]));
        assert!(budget.allows(lost, &[NodeId(2), NodeId(3)]) && !budget.allows(lost, &[NodeId(4)]));
        assert!(!Budget::new(Demand::Liveness, EngineClass::Coupled).allows(rot, &[NodeId(1)]));
    }
}
