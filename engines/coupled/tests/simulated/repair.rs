//! Damage on the writer's volume of the mirrored topology: put right from a partner's copy where one is whole.

use coupled::topology::{EBS_A1, EBS_A2, EBS_B1, EBS_B2, STANDBY};
use coupled::{Config, Probe, ZoneLoss};
use node::fault::{DiskRule, Fault};
use node::{FileName, IoClass, Nanos, NodeId, Rng};
use sim::{Sim, SimConfig, Status, Stop};

use crate::mirrored::{self, world};
use crate::store::{self, STORE, Store, audit};

const GROUPS: u64 = 60;
const PAGE_BYTES: u64 = 512;
const VOLUMES: [NodeId; 4] = [EBS_A1, EBS_A2, EBS_B1, EBS_B2];

fn config(seed: u64) -> Config {
    mirrored::config(seed, ZoneLoss::Stop)
}

/// Everything acknowledged, flushed, and on all four copies.
fn settled(seed: u64) -> Sim {
    let mut sim = world(&config(seed), GROUPS, SimConfig::shuffled(seed));
    let done = |sim: &Sim| store::finished(sim) && sim.node::<Store>(STORE).is_some_and(Store::is_settled);
    assert_eq!(sim.run_until(Nanos::from_secs(30), done), Stop::Reached, "halts: {:?}", sim.halts());
    sim
}

fn contents(sim: &Sim, id: NodeId, name: &str) -> Vec<u8> {
    sim.disk(id).expect("a disk").contents(&FileName::new(name)).expect("a file")
}

fn damage(sim: &mut Sim, id: NodeId, name: &str, at: u64, bytes: &[u8]) {
    assert!(sim.disk_mut(id).expect("a disk").damage(&FileName::new(name), at, bytes));
}

/// Rots every page of the page file at `id`; gives how many there are.
fn rot_pages(sim: &mut Sim, id: NodeId) -> u64 {
    let pages = contents(sim, id, "pages").len() as u64 / PAGE_BYTES;
    (0..pages).for_each(|page| damage(sim, id, "pages", page * PAGE_BYTES + 200, &[0xa5; 9]));
    pages
}

fn probe(sim: &Sim) -> Probe {
    sim.node::<Store>(STORE).and_then(Store::probe).expect("open")
}

fn power_cycle(sim: &mut Sim) {
    let all = [STORE, EBS_A1, EBS_A2, STANDBY, EBS_B1, EBS_B2];
    all.iter().for_each(|id| sim.apply(&Fault::Crash { node: *id, power: true }));
    all.iter().for_each(|id| sim.apply(&Fault::Restart { node: *id }));
}

fn reopened(sim: &mut Sim) -> Option<String> {
    let before = sim.halts().len();
    power_cycle(sim);
    let halted = |sim: &Sim| !matches!(sim.status(STORE), Status::Running);
    let _ = sim.run_until(Nanos::from_secs(30), |sim| store::serving(sim) || halted(sim));
    sim.halts().get(before).map(|halt| halt.reason.clone())
}

#[test]
fn rotten_pages_are_read_from_a_partner_and_written_anew() {
    let mut sim = settled(51);
    let whole = contents(&sim, EBS_A1, "pages");
    rot_pages(&mut sim, EBS_A1);
    assert_eq!(audit(&mut sim, 51), Ok(GROUPS));
    let mended = probe(&sim).pages_mended;
    let pages = store::pages_after(GROUPS);
    assert!(mended >= pages - 8, "all but the eight in the cache: {mended} of {pages}");
    let now = contents(&sim, EBS_A1, "pages");
    let right =
        (0..pages as usize).filter(|page| now[page * 512..page * 512 + 512] == whole[page * 512..page * 512 + 512]);
    assert_eq!(right.count() as u64, mended, "each is put right in place");
    // Each was read from the three partners and written to the one copy that was wrong.
    let repair = |id| *sim.ledger(id).class(IoClass::Repair);
    assert_eq!((repair(EBS_A1).writes, repair(EBS_A1).write_bytes), (mended, mended * PAGE_BYTES));
    for id in [EBS_A2, EBS_B1, EBS_B2] {
        assert_eq!((repair(id).reads, repair(id).writes), (mended, 0), "{id:?}");
    }
}

#[test]
fn pages_that_cannot_be_read_are_read_from_a_partner() {
    let mut sim = settled(52);
    let rule = DiskRule { read_error: 1.0, ..DiskRule::default() };
    sim.apply(&Fault::Disk { node: EBS_A1, rule });
    assert_eq!(audit(&mut sim, 52), Ok(GROUPS));
    assert!(probe(&sim).pages_mended > 0);
}

#[test]
fn the_newest_whole_copy_is_taken() {
    let mut sim = settled(53);
    rot_pages(&mut sim, EBS_A1);
    rot_pages(&mut sim, EBS_A2);
    rot_pages(&mut sim, EBS_B2);
    assert_eq!(audit(&mut sim, 53), Ok(GROUPS), "one copy is enough");
}

#[test]
fn a_page_that_no_copy_has_whole_is_never_served() {
    let mut sim = settled(54);
    let rotten: u64 = VOLUMES.into_iter().map(|id| rot_pages(&mut sim, id)).sum();
    assert!(rotten > 0);
    assert!(audit(&mut sim, 54).is_err());
    let store = sim.node::<Store>(STORE).expect("it goes on");
    let named = |why: &String| {
        why.contains("is damaged") && why.contains("at LSN ") && why.contains("none of 3 other copies is whole")
    };
    assert!(store.unreadable.iter().any(named), "{:?}", store.unreadable);
    assert_eq!(probe(&sim).pages_mended, 0);
}

#[test]
fn rot_on_the_writers_volume_does_not_spread_at_a_start() {
    for name in ["pages", "log-000", "log-001", "superblock", "double-write"] {
        let mut sim = settled(55);
        let whole = contents(&sim, EBS_A2, name);
        let len_bytes = whole.len();
        damage(&mut sim, EBS_A1, name, 0, &vec![0xa5; len_bytes]);
        assert_eq!(reopened(&mut sim), None, "{name}");
        assert_eq!(audit(&mut sim, 55), Ok(GROUPS), "{name}");
        assert!(sim.ledger(EBS_A1).class(IoClass::Repair).writes > 0, "{name}");
    }
}

/// The page is written to the damaged copy alone, so a power loss in the middle leaves the partners whole, and the next
/// start finds the torn copy to be the odd one.
#[test]
fn a_power_loss_during_a_repair_leaves_something_to_repair_from() {
    let mut mended = 0;
    for seed in 0..20 * crate::campaign() {
        let mut sim = settled(seed);
        let mut rng = Rng::new(seed).fork("repair", 0);
        rot_pages(&mut sim, EBS_A1);
        for _ in 0..2 {
            sim.inject(store::CLIENT, STORE, store::audit_frame());
            let _ = sim.run_for(Nanos::from_micros(rng.between(50, 3_000)));
            mended += sim.node::<Store>(STORE).and_then(Store::probe).map_or(0, |probe| probe.pages_mended);
            assert_eq!(reopened(&mut sim), None, "seed {seed}");
        }
        assert_eq!(audit(&mut sim, seed), Ok(GROUPS), "seed {seed}");
    }
    println!("{mended} pages mended before the power went");
    assert!(mended > 0);
}
