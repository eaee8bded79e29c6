//! The writer's volume made right from the copies beside it, when a database node starts.

use coupled::mirror::{Attachment, may_promote};
use coupled::topology::{EBS_A1, EBS_A2, EBS_B1, EBS_B2, STANDBY};
use coupled::{VolumeNode, VolumeStatus, ZoneLoss};
use node::fault::Fault;
use node::{FileName, Nanos, NodeId, Rng};
use sim::{Ailment, Sim, SimConfig, Status, Stop, Survival};

use crate::mirrored::{acknowledged, config, is_attached, status, whole, world};
use crate::store::STORE;

const GROUPS: u64 = 60;
const PATIENCE: Nanos = Nanos::from_millis(20);
const DETACH: ZoneLoss = ZoneLoss::Detach(PATIENCE);
const ZONE_B: [NodeId; 3] = [STANDBY, EBS_B1, EBS_B2];

fn at_work(seed: u64, zone_loss: ZoneLoss, groups: u64) -> Sim {
    let mut sim = world(&config(seed, zone_loss), GROUPS, SimConfig::shuffled(seed));
    assert_eq!(sim.run_until(Nanos::from_secs(10), |sim| acknowledged(sim) >= groups), Stop::Reached);
    sim
}

fn crash(sim: &mut Sim, ids: &[NodeId]) {
    ids.iter().for_each(|id| sim.apply(&Fault::Crash { node: *id, power: false }));
}

fn restart(sim: &mut Sim, ids: &[NodeId]) {
    ids.iter().for_each(|id| sim.apply(&Fault::Restart { node: *id }));
}

fn is_detached(sim: &Sim) -> bool {
    matches!(status(sim), Some(VolumeStatus::Detached { .. }))
}

/// Loses the standby's zone, and goes on without it until so many groups are acknowledged.
fn go_on_alone(sim: &mut Sim, groups: u64) {
    crash(sim, &ZONE_B);
    let alone = |sim: &Sim| is_detached(sim) && acknowledged(sim) >= groups;
    assert_eq!(sim.run_until(Nanos::from_secs(10), alone), Stop::Reached, "{:?}", status(sim));
}

/// No sector of a file of the writer's volume can be read.
fn lose(sim: &mut Sim, file: &str) {
    let disk = sim.disk_mut(EBS_A1).expect("a volume has a disk");
    let struck = disk.ail(file, 0, 1 << 20, Ailment::Unreadable).expect("there is such a file");
    assert!(!struck.1.is_empty());
}

fn file(sim: &Sim, id: NodeId, name: &FileName) -> Option<Vec<u8>> {
    sim.disk(id).expect("a volume has a disk").contents(name)
}

/// A database node died with writes under way, and the writer's volume lost a sector of a region that those writes had reached on
/// some copies and not on others. The others did not agree, so that nothing was mended from them: the database never started again,
/// though every one of three copies would have done (chaos swarm 1657 and 1742). Now the one that most agree with is taken.
#[test]
fn an_unreadable_region_is_mended_also_where_writes_were_under_way() {
    let mut differed = 0;
    for seed in 100..140 {
        let mut sim = at_work(seed, ZoneLoss::Stop, 20);
        let _ = sim.run_for(Nanos::from_micros(Rng::new(seed).below(500)));
        crash(&mut sim, &[STORE]);
        let names = sim.disk(EBS_A2).expect("a disk").list().into_iter().map(|(name, _)| name);
        let names: Vec<FileName> = names.filter(|name| name.as_str() != "volume-label").collect();
        let differing = names.iter().find(|name| file(&sim, EBS_A2, name) != file(&sim, EBS_B1, name));
        differed += u64::from(differing.is_some());
        lose(&mut sim, differing.map_or("log", FileName::as_str));
        restart(&mut sim, &[STORE]);
        assert_eq!(whole(&mut sim, seed, GROUPS), Ok(()), "seed {seed}: {:?}", sim.halts());
        assert!(sim.halts().is_empty(), "{:?}", sim.halts());
    }
    assert!(differed > 5, "in {differed} of 40 worlds the mirror and the standby differed");
}

