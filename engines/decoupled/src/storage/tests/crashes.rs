//! A crash at every effect of a short run through append, coalescing, collection and truncation.

use compute::Lsn;
use node::{Nanos, NodeId};
use sim::{SimConfig, Survival};

use super::world::{VOLUME, World, all, config, epoch};
use crate::PgId;
use crate::message::{Standing, ToStorage, ToWriter};
use crate::storage::StorageConfig;

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
