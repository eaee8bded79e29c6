//! Full, failing and exchanged disks.

use compute::Lsn;
use node::fault::{DiskRule, Fault};
use node::{Delay, FileName, Nanos, NodeId};
use sim::{Sim, SimConfig, Stop, Survival};

use super::pages::{assert_model, churn};
use super::world::{VOLUME, World, all, config, epoch};
use crate::PgId;
use crate::message::{SegmentStatus, Standing, ToStorage, ToWriter};
use crate::storage::superblock::COPIES;
use crate::storage::{StorageConfig, StorageNode};

fn rule(world: &mut World, member: u32, rule: DiskRule) {
    world.sim.apply(&Fault::Disk { node: NodeId(2 + member), rule });
}

#[test]
fn a_full_disk_stops_acknowledgements_not_reads_and_space_brings_them_back() {
    let mut world = World::created(SimConfig::shuffled(51), config(51), 1);
    churn(&mut world, &[0], 8, 10);
    let held = world.last;
    rule(&mut world, 0, DiskRule { full: true, ..DiskRule::default() });
    world.write_to(&[0], &[0, 1, 2], 50);
    world.run(100);
    assert!(world.acked().get(&(0, PgId(0))).is_none_or(|&scl| scl <= held), "nothing new is acknowledged");
    for member in 1..6 {
        world.crash(member, Survival::All);
    }
    let throttled = world.probe(0).throttled;
    world.write_to(&[0], &[3], 51);
    world.run(20);
    assert!(world.probe(0).throttled > throttled);
    assert!(matches!(world.read(0, 5, held, held), crate::message::PageResult::Page { .. }));
    world.sim.apply(&Fault::DiskClear { node: NodeId(2) });
    world.run(100);
    for append in world.sent.clone() {
        world.tell(0, &append);
    }
    world.run(200);
    let last = world.last;
    assert_eq!(world.acked()[&(0, PgId(0))], last);
    world.crash(0, Survival::None);
    world.restart(0);
    assert_eq!((world.scl(0, 0), world.probe(0).segments[0].standing), (last, Standing::Clean));
    assert_model(&mut world, 0, 8);
}

/// A block that a full disk refused found no extent with room when there was space again, and was not tried once there was
/// one: the log stood still for good, and with it a copy of everything. Campaign seed 219 found it.
#[test]
fn a_refused_block_is_tried_until_there_is_an_extent_for_it() {
    for seed in 0..4 {
        let mut world = World::created(SimConfig::shuffled(300 + seed), config(300 + seed), 1);
        churn(&mut world, &[0], 8, seed);
        rule(&mut world, 0, DiskRule { full: true, ..DiskRule::default() });
        world.write_to(&[0], &[0, 1, 2, 3, 4, 5, 6, 7], 99);
        // Each attempt takes a new place, until no extent has any.
        world.run(3000);
        world.sim.apply(&Fault::DiskClear { node: NodeId(2) });
        world.run(100);
        for append in world.sent.clone() {
            world.tell(0, &append);
        }
        world.run(200);
        let last = world.last;
        assert_eq!(world.acked().get(&(0, PgId(0))), Some(&last), "seed {seed}");
    }
}

/// A disk filled up while its node started. What the node had acknowledged last was in log blocks that nothing vouched for yet,
/// to be written again before they count, and there was no room for them; so the node served without them, and swore to a
/// recovery that it had never had them. Three such nodes let the recovery annul what clients were told is durable. Now the
/// segment is suspect until it is durable again. Campaign seeds swarm 7929, 8503, 869 and 6909 found it.
#[test]
fn what_a_start_on_a_full_disk_cannot_write_again_is_not_denied() {
    let mut denied_before = 0;
    for step in 0..60 {
        let mut world = World::created(SimConfig::shuffled(500), config(500), 1);
        churn(&mut world, &[0], 8, 5);
        world.write_to(&[0], &[0, 1, 2], 77);
        world.run(1);
        let acked = world.last;
        assert_eq!(world.acked().get(&(0, PgId(0))), Some(&acked));
        world.crash(0, Survival::None);
        world.sim.restart(NodeId(2));
        let _ = world.sim.run_for(Nanos::from_micros(30 * step));
        rule(&mut world, 0, DiskRule { full: true, ..DiskRule::default() });
        let (volume, table) = (VOLUME, world.table.clone());
        for _ in 0..20 {
            world.tell(0, &ToStorage::Prepare { volume, epoch: epoch(2), table: table.clone() });
            world.run(5);
        }
        let full = world.sim.node::<StorageNode>(NodeId(2)).and_then(StorageNode::probe);
        if let Some(segment) = full.map(|probe| probe.segments[0]).filter(|segment| segment.scl < acked) {
            denied_before += 1;
            assert_eq!((segment.standing, segment.doubt), (Standing::Suspect, acked), "{segment:?}");
        }
        world.sim.apply(&Fault::DiskClear { node: NodeId(2) });
        if world.sim.halts().len() == 1 {
            // It filled up while the page store was opened, and the node says so.
            world.sim.restart(NodeId(2));
        }
        world.run(100);
        for (_, promise) in world.promises() {
            let ToWriter::Promise { segments, .. } = promise else { continue };
            let SegmentStatus { scl, claimed_scl, standing, .. } = segments[0];
            assert!(scl >= acked || (standing, claimed_scl) == (Standing::Suspect, acked), "{:?}", segments[0]);
        }
        let segment = world.probe(0).segments[0];
        assert_eq!((segment.scl, segment.standing), (acked, Standing::Clean), "step {step}");
    }
    assert!(denied_before > 5, "{denied_before} of 60 nodes were full before they had written again what they found");
}

