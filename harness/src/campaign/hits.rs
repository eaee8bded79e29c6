//! How often the faults of each row took effect: where they changed what a node was told, what was stored, or whether it ran.
//!
//! What rules did is read off the counts that links and disks keep. Between two acts the counts grow by what the rules in
//! force did; the growth belongs to every row with a rule of that kind in force. Crashes and the like take effect when they
//! are carried out.

use std::collections::{BTreeMap, BTreeSet};

use super::successor::SUCCESSOR;
use nemesis::{Act, Row, Timed};
use node::NodeId;
use node::fault::Fault;
use sim::{DiskCounts, LinkCounts, Sim, Status, Unit};

/// What a rule is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Link(NodeId, NodeId),
    Disk(NodeId),
    /// Stored bytes, which stay damaged.
    Stored(NodeId, &'static str),
}

/// Effects by row, and what is in force.
#[derive(Clone, Debug, Default)]
pub struct Hits {
    counts: BTreeMap<&'static str, u64>,
    in_force: BTreeMap<Place, &'static Row>,
    links: LinkCounts,
    disks: BTreeMap<NodeId, DiskCounts>,
}

impl Hits {
    /// Effects by row id; rows without any are absent.
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    fn add(&mut self, row: &'static Row, count: u64) {
        if count > 0 {
            *self.counts.entry(row.id).or_default() += count;
        }
    }

    /// Credits what was counted since the last call to the rules in force.
    pub fn settle(&mut self, sim: &Sim) {
        let links = sim.link_counts();
        let before = std::mem::replace(&mut self.links, links);
        let on_links: BTreeSet<&'static str> = self.rows(|place| matches!(place, Place::Link(..)));
        for id in on_links {
            let row = Row::find(id).expect("a row in force");
            self.add(row, of_links(row, &links).saturating_sub(of_links(row, &before)));
        }
        let disks: Vec<NodeId> = sim.ids().filter(|id| sim.disk(*id).is_some()).collect();
        for node in disks {
            let counts = sim.disk(node).map(sim::SimDisk::counts).unwrap_or_default();
            let before = self.disks.insert(node, counts).unwrap_or_default();
            let here = |place: &Place| matches!(place, Place::Disk(at) | Place::Stored(at, _) if *at == node);
            for id in self.rows(here) {
                let row = Row::find(id).expect("a row in force");
                self.add(row, of_disk(row, &counts).saturating_sub(of_disk(row, &before)));
            }
        }
    }

    fn rows(&self, on: impl Fn(&Place) -> bool) -> BTreeSet<&'static str> {
        self.in_force.iter().filter(|(place, _)| on(place)).map(|(_, row)| row.id).collect()
    }

    /// Notes `fault`, which is about to be carried out.
    pub fn note(&mut self, sim: &Sim, fault: &Timed) {
        self.settle(sim);
        let row = fault.row;
        match fault.act {
            // The crash itself is noted when it comes.
            Act::CrashWriting { .. } => {}
            Act::Primitive(Fault::Crash { node, power }) => {
                let up = matches!(sim.status(node), Status::Running | Status::Paused);
                let struck = if up { of_crash(row, &sim.undurable(node, power)) } else { 0 };
                self.add(row, struck);
                // A power failure that took nothing of what its row is about is one all the same.
                if up && struck == 0 {
                    self.add(Row::find("P2").expect("the catalogue has it"), 1);
                }
            }
            Act::Primitive(Fault::Pause { node }) => self.add(row, u64::from(*sim.status(node) == Status::Running)),
            Act::Primitive(Fault::Link { from, to, .. }) => {
                self.in_force.insert(Place::Link(from, to), row);
            }
            Act::Primitive(Fault::Heal { from, to }) => {
                self.in_force.remove(&Place::Link(from, to));
            }
            Act::Primitive(Fault::Disk { node, .. }) => {
                self.in_force.insert(Place::Disk(node), row);
            }
            Act::Primitive(Fault::DiskClear { node }) => {
                self.in_force.remove(&Place::Disk(node));
            }
            Act::Damage { node, .. } => {
                self.in_force.insert(Place::Stored(node, row.id), row);
            }
            Act::Wipe { node } => self.add(row, u64::from(sim.disk(node).is_some_and(|disk| disk.used_bytes() > 0))),
            Act::Rollback { .. } | Act::Swap { .. } => self.add(row, 1),
            Act::Primitive(Fault::Restart { node }) if node == SUCCESSOR => self.add(row, 1),
            Act::Primitive(Fault::Restart { .. } | Fault::Resume { .. }) | Act::Keep { .. } => {}
        }
    }

    /// Every link is healed and every disk behaves again; what is stored stays as it is.
    pub fn heal(&mut self, sim: &Sim) {
        self.settle(sim);
        self.in_force.retain(|place, _| matches!(place, Place::Stored(..)));
    }
}

/// A crash counts for what it takes away that the row is about.
fn of_crash(row: &Row, undurable: &[Unit]) -> u64 {
    let in_flight = |files: &[&str]| {
        let of = |unit: &&Unit| matches!(unit, Unit::SectorInFlight { file, .. } if files.iter().any(|name| file.as_str().starts_with(name)));
        u64::from(undurable.iter().any(|unit| of(&unit)))
    };
    let completed = undurable.iter().filter(|unit| !unit.is_in_flight()).count();
    match row.id {
        "D1" => in_flight(&["log", "index"]),
        "D2" => in_flight(&["pages", "double-write"]),
        "D3" => u64::from(completed > 0),
        "D4" => u64::from(completed > 1),
        _ => 1,
    }
}

fn of_links(row: &Row, counts: &LinkCounts) -> u64 {
    match row.id {
        "N1" => counts.lost,
        "N2" => counts.duplicated,
        "N3" => counts.overtaking,
        "N4" | "N8" => counts.delayed,
        "N5" | "N6" | "N7" => counts.cut,
        "N9" => counts.damaged,
        _ => counts.lost + counts.cut + counts.duplicated + counts.damaged + counts.delayed,
    }
}

fn of_disk(row: &Row, counts: &DiskCounts) -> u64 {
    match row.id {
        "D5" => counts.writes_lost,
        "D6" => counts.writes_misdirected,
        "D7" => counts.reads_misdirected,
        "D8" => counts.reads_unreadable,
        "D9" | "D10" | "D20" | "K3" => counts.reads_rotten,
        "D11" => counts.syncs_failed,
        "D12" => counts.writes_failed + counts.syncs_failed + counts.reads_failed,
        "D13" => counts.refused_full,
        "D15" | "D16" | "K8" => counts.slowed,
        _ => 0,
    }
}
