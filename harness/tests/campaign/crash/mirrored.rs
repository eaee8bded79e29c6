//! `coupled-mirrored`, with both policies for a lost standby's zone.

use coupled::topology::{COMPUTE, EBS_A1, EBS_A2, EBS_B1, EBS_B2, STANDBY};
use coupled::{CoupledNode, StandbyNode, VolumeNode, VolumeStatus, ZoneLoss};
use harness::campaign::Mailbox;
use node::{Nanos, Node, NodeId};
use sim::{Sim, SimConfig, Stop, copy_as};

use super::coupled::{config, is_settled, lacks};
use super::{SETTLE, Stage, Victims, has_substance, once, twice};
use crate::teller::{self, Teller};

const VOLUMES: [NodeId; 4] = [EBS_A1, EBS_A2, EBS_B1, EBS_B2];
/// Writes go on alone after this long.
const DETACH_AFTER: Nanos = Nanos::from_millis(12);

struct Mirrored(ZoneLoss);

const STOP: Mirrored = Mirrored(ZoneLoss::Stop);
const DETACH: Mirrored = Mirrored(ZoneLoss::Detach(DETACH_AFTER));

fn is_attached(sim: &Sim) -> bool {
    let status = sim.node::<CoupledNode>(COMPUTE).map(|node| node.storage().volume_status());
    matches!(status, Some(VolumeStatus::Attached { .. }))
}

/// The four copies, byte by byte.
fn compare(sim: &Sim) -> Result<(), String> {
    let disk = |id| sim.disk(id).expect("a volume has a disk");
    let files =
        |id| disk(id).list().into_iter().filter(|(name, _)| name.as_str() != "volume-label").collect::<Vec<_>>();
    for id in &VOLUMES[1..] {
        if files(*id) != files(EBS_A1) {
            return Err(format!("{id:?} has the files {:?}, the writer's volume {:?}", files(*id), files(EBS_A1)));
        }
        if let Some((name, _)) =
            files(EBS_A1).iter().find(|(name, _)| disk(*id).contents(name) != disk(EBS_A1).contents(name))
        {
            return Err(format!("{} differs at {id:?}", name.as_str()));
        }
    }
    Ok(())
}

impl Stage for Mirrored {
    fn name(&self) -> String {
        match self.0 {
            ZoneLoss::Stop => "coupled-mirrored, zone loss stop".into(),
            ZoneLoss::Detach(after) => format!("coupled-mirrored, zone loss detach after {after:?}"),
        }
    }

    fn world(&self, transactions: u64) -> Sim {
        let mut topology = coupled::mirrored(&config(teller::schema(), 5, self.0)).expect("sizes that work");
        topology.members.extend([Teller::member(transactions), Mailbox::member()]);
        Sim::new(topology, SimConfig::shuffled(5))
    }

    fn serving(&self, sim: &Sim) -> bool {
        sim.node::<CoupledNode>(COMPUTE).is_some_and(CoupledNode::is_serving) && is_attached(sim)
    }

    fn copy(&self, id: NodeId, node: &dyn Node) -> Option<Box<dyn Node>> {
        match id {
            COMPUTE => copy_as::<CoupledNode>(node),
            STANDBY => copy_as::<StandbyNode>(node),
            _ => copy_as::<VolumeNode>(node),
        }
    }

    fn rest(&self, sim: &mut Sim) -> Result<(), String> {
        // Both at once: a standby that was lost just now counts as attached until it is given up, and is resynced later.
        if sim.run_until(SETTLE, |sim| is_attached(sim) && is_settled(sim)) != Stop::Reached {
            return Err(format!("the standby's zone is not attached again and at rest; halts: {:?}", sim.halts()));
        }
        compare(sim)
    }

    fn substance(&self, sim: &Sim) -> Option<String> {
        lacks(sim)
    }
}

/// Each kind of node alone, and the standby's zone together for long enough to be detached.
fn kinds() -> Vec<Victims> {
    let mut kinds = vec![
        Victims::new("database", &[COMPUTE]),
        Victims::new("primary volume", &[EBS_A1]),
        Victims::new("its mirror", &[EBS_A2]),
        Victims::new("standby", &[STANDBY]),
        Victims::new("standby's volume", &[EBS_B1]),
        Victims::new("standby's mirror", &[EBS_B2]),
    ];
    let zone = Victims::new("standby's zone", &[STANDBY, EBS_B1, EBS_B2]);
    kinds.push(Victims { down: Nanos::from_millis(30), ..zone });
    kinds
}

fn everything() -> Victims {
    Victims::all("all six nodes", &[COMPUTE, EBS_A1, EBS_A2, STANDBY, EBS_B1, EBS_B2])
}

#[test]
fn each_kind_of_node_loses_power_at_every_effect_under_stop() {
    has_substance(&STOP, 8);
    for victims in &kinds() {
        once(&STOP, victims, 8, 20);
    }
}

#[test]
fn each_kind_of_node_loses_power_at_every_effect_under_detach() {
    has_substance(&DETACH, 8);
    for victims in &kinds() {
        once(&DETACH, victims, 8, 20);
    }
}

#[test]
fn each_kind_of_node_loses_power_again_at_every_point_of_recovery_under_stop() {
    for victims in &kinds() {
        twice(&STOP, victims, 2, 150);
    }
}

#[test]
fn each_kind_of_node_loses_power_again_at_every_point_of_recovery_under_detach() {
    for victims in &kinds() {
        twice(&DETACH, victims, 2, 150);
    }
}

#[test]
fn everything_loses_power_at_every_effect() {
    once(&STOP, &everything(), 8, 50);
    once(&DETACH, &everything(), 8, 50);
}

/// Recovery overwrote a stretch of the log on the writer's volume, on which the three other copies agreed against it, while it
/// marked the standby's side for another stretch. Power failed again and garbled what was being written. Of the copies that
/// counted, the standby's no longer among them, one was against the writer's volume, so that its garbage was taken for right
/// and copied over the three good ones: the database was lost with all that was acknowledged. Now everything is compared and
/// mended before the mark. A stride of 43 comes upon it.
#[test]
fn everything_loses_power_again_at_every_point_of_recovery() {
    twice(&STOP, &everything(), 2, 43);
    twice(&DETACH, &everything(), 2, 43);
}