#[test]
fn a_failed_write_halts_the_node_and_what_it_acknowledged_is_there_afterwards() {
    for seed in 0..8 {
        let mut world = World::created(SimConfig::shuffled(60 + seed), config(60 + seed), 1);
        churn(&mut world, &[0], 8, 5);
        rule(&mut world, 0, DiskRule { write_error: 0.2, ..DiskRule::default() });
        let mut acked = world.last;
        for value in 0..20 {
            world.write_to(&[0], &[value % 8], value as u8);
            world.run(3);
            acked = world.acked().get(&(0, PgId(0))).copied().unwrap_or_default().max(acked);
        }
        assert!(!world.sim.halts().is_empty(), "one write of five failed");
        world.sim.apply(&Fault::DiskClear { node: NodeId(2) });
        world.restart(0);
        let segment = world.probe(0).segments[0];
        assert!(segment.scl >= acked && segment.standing == Standing::Clean, "{segment:?}, acknowledged {acked}");
    }
}

/// A block whose durable write failed stays visible, and once a sync of it has failed too, no later sync makes it durable:
/// the kernel takes it for clean. A start that could not sync it halted, the next one synced, read it, took its records for
/// durable and acknowledged them; the power failure after that took them, and three copies were left where four were
/// promised. Campaign seed 708 found it.
#[test]
fn what_a_failed_write_left_visible_is_written_again_before_it_is_acknowledged() {
    for seed in 0..8 {
        let mut world = World::created(SimConfig::shuffled(90 + seed), config(90 + seed), 1);
        churn(&mut world, &[0], 8, 5);
        rule(&mut world, 0, DiskRule { write_error: 1.0, ..DiskRule::default() });
        world.write_to(&[0], &[1, 2, 3], 77);
        world.run(20);
        world.restart(0);
        assert_eq!(world.sim.halts().len(), 2, "every write and every sync failed");
        world.sim.apply(&Fault::DiskClear { node: NodeId(2) });
        world.restart(0);
        let last = world.last;
        for append in world.sent.clone() {
            world.tell(0, &append);
        }
        world.run(50);
        assert_eq!(world.acked()[&(0, PgId(0))], last);
        world.crash(0, Survival::None);
        world.restart(0);
        let segment = world.probe(0).segments[0];
        assert_eq!((segment.scl, segment.standing), (last, Standing::Clean));
    }
}

/// The sync of the directory behind a node's first superblock failed, and the next start found the file, took its name for durable
/// and went on. A power failure took the name, and left a directory with files and no superblock: the node refused it, and
/// the volume was a copy short until a person wiped it. Campaign seeds swarm 5496 and 4285 found it.
#[test]
fn a_first_superblock_that_may_not_be_durable_is_made_anew() {
    let mut cut_short = 0;
    for seed in 0..40 {
        let mut world = World::new(SimConfig::shuffled(600 + seed), config(600 + seed));
        rule(&mut world, 0, DiskRule { sync_error: 0.4, write_error: 0.1, ..DiskRule::default() });
        world.run(50);
        for _ in 0..4 {
            world.restart(0);
        }
        world.sim.apply(&Fault::DiskClear { node: NodeId(2) });
        world.restart(0);
        let halts = world.sim.halts();
        cut_short += halts.iter().filter(|halt| halt.reason.contains("SyncingNames")).count();
        world.create(1, &all());
        churn(&mut world, &[0], 8, 3);
        let last = world.last;
        world.crash(0, Survival::None);
        world.restart(0);
        let segment = world.probe(0).segments[0];
        assert_eq!((segment.scl, segment.standing), (last, Standing::Clean), "seed {seed}");
    }
    assert!(cut_short > 20, "{cut_short} starts could not make their superblock's name durable");
}

