//! Pages made from log are the model's pages, whatever was coalesced, collected and read back.

use std::cell::RefCell;
use std::rc::Rc;

use compute::Lsn;
use node::{FileName, Token};
use sim::{SimConfig, Survival};

use super::super::{Owner, StorageConfig};
use super::world::{World, all, config};
use crate::message::{PageResult, Standing};

/// Writes `rounds` times to every one of `pages`, with acknowledgements and heartbeats as a writer would have them.
pub fn churn(world: &mut World, members: &[u32], pages: u64, rounds: u64) {
    for round in 0..rounds {
        let order: Vec<u64> = (0..pages).map(|at| (at * 7 + round) % pages).collect();
        world.write_to(members, &order, round as u8);
        world.run(5);
        let last = world.last;
        world.heartbeat(members, last);
        world.run(5);
    }
    world.run(300);
    world.inbox();
}

pub fn assert_model(world: &mut World, member: u32, pages: u64) {
    let last = world.last;
    for page in 0..pages {
        let required = world.scl(member, (page / super::world::PAGES_PER_PG) as u32);
        match world.read(member, page, last, required) {
            PageResult::Page { page: bytes } => assert_eq!(bytes, world.model(page, last), "page {page}"),
            other => panic!("member {member}, page {page} at {last}: {other:?}"),
        }
    }
}

#[test]
fn pages_are_coalesced_and_log_collected_and_reads_stay_right() {
    let mut world = World::created(SimConfig::shuffled(11), config(11), 2);
    churn(&mut world, &all(), 16, 60);
    for member in all() {
        let probe = world.probe(member);
        assert!(probe.coalesced > 16 && probe.pages == 16, "{probe:?}");
        assert!(probe.segments.iter().all(|segment| segment.base > Lsn(100)), "{probe:?}");
        assert!(probe.log_bytes <= config(11).log_bytes_target + 2 * config(11).extent_bytes, "{probe:?}");
        assert_model(&mut world, member, 16);
    }
    for member in all() {
        world.crash(member, Survival::Random(u64::from(member)));
        world.restart(member);
        let probe = world.probe(member);
        let whole = |scl| probe.segments.iter().all(|s| s.standing == Standing::Clean && s.scl >= scl);
        assert!(whole(Lsn(world.last.0 - 16)), "{probe:?}");
        assert_model(&mut world, member, 16);
    }
}

#[test]
fn six_nodes_hold_the_same_pages_byte_for_byte_after_all_is_quiet() {
    let mut world = World::created(SimConfig::shuffled(12), config(12), 2);
    // Every node is sent some of the records only; the rest comes by gossip.
    for round in 0..40u64 {
        for page in 0..16 {
            let appends = world.write(&[(page + round) % 16], round as u8);
            for append in appends {
                for member in all().into_iter().filter(|member| (u64::from(*member) + page + round) % 3 != 0) {
                    world.tell(member, &append);
                }
            }
        }
        world.run(20);
    }
    let last = world.last;
    world.heartbeat(&all(), last);
    world.run(3000);
    for member in all() {
        let probe = world.probe(member);
        assert!(probe.gossiped > 0 && probe.segments.iter().all(|s| s.standing == Standing::Clean), "{probe:?}");
        assert_eq!(world.scl(member, 0).max(world.scl(member, 1)), last, "member {member}");
        assert_model(&mut world, member, 16);
    }
}

#[test]
fn deferred_work_is_worked_off_on_request() {
    let mut world = World::created(SimConfig::shuffled(15), config(15), 2);
    churn(&mut world, &all(), 16, 3);
    assert!(world.probe(0).uncoalesced > 0);
    for member in all() {
        world.sim.inject(super::world::WRITER, node::NodeId(2 + member), crate::message::settle_frame(true));
    }
    world.run(1000);
    for member in all() {
        assert_eq!(world.probe(member).uncoalesced, 0);
        assert_model(&mut world, member, 16);
    }
}

#[test]
fn rot_in_slots_and_log_is_found_by_the_scrubber_and_repaired() {
    repairs_rot(config(14));
}

/// A look at a whole extent kept the thread of its node, and the five others on it, for up to 3 ms.
#[test]
fn rot_is_found_in_whatever_part_of_an_extent() {
    let config = StorageConfig {
        extent_bytes: 64 << 10,
        block_bytes_max: 2 << 10,
        log_bytes_target: 192 << 10,
        log_bytes_max: 768 << 10,
        restore_bytes: 512,
        ..config(15)
    };
    let reads = repairs_rot(config.clone());
    let parts = |bytes: usize| bytes <= 2 * (config.block_bytes_max + 1024);
    assert!(reads.len() > 50 && reads.iter().all(|&bytes| parts(bytes)), "{reads:?}");
}

/// Damages every third sector of a node's slots and log, and looks that all of it is made good. Gives the bytes of each read of
/// the log by the scrubber.
fn repairs_rot(config: StorageConfig) -> Vec<usize> {
    let reads = Rc::new(RefCell::new(Vec::new()));
    let mut world = World::created(SimConfig::shuffled(14), config, 1);
    churn(&mut world, &all(), 8, 100);
    let seen = Rc::clone(&reads);
    let of_scrubber = format!("disk {:#x}", Token::new(Owner::SCRUB, 0).0 >> 56);
    world.sim.trace_to(move |line| {
        let read = line.split_once(&of_scrubber).and_then(|(_, rest)| rest.split_once(" read "));
        seen.borrow_mut().extend(read.and_then(|(_, bytes)| bytes.strip_suffix(" bytes")?.parse::<usize>().ok()));
    });
    world.run(60_000);
    assert_eq!(world.probe(0).damaged, 0, "what is whole is not damaged");
    let disk = world.sim.disk_mut(node::NodeId(2)).expect("a disk");
    for (name, _) in disk.list() {
        if name.as_str() != "superblock" && !name.as_str().starts_with("index") {
            let len = disk.contents(&name).expect("listed").len();
            for sector in (0..len / 512).step_by(3) {
                assert!(disk.damage(&name, (sector * 512 + 200) as u64, &[0x5a; 8]));
            }
        }
    }
    world.run(60_000);
    let probe = world.probe(0);
    assert!(probe.damaged > 4 && probe.pages_repaired > 0, "{probe:?}");
    world.crash(0, Survival::None);
    world.restart(0);
    let probe = world.probe(0);
    assert_eq!((probe.segments[0].standing, probe.segments[0].scl), (Standing::Clean, world.last), "{probe:?}");
    assert_model(&mut world, 0, 8);
    reads.take()
}

#[test]
fn a_rotten_slot_is_never_served_and_is_repaired_from_a_peer() {
    let mut world = World::created(SimConfig::shuffled(13), config(13), 1);
    churn(&mut world, &all(), 8, 40);
    let name = FileName::new("pages");
    let disk = world.sim.disk_mut(node::NodeId(2)).expect("a disk");
    let len = disk.contents(&name).expect("pages were coalesced").len();
    for slot in 0..len / 512 {
        assert!(disk.damage(&name, (slot * 512 + 100) as u64, &[0x5a; 4]));
    }
    let last = world.last;
    let mut damaged = 0;
    for page in 0..8 {
        match world.read(0, page, last, last) {
            PageResult::Page { page: bytes } => assert_eq!(bytes, world.model(page, last), "page {page}"),
            PageResult::Damaged { .. } => damaged += 1,
            other => panic!("page {page}: {other:?}"),
        }
    }
    assert!(damaged > 0);
    world.run(2000);
    assert!(world.probe(0).pages_repaired >= damaged, "{:?}", world.probe(0));
    assert_model(&mut world, 0, 8);
}
