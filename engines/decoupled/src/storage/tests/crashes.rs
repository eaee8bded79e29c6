//! A crash at every effect of a short run through append, coalescing, collection and truncation.

use compute::Lsn;
use node::{FileName, Nanos, NodeId, SECTOR_BYTES};
use sim::{SimConfig, Survival, Unit};

use super::world::{VOLUME, World, all, config, epoch};
use crate::PgId;
use crate::message::{Standing, ToStorage, ToWriter};
use crate::storage::{StorageConfig, StorageNode};

const VICTIM: u32 = 2;

/// So small that the run coalesces, collects and turns its index over.
fn tiny(seed: u64) -> StorageConfig {
    StorageConfig {
        extent_bytes: 4 << 10,
        block_bytes_max: 1 << 10,
        log_bytes_target: 8 << 10,
        log_bytes_max: 16 << 10,
        index_log_bytes: 1 << 10,
        pages_grow_bytes: 2 << 10,
        coalesce_chain: 4,
        superblock_bytes: 4 << 10,
        tick: Nanos::from_millis(1),
        ..config(seed)
    }
}

/// What the victim said before it died.
#[derive(Debug, Default)]
struct Said {
    scl: Lsn,
    promised: u64,
    truncated: u64,
    vdl: Lsn,
}

impl Said {
    fn listen(&mut self, world: &mut World) {
        for (from, message) in world.inbox() {
            if from != NodeId(2 + VICTIM) {
                continue;
            }
            match message {
                ToWriter::Ack { scls, .. } => {
                    self.scl =
                        scls.iter().filter(|(pg, _)| *pg == PgId(0)).map(|&(_, scl)| scl).fold(self.scl, Lsn::max);
                }
                ToWriter::Promise { epoch, vdl, .. } => {
                    self.promised = self.promised.max(epoch.number);
                    self.vdl = self.vdl.max(vdl);
                }
                ToWriter::Truncated { epoch, .. } => {
                    self.truncated = self.truncated.max(epoch.number);
                }
                _ => {}
            }
        }
    }
}

/// The script, to be stopped anywhere: gives what the victim said, and whether the script ended before the stop.
fn run(world: &mut World, stop: u64) -> (Said, bool) {
    let mut said = Said::default();
    let only = [VICTIM];
    world.sim.watch(&[NodeId(2 + VICTIM)]);
    for round in 0..14u64 {
        let pages: Vec<u64> = (0..6).map(|at| (at + round) % 8).collect();
        world.write_to(&only, &pages, round as u8);
        let mut stopped = step(world, stop);
        said.listen(world);
        if stopped {
            return (said, false);
        }
        let acked = said.scl;
        world.heartbeat(&only, acked);
        if round == 9 {
            // The last records are annulled: the writer died, another one recovers.
            world.write_to(&only, &[0, 1, 2], 99);
            stopped = step(world, stop);
            said.listen(world);
            if stopped {
                return (said, false);
            }
            let (keep, table) = (world.vdl, world.table.clone());
            world.epoch = epoch(2);
            world.tell(VICTIM, &ToStorage::Prepare { volume: VOLUME, epoch: epoch(2), table });
            stopped = step(world, stop);
            said.listen(world);
            if stopped {
                return (said, false);
            }
            world.send_truncation(keep, Lsn(keep.0 + 100), &only);
            said.scl = said.scl.min(keep);
        }
    }
    let stopped = step(world, stop);
    said.listen(world);
    (said, !stopped)
}

fn step(world: &mut World, stop: u64) -> bool {
    let left = stop.saturating_sub(world.sim.effects());
    left == 0 || matches!(world.sim.run_until_effect(stop, Nanos::from_millis(8)), sim::Stop::Reached)
}

fn peers_down(seed: u64) -> World {
    let mut world = World::created(SimConfig::shuffled(seed), tiny(seed), 1);
    for member in all().into_iter().filter(|member| *member != VICTIM) {
        world.crash(member, Survival::All);
    }
    world
}

