//! What a segment said once it keeps to: an SCL in an acknowledgement is a promise, and a segment that cannot keep it any
//! more does not pass for one that never gave it.

use compute::Lsn;
use node::fault::{DiskRule, Fault};
use node::{FileName, Nanos, NodeId};
use sim::{SimConfig, Survival};

use super::pages::{assert_model, churn};
use super::world::{VOLUME, World, all, config, epoch};
use crate::message::{SegmentStatus, Standing, ToStorage, ToWriter};
use crate::{PgId, Register, TruncationTable};

/// What a member's segments are as it promises `number`.
fn promised(world: &mut World, member: u32, number: u64) -> (Lsn, Vec<SegmentStatus>) {
    world.inbox();
    let (volume, table) = (VOLUME, world.table.clone());
    world.tell(member, &ToStorage::Prepare { volume, epoch: epoch(number), table });
    world.run(10);
    let promises = world.promises();
    let [(_, ToWriter::Promise { vdl, segments, .. })] = &promises[..] else { panic!("{promises:?}") };
    (*vdl, segments.clone())
}

fn damage_index(world: &mut World, member: u32) {
    let disk = world.sim.disk_mut(NodeId(2 + member)).expect("a disk");
    for name in ["index-0", "index-1"].map(FileName::new) {
        let len = disk.contents(&name).map_or(0, |bytes| bytes.len());
        for sector in 0..len / 512 {
            assert!(disk.damage(&name, (sector * 512 + 60) as u64, &[0x77; 4]));
        }
    }
}

/// A recovery found the volume's end on one member only, wrote it into truncation tables, and died before four segments
/// were complete to it. Nodes took the table for a proof that the end was durable. The next recovery, without that member,
/// started there instead of walking: it kept the later records of one group and lost the earlier ones of another, so trees
/// were torn, and that group's next record linked to where no other segment ended, to be sent again for ever (campaign seed
/// 248). Now only an open volume's VDL is one.
#[test]
fn a_truncation_is_no_evidence_that_its_end_is_durable() {
    let mut world = World::created(SimConfig::shuffled(81), config(81), 2);
    world.write_to(&all(), &[0, 9], 1);
    world.run(20);
    world.heartbeat(&all(), Lsn(2));
    world.run(100);
    world.write_to(&[5], &[0, 9], 2);
    world.run(5);
    let (durable, end) = (Lsn(2), world.last);
    world.recover_at(2, end, Lsn(100), &[0, 1, 5]);
    for member in [0, 1] {
        assert_eq!(promised(&mut world, member, 3).0, durable, "member {member} has the table and not the records");
        world.crash(member, Survival::None);
        world.restart(member);
        assert_eq!(promised(&mut world, member, 3).0, durable, "nor does a start make the table a proof");
    }
}

/// A group's first records became durable, and were acknowledged, before the superblock that names the group. The power
/// failed in between: the start did not know whose records they were, and the segment came back empty and clean. Three
/// such nodes let a recovery annul what clients were told is durable. Now nothing of a segment is complete before a
/// durable superblock names it.
#[test]
fn a_group_is_recorded_before_anything_of_it_is_acknowledged() {
    let mut acknowledged = 0;
    for seed in 0..16 {
        for step in 1..=10 {
            let mut world = World::created(SimConfig::shuffled(seed), config(seed), 1);
            world.register = Register { version: 3, pg_count: 2, ..world.register };
            let grow = ToStorage::WriteRegister { volume: VOLUME, epoch: world.epoch, register: world.register };
            // Another superblock is on its way, as when extents are freed: the group's must wait for it.
            let (volume, epoch, table) = (VOLUME, world.epoch, TruncationTable::default());
            world.tell(0, &ToStorage::Prepare { volume, epoch, table });
            world.tell(0, &grow);
            world.write_to(&[0], &[9], 1);
            let _ = world.sim.run_for(Nanos::from_micros(20 * step));
            // An append that overtook the register was refused; now it would not be.
            let again = world.sent[0].clone();
            world.tell(0, &again);
            let _ = world.sim.run_for(Nanos::from_micros(20 * step));
            let acked = world.acked().get(&(0, PgId(1))).copied().unwrap_or_default();
            acknowledged += usize::from(acked > Lsn::ZERO);
            world.crash(0, Survival::None);
            world.restart(0);
            world.tell(0, &grow);
            world.run(10);
            let segment = world.probe(0).segments[1];
            assert!(segment.scl >= acked, "seed {seed}, step {step}: acknowledged {acked}, found {segment:?}");
        }
    }
    assert!(acknowledged > 20, "only {acknowledged} of 160 were acknowledged before the crash");
}

/// What waits for the superblock is acknowledged by itself when that is durable: the writer need not ask.
#[test]
fn a_new_groups_first_records_are_acknowledged_once_it_is_recorded() {
    for seed in 0..16 {
        let mut world = World::created(SimConfig::shuffled(seed), config(seed), 1);
        world.register = Register { version: 3, pg_count: 2, ..world.register };
        world.tell(0, &ToStorage::WriteRegister { volume: VOLUME, epoch: world.epoch, register: world.register });
        let _ = world.sim.run_for(Nanos::from_micros(60));
        world.write_to(&[0], &[9], 1);
        world.run(5);
        assert_eq!(world.acked().get(&(0, PgId(1))), Some(&Lsn(1)), "seed {seed}");
    }
}