/// Many reads failed while a node started. One that had come down to a single sector was not tried again: the node missed a
/// block of its log here and there, with records that it had acknowledged, and removed extents in which it saw none. Campaign
/// seed swarm 8132 found it.
#[test]
fn a_start_finds_what_it_acknowledged_though_reads_fail_now_and_then() {
    for seed in 0..20 {
        let mut world = World::created(SimConfig::shuffled(700 + seed), config(700 + seed), 1);
        churn(&mut world, &[0], 8, 10);
        let last = world.last;
        // Nobody is there to make up for what is not found.
        for member in all() {
            world.crash(member, Survival::None);
        }
        rule(&mut world, 0, DiskRule { read_error: 0.5, ..DiskRule::default() });
        world.restart(0);
        let segment = world.probe(0).segments[0];
        assert_eq!((segment.scl, segment.standing), (last, Standing::Clean), "seed {seed}");
    }
}

/// An extent whose directory sync failed was there at the next start, which took it for a free one and wrote acknowledged
/// records into a file whose name a power failure could still take. Campaign seed 198 found it.
#[test]
fn an_extent_whose_name_may_not_be_durable_is_made_anew() {
    let mut cases = 0;
    for seed in 0..20 {
        let mut world = World::created(SimConfig::shuffled(400 + seed), config(400 + seed), 1);
        rule(&mut world, 0, DiskRule { sync_error: 0.5, ..DiskRule::default() });
        churn(&mut world, &[0], 8, 12);
        cases += usize::from(world.sim.halts().iter().any(|halt| halt.reason.contains("extent")));
        world.sim.apply(&Fault::DiskClear { node: NodeId(2) });
        world.restart(0);
        for append in world.sent.clone() {
            world.tell(0, &append);
        }
        churn(&mut world, &[0], 8, 12);
        let last = world.last;
        world.crash(0, Survival::None);
        world.restart(0);
        let segment = world.probe(0).segments[0];
        assert_eq!((segment.scl, segment.standing), (last, Standing::Clean), "seed {seed}");
    }
    assert!(cases >= 5, "{cases} of 20 nodes could not make an extent");
}

/// A disk that answered nothing kept its node waiting for ever: it acknowledged nothing, still promised and gossiped, and nobody
/// learned why. Since then a node halts when an operation takes longer than `io_timeout`, while it serves and while it opens;
/// the others go on, and it catches up once its disk answers.
#[test]
fn a_node_whose_disk_is_stuck_halts_and_says_so() {
    let timeout = Nanos::from_millis(80);
    let config = StorageConfig { io_timeout: timeout, ..config(55) };
    let mut world = World::created(SimConfig::shuffled(55), config, 1);
    churn(&mut world, &all(), 8, 10);
    let stuck = DiskRule { extra_delay: Some(Delay::Constant(Nanos::from_secs(3600))), ..DiskRule::default() };
    rule(&mut world, 0, stuck);
    let struck_at = world.sim.now();
    world.write_to(&all(), &[0, 1, 2], 50);
    for lives in 1..=2 {
        let halted = |sim: &Sim| sim.halts().len() == lives;
        assert_eq!(world.sim.run_until(Nanos(timeout.0 * 2), halted), Stop::Reached, "life {lives}");
        let halt = &world.sim.halts()[lives - 1];
        assert!(halt.node == NodeId(2) && halt.reason.contains("the device is stuck"), "{halt:?}");
        if lives == 1 {
            assert!(halt.at >= struck_at + timeout, "{halt:?}");
            let (acked, last) = (world.acked(), world.last);
            assert!((1..6).all(|member| acked[&(member, PgId(0))] == last), "{acked:?}");
            world.crash(0, Survival::All);
            world.sim.restart(NodeId(2));
        }
    }
    world.sim.apply(&Fault::DiskClear { node: NodeId(2) });
    world.crash(0, Survival::All);
    world.restart(0);
    world.run(2000);
    assert_eq!((world.scl(0, 0), world.probe(0).segments[0].standing), (world.last, Standing::Clean));
    assert_model(&mut world, 0, 8);
    assert_eq!(world.sim.halts().len(), 2);
}

