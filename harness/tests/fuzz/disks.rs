//! Disks: superblocks, labels, logs, pages and indexes as engines left them, damaged, and started from.
//!
//! Whatever lies on its disk, a node comes up or says why it does not. What may be lost by it is not the question here:
//! `sextant chaos` asks that.

use std::collections::BTreeMap;

use harness::campaign::Subject;
use node::{FileName, Nanos, NodeId, Rng, SECTOR_BYTES};
use sim::{Sim, Status, Stop, Survival};

use crate::sealed::{self, Seal};
use crate::worlds::{at_work, subjects};
use crate::{case, cases, mutate};

const CASES: u64 = 150;
const WORLDS: u64 = 3;
/// Time to start in, and to work or give up.
const STARTED: Nanos = Nanos::from_millis(120);

/// An engine without power, and where on its disks checksummed records are.
struct Image {
    sim: Sim,
    nodes: Vec<NodeId>,
    disks: Vec<NodeId>,
    sealed: BTreeMap<(NodeId, FileName), Vec<(usize, Seal)>>,
}

fn image(subject: &mut dyn Subject, seed: u64) -> Image {
    let (mut sim, nodes, _) = at_work(subject, seed);
    let all: Vec<NodeId> = sim.ids().collect();
    all.iter().for_each(|id| sim.crash(*id, false, Survival::All));
    let disks: Vec<NodeId> = nodes.iter().copied().filter(|id| sim.disk(*id).is_some()).collect();
    let mut found = BTreeMap::new();
    for &id in &disks {
        let disk = sim.disk(id).expect("it has one");
        for (name, _) in disk.list() {
            let copies = sealed::copies(&disk.contents(&name).expect("listed"));
            if !copies.is_empty() {
                found.insert((id, name), copies);
            }
        }
    }
    Image { sim, nodes, disks, sealed: found }
}

/// Damages one disk in one way.
fn damage(rng: &mut Rng, sim: &mut Sim, image: &Image) {
    let id = image.disks[rng.below(image.disks.len() as u64) as usize];
    let sealed: Vec<_> = image.sealed.iter().filter(|((node, _), _)| *node == id).collect();
    if !sealed.is_empty() && rng.chance(0.5) {
        let ((_, name), copies) = sealed[rng.below(sealed.len() as u64) as usize];
        return rewrite(sim, id, name, |file| sealed::change(rng, file, copies));
    }
    let files = sim.disk(id).expect("it has one").list();
    let (name, len_bytes) = &files[rng.below(files.len() as u64) as usize];
    if *len_bytes == 0 {
        return;
    }
    let sectors = len_bytes / SECTOR_BYTES as u64;
    // What decides how a file is read stands at its beginning.
    let sector = if rng.chance(0.5) { rng.below(sectors.min(16)) } else { rng.below(sectors) } as usize * SECTOR_BYTES;
    let other = rng.below(sectors) as usize * SECTOR_BYTES;
    rewrite(sim, id, name, |file| match rng.below(4) {
        0 => file[sector..sector + SECTOR_BYTES].fill(0),
        1 => file.copy_within(other..other + SECTOR_BYTES, sector),
        _ => mutate::in_place(rng, &mut file[sector..sector + SECTOR_BYTES]),
    });
}

fn rewrite(sim: &mut Sim, id: NodeId, name: &FileName, change: impl FnOnce(&mut [u8])) {
    let disk = sim.disk_mut(id).expect("it has one");
    let mut file = disk.contents(name).expect("listed");
    change(&mut file);
    assert!(disk.damage(name, 0, &file));
}

/// Starts everything; how many came up, and why the others did not.
fn start(mut sim: Sim, image: &Image) -> (u64, Vec<String>) {
    let all: Vec<NodeId> = sim.ids().collect();
    all.iter().for_each(|id| sim.restart(*id));
    assert_ne!(sim.run_for(STARTED), Stop::Livelock);
    let (mut up, mut refusals) = (0, Vec::new());
    for &id in &image.nodes {
        match sim.status(id) {
            Status::Running => up += 1,
            Status::Halted { reason } => refusals.push(reason.clone()),
            other => panic!("{id:?} is {other:?}"),
        }
    }
    (up, refusals)
}

#[test]
fn a_node_comes_up_from_a_damaged_disk_or_says_why_not() {
    let images: Vec<Image> =
        subjects().iter_mut().flat_map(|subject| (1..=WORLDS).map(|seed| image(subject.as_mut(), seed))).collect();
    let (mut came_up, mut refused) = (0, BTreeMap::<String, u64>::new());
    for number in cases(CASES) {
        let image = &images[number as usize % images.len()];
        let (up, refusals) = case(number, || {
            let mut rng = Rng::new(number);
            let mut sim = image.sim.fork(&image.sim.ids().collect::<Vec<_>>(), &|_, _| None).expect("nobody is up");
            (0..=rng.below(3)).for_each(|_| damage(&mut rng, &mut sim, image));
            start(sim, image)
        });
        came_up += up;
        for reason in refusals {
            assert!(reason.len() > 10, "case {number}: `{reason}` tells nobody what to do");
            let words = reason.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() > 2).take(6);
            *refused.entry(words.collect::<Vec<_>>().join(" ")).or_default() += 1;
        }
    }
    println!("{} images: {came_up} nodes came up, refusals: {refused:#?}", cases(CASES).count());
    assert!(images.iter().all(|image| !image.sealed.is_empty()), "every engine keeps a superblock");
    assert!(came_up > 0 && !refused.is_empty());
}
