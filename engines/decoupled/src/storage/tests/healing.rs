//! Nodes that were lost, wiped or left behind come back whole, and count for nothing before.

use compute::Lsn;
use node::{Nanos, NodeId};
use sim::{SimConfig, Survival};

use super::pages::{assert_model, churn};
use super::world::{World, all, config, epoch};
use crate::PgId;
use crate::message::{Standing, ToStorage, ToWriter};
use crate::storage::{StorageNode, StorageProbe};

#[test]
fn holes_are_filled_by_gossip_and_acknowledged() {
    let mut world = World::created(SimConfig::shuffled(21), config(21), 1);
    world.write_to(&[0, 1, 2, 3], &[0, 1, 2, 3], 1);
    world.run(5);
    // Member 5 hears the last record only.
    for append in world.write(&[4], 2) {
        world.tell_all(&all(), append);
    }
    world.run(400);
    let acked = world.acked();
    assert_eq!(acked[&(5, PgId(0))], Lsn(5), "the writer was told although it sent one record of five");
    assert!(world.probe(5).gossiped >= 4);
    let four = world.scl(4, 0);
    assert_eq!(four, Lsn(5));
}

#[test]
fn a_wiped_node_counts_for_nothing_until_it_is_rebuilt() {
    let mut world = World::created(SimConfig::shuffled(22), config(22), 2);
    churn(&mut world, &all(), 16, 50);
    assert!(world.probe(1).segments[0].base > Lsn::ZERO, "the peers' log does not reach back to the start");
    world.crash(4, Survival::None);
    world.sim.disk_mut(NodeId(6)).expect("a disk").wipe();
    world.restart(4);
    // The writer brings it up, as it would any node that does not hold its epoch.
    let (volume, table, register) = (super::world::VOLUME, world.table.clone(), world.register);
    let entry = *table.entries().last().expect("the creation's");
    let before = crate::TruncationTable::default();
    world.inbox();
    world.tell(4, &ToStorage::Prepare { volume, epoch: epoch(1), table: before.clone() });
    world.run(10);
    let truncate = ToStorage::Truncate {
        volume,
        epoch: epoch(1),
        table: before,
        vdl: entry.vdl,
        upto: entry.upto,
        register,
        ends: Vec::new(),
    };
    world.tell(4, &truncate);
    world.run(10);
    let messages = world.inbox();
    assert!(messages.iter().any(|(_, message)| matches!(message, ToWriter::Truncated { .. })));
    assert!(world.probe(4).segments.iter().all(|segment| segment.standing == Standing::Unhydrated));
    world.write_to(&all(), &[0, 9, 3], 77);
    world.run(20);
    let early: Vec<_> = world.acked().into_keys().filter(|(member, _)| *member == 4).collect();
    assert_eq!(early, [], "an unhydrated segment is not acknowledged");
    world.run(5000);
    let probe = world.probe(4);
    assert!(probe.segments.iter().all(|segment| segment.standing == Standing::Clean), "{probe:?}");
    assert_eq!((probe.rebuilt, probe.pages_repaired >= 16), (2, true), "{probe:?}");
    assert!(world.acked().contains_key(&(4, PgId(0))), "and now it is");
    assert_model(&mut world, 4, 16);
    world.crash(4, Survival::None);
    world.restart(4);
    assert_model(&mut world, 4, 16);
}

#[test]
fn a_member_left_behind_by_collection_is_rebuilt_from_pages() {
    let mut world = World::created(SimConfig::shuffled(23), config(23), 1);
    let present: Vec<u32> = vec![0, 1, 2, 4, 5];
    churn(&mut world, &all(), 8, 3);
    world.crash(3, Survival::All);
    // Nothing is collected while the member may come back for it, up to the limit.
    churn(&mut world, &present, 8, 100);
    let held = world.probe(0);
    assert!(held.segments[0].base <= Lsn(24) && held.log_bytes > config(23).log_bytes_target, "{held:?}");
    churn(&mut world, &present, 8, 400);
    let forced = world.probe(0);
    assert!(forced.segments[0].base > Lsn(24), "{forced:?}");
    world.restart(3);
    world.run(5000);
    let probe = world.probe(3);
    assert_eq!((probe.left_behind, probe.rebuilt), (1, 1), "{probe:?}");
    assert_eq!((probe.segments[0].standing, probe.segments[0].scl), (Standing::Clean, world.last));
    assert_model(&mut world, 3, 8);
}

/// A volume whose members 3 and 4 came back after the log they miss was collected, and are about to be rebuilt.
fn with_two_left_behind(seed: u64) -> World {
    let mut world = World::created(SimConfig::shuffled(seed), config(seed), 1);
    churn(&mut world, &all(), 8, 3);
    for member in [3, 4] {
        world.crash(member, Survival::All);
    }
    churn(&mut world, &[0, 1, 2, 5], 8, 500);
    for member in [3, 4] {
        world.sim.restart(NodeId(2 + member));
        while world.sim.node::<StorageNode>(NodeId(2 + member)).and_then(StorageNode::probe).is_none_or(counts) {
            world.run(1);
        }
        world.crash(member, Survival::None);
    }
    world
}

