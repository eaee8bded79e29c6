//! How often the faults of each row took effect: where they changed what a node was told, what was stored, or whether it ran.
//!
//! What rules did is read off the counts that links and disks keep. Between two acts the counts grow by what the rules in
//! force did; the growth belongs to every row with a rule of that kind in force. Crashes and the like take effect when they
//! are carried out.

use std::collections::{BTreeMap, BTreeSet};

use nemesis::{Act, Row, Timed};
use node::NodeId;
use node::fault::{DiskCounts, Fault, LinkCounts};
use sim::{Sim, SimDisk, Status, Unit};

use super::successor::SUCCESSOR;

/// What links and disks have counted so far, in whichever world.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// All links together.
    pub links: LinkCounts,
    /// Every disk.
    pub disks: Vec<(NodeId, DiskCounts)>,
    /// Timers that a drifting clock moved, by node; none where clocks cannot drift.
    pub timers: Vec<(NodeId, u64)>,
}

/// What an act met at the node that it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// The node took events.
    pub was_running: bool,
    /// It did, or was paused.
    pub was_up: bool,
    /// Its disk held anything.
    pub held_data: bool,
    /// Of what a crash takes away: the files with a write in flight.
    pub in_flight: BTreeSet<String>,
    /// And all that is not durable, those among it.
    pub undurable: usize,
}

impl Counted {
    /// What a simulated world counted.
    pub fn of(sim: &Sim) -> Counted {
        let disks = sim.ids().filter_map(|id| Some((id, sim.disk(id)?.counts())));
        let timers = sim.ids().map(|id| (id, sim.timers_drifted(id)));
        Counted { links: sim.link_counts(), disks: disks.collect(), timers: timers.collect() }
    }
}

impl Met {
    /// What `act` meets in a simulated world.
    pub fn of(sim: &Sim, act: &Act) -> Met {
        let (node, status) = (act.node(), sim.status(act.node()));
        let mut met = Met {
            was_running: *status == Status::Running,
            was_up: matches!(status, Status::Running | Status::Paused),
            held_data: sim.disk(node).is_some_and(|disk: &SimDisk| disk.used_bytes() > 0),
            ..Met::default()
        };
        if let Act::Primitive(Fault::Crash { power, .. }) = *act {
            let units = sim.undurable(node, power);
            met.undurable = units.len();
            met.in_flight.extend(units.iter().filter_map(|unit| match unit {
                Unit::SectorInFlight { file, .. } => Some(file.as_str().to_owned()),
                _ => None,
            }));
        }
        met
    }
}