#[test]
fn whatever_was_said_holds_after_a_crash_at_any_effect() {
    let mut whole = peers_down(40);
    let begin = whole.sim.effects();
    let (said, ended) = run(&mut whole, u64::MAX);
    let probe = whole.probe(VICTIM);
    assert!(
        ended && said.truncated == 2 && probe.coalesced > 0 && probe.segments[0].base > Lsn::ZERO,
        "{said:?} {probe:?}"
    );
    let end = whole.sim.effects();
    assert!(end - begin > 200, "only {} places to crash", end - begin);
    let mut reached = 0;
    for stop in (begin + 1)..end {
        let survival = match stop % 4 {
            0 => Survival::None,
            1 => Survival::All,
            2 => Survival::Torn(stop),
            _ => Survival::Random(stop),
        };
        let mut world = peers_down(40);
        let (said, ended) = run(&mut world, stop);
        reached += u64::from(!ended);
        world.crash(VICTIM, survival);
        world.restart(VICTIM);
        let probe = world.probe(VICTIM);
        let segment = probe.segments[0];
        assert_eq!(segment.standing, Standing::Clean, "crash at {stop}, {survival:?}: {segment:?}, said {said:?}");
        assert!(segment.scl >= said.scl, "crash at {stop}, {survival:?}: {segment:?}, said {said:?}");
        assert!(probe.promised.number >= said.promised, "crash at {stop}: {probe:?}, said {said:?}");
        assert!(said.truncated < 2 || !world.table.annuls(segment.scl), "crash at {stop}: {segment:?}");
    }
    assert_eq!(reached, end - begin - 1, "every effect was a place to crash");
}

/// A process was killed with a superblock in flight: its copies could be read, and were not durable. The next start took them
/// for the newest generation and wrote its own over the bank of the one before. When the power failed then, neither was
/// left: the node refused to start, and all it had acknowledged was a copy short until a person wiped its disk. A start now
/// makes what it read durable before it writes.
#[test]
fn a_superblock_that_only_a_killed_process_wrote_is_durable_before_the_next_one_is_begun() {
    let node = NodeId(2 + VICTIM);
    let name = FileName::new("superblock");
    let in_flight_of = |unit: Unit| match unit {
        Unit::SectorInFlight { file, sector } if file.as_str() == "superblock" => Some(sector),
        _ => None,
    };
    let (mut undurable, mut begun) = (0, 0);
    for (killed_at, lost_at) in (1..6u64).flat_map(|first| (1..24u64).map(move |second| (first, second))) {
        let mut world = peers_down(41);
        world.sim.watch(&[node]);
        let before = world.sim.effects();
        let table = world.table.clone();
        world.tell(VICTIM, &ToStorage::Prepare { volume: VOLUME, epoch: epoch(2), table });
        let _ = world.sim.run_until_effect(before + killed_at, Nanos::from_millis(8));
        let promised = world.promises().iter().any(|(from, _)| *from == node);
        world.sim.crash(node, false, Survival::All);
        let read = world.sim.undurable(node, true);
        undurable += u64::from(read.iter().any(|unit| matches!(unit, Unit::Sector { file, .. } if *file == name)));
        let before = world.sim.effects();
        world.sim.restart(node);
        let _ = world.sim.run_until_effect(before + lost_at, Nanos::from_millis(8));
        let in_flight: Vec<u64> = world.sim.undurable(node, true).into_iter().filter_map(in_flight_of).collect();
        begun += u64::from(!in_flight.is_empty());
        // Nothing that was not durable survives, and what was in flight is garbled, every sector of it.
        world.crash(VICTIM, Survival::None);
        for sector in in_flight {
            let disk = world.sim.disk_mut(node).expect("a disk");
            assert!(disk.damage(&name, sector * SECTOR_BYTES as u64, &[0xa5; SECTOR_BYTES]));
        }
        world.restart(VICTIM);
        let victim = world.sim.node::<StorageNode>(node).expect("restarted");
        let promise = victim.probe().map(|probe| probe.promised.number);
        assert!(
            promise.is_some_and(|number| number == 2 || !promised),
            "killed at {killed_at}, lost at {lost_at}: promised {promise:?}, {:?}",
            victim.halted()
        );
    }
    assert!(undurable > 40 && begun > 10, "{undurable} read undurable superblocks, {begun} begun anew");
}