/// A segment lost to rot what it had acknowledged, and was suspect. A truncation annulled the last of it, and a node that
/// learned of the truncation from a peer or from the next recovery took the whole claim back: clean, though the records
/// below the volume's end, durable with its help, were still missing.
#[test]
fn a_suspect_segment_stays_suspect_for_what_truncation_leaves_of_its_claim() {
    let mut world = World::created(SimConfig::shuffled(82), config(82), 1);
    for page in 0..4 {
        world.write_to(&all(), &[page], 1);
        world.run(60);
    }
    world.write_to(&[0], &[0], 2);
    world.run(30);
    world.crash(0, Survival::None);
    world.damage_block_with(0, Lsn(2));
    world.recover_at(2, Lsn(4), Lsn(100), &[1, 2, 3, 4, 5]);
    for member in 1..6 {
        world.crash(member, Survival::None);
    }
    world.restart(0);
    let segment = world.probe(0).segments[0];
    assert_eq!((segment.standing, segment.scl, segment.claim), (Standing::Suspect, Lsn(1), Lsn(5)));
    let (_, segments) = promised(&mut world, 0, 3);
    assert_eq!((segments[0].standing, segments[0].claimed_scl), (Standing::Suspect, Lsn(4)));
}

/// The page index could not be read, once, and the node gave the whole copy up: its records were on its disk, it answered
/// that it had nothing, and what four had acknowledged three had (campaign seed 1118). Three such errors would have stopped
/// the volume. A log of which nothing was collected needs no page.
#[test]
fn an_index_lost_before_anything_was_collected_costs_nothing() {
    let mut world = World::created(SimConfig::shuffled(83), config(83), 1);
    churn(&mut world, &all(), 8, 12);
    let last = world.last;
    world.recover_at(2, last, Lsn(1000), &all());
    let probe = world.probe(1);
    assert!(probe.pages > 0 && probe.segments[0].base == Lsn::ZERO, "{probe:?}");
    world.crash(1, Survival::All);
    damage_index(&mut world, 1);
    world.sim.restart(NodeId(3));
    world.run(5);
    let probe = world.probe(1);
    assert_eq!((probe.segments[0].standing, probe.segments[0].scl), (Standing::Clean, last), "{probe:?}");
    world.run(500);
    assert_eq!(world.probe(1).rebuilt, 0);
    assert_model(&mut world, 1, 8);
}

/// A read error says little about one sector and nothing about the others: what fails is read again in parts.
#[test]
fn a_read_error_at_a_start_costs_no_segment() {
    let mut world = World::created(SimConfig::shuffled(84), config(84), 1);
    churn(&mut world, &all(), 8, 60);
    assert!(world.probe(1).segments[0].base > Lsn::ZERO);
    let (node, mut served) = (NodeId(3), 0);
    for _ in 0..40 {
        world.crash(1, Survival::All);
        world.sim.apply(&Fault::Disk { node, rule: DiskRule { read_error: 0.1, ..DiskRule::default() } });
        let halts = world.sim.halts().len();
        world.restart(1);
        world.sim.apply(&Fault::DiskClear { node });
        // A superblock that cannot be read is another matter: the node stays down, with all it has.
        if world.sim.halts().len() == halts {
            served += 1;
            let segment = world.probe(1).segments[0];
            assert_ne!(segment.standing, Standing::Unhydrated, "{segment:?}");
        }
    }
    assert!(served > 25, "{served} of 40 starts");
}

/// Three clean peers that never had a record say nothing against the claim of the segment that acknowledged it: their
/// offers may be older than the record. It is rebuilt when it has that, too.
#[test]
fn a_rebuilt_segment_owes_what_it_acknowledged_itself() {
    let mut world = World::created(SimConfig::shuffled(85), config(85), 1);
    churn(&mut world, &all(), 8, 60);
    let before = world.last;
    world.write_to(&[1, 4, 5], &[0], 9);
    world.run(25);
    let owed = world.last;
    assert_eq!(world.acked()[&(1, PgId(0))], owed);
    for member in [1, 4, 5] {
        world.crash(member, Survival::All);
    }
    damage_index(&mut world, 1);
    world.damage_block_with(1, owed);
    world.restart(1);
    world.run(4000);
    assert!([0, 2, 3].iter().all(|&member| world.scl(member, 0) == before), "they never had it");
    let segment = world.probe(1).segments[0];
    assert_eq!((segment.standing, segment.scl), (Standing::Unhydrated, before), "{segment:?}");
    world.restart(4);
    world.run(1000);
    let segment = world.probe(1).segments[0];
    assert_eq!((segment.standing, segment.scl), (Standing::Clean, owed), "{segment:?}");
    assert_model(&mut world, 1, 8);
}