/// What a rule is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Link(NodeId, NodeId),
    Disk(NodeId),
    Clock(NodeId),
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
    timers: BTreeMap<NodeId, u64>,
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
    pub fn settle(&mut self, counted: &Counted) {
        self.settle_clocks(counted);
        let links = counted.links;
        let before = std::mem::replace(&mut self.links, links);
        let on_links: BTreeSet<&'static str> = self.rows(|place| matches!(place, Place::Link(..)));
        for id in on_links {
            let row = Row::find(id).expect("a row in force");
            self.add(row, of_links(row, &links).saturating_sub(of_links(row, &before)));
        }
        for &(node, counts) in &counted.disks {
            let before = self.disks.insert(node, counts).unwrap_or_default();
            let here = |place: &Place| matches!(place, Place::Disk(at) | Place::Stored(at, _) if *at == node);
            for id in self.rows(here) {
                let row = Row::find(id).expect("a row in force");
                self.add(row, of_disk(row, &counts).saturating_sub(of_disk(row, &before)));
            }
        }
    }

    /// Credits timers that drifting clocks moved.
    fn settle_clocks(&mut self, counted: &Counted) {
        for &(node, count) in &counted.timers {
            let before = self.timers.insert(node, count).unwrap_or_default();
            if let Some(row) = self.in_force.get(&Place::Clock(node)) {
                self.add(row, count - before);
            }
        }
    }

    /// Whether a row about read views is in force: what is kept for them is its effect.
    pub fn holds_views(&self) -> bool {
        self.in_force.values().any(|row| row.id == "P7")
    }

    /// A row took effect that nothing here can see.
    pub fn saw(&mut self, id: &str, count: u64) {
        self.add(Row::find(id).expect("the catalogue has it"), count);
    }

    fn rows(&self, on: impl Fn(&Place) -> bool) -> BTreeSet<&'static str> {
        self.in_force.iter().filter(|(place, _)| on(place)).map(|(_, row)| row.id).collect()
    }

    /// Notes `fault`, what was counted before it, and what it met.
    pub fn note(&mut self, counted: &Counted, fault: &Timed, met: &Met) {
        self.settle(counted);
        let row = fault.row;
        match fault.act {
            // The crash itself is noted when it comes.
            Act::CrashWriting { .. } | Act::CrashLosing { .. } => {}
            // What the strangers are told counts.
            Act::Crowd { .. } => {}
            Act::RotAlike { ref nodes, .. } => {
                self.in_force.extend(nodes.iter().map(|&node| (Place::Stored(node, row.id), row)));
            }
            Act::Primitive(Fault::Clock { node, drift_ppm: 0 }) => {
                self.in_force.remove(&Place::Clock(node));
            }
            Act::Primitive(Fault::Clock { node, .. }) => {
                self.in_force.insert(Place::Clock(node), row);
            }
            Act::Primitive(Fault::Crash { power, .. }) => {
                let struck = if met.was_up { of_crash(row, met) } else { 0 };
                self.add(row, struck);
                // A crash that took nothing of what its row is about is one all the same.
                if met.was_up && struck == 0 {
                    let crash = if power { "P2" } else { "P1" };
                    self.add(Row::find(crash).expect("the catalogue has it"), 1);
                }
            }
            Act::Primitive(Fault::Pause { .. }) => self.add(row, u64::from(met.was_running)),
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
            // Its effect is on whoever mends the disk.
            Act::Wipe { .. } if row.id == "O4" => {}
            Act::Wipe { .. } => self.add(row, u64::from(met.held_data)),
            Act::Rollback { .. } | Act::Swap { .. } => self.add(row, 1),
            Act::Primitive(Fault::Restart { node }) if node == SUCCESSOR => self.add(row, 1),
            Act::Primitive(Fault::Restart { .. } | Fault::Resume { .. }) | Act::Keep { .. } => {}
        }
    }

    /// Every link is healed and every disk behaves again; what is stored stays as it is.
    pub fn heal(&mut self, counted: &Counted) {
        self.settle(counted);
        self.in_force.retain(|place, _| matches!(place, Place::Stored(..)));
    }
}

/// A crash counts for what it takes away that the row is about.
fn of_crash(row: &Row, met: &Met) -> u64 {
    let in_flight =
        |files: &[&str]| u64::from(met.in_flight.iter().any(|file| files.iter().any(|name| file.starts_with(name))));
    match row.id {
        "D1" => in_flight(&["log", "index"]),
        "D2" => in_flight(&["pages", "double-write"]),
        // What is in flight is not synced either: an engine whose writes are durable one by one has nothing else to lose.
        "D3" => u64::from(met.undurable > 0),
        "D4" => u64::from(met.undurable > 1),
        // They only see to it that a disk is asked for what the row is about.
        "D11" | "O4" => 0,
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
        "P7" => 0,
        _ => counts.lost + counts.cut + counts.duplicated + counts.damaged + counts.delayed,
    }
}

fn of_disk(row: &Row, counts: &DiskCounts) -> u64 {
    match row.id {
        "D5" => counts.writes_lost,
        "D6" => counts.writes_misdirected,
        "D7" => counts.reads_misdirected,
        "D8" => counts.reads_unreadable,
        "D9" | "D10" | "D20" | "K3" | "K7" | "O4" => counts.reads_rotten,
        "D11" => counts.syncs_failed,
        "D12" => counts.writes_failed + counts.syncs_failed + counts.reads_failed,
        "D13" => counts.refused_full,
        "D15" | "D16" | "K8" => counts.slowed,
        _ => 0,
    }
}
