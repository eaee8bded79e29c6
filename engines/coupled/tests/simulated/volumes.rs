//! The disks of the mirrored topology's volumes: exchanged, stuck, and with damaged labels.

use coupled::topology::{EBS_A1, EBS_A2, EBS_B1, EBS_B2, STANDBY};
use coupled::{VolumeNode, VolumeStatus, ZoneLoss};
use node::fault::{DiskRule, Fault};
use node::{Delay, FileName, Nanos, NodeId};
use sim::{Ailment, Sim, SimConfig, SimDisk, Status, Stop};

use crate::mirrored::{acknowledged, config, is_attached, status, whole, world};
use crate::store::STORE;

const VOLUMES: [NodeId; 4] = [EBS_A1, EBS_A2, EBS_B1, EBS_B2];
const GROUPS: u64 = 60;

fn at_work(seed: u64, zone_loss: ZoneLoss, io_timeout: Nanos) -> Sim {
    let mut config = config(seed, zone_loss);
    config.io_timeout = io_timeout;
    let mut sim = world(&config, GROUPS, SimConfig::shuffled(seed));
    assert_eq!(sim.run_until(Nanos::from_secs(10), |sim| acknowledged(sim) >= 20), Stop::Reached);
    sim
}

fn crash(sim: &mut Sim, id: NodeId) {
    sim.apply(&Fault::Crash { node: id, power: false });
}

fn restart(sim: &mut Sim, id: NodeId) {
    crash(sim, id);
    sim.apply(&Fault::Restart { node: id });
}

fn disk(sim: &mut Sim, id: NodeId) -> &mut SimDisk {
    sim.disk_mut(id).expect("a volume has a disk")
}

fn exchange(sim: &mut Sim, [one, other]: [NodeId; 2]) {
    let (first, second) = (disk(sim, one).clone(), disk(sim, other).clone());
    (*disk(sim, one), *disk(sim, other)) = (second, first);
}

fn files(sim: &mut Sim, id: NodeId) -> Vec<(FileName, Option<Vec<u8>>)> {
    let disk = disk(sim, id);
    disk.list().into_iter().map(|(name, _)| (name.clone(), disk.contents(&name))).collect()
}

/// The last halt of a node.
fn halt_of(sim: &Sim, id: NodeId) -> Option<&str> {
    let of = |halt: &&sim::Halt| halt.node == id;
    sim.halts().iter().rev().find(of).map(|halt| halt.reason.as_str())
}

/// Four volumes hold files of the same names, and a volume served whatever it found. With the disks of the writer's volume and of a
/// standby's that had been detached exchanged, the database went on over a copy of an earlier time and answered from it: acknowledged
/// writes were gone, and the resync copied what was left. Since then a disk says whose it is.
#[test]
fn a_volume_refuses_the_disk_of_another_and_leaves_it_as_it_is() {
    for (seed, [one, other]) in (50..).zip([[EBS_A1, EBS_B1], [EBS_A1, EBS_A2], [EBS_A2, EBS_B2], [EBS_B1, EBS_B2]]) {
        let mut sim = at_work(seed, ZoneLoss::Stop, Nanos::from_secs(30));
        [one, other].into_iter().for_each(|id| crash(&mut sim, id));
        exchange(&mut sim, [one, other]);
        let before = [files(&mut sim, one), files(&mut sim, other)];
        [one, other].into_iter().for_each(|id| sim.apply(&Fault::Restart { node: id }));
        let _ = sim.run_for(Nanos::from_millis(200));
        for id in [one, other] {
            let reason = halt_of(&sim, id).unwrap_or_else(|| panic!("{id:?} serves a stranger's disk"));
            assert!(reason.contains("belongs to volume ebs-"), "{reason}");
        }
        assert_eq!(before, [files(&mut sim, one), files(&mut sim, other)], "nothing is written on them");
        [one, other].into_iter().for_each(|id| crash(&mut sim, id));
        exchange(&mut sim, [one, other]);
        [one, other].into_iter().for_each(|id| sim.apply(&Fault::Restart { node: id }));
        assert_eq!(whole(&mut sim, seed, GROUPS), Ok(()), "{one:?} and {other:?}");
    }
}