#[test]
fn exchanged_directories_are_refused_by_both_nodes() {
    let mut world = World::created(SimConfig::shuffled(71), config(71), 1);
    churn(&mut world, &all(), 8, 3);
    let name = FileName::new("superblock");
    let images: Vec<Vec<u8>> = [0u32, 1]
        .iter()
        .map(|&member| {
            world.crash(member, Survival::All);
            world.sim.disk(NodeId(2 + member)).and_then(|disk| disk.contents(&name)).expect("a superblock")
        })
        .collect();
    for (member, image) in [(0u32, &images[1]), (1, &images[0])] {
        assert!(world.sim.disk_mut(NodeId(2 + member)).expect("a disk").damage(&name, 0, image));
        world.restart(member);
    }
    let reasons: Vec<String> = world.sim.halts().iter().map(|halt| format!("{halt:?}")).collect();
    assert_eq!(reasons.iter().filter(|reason| reason.contains("exchanged")).count(), 2, "{reasons:?}");
}

/// An index that rotted says nothing reliable about the slots. The node must not serve empty pages in their place.
#[test]
fn a_node_that_lost_its_page_index_is_rebuilt_before_it_counts() {
    let mut world = World::created(SimConfig::shuffled(72), config(72), 1);
    churn(&mut world, &all(), 8, 60);
    assert!(world.probe(1).segments[0].base > Lsn::ZERO);
    world.crash(1, Survival::All);
    let disk = world.sim.disk_mut(NodeId(3)).expect("a disk");
    for name in ["index-0", "index-1"].map(FileName::new) {
        let len = disk.contents(&name).map_or(0, |bytes| bytes.len());
        for sector in 0..len / 512 {
            assert!(disk.damage(&name, (sector * 512 + 60) as u64, &[0x77; 4]));
        }
    }
    world.sim.restart(NodeId(3));
    world.run(2);
    world.run(4000);
    let probe = world.probe(1);
    assert_eq!((probe.rebuilt, probe.segments[0].standing), (1, Standing::Clean), "{probe:?}");
    assert_model(&mut world, 1, 8);
}

/// The copies of a superblock rotted one after the other, months apart, and nobody looked: at the next start none of the newest
/// was left, and the node had to be wiped. Now each is looked at in its turn, and all four are written anew when one is bad.
#[test]
fn rotten_copies_of_the_superblock_are_found_and_written_again() {
    let config = StorageConfig { scrub_every: Nanos::from_millis(1), ..config(63) };
    let mut world = World::created(SimConfig::shuffled(63), config.clone(), 1);
    churn(&mut world, &all(), 8, 3);
    let name = FileName::new("superblock");
    for copy in 0..COPIES {
        let disk = world.sim.disk_mut(NodeId(2)).expect("a storage node has a disk");
        for place in [copy, COPIES + copy] {
            assert!(disk.damage(&name, (place * config.superblock_bytes + 64) as u64, b"rot"));
        }
        world.run(40);
        assert_eq!(world.probe(0).damaged, copy as u64 + 1);
    }
    world.crash(0, Survival::All);
    world.restart(0);
    assert_eq!(world.probe(0).segments[0].standing, Standing::Clean);
    assert_model(&mut world, 0, 8);
}

/// The sync of the directory behind a new page file or index failed, the next start went on with the files it found, and after much
/// had been collected from the log a power failure took their names. The copy is short of pages then, and is repaired from its
/// peers, as after rot. But the new file's slots were taken for free while the index still named them, repaired pages were written
/// where others were looked for, and the repair did not come to an end.
#[test]
fn a_page_file_whose_name_was_never_durable_is_repaired_when_it_is_lost() {
    let (mut cut_short, mut repaired) = (0, 0);
    for seed in 0..24 {
        let mut world = World::new(SimConfig::shuffled(700 + seed), config(700 + seed));
        rule(&mut world, 0, DiskRule { sync_error: 0.4, ..DiskRule::default() });
        world.run(50);
        world.restart(0);
        let of_store = |halt: &sim::Halt| halt.reason.contains("page store: Some(SyncNames)");
        if !world.sim.halts().iter().any(of_store) {
            continue;
        }
        cut_short += 1;
        world.sim.apply(&Fault::DiskClear { node: NodeId(2) });
        world.restart(0);
        world.create(1, &all());
        super::pages::churn(&mut world, &all(), 8, 60);
        assert!(world.probe(0).segments[0].base > Lsn::ZERO);
        world.crash(0, Survival::None);
        world.restart(0);
        world.run(6000);
        super::pages::assert_model(&mut world, 0, 8);
        repaired += world.probe(0).pages_repaired;
    }
    assert!(cut_short > 2 && repaired > 0, "{cut_short} starts cut short, {repaired} pages repaired");
}
