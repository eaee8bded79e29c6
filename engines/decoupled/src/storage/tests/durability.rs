//! What is acknowledged is there after any crash, and what is annulled is gone for good.

use compute::Lsn;
use node::NodeId;
use sim::{SimConfig, Survival};

use super::world::{World, all, config, epoch};
use crate::PgId;
use crate::message::{PageResult, Standing, ToStorage, ToWriter};
use crate::storage::StorageConfig;

fn world(seed: u64) -> World {
    World::created(SimConfig::shuffled(seed), config(seed), 2)
}

#[test]
fn appends_are_acknowledged_and_read_back_as_the_model_has_them() {
    let mut world = world(1);
    world.write_to(&all(), &[0, 1, 9, 0, 1, 9, 0], 5);
    world.run(20);
    let acked = world.acked();
    for member in all() {
        assert_eq!(acked[&(member, PgId(0))], Lsn(7));
        assert_eq!(acked[&(member, PgId(1))], Lsn(6));
    }
    for (page, read_point, required) in [(0, 7, 7), (0, 4, 2), (9, 7, 6), (1, 6, 5)] {
        let PageResult::Page { page: bytes } = world.read(3, page, Lsn(read_point), Lsn(required)) else {
            panic!("page {page} at {read_point}")
        };
        assert_eq!(bytes, world.model(page, Lsn(read_point)));
    }
    assert_eq!(world.read(3, 0, Lsn(9), Lsn(8)), PageResult::Behind { scl: Lsn(7) });
    world.heartbeat(&all(), Lsn(7));
    world.run(5);
    world.inbox();
    assert_eq!(world.read(3, 0, Lsn(6), Lsn(5)), PageResult::TooOld { pgmrpl: Lsn(7) });
}

#[test]
fn records_out_of_order_are_held_and_acknowledged_once_the_chain_reaches_them() {
    let mut world = world(2);
    let first = world.write(&[0], 1);
    let second = world.write(&[1], 2);
    world.tell(0, &second[0]);
    world.run(20);
    assert_eq!(world.acked()[&(0, PgId(0))], Lsn::ZERO);
    world.tell(0, &first[0]);
    world.run(20);
    assert_eq!(world.acked()[&(0, PgId(0))], Lsn(2));
    world.tell(0, &first[0]);
    world.run(20);
    assert_eq!((world.acked()[&(0, PgId(0))], world.probe(0).duplicates), (Lsn(2), 1));
}

#[test]
fn acknowledged_records_survive_power_loss_whatever_survives_of_the_rest() {
    let mut lost = 0;
    for seed in 0..20 {
        let mut world = world(seed);
        let mut acked = Lsn::ZERO;
        for round in 0..6 {
            let pages: Vec<u64> = (0..7).map(|at| (at + round) % 8).collect();
            world.write_to(&[0], &pages, round as u8);
            // Stop in the middle of things.
            let _ = world.sim.run_for(node::Nanos::from_micros(120 + 30 * (seed % 7)));
            acked = world.acked().get(&(0, PgId(0))).copied().unwrap_or_default().max(acked);
            world.crash(0, Survival::Random(seed * 31 + round));
            world.restart(0);
            let segment = world.probe(0).segments[0];
            assert!(segment.scl >= acked, "seed {seed}: acknowledged {acked}, found {segment:?}");
            assert_eq!(segment.standing, Standing::Clean, "a torn tail is not a loss: {segment:?}");
            lost += usize::from(segment.scl < world.last);
            for append in world.sent.clone() {
                world.tell(0, &append);
            }
            world.run(20);
            assert_eq!(world.scl(0, 0), world.last, "what is sent again fills the holes");
            acked = world.last;
            world.inbox();
        }
    }
    assert!(lost > 10, "only {lost} of 120 crashes lost something that was on its way");
}

#[test]
fn a_promise_survives_and_locks_older_writers_out() {
    let mut world = world(3);
    world.write_to(&all(), &[0, 1], 1);
    world.run(20);
    world.inbox();
    let table = world.table.clone();
    world.tell(0, &ToStorage::Prepare { volume: super::world::VOLUME, epoch: epoch(5), table });
    world.run(20);
    let promises = world.promises();
    let [(_, ToWriter::Promise { segments, lease_left, vdl, .. })] = &promises[..] else { panic!("{promises:?}") };
    assert_eq!((segments[0].scl, segments[0].standing, *vdl), (Lsn(2), Standing::Clean, Lsn::ZERO));
    assert!(lease_left.0 > 0, "the old writer was just told that it is alive");
    world.crash(0, Survival::None);
    world.restart(0);
    assert_eq!(world.probe(0).promised, epoch(5));
    world.write_to(&[0], &[0], 2);
    world.run(20);
    let messages = world.inbox();
    let refused = messages.iter().find(|(_, message)| matches!(message, ToWriter::Refused { .. }));
    assert!(matches!(refused, Some((NodeId(2), ToWriter::Refused { promised, .. })) if *promised == epoch(5)));
    assert_eq!(world.scl(0, 0), Lsn(2));
}