/// A disk that answered nothing kept its volume waiting, and with it every commit, without a word. Since then the volume halts when
/// an operation takes longer than `io_timeout`, at work and at its start, and goes on once it is restarted on a disk that answers.
#[test]
fn a_volume_whose_disk_is_stuck_halts_and_says_so() {
    let timeout = Nanos::from_millis(80);
    for (seed, id) in (60..).zip(VOLUMES) {
        let mut sim = at_work(seed, ZoneLoss::Stop, timeout);
        let stuck = DiskRule { extra_delay: Some(Delay::Constant(Nanos::from_secs(3600))), ..DiskRule::default() };
        sim.apply(&Fault::Disk { node: id, rule: stuck });
        let struck_at = sim.now();
        for lives in 1..=2 {
            let halted = |sim: &Sim| sim.halts().len() == lives;
            assert_eq!(sim.run_until(Nanos::from_secs(1), halted), Stop::Reached, "life {lives} of {id:?}");
            assert!(
                halt_of(&sim, id).is_some_and(|reason| reason.contains("the device is stuck")),
                "{:?}",
                sim.halts()
            );
            if lives == 1 {
                assert!(sim.now() >= struck_at + timeout, "halted after {:?}", sim.now().saturating_sub(struck_at));
                restart(&mut sim, id);
            }
        }
        sim.apply(&Fault::DiskClear { node: id });
        restart(&mut sim, id);
        assert_eq!(whole(&mut sim, seed, GROUPS), Ok(()), "{id:?}");
    }
}

/// One sector of a volume's label could not be read. The volume read all four copies in one operation and took the error for the end
/// of all of them: it never started again. Since then the copies are read one by one, and the lost one is written anew.
#[test]
fn an_unreadable_sector_of_a_label_leaves_the_other_copies() {
    for (seed, id) in (70..).zip(VOLUMES) {
        let mut sim = at_work(seed, ZoneLoss::Stop, Nanos::from_secs(30));
        crash(&mut sim, id);
        let struck = disk(&mut sim, id).ail("volume-label", 0, 1, Ailment::Unreadable);
        assert_eq!(struck.map(|(_, sectors)| sectors), Some(vec![0]));
        sim.apply(&Fault::Restart { node: id });
        let serves = |sim: &Sim| sim.node::<VolumeNode>(id).is_some_and(VolumeNode::is_serving);
        assert_eq!(sim.run_until(Nanos::from_secs(1), serves), Stop::Reached, "{:?}", sim.halts());
        let unreadable = sim.disk(id).expect("a disk").counts().reads_unreadable;
        assert!(unreadable > 0, "the sector was met");
        restart(&mut sim, id);
        assert_eq!(whole(&mut sim, seed, GROUPS), Ok(()), "{id:?}");
        assert_eq!(sim.disk(id).expect("a disk").counts().reads_unreadable, unreadable, "it was written anew");
    }
}

#[test]
fn a_volume_whose_label_is_gone_in_all_copies_does_not_guess() {
    let mut sim = at_work(80, ZoneLoss::Stop, Nanos::from_secs(30));
    crash(&mut sim, EBS_B2);
    let name = FileName::new("volume-label");
    let whole_label = disk(&mut sim, EBS_B2).contents(&name).expect("a label");
    assert!(disk(&mut sim, EBS_B2).damage(&name, 0, &vec![0x77; whole_label.len()]));
    sim.apply(&Fault::Restart { node: EBS_B2 });
    let _ = sim.run_for(Nanos::from_millis(100));
    assert!(halt_of(&sim, EBS_B2).is_some_and(|reason| reason.contains("label are damaged")), "{:?}", sim.halts());
    crash(&mut sim, EBS_B2);
    assert!(disk(&mut sim, EBS_B2).damage(&name, 0, &whole_label));
    sim.apply(&Fault::Restart { node: EBS_B2 });
    assert_eq!(whole(&mut sim, 80, GROUPS), Ok(()));
}

/// A database node that was about to detach its standby told of the epoch of the label it was still writing. When it died before that
/// was durable, the next one told of an earlier epoch: whoever tells the states of a volume apart by their epoch took the later for
/// the earlier. Since then an epoch is told once its label is durable.
#[test]
fn an_epoch_is_told_once_its_label_is_durable() {
    let patience = Nanos::from_millis(40);
    let mut sim = at_work(90, ZoneLoss::Detach(patience), Nanos::from_secs(30));
    let Some(VolumeStatus::Attached { epoch: before }) = status(&sim) else { panic!("{:?}", status(&sim)) };
    // Without its mirror the writer's volume can write no label.
    [EBS_A2, STANDBY, EBS_B1, EBS_B2].into_iter().for_each(|id| crash(&mut sim, id));
    let _ = sim.run_for(Nanos(patience.0 * 4));
    assert_eq!(status(&sim), Some(VolumeStatus::Attached { epoch: before }));
    [STORE, EBS_A1].into_iter().for_each(|id| crash(&mut sim, id));
    [STORE, EBS_A1, EBS_A2, STANDBY, EBS_B1, EBS_B2].into_iter().for_each(|id| sim.apply(&Fault::Restart { node: id }));
    assert_eq!(sim.run_until(Nanos::from_secs(10), is_attached), Stop::Reached);
    let Some(VolumeStatus::Attached { epoch }) = status(&sim) else { panic!("{:?}", status(&sim)) };
    assert!(epoch >= before, "{epoch} after {before}");
    assert_eq!(whole(&mut sim, 90, GROUPS), Ok(()));
    assert_eq!(*sim.status(STORE), Status::Running);
}