/// With the standby away, the writer's volume could not read a sector of its pages and was mended from its mirror. Power failed
/// meanwhile and left the region half written, and readable. The next start compared two copies, believed the writer's volume and
/// copied what was left over the mirror's whole pages: no copy of them was left. Now a note that the volume is being mended is
/// durable before, and while it stands the mirror is believed.
#[test]
fn a_volume_that_was_half_mended_does_not_spread() {
    let mut interrupted = 0;
    for seed in 200..320 {
        let mut sim = at_work(seed, DETACH, 15);
        go_on_alone(&mut sim, GROUPS);
        // All pages are flushed and a checkpoint is behind them: redo gives none of them back.
        let _ = sim.run_for(Nanos::from_millis(200));
        crash(&mut sim, &[STORE]);
        // One sector: the rest of its region can be read, and is written again with it.
        let place = Rng::new(seed).fork("place", 0).below(1_000_000) as u32;
        let disk = sim.disk_mut(EBS_A1).expect("a volume has a disk");
        let mut healed = disk.clone();
        disk.ail("pages", place, 1, Ailment::Unreadable).expect("there are pages");
        restart(&mut sim, &[STORE]);
        let mending = |sim: &Sim| sim.disk(EBS_A1).is_some_and(|disk| disk.is_writing("pages"));
        assert_eq!(sim.run_until(Nanos::from_secs(1), mending), Stop::Reached, "{:?}", sim.halts());
        let _ = sim.run_for(Nanos::from_micros(Rng::new(seed).below(40)));
        interrupted += u64::from(mending(&sim));
        for id in [STORE, EBS_A1, EBS_A2] {
            let survival = if seed % 2 == 0 { Survival::Torn(seed) } else { Survival::Random(seed) };
            sim.crash(id, true, survival);
        }
        // The write that was cut short healed the sector, which now reads like any other.
        for name in ["pages", "volume-label"].map(FileName::new) {
            assert!(healed.damage(&name, 0, &file(&sim, EBS_A1, &name).expect("it is there")));
        }
        healed.crash(false, Survival::All);
        *sim.disk_mut(EBS_A1).expect("a volume has a disk") = healed;
        restart(&mut sim, &[STORE, EBS_A1, EBS_A2]);
        assert_eq!(sim.run_until(Nanos::from_secs(5), is_detached), Stop::Reached, "seed {seed}: {:?}", sim.halts());
        restart(&mut sim, &ZONE_B);
        assert_eq!(whole(&mut sim, seed, GROUPS), Ok(()), "seed {seed}: {:?}", sim.halts());
    }
    assert!(interrupted > 20, "{interrupted} of 120 mends were cut short");
}

/// An image of the writer's volume from before the standby was detached was put back. It was believed, and copied over the mirror
/// that had gone on: everything acknowledged since was lost. Now a volume whose label is older than its mirror's is doubted, and
/// made right from the mirror. Within one attachment an old image cannot be told from a new one by labels: three copies then agree
/// against it.
#[test]
fn an_image_of_an_earlier_time_does_not_undo_what_its_mirror_has() {
    for (seed, attached) in (300..310).zip([true, false].into_iter().cycle()) {
        let mut sim = at_work(seed, DETACH, 10);
        let image = sim.disk(EBS_A1).expect("a disk").clone();
        if attached {
            assert_eq!(sim.run_until(Nanos::from_secs(5), |sim| acknowledged(sim) >= 40), Stop::Reached);
        } else {
            go_on_alone(&mut sim, 40);
        }
        crash(&mut sim, &[STORE, EBS_A1]);
        let disk = sim.disk_mut(EBS_A1).expect("a disk");
        *disk = image;
        disk.crash(false, Survival::All);
        restart(&mut sim, &[STORE, EBS_A1]);
        let open = |sim: &Sim| is_detached(sim) || is_attached(sim);
        assert_eq!(sim.run_until(Nanos::from_secs(5), open), Stop::Reached, "seed {seed}: {:?}", sim.halts());
        if !attached {
            restart(&mut sim, &ZONE_B);
        }
        assert_eq!(whole(&mut sim, seed, GROUPS), Ok(()), "seed {seed}: {:?}", sim.halts());
    }
}

/// The standby's zone was lost while the writer's side was writing the label that says it is attached. The database node gave the
/// standby up and went on alone, and the label still came to be durable: both sides said attached since the same epoch, and a standby
/// without the newest commits might have been promoted. Now the label is waited for, and another one written.
#[test]
fn a_standby_lost_while_it_is_attached_is_not_taken_for_complete() {
    let label = |sim: &Sim, id| sim.node::<VolumeNode>(id).and_then(VolumeNode::label);
    let attached = |sim: &Sim, id| label(sim, id).is_some_and(|label| label.attachment == Attachment::Attached);
    for seed in 400..410 {
        let mut sim = world(&config(seed, DETACH), 400, SimConfig::shuffled(seed));
        assert_eq!(sim.run_until(Nanos::from_secs(10), |sim| acknowledged(sim) >= 20), Stop::Reached);
        go_on_alone(&mut sim, 40);
        restart(&mut sim, &ZONE_B);
        let attaching = |sim: &Sim| attached(sim, EBS_B1) && attached(sim, EBS_B2) && !attached(sim, EBS_A1);
        assert_eq!(sim.run_until(Nanos::from_secs(10), attaching), Stop::Reached, "{:?}", status(&sim));
        let promoted = label(&sim, EBS_B1);
        let _ = sim.run_for(Nanos::from_micros(Rng::new(seed).below(400)));
        // Without its mirror the label of the writer's side is not written yet.
        crash(&mut sim, &[EBS_A2]);
        crash(&mut sim, &ZONE_B);
        let _ = sim.run_for(Nanos(4 * PATIENCE.0));
        restart(&mut sim, &[EBS_A2]);
        let before = acknowledged(&sim);
        let on = |sim: &Sim| acknowledged(sim) >= before + 20;
        assert_eq!(sim.run_until(Nanos::from_secs(10), on), Stop::Reached, "{:?}", status(&sim));
        assert!(is_detached(&sim));
        assert!(may_promote(promoted, label(&sim, EBS_A1), DETACH).is_err(), "seed {seed}: {promoted:?}");
        assert_eq!(*sim.status(STORE), Status::Running);
        restart(&mut sim, &ZONE_B);
        assert_eq!(whole(&mut sim, seed, 400), Ok(()), "seed {seed}: {:?}", sim.halts());
    }
}