#[test]
fn annulled_records_are_gone_from_log_and_restart_and_the_chain_goes_on_above_them() {
    let mut world = world(4);
    world.write_to(&all(), &[0, 1, 2, 3], 1);
    world.run(20);
    let late = world.write(&[4], 9);
    world.recover_at(2, Lsn(3), Lsn(100), &all());
    assert!(all().iter().all(|&member| world.scl(member, 0) == Lsn(3)));
    // A record of the old writer, sent under the new epoch by a confused peer or a replay, is void.
    let replay = world.under_this_epoch(late[0].clone());
    world.tell_all(&all(), replay);
    world.run(20);
    assert!(all().iter().all(|&member| world.scl(member, 0) == Lsn(3) && world.probe(member).annulled == 1));
    world.write_to(&all(), &[3, 0], 7);
    world.run(20);
    assert_eq!(world.last, Lsn(102));
    for member in all() {
        world.crash(member, Survival::None);
        world.restart(member);
        let segment = world.probe(member).segments[0];
        assert_eq!((segment.scl, segment.standing, segment.records), (Lsn(102), Standing::Clean, 5));
    }
    let PageResult::Page { page } = world.read(2, 3, Lsn(102), Lsn(102)) else { panic!("readable") };
    assert_eq!(page, world.model(3, Lsn(102)));
}

/// A node that was away during a recovery counts the records which that recovery annulled. Without the table in the
/// question, its answer would make the next recovery wait for a record that no other node has, or bring it back.
#[test]
fn a_node_that_missed_a_recovery_answers_for_what_the_newest_table_leaves() {
    let mut world = world(5);
    world.write_to(&all(), &[0, 1], 1);
    world.run(20);
    for append in world.write(&[0], 2) {
        world.tell(5, &append);
    }
    world.run(20);
    assert_eq!(world.scl(5, 0), Lsn(3));
    world.recover_at(2, Lsn(2), Lsn(50), &[0, 1, 2, 3, 4]);
    world.inbox();
    let (volume, table) = (super::world::VOLUME, world.table.clone());
    world.tell(5, &ToStorage::Prepare { volume, epoch: epoch(3), table: table.clone() });
    world.run(20);
    let promises = world.promises();
    let [(_, ToWriter::Promise { segments, table: held, .. })] = &promises[..] else { panic!("{promises:?}") };
    assert_eq!((segments[0].scl, segments[0].claimed_scl, held), (Lsn(2), Lsn(2), &table));
}

#[test]
fn rot_below_what_was_acknowledged_makes_a_segment_suspect_and_a_torn_tail_does_not() {
    let mut world = world(6);
    for value in 0..4 {
        world.write_to(&[0], &[0, 1, 2], value);
        world.run(60);
    }
    assert_eq!(world.acked()[&(0, PgId(0))], Lsn(12));
    world.run(1000);
    assert_eq!(world.scl(1, 0), Lsn(12), "gossip brought it what the writer did not");
    for member in all() {
        world.crash(member, Survival::None);
    }
    world.damage_block_with(0, Lsn(4));
    world.restart(0);
    let segment = world.probe(0).segments[0];
    assert_eq!((segment.standing, segment.claim), (Standing::Suspect, Lsn(12)));
    assert!(segment.scl < Lsn(12));
    // A peer has what rotted, by gossip, and gives it back.
    world.restart(1);
    world.run(1000);
    let segment = world.probe(0).segments[0];
    assert_eq!((segment.standing, segment.scl), (Standing::Clean, Lsn(12)));
}

#[test]
fn a_directory_of_another_member_or_without_its_superblock_is_refused() {
    let mut world = world(7);
    world.crash(0, Survival::All);
    let disk = world.sim.disk_mut(NodeId(2)).expect("a disk");
    let zeroes = vec![0u8; config(7).superblock_bytes * 8];
    assert!(disk.damage(&node::FileName::new("superblock"), 0, &zeroes));
    world.restart(0);
    let halted = world.sim.halts().last().map(|halt| format!("{halt:?}")).unwrap_or_default();
    assert!(halted.contains("superblock"), "{halted}");
}

#[test]
fn impossible_sizes_are_refused() {
    let good = config(1);
    assert_eq!(good.check(), Ok(()));
    let bad = [
        StorageConfig { extent_bytes: 1000, ..good.clone() },
        StorageConfig { block_bytes_max: 64 << 10, ..good.clone() },
        StorageConfig { log_bytes_max: 64 << 10, ..good.clone() },
        StorageConfig { writes_in_flight: 0, ..good },
    ];
    assert!(bad.iter().all(|config| config.check().is_err()));
}
