//! Random crashes and recoveries over many seeds; then quiet; then every page of every node must be
//! the model's.

use std::collections::BTreeMap;

use compute::Lsn;
use node::{NodeId, Rng};
use sim::{SimConfig, Survival};

use super::pages::assert_model;
use super::world::{World, all, config};
use crate::PgId;
use crate::message::Standing;
use crate::quorum::{MEMBERS, WRITE_QUORUM, reached_by};

const PAGES: u64 = 16;

/// The writer's view: SCLs by member and group, and the VDL they allow.
#[derive(Default)]
struct Book {
    scls: BTreeMap<(u32, PgId), Lsn>,
}

impl Book {
    fn listen(&mut self, world: &mut World) {
        for (key, scl) in world.acked() {
            let known = self.scls.entry(key).or_insert(scl);
            *known = scl.max(*known);
        }
    }

    fn pgcl(&self, pg: PgId) -> Lsn {
        let scls: [Lsn; MEMBERS] =
            std::array::from_fn(|member| self.scls.get(&(member as u32, pg)).copied().unwrap_or_default());
        reached_by(&scls, WRITE_QUORUM)
    }

    /// Every record is a CPL here, so the VDL is the VCL: the last record below the first that four do not have.
    fn vdl(&self, world: &World) -> Lsn {
        let missing = |pg: u32| world.records_of(PgId(pg)).into_iter().find(|&lsn| lsn > self.pgcl(PgId(pg)));
        let first = (0..2).filter_map(missing).min();
        first.map_or(world.last, |first| world.record_before(first))
    }
}

#[test]
fn nodes_that_crash_at_random_converge_to_the_model() {
    let (mut gossiped, mut coalesced, mut annulled) = (0, 0, 0);
    for seed in 0..12u64 {
        let mut world = World::created(SimConfig::shuffled(seed), config(seed), 2);
        let (mut rng, mut book, mut number) = (Rng::new(seed), Book::default(), 1);
        for round in 0..60u64 {
            let pages: Vec<u64> = (0..8).map(|_| rng.below(PAGES)).collect();
            world.write_to(&all(), &pages, round as u8);
            world.run(rng.below(6));
            book.listen(&mut world);
            let vdl = book.vdl(&world);
            world.heartbeat(&all(), vdl);
            if rng.chance(0.25) {
                let member = rng.below(6) as u32;
                world.crash(member, Survival::Random(rng.next_u64()));
                world.sim.restart(NodeId(2 + member));
            }
            if rng.chance(0.05) {
                world.run(100);
                book.listen(&mut world);
                number += 1;
                let vdl = book.vdl(&world);
                let upto = Lsn(world.last.0 + 50);
                world.recover_at(number, vdl, upto, &all());
                book = Book::default();
                world.run(400);
            }
        }
        world.run(500);
        for append in world.sent.clone() {
            world.tell_all(&all(), world.under_this_epoch(append));
        }
        world.run(3000);
        book.listen(&mut world);
        assert_eq!(book.vdl(&world), world.last, "seed {seed}");
        for member in all() {
            let probe = world.probe(member);
            assert!(probe.segments.iter().all(|s| s.standing == Standing::Clean), "seed {seed}: {probe:?}");
            gossiped += probe.gossiped;
            coalesced += probe.coalesced;
            annulled += probe.annulled;
            assert_model(&mut world, member, PAGES);
        }
    }
    assert!(gossiped > 100 && coalesced > 500 && annulled > 0, "{gossiped} {coalesced} {annulled}");
}