fn counts(probe: StorageProbe) -> bool {
    probe.segments[0].standing.has_records()
}

/// Two members were marked as left behind, to be rebuilt, and then two others were wiped. Each of the four waited for three clean
/// peers, there were two, and the volume stalled for good, although both had every record (swarm seed 4776). Nobody is
/// rebuilt by a member that was wiped; who was left behind knows what it acknowledged, and needs no more than that and a source.
#[test]
fn members_left_behind_are_rebuilt_beside_two_wiped_ones_and_so_are_those() {
    for seed in 90..94 {
        let mut world = with_two_left_behind(seed);
        for member in [0, 1] {
            world.crash(member, Survival::None);
            world.sim.disk_mut(NodeId(2 + member)).expect("a disk").wipe();
        }
        for member in [3, 4, 0, 1] {
            world.restart(member);
        }
        world.run(8000);
        for member in all() {
            let probe = world.probe(member);
            let segment = probe.segments[0];
            assert_eq!(
                (segment.standing, segment.scl),
                (Standing::Clean, world.last),
                "seed {seed}, {member}: {probe:?}"
            );
            assert_model(&mut world, member, 8);
        }
    }
}

/// What a witness swears to is what it acknowledged before it became one. Were it to acknowledge more before its superblock says
/// that it counts again, a power failure would bring back a witness that denies that, and a recovery would believe it.
#[test]
fn a_rebuilt_witness_acknowledges_nothing_before_it_is_durably_none() {
    let (mut as_witness, mut as_clean) = (0, 0);
    for steps in [0, 1, 2, 4, 6, 8, 12, 24, 48, 96] {
        let mut world = with_two_left_behind(100);
        let before = world.last;
        world.sim.restart(NodeId(5));
        while !world.sim.node::<StorageNode>(NodeId(5)).and_then(StorageNode::probe).is_some_and(counts) {
            assert_eq!(world.acked().get(&(3, PgId(0))), None, "it does not count");
            world.heartbeat(&[3], before);
            let _ = world.sim.run_for(Nanos::from_micros(10));
        }
        // In memory it counts; the superblock is on its way.
        for _ in 0..steps {
            world.heartbeat(&[3], before);
            let _ = world.sim.run_for(Nanos::from_micros(10));
        }
        world.crash(3, Survival::None);
        world.run(5);
        let acked = world.acked().get(&(3, PgId(0))).copied();
        world.restart(3);
        let segment = world.probe(3).segments[0];
        let is_witness = segment.standing == Standing::Witness;
        let sworn = if is_witness { segment.claim } else { segment.scl };
        assert!(acked.is_none_or(|acked| acked <= sworn), "step {steps}: acknowledged {acked:?}, is {segment:?}");
        as_witness += usize::from(is_witness);
        as_clean += usize::from(acked.is_some());
    }
    assert!(as_witness > 0 && as_clean > 0, "{as_witness} and {as_clean}");
}

#[test]
fn a_rebuild_that_is_broken_off_starts_again_and_ends() {
    for seed in 0..6 {
        let mut world = World::created(SimConfig::shuffled(30 + seed), config(30 + seed), 1);
        let present: Vec<u32> = vec![0, 1, 2, 4, 5];
        churn(&mut world, &all(), 8, 3);
        world.crash(3, Survival::All);
        churn(&mut world, &present, 8, 300);
        for round in 0..8 {
            world.sim.restart(NodeId(5));
            world.run(60 + 17 * round);
            world.crash(3, Survival::Random(seed * 100 + round));
        }
        world.restart(3);
        world.run(6000);
        let probe = world.probe(3);
        assert_eq!((probe.segments[0].standing, probe.segments[0].scl), (Standing::Clean, world.last), "{probe:?}");
        assert_model(&mut world, 3, 8);
    }
}

#[test]
fn a_node_that_missed_a_recovery_learns_of_it_by_gossip_and_drops_what_was_annulled() {
    let mut world = World::created(SimConfig::shuffled(24), config(24), 1);
    world.write_to(&all(), &[0, 1], 1);
    world.run(300);
    world.crash(5, Survival::All);
    world.restart(5);
    for append in world.write(&[0], 2) {
        world.tell(5, &append);
    }
    world.run(3);
    world.crash(5, Survival::All);
    world.recover_at(2, Lsn(2), Lsn(50), &[0, 1, 2, 3, 4]);
    world.write_to(&[0, 1, 2, 3, 4], &[0, 1], 3);
    world.run(20);
    world.inbox();
    world.restart(5);
    world.run(600);
    let probe = world.probe(5);
    assert_eq!((probe.serving, probe.segments[0].scl), (Some(epoch(2)), Lsn(52)), "{probe:?}");
    assert!(all().iter().all(|&member| world.probe(member).segments[0].records == 4), "annulled never returns");
    assert_model(&mut world, 5, 2);
}
