//! Real processes, real disks, faults drawn from a seed one after the other: whatever was acknowledged is there afterwards.
//!
//! A round is a bench over six processes. While it commits, nodes and zones are killed, made to stand still, cut off, their
//! wires damaged, and once a round a disk rots or is emptied while its node is down; each time commits must go on, and again
//! once it is undone. Then the bench is interrupted or killed, everything is verified, and the next round goes on over the
//! same data. Never more than a zone is away, and never more than one disk is behind. `SEXTANT_ROUNDS` says how many rounds.

use std::fs;
use std::path::Path;

use node::Rng;

use crate::damage::{files, rot};
use crate::nodes::{NAMES, Nodes, list};
use crate::process::{Running, workplace};
use crate::proxy::Proxy;
use crate::{acknowledges_more, at_work_again, interrupt, verify};

/// Faults of a round, besides the one on a disk.
const FAULTS: u64 = 3;

fn rounds() -> u64 {
    std::env::var("SEXTANT_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2)
}

/// Six processes behind wires, and whoever works over them.
struct World<'a> {
    place: &'a Path,
    nodes: Nodes<'a>,
    wires: Vec<Proxy>,
    rng: Rng,
    /// What was done, for the line that a person reads.
    done: [(&'static str, u64); 7],
}

impl World<'_> {
    fn draw(&mut self, below: usize) -> usize {
        self.rng.below(below as u64) as usize
    }

    fn count(&mut self, fault: usize) {
        self.done[fault].1 += 1;
    }

    /// One or two nodes, or the two of a zone.
    fn victims(&mut self) -> Vec<usize> {
        let (first, second) = (self.draw(NAMES.len()), self.draw(NAMES.len()));
        match self.draw(3) {
            0 => vec![first],
            1 if first != second => vec![first, second],
            _ => vec![first / 2 * 2, first / 2 * 2 + 1],
        }
    }

    /// Strikes, sees that commits go on, undoes it, and sees that they still do.
    fn strike(&mut self, bench: &mut Running) {
        let victims = self.victims();
        let fault = self.draw(4);
        self.count(fault);
        match fault {
            0 => {
                victims.iter().for_each(|index| drop(self.nodes.kill(*index)));
                acknowledges_more(bench, self.place);
                victims.iter().for_each(|index| self.nodes.restart(*index));
            }
            1 => {
                victims.iter().for_each(|index| self.nodes.signal(*index, "STOP"));
                acknowledges_more(bench, self.place);
                victims.iter().for_each(|index| self.nodes.signal(*index, "CONT"));
            }
            2 => victims.iter().for_each(|index| {
                self.wires[*index].cut();
            }),
            _ => victims.iter().for_each(|index| self.wires[*index].damage()),
        }
        acknowledges_more(bench, self.place);
    }

    /// A disk rots or is emptied while its node is down.
    fn harm(&mut self, bench: &mut Running) {
        let victim = self.draw(NAMES.len());
        self.nodes.kill(victim);
        let data_dir = self.place.join("nodes");
        let prefix = ["log-", "pages", "index-", ""][self.draw(4)];
        if prefix.is_empty() {
            self.count(5);
            fs::remove_dir_all(data_dir.join(NAMES[victim])).expect("removed");
        } else {
            self.count(4);
            let every = 61 + self.draw(4000);
            files(&data_dir, NAMES[victim], prefix).iter().for_each(|path| rot(path, every));
        }
        self.nodes.restart(victim);
        acknowledges_more(bench, self.place);
    }

    fn round(&mut self, reuse: &[&str]) {
        let addresses = list(&self.wires.iter().map(|wire| wire.address).collect::<Vec<_>>());
        let mut bench = at_work_again(self.place, &addresses, reuse);
        let harmed_at = self.draw(FAULTS as usize + 1) as u64;
        for fault in 0..=FAULTS {
            if fault == harmed_at {
                self.harm(&mut bench);
            } else {
                self.strike(&mut bench);
            }
        }
        if self.draw(2) == 0 {
            interrupt(bench);
        } else {
            self.count(6);
            bench.kill();
        }
        verify(self.place, &addresses);
        fs::remove_file(self.place.join("acks")).expect("the round's own");
    }
}

#[test]
fn nothing_acknowledged_is_lost_whatever_happens_to_processes_disks_and_wires() {
    let place = workplace();
    let nodes = Nodes::start(place.path());
    let wires = nodes.addresses.iter().map(|address| Proxy::before(*address)).collect();
    let names = ["kills", "stops", "cuts", "flipped bits", "rotten files", "emptied disks", "killed databases"];
    let done = names.map(|name| (name, 0));
    let mut world = World { place: place.path(), nodes, wires, rng: Rng::new(7).fork("processes", 0), done };
    for round in 0..rounds() {
        world.round(if round == 0 { &[] } else { &["--reuse"] });
        println!("round {round} verified");
    }
    let done: Vec<String> = world.done.iter().map(|(name, count)| format!("{count} {name}")).collect();
    println!("{} rounds: {}; nothing lost", rounds(), done.join(", "));
    world.nodes.end();
}
